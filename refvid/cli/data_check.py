"""`refvid eval --check`: check that a data set is complete, and describe a split of it."""

import json
from typing import TYPE_CHECKING

import typer

from refvid.cli.console import Terminal
from refvid.data.text import count_of
from refvid.errors import RefvidError

if TYPE_CHECKING:
    from refvid.data.referring import ReferringSet

_FAULTS = 3  # most faults that an error lists; all of them would bury the message


def check_data(
    dataset: str, referring_set: "ReferringSet", terminal: Terminal, *, thorough: bool, as_json: bool
) -> None:
    """Check the footage and masks of a split, and print its counts and notes.

    Raises:
        RefvidError: Something is missing or unreadable.
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

        result = {
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
        typer.echo(json.dumps(result))
        return
    typer.echo(
        f"{describe(dataset, referring_set)}: "
        + ", ".join(count_of(counts[f"{what}s"], what) for what in ("video", "expression", "frame", "sample"))
    )
    for note in notes:
        typer.echo(f"- {note}")


def describe(dataset: str, referring_set: "ReferringSet") -> str:
    """Return the name of a split with the meaning of its protocol."""
    from refvid.data.catalogue import set_info

    meaning = set_info(dataset).protocols[referring_set.protocol]
    return f"{referring_set.title}, {referring_set.split}, protocol {referring_set.protocol} ({meaning})"


def has_phrases(referring_set: "ReferringSet") -> bool:
    """Return whether any object of a split is described by a phrase."""
    return any(expression.text for video in referring_set.videos for expression in video.expressions)
