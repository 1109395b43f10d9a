"""An evaluation as a self-contained HTML page with a table, charts and pictures."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2

from refvid.data.catalogue import SETS
from refvid.data.referring import ReferringSet
from refvid.data.text import count_of
from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.evaluation.report.breakdown import (
    outcomes,
    scorer_of,
)
from refvid.evaluation.report.figures import figures_of
from refvid.evaluation.report.pictures import (
    FOUND_COLOUR,
    TRUTH_COLOUR,
    ReportSample,
    draw_samples,
    draw_unjudged,
    pick,
)
from refvid.evaluation.run import Evaluation
from refvid.evaluation.scoring import SampleRow
from refvid.evaluation.sources import MaskSource
from refvid.evaluation.tables import is_contour, percent, score_table
from refvid.files import Staging, writing

_PAGE = "index.html"
_MARK = '<meta name="generator" content="refvid eval">'  # identifies a page that may be overwritten

_KINDS = {
    "best": "Best",
    "middling": "Middling",
    "worst": "Worst",
}
_FAILURES = {
    "only a part of it": "a part of the object is missed",
    "leaked beyond it": "the mask leaks beyond the object",
    "something else marked": "something else is marked",
    "nothing found": "nothing is found",
    "marked though absent": "something is marked though the object is not there",
}


@dataclass(frozen=True)
class Gallery:
    """Samples under a common heading; `title` is "" if the page has a single gallery."""

    title: str
    samples: Sequence[ReportSample]


def check_report(folder: Path) -> None:
    """Check, before any work is done, that a report may be written into a folder; nothing is changed.

    Raises:
        UsageError: The folder or one of its parents is a file.
        OutputExistsError: The folder holds an index.html that refvid did not write.
        RefvidError: The folder is not writable, or its index.html cannot be read.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"the report goes into a folder, but {there} is a file; give another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RefvidError(f"the report cannot be written: no permission to write to {there}; give another folder")
    page = folder / _PAGE
    if page.exists():
        with writing(page), page.open("rb") as file:
            ours = _MARK.encode() in file.read(2000)
        if not ours:
            raise OutputExistsError(f"{page} is not a report of refvid, so it is not replaced; give another folder")


def write_report(
    evaluation: Evaluation,
    referring_set: ReferringSet,
    source: MaskSource,
    folder: Path,
    *,
    command: str | None = None,
) -> Path:
    """Write a self-contained page; a report that refvid has written there before is replaced.

    Args:
        evaluation: The evaluation to report.
        referring_set: The split that was evaluated.
        source: Source of the evaluated masks, for the pictures.
        folder: Folder of the page; created if it does not exist.
        command: Command line to show on the page.

    Returns:
        Path of the page.

    Raises:
        UsageError: The folder is a file.
        OutputExistsError: The folder holds an index.html that refvid did not write.
        RefvidError: The footage or a mask cannot be read, or the page cannot be written.
    """
    check_report(folder)
    page = folder / _PAGE
    html = render_report(evaluation, _galleries(evaluation, referring_set, source), command=command)
    with writing(page):
        folder.mkdir(parents=True, exist_ok=True)
        staging = Staging(page, folder=False, overwrite=True)
        try:
            staging.temporary.write_text(html, encoding="utf-8")
            staging.commit()
        except BaseException:
            staging.discard()
            raise
    return page


def render_report(evaluation: Evaluation, galleries: Sequence[Gallery], *, command: str | None = None) -> str:
    """Return the HTML of the page."""
    # Jinja escapes everything except the charts, which are marked as safe because they escape their own text.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(
        evaluation=evaluation,
        summary=summary_of(evaluation),
        tiles=_tiles(evaluation),
        facts=_facts(evaluation, command),
        table=score_table(evaluation),
        figures=figures_of(evaluation),
        galleries=galleries,
        contour=is_contour(evaluation),
        colours={"truth": _css(TRUTH_COLOUR), "found": _css(FOUND_COLOUR)},
        today=date.today().isoformat(),
    )


def summary_of(evaluation: Evaluation) -> str:
    """Return a summary of the result in one or two sentences."""
    where = f"{evaluation.dataset} ({evaluation.split})"
    videos = len({row.video for row in evaluation.rows})
    if not evaluation.rows or not evaluation.scores:
        return f"The truth of {where} is not public or holds no sample, so there is nothing to score here."
    scores = {key: f"{percent(value)}\N{NO-BREAK SPACE}%" for key, value in evaluation.scores.items()}
    footage = count_of(videos, "video")
    if is_contour(evaluation):
        return (
            f"On {where}, {evaluation.model} reaches a J&F of {scores['j&f']} over "
            f"{count_of(_objects(evaluation.rows), 'object')} in {footage}: {scores['j']} for the region, "
            f"{scores['f']} for its contour."
        )
    first = (
        f"On {where}, {evaluation.model} covers what the sentence means with a mean IoU of {scores['mean_iou']}. "
        f"Of {count_of(len(evaluation.rows), 'sample')} from {footage}, {scores['p@0.5']} are more than half right "
        f"and {scores['p@0.9']} more than nine tenths."
    )
    wrong = [part for part in outcomes(evaluation.rows) if part.label in _FAILURES]
    most = max(wrong, key=lambda part: part.count)
    share = percent(most.count / len(evaluation.rows))
    return (
        f"{first} Where it fails, most often {_FAILURES[most.label]} ({share}\N{NO-BREAK SPACE}% of all)."
        if most.count
        else first
    )


def _objects(rows: Sequence[SampleRow]) -> int:
    return len({(row.video, row.key if row.instance is None else row.instance) for row in rows})


def _tiles(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return (title, score) of the scores shown in large print at the top."""
    region = {"mean_iou": "Mean IoU", "overall_iou": "Overall IoU", "p@0.5": "P@0.5", "ap_mean_precision": "AP"}
    shown = {"j&f": "J&F", "j": "J, region", "f": "F, contour"} if is_contour(evaluation) else region
    return [(title, percent(evaluation.scores[key])) for key, title in shown.items() if key in evaluation.scores]


def _facts(evaluation: Evaluation, command: str | None) -> list[tuple[str, str]]:
    protocols = SETS[evaluation.name].protocols if evaluation.name in SETS else {}
    meaning = protocols.get(evaluation.protocol)
    refine = {None: "", True: "DenseCRF", False: "none"}[evaluation.refine]
    counts = ", ".join(count_of(count, what.removesuffix("s")) for what, count in evaluation.counts.items())
    facts = {
        "Masks": evaluation.folder or "",
        "Model": "" if evaluation.folder else evaluation.model,
        "Revision": evaluation.revision or "",
        "Data set": f"{evaluation.dataset}, {evaluation.split}",
        "Protocol": evaluation.protocol + (f" – {meaning}" if meaning else ""),
        "Counted": counts,
        "Threshold": "" if evaluation.threshold is None else f"{evaluation.threshold:g}",
        "Refinement": refine,
        "Device": ", ".join(filter(None, (evaluation.device, evaluation.precision))),
        "Time": _duration(evaluation),
        "Version": f"refvid {evaluation.version}",
        "Command": command or "",
    }
    return [(name, fact) for name, fact in facts.items() if fact]


def _duration(evaluation: Evaluation) -> str:
    minutes, seconds = divmod(evaluation.seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    if not hours and not minutes:
        return f"{seconds:.1f} s"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {int(seconds):02} s"


def _galleries(evaluation: Evaluation, referring_set: ReferringSet, source: MaskSource) -> list[Gallery]:
    if not referring_set.public:
        return [Gallery("", draw_unjudged(referring_set, source))]
    picked = pick(evaluation.rows, scorer_of(evaluation.rules))
    return [Gallery(_KINDS[kind], draw_samples(rows, referring_set, source)) for kind, rows in picked.items()]


def _css(colour: tuple[int, int, int]) -> str:
    return "rgb({}, {}, {})".format(*colour)
