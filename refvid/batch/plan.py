"""The jobs of a batch: the inputs under a folder or the rows of a CSV file, each with an output of its own."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from refvid.batch.manifest import ManifestRow, read_manifest
from refvid.batch.search import FoundSource, PassOver, pass_over_silently, search_folder
from refvid.errors import RefvidError, UsageError
from refvid.video.frame import SourceKind
from refvid.video.incoming import url_name
from refvid.video.output_format import OutputFormat, default_suffix
from refvid.video.recognise import NotReadable, recognise


@dataclass(frozen=True)
class BatchJob:
    """One input to segment.

    Attributes:
        input: Video, image or folder of frames to read; a str is a URL.
        expressions: What to look for.
        output: File or folder to write.
        named: Whether the manifest names the output; otherwise, finished work under another name may be reused.
    """

    input: Path | str
    expressions: tuple[str, ...]
    output: Path
    named: bool = False


def plan_folder(
    folder: Path,
    expressions: Sequence[str],
    output_folder: Path,
    format: str | None,
    pass_over: PassOver = pass_over_silently,
) -> list[BatchJob]:
    """Return a job for every input under a folder, in natural order.

    Args:
        folder: Folder to search, with all folders below it, linked ones too.
        expressions: What to look for in every input.
        output_folder: Folder for the outputs, with the same structure; it is not searched.
        format: Output format; None for the default.
        pass_over: Function called with everything that is no input, and the reason.

    Raises:
        UsageError: The output folder is the folder itself.
        RefvidError: The folder contains no input.
    """
    if folder.resolve() == output_folder.resolve():
        raise UsageError(f"the output folder {output_folder} is the input folder; give another one with -o")
    found = search_folder(folder, output_folder, pass_over)
    if not found:
        raise RefvidError(f"there is no video under {folder}; expected videos, pictures or folders of frames")
    found.sort(key=lambda source: _natural_key(source.path.relative_to(folder)))
    wanted = [_Wanted.of(source, output_folder / source.path.relative_to(folder)) for source in found]
    outputs = _name_outputs(wanted, format)
    return [BatchJob(source.path, tuple(expressions), out) for source, out in zip(found, outputs, strict=True)]


def plan_manifest(manifest: Path, output_folder: Path, format: str | None) -> list[BatchJob]:
    """Return a job for every row of a CSV file with the columns input, expression and, optionally, output.

    Args:
        manifest: CSV file; its inputs are relative to its folder.
        output_folder: Folder that the outputs are relative to.
        format: Output format; None for the default.

    Raises:
        RefvidError: The file lacks these columns, has no rows or an empty cell, or two rows name the same output.
    """
    rows = read_manifest(manifest)
    named = [output_folder / row.output for row in rows if row.output]
    twice = [path for path, count in Counter(named).items() if count > 1]
    if twice:
        raise RefvidError(
            f"{manifest}: {len(twice)} output(s) are named by more than one row, the first is {twice[0]}; "
            "give each row an output of its own"
        )
    wanted = [_wanted_by(row, output_folder) for row in rows if not row.output]
    free = iter(_name_outputs(wanted, format, taken=named))
    jobs = []
    for row in rows:
        output = output_folder / row.output if row.output else next(free)
        jobs.append(BatchJob(row.input, (row.expression,), output, named=bool(row.output)))
    return jobs


@dataclass(frozen=True)
class _Wanted:
    """The place that an input would have in the output folder.

    Attributes:
        path: The path of the input there, without its suffix.
        ending: The suffix of the input; empty for a folder of frames.
        kind: What the input is.
    """

    path: Path
    ending: str
    kind: SourceKind

    @classmethod
    def of(cls, source: FoundSource, moved: Path) -> "_Wanted":
        if source.kind == "frames":
            return cls(moved, "", "frames")
        return cls(moved.with_name(moved.stem), moved.suffix, source.kind)


def _wanted_by(row: ManifestRow, output_folder: Path) -> _Wanted:
    """Return the place of a row's input, which need not exist."""
    if isinstance(row.input, str):
        name = Path(url_name(row.input))
        return _Wanted.of(FoundSource(name, "image" if _looks_like(name) == "image" else "video"), output_folder / name)
    kind: SourceKind = "frames" if row.input.is_dir() else _looks_like(row.input)
    outside = row.inside.is_absolute() or ".." in row.inside.parts
    return _Wanted.of(FoundSource(row.input, kind), output_folder / (row.inside.name if outside else row.inside))


def _looks_like(path: Path) -> SourceKind:
    try:
        return recognise(path)
    except NotReadable:
        return "video"  # segmenting it gives the message


def _natural_key(path: Path) -> tuple[list[list[tuple[int, str]]], str]:
    """Return a sort key: folder by folder, "2.mp4" before "10.mp4", numbers before words; case only breaks ties."""
    names = [*path.parent.parts, path.stem]
    pieces = [[piece for piece in re.split(r"(\d+)", name.casefold()) if piece] for name in names]
    # A word sorts after all numbers, as if it were a number larger than any file name can hold.
    keys = [[(int(piece), "") if piece.isdecimal() else (10**300, piece) for piece in name] for name in pieces]
    return keys, path.as_posix()


def _name_outputs(wanted: Sequence[_Wanted], format: str | None, taken: Sequence[Path] = ()) -> list[Path]:
    """Return a unique output path for each input, with the suffix of the output.

    a.mp4 stays a.mp4. If there is also an a.avi, both names include the old suffix (a_mp4.mp4, a_avi.mp4), so that they
    do not depend on the order. Names that still collide are numbered.

    Args:
        wanted: Place of each input in the output folder.
        format: Output format; None for the default.
        taken: Outputs that the manifest names.
    """
    chosen = OutputFormat.OVERLAY if format is None else OutputFormat(format)
    suffixes = [default_suffix(place.kind, place.ending.lower(), chosen) for place in wanted]
    # Names are compared without case, because many file systems do not distinguish A.mp4 from a.mp4.
    plain = [f"{place.path}{suffix}".casefold() for place, suffix in zip(wanted, suffixes, strict=True)]
    asked = Counter(plain)
    # Folders that contain other outputs are taken too: the masks of a.mp4 would go into a folder a, as a/b.mp4 does.
    used = {str(path).casefold() for place in (*taken, *(each.path for each in wanted)) for path in place.parents}
    used |= {str(path).casefold() for path in taken}
    names = []
    for place, suffix, key in zip(wanted, suffixes, plain, strict=True):
        path = place.path
        stem = path.name if asked[key] == 1 else f"{path.name}_{place.ending[1:]}".rstrip("_")
        name, number = path.with_name(stem + suffix), 2
        while str(name).casefold() in used:
            name, number = path.with_name(f"{stem}_{number}{suffix}"), number + 1
        used.add(str(name).casefold())
        names.append(name)
    return names
