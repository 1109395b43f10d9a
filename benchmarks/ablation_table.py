"""The table of `ablations.py`: what was changed, what that scores, and what the paper says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refvid.metrics import THRESHOLDS

KINDS = ("mixed", "motion")  # of scenes
Result = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """What is changed in the network."""

    name: str
    title: str
    changes: dict[str, Any] = field(default_factory=dict)


BASE = Variant("base", "base: word attention, GMLF, no CFSA")
VARIANTS = (  # Tables 1 and 2 are of the image network; Table 7 puts CFSA before it
    BASE,
    Variant("cfsa", "with CFSA", {"cross_frame": True}),
    Variant("mean", "mean pooling", {"pooling": "mean"}),
    Variant("max", "max pooling", {"pooling": "max"}),
    Variant("self-gated", "self-gated", {"fusion": "self-gated"}),
    Variant("no-gates", "no gates, levels summed", {"fusion": "none"}),
    Variant("conv-lstm", "ConvLSTM over the levels", {"fusion": "conv-lstm"}),
    Variant("deconvolution", "deconvolution to stride 4", {"fusion": "deconvolution"}),
    Variant("ppm", "pyramid pooling", {"fusion": "ppm"}),
)


@dataclass(frozen=True)
class Comparison:
    """What the paper says of some of the variants.

    Attributes:
        title: What is compared.
        measure: Of ours, on mixed scenes.
        paper: The paper's, per cent, by variant.
        note: Where it says so, and of what.
    """

    title: str
    measure: str
    paper: dict[str, float]
    note: str


COMPARISONS = (
    Comparison(
        "Cross-frame attention",
        "mean_iou",
        {"cfsa": 43.2, "base": 40.5},
        "Table 7, A2D Sentences, mean IoU; Table 8, JHMDB Sentences: 58.1 and 57.0",
    ),
    Comparison(
        "Pooling of words",
        "overall_iou",
        {"base": 50.95, "mean": 50.12, "max": 49.90},
        "Table 1, UNC val, overall IoU, of Res5 alone and without CRF",
    ),
    Comparison(
        "Fusion of levels",
        "overall_iou",
        {
            "base": 58.92,
            "self-gated": 57.08,
            "conv-lstm": 56.56,
            "deconvolution": 54.18,
            "ppm": 53.54,
            "no-gates": 50.95,
        },
        "Table 2, UNC val, overall IoU, with CRF; its network without fusion takes Res5 alone, ours sums the levels",
    ),
)


def difference(result: Result, base: Result, kind: str) -> tuple[float, float]:
    """Returns by how much the mean IoU of the clips differs from the base's, and half its 95 % interval over clips."""
    apart = 100 * (np.array(result["scores"][kind]["scenes"]) - np.array(base["scores"][kind]["scenes"]))
    return float(apart.mean()), float(1.96 * apart.std(ddof=1) / len(apart) ** 0.5)


def main_table(results: dict[str, Result]) -> str:
    """Returns the scores of every variant, per cent, as a Markdown table."""
    thresholds = [f"p@{threshold}" for threshold in THRESHOLDS]
    heads = ["variant", "mean IoU", "against base", "overall IoU", *(name.upper() for name in thresholds)]
    heads += ["motion: mean IoU", "against base", "P@0.5", "parameters", "training s"]
    lines = [heads, ["---"] * len(heads)]
    for variant in VARIANTS:
        if variant.name not in results:
            continue
        result = results[variant.name]
        apart = dict.fromkeys(KINDS, "")
        if variant is not BASE:
            pairs = {kind: difference(result, results[BASE.name], kind) for kind in KINDS}
            apart = {kind: f"{mean:+.1f} ± {half:.1f}" for kind, (mean, half) in pairs.items()}
        mixed, motion = (result["scores"][kind] for kind in KINDS)
        cells = [variant.title, _percent(mixed["mean_iou"]), apart["mixed"], _percent(mixed["overall_iou"])]
        cells += [_percent(mixed[name]) for name in thresholds]
        cells += [_percent(motion["mean_iou"]), apart["motion"], _percent(motion["p@0.5"])]
        lines.append([*cells, f"{result['parameters']:,}", str(result["seconds"])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def comparison(group: Comparison, results: dict[str, Result]) -> str:
    """Returns the paper's numbers beside ours, and how the orders differ; nothing while fewer than two are known."""
    names = [name for name in group.paper if name in results]
    if len(names) < 2:
        return ""
    titles = {variant.name: variant.title for variant in VARIANTS}
    ours = {name: 100 * results[name]["scores"]["mixed"][group.measure] for name in names}
    measure = group.measure.replace("_iou", " IoU")
    lines = [f"**{group.title}** (paper: {group.note})", "", f"| variant | paper | world, {measure} |", "|---|---|---|"]
    lines += [f"| {titles[name]} | {group.paper[name]:.2f} | {ours[name]:.1f} |" for name in names]
    apart = {name: difference(results[name], results[BASE.name], "mixed") for name in names if name != BASE.name}
    open_questions = [name for name, (mean, half) in apart.items() if abs(mean) <= half]
    return "\n".join([*lines, "", verdict({name: group.paper[name] for name in names}, ours, open_questions)])


def verdict(paper: dict[str, float], ours: dict[str, float], unsettled: Sequence[str]) -> str:
    """Returns whether the order from best to worst is the paper's, and how far it can be trusted.

    Args:
        paper: What the paper says, by variant.
        ours: Likewise.
        unsettled: Variants whose difference from the base is within its interval.
    """
    said, found = (" > ".join(sorted(values, key=lambda name: -values[name])) for values in (paper, ours))
    order = "The order is the paper's." if said == found else f"The order differs: here {found}, in the paper {said}."
    if not unsettled:
        return order
    names = " and ".join([", ".join(unsettled[:-1]), unsettled[-1]] if len(unsettled) > 1 else unsettled)
    return (
        f"{order} But against base, {names} differ{'s' * (len(unsettled) == 1)} by no more than chance among the clips."
    )


def report(results: dict[str, Result]) -> str:
    """Returns all tables as Markdown."""
    parts = [main_table(results), *(comparison(group, results) for group in COMPARISONS)]
    return "\n\n".join(part for part in parts if part) + "\n"
