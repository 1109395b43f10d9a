"""The results table: the row of an evaluation above the rows that papers report for the same data set."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from refvid.data.catalogue import SETS
from refvid.data.text import count_of
from refvid.evaluation.paper_rows import PAPER_ROWS, PaperRow, rows_beside
from refvid.evaluation.run import Evaluation
from refvid.metrics.regions import THRESHOLDS

__all__ = ["PAPER_ROWS", "ScoreTable", "TableLine", "percent", "score_table", "table_of"]

REGION_COLUMNS = {
    **{f"p@{threshold}": f"P@{threshold}" for threshold in THRESHOLDS},
    "overall_iou": "Overall IoU",
    "mean_iou": "Mean IoU",
    "ap_mean_precision": "AP",
    "ap_coco": "AP (COCO)",
}
CONTOUR_COLUMNS = {
    "j": "J",
    "j_recall": "J recall",
    "j_decay": "J decay",
    "f": "F",
    "f_recall": "F recall",
    "f_decay": "F decay",
    "j&f": "J&F",
}
_EMPTY = {
    "one": "counts as an IoU of 1",
    "zero": "counts as an IoU of 0",
    "skip": "is left out",
}
_COMFORTABLE = 79  # width in characters; narrower terminals get abbreviated headings
_NARROW = {
    **{f"P@{threshold}": f"P@ {threshold}" for threshold in THRESHOLDS},
    "Overall IoU": "Over- all IoU",
    "AP (COCO)": "AP COCO",
    "J recall": "J rec.",
    "J decay": "J dec.",
    "F recall": "F rec.",
    "F decay": "F dec.",
}
_MARKS = "¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class TableLine:
    """A row of the table.

    Attributes:
        system: Name of the system that was measured.
        mark: Reference mark of the row's note; "" for none.
        cells: Formatted scores, one for each column.
        source: Publication that reports the scores; "" for the evaluation's own.
    """

    system: str
    mark: str
    cells: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """The content of the table, independent of whether it is printed or written to a page.

    Attributes:
        title: Data set and split.
        columns: Column headings.
        lines: Rows, the evaluation's own first.
        caption: Sentences that explain the scores.
        marked: (mark, note) of the rows that have a note.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[TableLine, ...]
    caption: tuple[str, ...]
    marked: tuple[tuple[str, str], ...]


def is_contour(evaluation: Evaluation) -> bool:
    """Return whether an evaluation reports J and F of objects rather than IoU and precision of samples."""
    return evaluation.rules.measure == "contour"


def percent(score: float | None) -> str:
    """Return a fraction as a percentage with one decimal, as papers print it; "-" if it is unknown or nan."""
    return "-" if score is None or math.isnan(score) else f"{100 * score:.1f}"


def score_table(evaluation: Evaluation) -> ScoreTable:
    """Return the evaluation's own row above the published rows for its data set, split and protocol."""
    columns = CONTOUR_COLUMNS if is_contour(evaluation) else REGION_COLUMNS
    beside = rows_beside(evaluation.name, evaluation.split, evaluation.protocol)
    marks = _marks(row.note for row in beside)
    own = TableLine(evaluation.model, "", _cells(evaluation.scores, columns))
    return ScoreTable(
        f"{evaluation.dataset}, {evaluation.split}",
        tuple(columns.values()),
        (
            own,
            *(
                TableLine(row.system, marks.get(row.note, ""), _cells(row.scores, columns), row.source)
                for row in beside
            ),
        ),
        _caption(evaluation, beside),
        tuple((mark, note) for note, mark in marks.items()),
    )


def table_of(evaluation: Evaluation, width: int = 80) -> Group:
    """Return the table for a terminal: percentages, the evaluation's own row in bold, and an explanation underneath.

    Args:
        evaluation: The evaluation to show.
        width: Width of the terminal in characters; no figure is cut off from 60 on.
    """
    content = score_table(evaluation)
    notes = [f"{mark} {note}." for mark, note in content.marked]
    narrow = width < _COMFORTABLE
    # Ten columns just fit into 79 characters, and into 60 with abbreviated headings and no padding.
    table = Table(
        title=Text(content.title),
        box=box.SIMPLE_HEAD,
        padding=(0, 0 if narrow else 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        title_justify="left",
    )
    table.add_column("", overflow="fold", min_width=6 if narrow else 8)
    for column in content.columns:
        heading = _NARROW.get(column, column) if narrow else column
        table.add_column(Text(heading.replace(" ", "\n")), justify="right", no_wrap=True, vertical="bottom")
    for index, line in enumerate(content.lines):
        style = "" if index else "bold"
        table.add_row(Text(line.system + line.mark), *line.cells, style=style, end_section=not index)
    return Group(table, Text("\n".join(("", *content.caption, *notes)), style="dim"))


def _cells(scores: Mapping[str, float], columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(percent(scores.get(key)) for key in columns)


def _marks(notes: Iterable[str]) -> dict[str, str]:
    """Assign a reference mark to each distinct note, in the order of the rows."""
    return dict(zip(dict.fromkeys(note for note in notes if note), _MARKS, strict=False))


def _caption(evaluation: Evaluation, beside: Sequence[PaperRow]) -> tuple[str, ...]:
    meaning = SETS[evaluation.name].protocols.get(evaluation.protocol) if evaluation.name in SETS else None
    counted = int(evaluation.scores.get("samples", len(evaluation.rows)))
    of_what = count_of(counted, "(object, frame) pair" if is_contour(evaluation) else "sample")
    protocol = f"Protocol {evaluation.protocol}" + (f": {meaning}" if meaning else "")
    sentences = [f"{protocol}. Percent, over {of_what}."]
    if evaluation.scores:
        sentences.append(_how_it_counts(evaluation))
    if not is_contour(evaluation):
        sentences.append(
            "AP is the mean of the precision at IoU 0.50 to 0.95, as the papers beneath report it; "
            + (
                "AP (COCO) ranks the masks by their confidence."
                if evaluation.ranked
                else "AP (COCO) has no confidences to rank the masks by: all count as equally sure."
            )
        )
    if evaluation.missing:
        sentences.append(f"{count_of(evaluation.missing, 'mask')} without a file: empty (--missing empty).")
    if beside:
        sentences.append("Paper rows were measured on the real data set.")
    return tuple(sentences)


def _how_it_counts(evaluation: Evaluation) -> str:
    rules = evaluation.rules
    if is_contour(evaluation):
        matching = "its own expression's prediction" if rules.matching == "own" else "the best assignment in the video"
        ends = "without the first and last frame" if rules.inner else "all frames"
        return f"Each object is compared with {matching}; {ends}."
    sign = "at least" if rules.inclusive else "higher than"
    empty = evaluation.scores.get("empty")
    how_many = "" if empty is None else f" ({int(empty):,} of them)" if empty else " (there is none)"
    return f"P@K: IoU {sign} K. A sample where both masks are empty{how_many} {_EMPTY[rules.empty]}."
