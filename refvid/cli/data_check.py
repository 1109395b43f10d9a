"""`refvid eval --check`: whether a data set is whole, and what a split of it is."""

import json
from typing import TYPE_CHECKING

import typer

from refvid.cli.console import Terminal
from refvid.data.text import count_of
from refvid.errors import RefvidError

if TYPE_CHECKING:
    from refvid.data.referring import ReferringSet

_FAULTS = 3  # that an error names; all would bury the sentence


def check_data(
    dataset: str, referring_set: "ReferringSet", terminal: Terminal, *, thorough: bool, as_json: bool
) -> None:
    """Reads what a check reads, and prints counts and notes.

    Raises:
        RefvidError: Something is missing.
    """
    from refvid.evaluation.check import check_set
    from refvid.evaluation.run import count

    with terminal.progress(dataset) as progress:
        checked = check_set(referring_set, thorough=thorough, progress=progress)
    if checked.faults:
        many = count_of(len(referring_set.videos), "video")
        raise RefvidError(
            f"{len(checked.faults)} of {many} of {referring_set.title}, {referring_set.split}, cannot be used: "
            f"{'; '.join(checked.faults[:_FAULTS])}{'; and so on' if len(checked.faults) > _FAULTS else ''}"
        )
    counts, notes = count(referring_set), [*referring_set.notes, *checked.notes]
    if not has_phrases(referring_set):
        notes.append("This protocol has no phrases: only masks on disk can be scored.")
    if as_json:
        from refvid import __version__

        told = {
            "schema": 1,
            "version": __version__,
            "dataset": dataset,
            "title": referring_set.title,
            "split": referring_set.split,
            "protocol": referring_set.protocol,
            "public": referring_set.public,
            "counts": counts,
            "frames_read": checked.frames,
            "notes": notes,
        }
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{describe(dataset, referring_set)}: "
        + ", ".join(count_of(counts[f"{what}s"], what) for what in ("video", "expression", "frame", "sample"))
    )
    for note in notes:
        typer.echo(f"- {note}")


def describe(dataset: str, referring_set: "ReferringSet") -> str:
    """Names a split and says what its protocol means."""
    from refvid.data.sets import set_info

    meaning = set_info(dataset).protocols[referring_set.protocol]
    return f"{referring_set.title}, {referring_set.split}, protocol {referring_set.protocol} ({meaning})"


def has_phrases(referring_set: "ReferringSet") -> bool:
    """Says whether anything is said of anything in a split."""
    return any(expression.text for video in referring_set.videos for expression in video.expressions)
