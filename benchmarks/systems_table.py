"""The table of `systems.py`: the scores and costs of every system and alternative, beside the figures in the papers."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from refvid.evaluation.paper_rows import PAPER_ROWS
from refvid.metrics.regions import THRESHOLDS

KINDS = ("mixed", "motion")  # kinds of scenes that are scored
RESAMPLES = 2000
PRECISIONS = tuple(f"p@{threshold}" for threshold in THRESHOLDS)
IN_WORDS = {"mean_iou": "mean IoU", "overall_iou": "overall IoU", "p@0.5": "P@0.5", "right_actor": "right actor"}

Floats = npt.NDArray[np.float64]
Result = dict[str, Any]
Results = dict[str, dict[int, Result]]  # by row and seed


@dataclass(frozen=True)
class Row:
    """A network in the table.

    Attributes:
        model: Name of its config in `refvid.model.registry.CONFIGS`.
        changes: Changes to that config.
    """

    name: str
    title: str
    model: str
    changes: dict[str, Any] = field(default_factory=dict)


def _alternative(name: str, title: str, **changes: Any) -> Row:
    return Row(name, title, "cmsa-tiny", {"cross_frame": False} | changes)


BASE = _alternative("cmsa", "CMSA (image)")
ROWS = (  # Tables 1 and 2 are of the image network; Table 7 puts CFSA before it
    BASE,
    Row("cmsa-cfsa", "CMSA + CFSA", "cmsa-tiny"),
    Row("refvid-tiny", "our variant", "refvid-tiny"),
    Row("acga", "ACGA", "acga-tiny"),
    Row("refvos", "RefVOS", "refvos-tiny"),
    Row("hinet", "HINet", "hinet-tiny"),
    _alternative("mean", "mean pooling", pooling="mean"),
    _alternative("max", "max pooling", pooling="max"),
    _alternative("no-attention", "no attention", attention="none"),
    _alternative("word", "word attention", attention="word"),
    _alternative("pixel", "pixel attention", attention="pixel"),
    _alternative("word-pixel", "word-pixel pair attention", attention="word-pixel"),
    _alternative("sentence", "CMSA-S: a vector for the sentence", language="sentence"),
    _alternative("no-fusion", "levels summed", fusion="none"),
    _alternative("ppm", "pyramid pooling", fusion="ppm"),
    _alternative("deconvolution", "deconvolution", fusion="deconvolution"),
    _alternative("conv-lstm", "ConvLSTM", fusion="conv-lstm"),
    _alternative("self-gated", "self-gated", fusion="self-gated"),
    _alternative("cvpr19", "CMSA as released in 2019", attention="cvpr19", fusion="cvpr19"),
)
TITLES = {row.name: row.title for row in ROWS}
FULL = ("cmsa-deeplab101", "acga-s3d", "refvos-deeplab101", "hinet-resnet101")  # in CONFIGS
PUBLISHED = {"cmsa": "CMSA", "cmsa-cfsa": "CMSA+CFSA", "acga": "ACGA", "refvos": "RefVOS", "hinet": "HINet"}
DATA_SETS = {"a2d": "A2D Sentences", "jhmdb": "J-HMDB Sentences"}


def published(name: str, split: str, system: str) -> dict[str, float]:
    """Return the published scores of a system on a data set, as fractions by measure."""
    (row,) = (row for row in PAPER_ROWS if (row.name, row.split, row.system) == (name, split, system))
    return row.scores


def _systems(name: str, measure: str) -> dict[str, float]:
    return {row: 100 * published(name, "test", system)[measure] for row, system in PUBLISHED.items()}


@dataclass(frozen=True)
class Comparison:
    """The figures that papers report for some of the rows.

    Attributes:
        title: Subject of the comparison.
        measure: Measure of both the papers' figures and ours.
        paper: Papers' figures in per cent, by row.
        note: Source and conditions of the papers' figures.
    """

    title: str
    measure: str
    paper: dict[str, float]
    note: str


_RES5 = "UNC val, of Res5 alone, where ours fuses three levels by GMLF"
COMPARISONS = (
    *(
        Comparison(f"Systems on {title}", measure, _systems(name, measure), "their papers, each with its own protocol")
        for name, title in DATA_SETS.items()
        for measure in ("mean_iou", "overall_iou")
    ),
    Comparison(
        "Pooling of words",
        "overall_iou",
        {"cmsa": 50.95, "mean": 50.12, "max": 49.90},
        f"Table 1, {_RES5}, without CRF; G-Ref val, with the longest expressions, 37.35, 33.41 and 32.96",
    ),
    Comparison(
        "Attention",
        "overall_iou",
        {"cmsa": 50.95, "pixel": 47.84, "word-pixel": 47.57, "word": 47.01, "no-attention": 45.63},
        f"Table 2, {_RES5}",
    ),
    Comparison("Words or a sentence", "overall_iou", {"cmsa": 50.95, "sentence": 48.53}, f"Table 2, {_RES5}"),
    Comparison(
        "Fusion of levels",
        "overall_iou",
        {
            "cmsa": 58.92,
            "self-gated": 57.08,
            "conv-lstm": 56.56,
            "deconvolution": 54.18,
            "ppm": 53.54,
            "no-fusion": 50.95,
        },
        "Table 2, UNC val, with CRF; its network without fusion takes Res5 alone, ours sums the levels",
    ),
    Comparison(
        "The journal's and the conference's network",
        "overall_iou",
        {
            "cmsa": 100 * published("refcoco", "val", "CMSA (TPAMI)")["overall_iou"],
            "cvpr19": 100 * published("refcoco", "val", "CMSA (CVPR)")["overall_iou"],
        },
        "Table 3, UNC val, with CRF",
    ),
)


def shares(result: Result, kind: str, measure: str) -> tuple[Floats, Floats]:
    """Return two numbers per scene, such that the ratio of their sums over scenes is the value of a measure.

    Args:
        result: Result whose `scores` hold lists over expressions for each kind and scene: "intersection" and "union" in
            pixels, and "right", 1 or 0, for expressions that choose between actors.
        kind: Kind of the scenes.
        measure: "mean_iou", "overall_iou", "p@K" or "right_actor".
    """
    counts = result["scores"][kind]
    if measure == "right_actor":
        return _sums(counts["right"]), np.array([len(scene) for scene in counts["right"]], np.float64)
    if measure == "overall_iou":
        return _sums(counts["intersection"]), _sums(counts["union"])
    pairs = zip(counts["intersection"], counts["union"], strict=True)
    ious = [np.array(shared, np.float64) / joined for shared, joined in pairs]
    values = ious if measure == "mean_iou" else [scene > float(measure.removeprefix("p@")) for scene in ious]
    return _sums(values), np.array([len(scene) for scene in ious], np.float64)


def _sums(scenes: Sequence[Any]) -> Floats:
    return np.array([np.sum(scene) for scene in scenes], np.float64)


def value_of(result: Result, kind: str, measure: str) -> float:
    """Return a measure over all scenes of a kind, in per cent."""
    over, under = shares(result, kind, measure)
    return float(100 * over.sum() / under.sum())


@dataclass(frozen=True)
class Difference:
    """The difference of a row from another, in percentage points.

    Attributes:
        by_seed: Difference for each seed that both rows have.
        low: Lower end of the mean's 95 % interval by resampling scenes; it does not cover the randomness of training.
        high: Upper end of that interval.
    """

    by_seed: tuple[float, ...]
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.by_seed))

    @property
    def settled(self) -> bool:
        """Return whether it exceeds the chance of drawing scenes and has the same sign for every seed."""
        return (self.low > 0 and min(self.by_seed) > 0) or (self.high < 0 and max(self.by_seed) < 0)

    def __str__(self) -> str:
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def difference(
    row: dict[int, Result], other: dict[int, Result], measure: str = "mean_iou", kind: str = "mixed"
) -> Difference:
    """Return the difference of a row from another with the same seeds and on the same scenes.

    Raises:
        ValueError: The rows have no seed in common.
    """
    seeds = sorted(row.keys() & other.keys())
    if not seeds:
        raise ValueError(
            "the rows have no seed in common, so they cannot be compared; train both with the same --seeds"
        )
    parts = [(*shares(row[seed], kind, measure), *shares(other[seed], kind, measure)) for seed in seeds]
    found = [100 * (a.sum() / b.sum() - c.sum() / d.sum()) for a, b, c, d in parts]
    scenes = len(parts[0][0])
    drawn = np.random.default_rng(0).integers(scenes, size=(RESAMPLES, scenes))
    # With few scenes, a draw may contain no choice between actors at all; it is ignored.
    with np.errstate(invalid="ignore"):
        again = [a[drawn].sum(1) / b[drawn].sum(1) - c[drawn].sum(1) / d[drawn].sum(1) for a, b, c, d in parts]
    low, high = np.nanquantile(100 * np.mean(again, 0), (0.025, 0.975))
    return Difference(tuple(float(value) for value in found), float(low), float(high))


def main_table(results: Results, costs: dict[str, Result]) -> str:
    """Return the scores and costs of every row as a Markdown table."""
    heads = ["network", "mean IoU", "against base", "overall IoU", *(name.upper() for name in PRECISIONS)]
    heads += ["right actor", "against base", "motion: mean IoU", "against base", "motion: right actor"]
    heads += ["parameters", "GFLOP a frame", "frames a second", "of base's", "training s", "seeds"]
    lines = [heads, ["---"] * len(heads)]
    for row in ROWS:
        if row.name not in results:
            continue
        seeds = results[row.name]
        cells = [row.title, _cell(seeds, "mean_iou"), _apart(row, results, "mean_iou", "mixed")]
        cells += [_cell(seeds, measure) for measure in ("overall_iou", *PRECISIONS)]
        cells += [_cell(seeds, "right_actor"), _apart(row, results, "right_actor", "mixed")]
        cells += [_cell(seeds, "mean_iou", "motion"), _apart(row, results, "mean_iou", "motion")]
        cells += [_cell(seeds, "right_actor", "motion"), *_cost_cells(costs.get(row.name))]
        seconds = round(np.mean([result["seconds"] for result in seeds.values()]))
        lines.append([*cells, str(seconds), str(len(seeds))])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _mean(seeds: dict[int, Result], measure: str) -> float:
    return float(np.mean([value_of(result, "mixed", measure) for result in seeds.values()]))


def _cell(seeds: dict[int, Result], measure: str, kind: str = "mixed") -> str:
    """Return the mean over seeds and, for several seeds, the standard deviation."""
    values = [value_of(result, kind, measure) for result in seeds.values()]
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def _apart(row: Row, results: Results, measure: str, kind: str) -> str:
    base = results.get(BASE.name, {})
    if row is BASE or not results[row.name].keys() & base.keys():
        return ""
    return str(difference(results[row.name], base, measure, kind))


def _cost_cells(cost: Result | None) -> list[str]:
    if cost is None:
        return [""] * 4
    return [f"{cost['parameters']:,}", f"{cost['gflop']:.2f}", f"{cost['rate']:.1f}", f"{cost['of_base']:.2f}"]


def paper_table(results: Results) -> str:
    """Return a table of the systems' published figures and ours on the world, in per cent; "" without results."""
    measures = (*PRECISIONS, "overall_iou", "mean_iou")
    lines = []
    for name, system in PUBLISHED.items():
        if name not in results:
            continue
        for data_set, title in DATA_SETS.items():
            scores = published(data_set, "test", system)
            lines.append([system, f"paper, {title}", *(f"{100 * scores[measure]:.1f}" for measure in measures)])
        lines.append([system, "tiny, world", *(_cell(results[name], measure) for measure in measures)])
    if not lines:
        return ""
    heads = ["system", "measured on", *(name.upper() for name in PRECISIONS), "overall IoU", "mean IoU"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))


def comparison(group: Comparison, results: Results) -> str:
    """Return the papers' figures beside ours, and how the orders differ; "" if fewer than two rows are finished."""
    names = [name for name in group.paper if name in results]
    if len(names) < 2:
        return ""
    names.sort(key=lambda name: -group.paper[name])
    measure = IN_WORDS[group.measure]
    lines = [f"**{group.title}** ({measure}; paper: {group.note})", ""]
    lines += ["| network | paper | world | world, right actor |", "|---|---|---|---|"]
    for name in names:
        ours = (_cell(results[name], measure) for measure in (group.measure, "right_actor"))
        lines.append(f"| {TITLES[name]} | {group.paper[name]:.2f} | {' | '.join(ours)} |")
    return "\n".join([*lines, "", *verdict(group, names, results)])


def verdict(group: Comparison, names: Sequence[str], results: Results) -> Iterator[str]:
    """Yield whether the order from best to worst is that of the papers, and how reliable each pair is.

    Args:
        group: Comparison to judge.
        names: Rows that have results, in the papers' order.
        results: Results of all rows.
    """
    ours = {
        name: np.mean([value_of(result, "mixed", group.measure) for result in results[name].values()]) for name in names
    }
    found = sorted(names, key=lambda name: -ours[name])
    pairs = {
        (better, worse): difference(results[better], results[worse], group.measure)
        for better, worse in itertools.combinations(names, 2)
        if results[better].keys() & results[worse].keys()
    }
    turned = {pair: apart for pair, apart in pairs.items() if apart.mean < 0}
    standing = [apart for pair, apart in pairs.items() if pair not in turned]
    order = "The order is the paper's" if found == list(names) else f"The order differs: here {' > '.join(found)}"
    yield (
        f"{order}. Of {len(pairs)} pairs, {len(standing)} stand as in the paper "
        f"({sum(apart.settled for apart in standing)} beyond chance), {len(turned)} the other way "
        f"({sum(apart.settled for apart in turned.values())} beyond chance)."
    )
    for (better, worse), apart in turned.items():
        said = f"{group.paper[better] - group.paper[worse]:+.1f}"
        yield f"- {better} against {worse}: paper {said}, here {apart}{'' if apart.settled else ', undecided'}"


def chance(results: Results) -> str:
    """Return a sentence on the rate at which guessing selects the right actor; "" without results."""
    for seeds in results.values():
        for result in seeds.values():
            parts = [f"{100 * result['scores'][kind]['chance']:.1f} ({kind})" for kind in KINDS]
            return f"A random choice among the actors of the scene is right in per cent: {', '.join(parts)}."
    return ""


def loss_note(results: Results) -> str:
    """Return a sentence on the rows trained without some part of the loss; "" if there are none."""
    parts = {name: set(result["parts"]) for name, seeds in results.items() for result in seeds.values()}
    everything = set().union(*parts.values())
    without = {
        part: [name for name in TITLES if name in parts and part not in parts[name]] for part in sorted(everything)
    }
    told = [f"`{part}`: {', '.join(names)}" for part, names in without.items() if names]
    return f"Trained without a part of the loss, having nothing it applies to: {'; '.join(told)}." if told else ""


def full_table(full: dict[str, Result]) -> str:
    """Return the costs of the full-size configurations as a Markdown table; "" without any."""
    if not full:
        return ""
    lines = ["| full size | input | parameters | GFLOP a frame |", "|---|---|---|---|"]
    for name, cost in full.items():
        counted = cost.get("note") or f"{cost['gflop']:,.0f}"
        lines.append(f"| {name} | {cost.get('input', '')} | {cost.get('parameters', 0):,} | {counted} |")
    return "\n".join(lines)


def report(results: Results, costs: dict[str, Result], full: dict[str, Result], recipe: str) -> str:
    """Return all tables as Markdown, below a sentence on how they were made."""
    parts = [recipe, main_table(results, costs), chance(results), loss_note(results), paper_table(results)]
    parts += [*(comparison(group, results) for group in COMPARISONS), full_table(full)]
    return "\n\n".join(part for part in parts if part) + "\n"


def figures(results: Results) -> dict[str, Any]:
    """Return every measure of every row and seed in per cent, and the differences from the base."""
    measures = ("mean_iou", "overall_iou", *PRECISIONS, "right_actor")
    record: dict[str, Any] = {}
    for name, seeds in results.items():
        told = {
            seed: {kind: {measure: value_of(result, kind, measure) for measure in measures} for kind in KINDS}
            | {"seconds": result["seconds"], "parts": result["parts"]}
            for seed, result in seeds.items()
        }
        record[name] = {"seeds": told}
        if name != BASE.name and seeds.keys() & results.get(BASE.name, {}).keys():
            record[name]["against_base"] = {
                kind: {measure: vars(difference(seeds, results[BASE.name], measure, kind)) for measure in measures}
                for kind in KINDS
            }
    return record
