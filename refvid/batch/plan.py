"""The jobs of a batch: the videos under a folder or the rows of a CSV file, each with an output of its own."""

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from refvid.errors import RefvidError, UsageError
from refvid.video.output_format import FOLDER_FORMATS, IMAGE_SUFFIXES, VIDEO_CONTAINERS

VIDEO_SUFFIXES = frozenset(
    (*VIDEO_CONTAINERS, *".3gp .avi .flv .m2ts .mpeg .mpg .mts .mxf .ogv .ts .vob .wmv .y4m".split())  # noqa: SIM905
) - {".gif"}


@dataclass(frozen=True)
class BatchJob:
    """One video to segment.

    Attributes:
        input: Video to read.
        expressions: What to look for.
        output: File or folder to write.
        named: Whether the manifest names the output; otherwise, finished work under another name may be reused.
    """

    input: Path
    expressions: tuple[str, ...]
    output: Path
    named: bool = False


def plan_folder(folder: Path, expressions: Sequence[str], output_folder: Path, format: str | None) -> list[BatchJob]:
    """Return a job for every video under a folder, in natural order.

    Hidden files and the output folder are left out.

    Args:
        folder: Folder to search, with all folders below it.
        expressions: What to look for in every video.
        output_folder: Folder for the outputs, with the same structure.
        format: Output format; None for the default.

    Raises:
        UsageError: The output folder is the folder itself.
        RefvidError: The folder contains no video.
    """
    if folder.resolve() == output_folder.resolve():
        raise UsageError(f"the output folder {output_folder} is the input folder; give another one with -o")
    videos = sorted(
        _find_videos(folder, output_folder.resolve()), key=lambda path: _natural_key(path.relative_to(folder))
    )
    if not videos:
        raise RefvidError(f"there is no video under {folder}; expected {' '.join(sorted(VIDEO_SUFFIXES))}")
    wanted = [output_folder / path.relative_to(folder) for path in videos]
    outputs = _name_outputs(wanted, format)
    return [BatchJob(path, tuple(expressions), output) for path, output in zip(videos, outputs, strict=True)]


def plan_manifest(manifest: Path, output_folder: Path, format: str | None) -> list[BatchJob]:
    """Return a job for every row of a CSV file with the columns input, expression and, optionally, output.

    Args:
        manifest: CSV file; its inputs are relative to its folder.
        output_folder: Folder that the outputs are relative to.
        format: Output format; None for the default.

    Raises:
        RefvidError: The file lacks these columns, has no rows or an empty cell, or two rows name the same output.
    """
    rows = _read_manifest(manifest)
    wanted = [output_folder / _keep_relative(Path(row["input"])) for row in rows if not row["output"]]
    named = [output_folder / row["output"] for row in rows if row["output"]]
    twice = [path for path, count in Counter(named).items() if count > 1]
    if twice:
        raise RefvidError(
            f"{manifest}: {len(twice)} output(s) are named by more than one row, the first is {twice[0]}; "
            "give each row an output of its own"
        )
    free = iter(_name_outputs(wanted, format, taken=named))
    jobs = []
    for row in rows:
        output = output_folder / row["output"] if row["output"] else next(free)
        jobs.append(BatchJob(manifest.parent / row["input"], (row["expression"],), output, named=bool(row["output"])))
    return jobs


def _find_videos(folder: Path, excluded: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and (Path(place) / name).resolve() != excluded]
        # Names with a leading dot are not videos: macOS keeps resource forks as ._name.mp4.
        yield from (
            Path(place) / name for name in files if name[0] != "." and Path(name).suffix.lower() in VIDEO_SUFFIXES
        )


def _natural_key(path: Path) -> tuple[list[list[tuple[int, str]]], str]:
    """Return a sort key: folder by folder, "2.mp4" before "10.mp4", numbers before words; case only breaks ties."""
    names = [*path.parent.parts, path.stem]
    pieces = [[piece for piece in re.split(r"(\d+)", name.casefold()) if piece] for name in names]
    # A word sorts after all numbers, as if it were a number larger than any file name can hold.
    keys = [[(int(piece), "") if piece.isdecimal() else (10**300, piece) for piece in name] for name in pieces]
    return keys, path.as_posix()


def _keep_relative(path: Path) -> Path:
    """Return the path if it stays inside its root folder, else only its name."""
    return Path(path.name) if path.is_absolute() or ".." in path.parts else path


def _output_suffix(format: str | None, source: str) -> str:
    """Return the suffix of the output; as `resolve_output` chooses it, but without opening the input."""
    if format == "rle":
        return ".json"
    if source in IMAGE_SUFFIXES:
        return source if format in (None, "overlay", "cutout", "matte") else ".png"
    if format in FOLDER_FORMATS:
        return ""
    if format == "alpha":
        return ".mov" if source == ".mov" else ".webm"
    return source if source in VIDEO_CONTAINERS else ".mp4"


def _name_outputs(wanted: Sequence[Path], format: str | None, taken: Sequence[Path] = ()) -> list[Path]:
    """Return a unique output path for each input, with the suffix of the output.

    a.mp4 stays a.mp4. If there is also an a.avi, both names include the old suffix (a_mp4.mp4, a_avi.mp4), so that they
    do not depend on the order. Names that still collide are numbered.

    Args:
        wanted: Path of each input, moved into the output folder.
        format: Output format; None for the default.
        taken: Outputs that the manifest names.
    """
    suffixes = [_output_suffix(format, path.suffix.lower()) for path in wanted]
    # Names are compared without case, because many file systems do not distinguish A.mp4 from a.mp4.
    plain = [str(path.with_suffix(suffix)).casefold() for path, suffix in zip(wanted, suffixes, strict=True)]
    asked = Counter(plain)
    # Folders that contain other outputs are taken too: the masks of a.mp4 would go into a folder a, as a/b.mp4 does.
    used = {str(path).casefold() for place in (*taken, *wanted) for path in place.parents}
    used |= {str(path).casefold() for path in taken}
    names = []
    for path, suffix, key in zip(wanted, suffixes, plain, strict=True):
        stem = path.stem if asked[key] == 1 else f"{path.stem}_{path.suffix[1:]}".rstrip("_")
        name, number = path.with_name(stem + suffix), 2
        while str(name).casefold() in used:
            name, number = path.with_name(f"{stem}_{number}{suffix}"), number + 1
        used.add(str(name).casefold())
        names.append(name)
    return names


def _read_manifest(manifest: Path) -> list[dict[str, str]]:
    """Return the rows with stripped cells; `output` is empty if the manifest gives none."""
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RefvidError(f"the manifest {manifest} cannot be read as CSV ({error})") from error
    if missing := {"input", "expression"} - set(columns):
        raise RefvidError(
            f"{manifest} has no column {' and '.join(sorted(missing))}; it needs input,expression[,output]"
        )
    rows = []
    for number, row in lines:
        cells = {name: (row.get(name) or "").strip() for name in ("input", "expression", "output")}
        if not cells["input"] or not cells["expression"]:
            raise RefvidError(f"{manifest}, line {number}: the input or the expression is empty")
        rows.append(cells)
    if not rows:
        raise RefvidError(f"{manifest} has no rows; write one input,expression per line")
    return rows
