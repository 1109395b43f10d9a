"""Charts as inline SVG, coloured by the style sheet of the page; each chart carries its data as a table."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 480  # of every chart, in units of about one CSS pixel when two charts stand side by side
_TEXT_GAP = 4  # distance from the middle of a line of text to its baseline

Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A drawing together with its data.

    Attributes:
        svg: Markup that is safe to insert unescaped.
        head: Column headings of the data.
        rows: Rows of the data, formatted.
    """

    svg: Markup
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        label: Name in the legend.
        points: (x, y) by rising x; y is a fraction.
        strong: Whether the curve is emphasised; the others are drawn thin.
    """

    label: str
    points: tuple[Point, ...]
    strong: bool = False


@dataclass(frozen=True)
class Bar:
    """A horizontal bar.

    Attributes:
        label: Name of the group.
        value: Length of the bar, a fraction.
        count: Number of samples in the group.
        interval: Confidence interval of the value; None if unknown.
    """

    label: str
    value: float
    count: int
    interval: Point | None = None


@dataclass(frozen=True)
class Slice:
    """A part of a whole.

    Attributes:
        label: Name of the part.
        count: Number of samples.
        tone: Index of the colour in the style sheet.
    """

    label: str
    count: int
    tone: int


@dataclass(frozen=True)
class _Frame:
    """The plotting area of a chart, which maps data values to drawing coordinates."""

    left: float
    top: float
    right: float
    bottom: float
    x_range: Point
    y_range: Point

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (self.right - self.left) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (self.bottom - self.top) * (value - low) / (high - low)


def histogram(name: str, title: str, values: Sequence[float], mark: float, bins: int = 20) -> Chart:
    """Draw the distribution of fractions between 0 and 1.

    Args:
        name: Id that is unique on the page.
        title: Title of the chart and of its x axis.
        values: Fractions; at least one.
        mark: Mean, marked by a vertical line.
        bins: Number of bins of equal width; the last one includes 1.
    """
    counts = [0] * bins
    for value in values:
        counts[min(int(value * bins + 1e-9), bins - 1)] += 1
    shares = [count / len(values) for count in counts]
    top, ticks = _ticks(max(shares))
    frame = _Frame(40, 14, WIDTH - 12, 206, (0, 1), (0, top))
    drawn = [_grid(frame, ticks), _x_axis(frame, (0, 0.2, 0.4, 0.6, 0.8, 1), title)]
    for index, share in enumerate(shares):
        left, right = frame.x(index / bins), frame.x((index + 1) / bins)
        height = frame.bottom - frame.y(share)
        hint = f"{index / bins:.2f} to {(index + 1) / bins:.2f}: {counts[index]:,} ({_percent(share)})"
        drawn.append(_rectangle(left + 1, frame.bottom - height, right - left - 2, height, "bar", hint))
    place = frame.x(mark)
    anchor, shift = ("end", -6) if mark > 0.75 else ("start", 6)
    drawn.append(_line(place, frame.top, place, frame.bottom, "mark"))
    drawn.append(_text(place + shift, frame.top + 10, f"mean {_percent(mark)}", "mark-text", anchor))
    rows = tuple(
        (f"{index / bins:.2f} – {(index + 1) / bins:.2f}", f"{counts[index]:,}", _percent(shares[index]))
        for index in range(bins)
    )
    description = f"Histogram of {len(values):,} values between 0 and 1; their mean is {_percent(mark)}."
    return Chart(_svg(name, title, description, 248, drawn), (title, "Samples", "Share"), rows)


def curves(name: str, title: str, x_title: str, series: Sequence[Series]) -> Chart:
    """Draw curves over a common axis, emphasised ones on top; thin ones differ in their dash pattern.

    Args:
        name: Id that is unique on the page.
        title: Title of the chart.
        x_title: Title of the x axis.
        series: Curves; at least one, with at least two points.
    """
    xs = sorted({x for one in series for x, _ in one.points})
    top, ticks = _ticks(max(y for one in series for _, y in one.points))
    frame = _Frame(40, 14, WIDTH - 12, 206, (xs[0], xs[-1]), (0, top))
    drawn = [_grid(frame, ticks), _x_axis(frame, tuple(xs), x_title)]
    thin = [one for one in series if not one.strong]
    for index, one in enumerate(thin):
        drawn.append(_curve(frame, one, f"thin tone-{index % 6 + 1}"))
    for one in series:
        if one.strong:
            drawn.append(_curve(frame, one, "strong"))
            drawn.extend(_dot(frame.x(x), frame.y(y), f"{one.label}, {x:g}: {_percent(y)}") for x, y in one.points)
    shown = [one for one in series if one.strong] + thin
    legend, height = _legend(
        [(one.label, "strong" if one.strong else f"thin tone-{thin.index(one) % 6 + 1}") for one in shown]
    )
    rows = tuple(
        (one.label, *(_percent(dict(one.points)[x]) if x in dict(one.points) else "-" for x in xs)) for one in shown
    )
    description = f"{len(series)} curves: " + ", ".join(one.label for one in shown) + "."
    head = ("", *(f"{x:g}" for x in xs))
    return Chart(_svg(name, title, description, 260 + height, [*drawn, legend]), head, rows)


def bars(name: str, title: str, x_title: str, items: Sequence[Bar], what: str = "samples") -> Chart:
    """Draw horizontal bars with confidence intervals as whiskers.

    Args:
        name: Id that is unique on the page.
        title: Title of the chart.
        x_title: Title of the x axis.
        items: Bars; at least one.
        what: Plural noun for the counted items.
    """
    reach = max(item.interval[1] if item.interval else item.value for item in items)
    top, ticks = _ticks(max(reach, 0.05))
    pitch = 26 if len(items) <= 24 else 18
    frame = _Frame(148, 6, WIDTH - 104, 6 + pitch * len(items), (0, top), (0, 1))
    drawn = [_line(frame.x(tick), frame.top, frame.x(tick), frame.bottom, "grid") for tick in ticks]
    drawn.append(_x_axis(frame, ticks, x_title, percent=True))
    for index, item in enumerate(items):
        middle = frame.top + pitch * (index + 0.5)
        drawn.extend(_bar(frame, item, middle, pitch * 0.58))
    rows = tuple((item.label, f"{item.count:,}", _percent(item.value), _interval(item)) for item in items)
    description = f"Horizontal bars: {len(items)} groups of {what}, {x_title}."
    head = ("", what.capitalize(), x_title, "95 % interval")
    return Chart(_svg(name, title, description, frame.bottom + 42, drawn), head, rows)


def parts(name: str, title: str, items: Sequence[Slice]) -> Chart:
    """Draw the parts of a whole as a single stacked bar with a legend underneath.

    Args:
        name: Id that is unique on the page.
        title: Title of the chart.
        items: Parts, at least one of which has a count above 0.
    """
    total = sum(item.count for item in items)
    shown = [item for item in items if item.count]
    drawn, left, inner = [], 0.0, WIDTH
    for item in shown:
        width = inner * item.count / total
        hint = f"{item.label}: {item.count:,} ({_percent(item.count / total)})"
        drawn.append(_rectangle(left, 4, max(width - 2, 1), 34, f"part part-{item.tone}", hint))
        left += width
    for index, item in enumerate(shown):
        line = 66 + 24 * index
        drawn.append(_rectangle(0, line - 6, 12, 12, f"part part-{item.tone}"))
        drawn.append(_text(22, line + _TEXT_GAP, item.label, "label"))
        drawn.append(_text(WIDTH - 58, line + _TEXT_GAP, f"{item.count:,}", "quiet", "end"))
        drawn.append(_text(WIDTH, line + _TEXT_GAP, _percent(item.count / total), "value", "end"))
    rows = tuple((item.label, f"{item.count:,}", _percent(item.count / total)) for item in items)
    description = "; ".join(f"{item.label}: {_percent(item.count / total)}" for item in shown) + "."
    return Chart(_svg(name, title, description, 62 + 24 * len(shown), drawn), ("", "Samples", "Share"), rows)


def _bar(frame: _Frame, item: Bar, middle: float, thickness: float) -> Iterable[Markup]:
    length = frame.x(item.value) - frame.left
    hint = f"{item.label}: {_percent(item.value)} {_interval(item)}".strip()
    yield _text(frame.left - 10, middle + _TEXT_GAP, _shorten(item.label), "label", "end")
    yield _rectangle(frame.left, middle - thickness / 2, max(length, 1), thickness, "bar", hint)
    if item.interval is not None:
        low, high = (frame.x(end) for end in item.interval)
        yield _line(low, middle, high, middle, "whisker")
        for end in (low, high):
            yield _line(end, middle - 4, end, middle + 4, "whisker")
    yield _text(frame.right + 58, middle + _TEXT_GAP, _percent(item.value), "value", "end")
    yield _text(WIDTH, middle + _TEXT_GAP, f"{item.count:,}", "quiet", "end")


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _interval(item: Bar) -> str:
    return "" if item.interval is None else f"{100 * item.interval[0]:.1f} – {100 * item.interval[1]:.1f} %"


def _shorten(label: str, most: int = 21) -> str:
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def _ticks(highest: float) -> tuple[float, tuple[float, ...]]:
    """Return a round upper end, at least `highest`, for an axis that starts at 0, and two to six ticks."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25):
        count = max(math.ceil(round(highest / step, 6)), 1)
        if count <= 5:
            return count * step, tuple(index * step for index in range(count + 1))
    raise ValueError(f"the highest value is {highest}, expected a fraction")


def _svg(name: str, title: str, description: str, height: float, drawn: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height:g}" role="img" aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>{body}</svg>'
    ).format(width=WIDTH, height=height, name=name, title=title, description=description, body=Markup("").join(drawn))


def _grid(frame: _Frame, ticks: Sequence[float]) -> Markup:
    lines = []
    for tick in ticks:
        place = frame.y(tick)
        lines.append(_line(frame.left, place, frame.right, place, "grid" if tick else "axis"))
        lines.append(_text(frame.left - 8, place + _TEXT_GAP, f"{100 * tick:g} %", "tick", "end"))
    return Markup("").join(lines)


def _x_axis(frame: _Frame, ticks: Sequence[float], title: str, percent: bool = False) -> Markup:
    written = [f"{100 * tick:g} %" if percent else f"{tick:g}" for tick in ticks]
    texts = [
        _text(frame.x(tick), frame.bottom + 17, word, "tick", "middle")
        for tick, word in zip(ticks, written, strict=True)
    ]
    middle = (frame.left + frame.right) / 2
    return Markup("").join([*texts, _text(middle, frame.bottom + 36, title, "axis-title", "middle")])


def _curve(frame: _Frame, series: Series, kind: str) -> Markup:
    points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in series.points)
    return Markup('<polyline class="curve {}" points="{}"><title>{}</title></polyline>').format(
        kind, points, series.label
    )


def _legend(entries: Sequence[tuple[str, str]]) -> tuple[Markup, float]:
    """Return the legend of curves, laid out in two columns, and its height."""
    drawn = []
    for index, (label, kind) in enumerate(entries):
        left, line = 40 + (index % 2) * 220, 268 + 20 * (index // 2)
        drawn.append(_line(left, line, left + 26, line, f"curve {kind}"))
        drawn.append(_text(left + 34, line + _TEXT_GAP, _shorten(label, 26), "label"))
    return Markup("").join(drawn), 20 * math.ceil(len(entries) / 2)


def _rectangle(x: float, y: float, width: float, height: float, kind: str, hint: str = "") -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1.5">{}</rect>').format(
        kind, x, y, width, height, Markup("<title>{}</title>").format(hint) if hint else ""
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _dot(x: float, y: float, hint: str) -> Markup:
    return Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}</title></circle>').format(x, y, hint)


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, words)
