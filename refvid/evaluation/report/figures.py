"""The charts of an evaluation's page."""

from collections.abc import Sequence
from dataclasses import dataclass

from refvid.evaluation.paper_rows import rows_beside
from refvid.evaluation.report.breakdown import (
    Scorer,
    by_actor,
    by_length,
    by_object,
    by_size,
    by_word_kind,
    outcomes,
    scorer_of,
)
from refvid.evaluation.report.charts import Chart, Series, bars, curves, histogram, parts
from refvid.evaluation.run import Evaluation
from refvid.evaluation.scoring import SampleRow
from refvid.evaluation.tables import is_contour
from refvid.metrics.regions import AP_THRESHOLDS, THRESHOLDS, precision_at

_MAX_OBJECTS = 80  # in the chart; of more, only the best and the worst are drawn


@dataclass(frozen=True)
class Figure:
    """A chart with its title and text.

    Attributes:
        title: Heading of the chart.
        text: A sentence or two under the heading, or "".
        chart: The drawing.
        place: Layout: "" for one column, "wide" for full width with the text beside the drawing, "tall" for a long
            drawing.
    """

    title: str
    text: str
    chart: Chart
    place: str = ""


def figures_of(evaluation: Evaluation) -> list[Figure]:
    """Return the charts for which there is data."""
    rows, score = evaluation.rows, scorer_of(evaluation.rules)
    values = [value for row in rows if (value := score(row)) is not None]
    if not values:
        return []
    measure = "Mean J&F" if is_contour(evaluation) else "Mean IoU"
    if is_contour(evaluation):
        first = [_object_figure(rows, score)]
    else:
        first = [_outcome_figure(rows), _histogram_figure(values), _curve_figure(evaluation, values)]
    groups = (
        ("length", "By length of the sentence", "", by_length(rows, score)),
        (
            "kinds",
            "By what the sentence tells it by",
            "A sentence counts in every group that it has a word of.",
            by_word_kind(rows, score),
        ),
        (
            "actors",
            "By what it is about",
            "Read from the first noun of the sentence that is known.",
            by_actor(rows, score),
        ),
        (
            "sizes",
            "By size of the object",
            "Area of the true mask, in pixels of the data set’s frames.",
            by_size(rows, score),
        ),
    )
    rest = [Figure(title, text, bars(name, title, measure, items)) for name, title, text, items in groups if items]
    return [*first, *rest]


def _histogram_figure(values: Sequence[float]) -> Figure:
    mean = sum(values) / len(values)
    return Figure("How the IoU is spread", "Share of the samples.", histogram("spread", "IoU", values, mean))


def _curve_figure(evaluation: Evaluation, values: Sequence[float]) -> Figure:
    inclusive = evaluation.rules.inclusive
    own = tuple((threshold, precision_at(values, threshold, inclusive)) for threshold in AP_THRESHOLDS)
    beside = [
        Series(row.system, tuple((threshold, row.scores[f"p@{threshold}"]) for threshold in THRESHOLDS))
        for row in rows_beside(evaluation.name, evaluation.split, evaluation.protocol)
        if not row.minor and all(f"p@{threshold}" in row.scores for threshold in THRESHOLDS)
    ]
    beside.sort(key=lambda series: -series.points[0][1])
    title = "Precision over threshold"
    drawn = curves("precision", title, "IoU threshold K", [Series(evaluation.model, own, strong=True), *beside])
    text = "Share of the samples whose IoU is higher than K."
    if inclusive:
        text = "Share of the samples whose IoU is at least K."
    return Figure(title, f"{text} Thin lines are the paper rows." if beside else text, drawn)


def _outcome_figure(rows: Sequence[SampleRow]) -> Figure:
    text = (
        "Found: IoU above 0.5. Something else: IoU below 0.1 and less than half of the object covered. "
        "Of the rest, a mask larger than the object leaked, a smaller one is a part of it."
    )
    title = "What becomes of the samples"
    return Figure(title, text, parts("outcomes", title, outcomes(rows)), "wide")


def _object_figure(rows: Sequence[SampleRow], score: Scorer) -> Figure:
    objects = by_object(rows, score)
    text = "Mean over its frames and expressions, best first."
    if len(objects) > _MAX_OBJECTS:
        half = _MAX_OBJECTS // 2
        text = f"The best and the worst {half} of {len(objects):,} objects; means over their frames and expressions."
        objects = [*objects[:half], *objects[-half:]]
    return Figure("J&F of each object", text, bars("objects", "J&F of each object", "Mean J&F", objects), "tall")
