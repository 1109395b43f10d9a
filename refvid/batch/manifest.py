"""Read the manifest of a batch: a CSV file as a program or a spreadsheet writes it."""

import codecs
import csv
import io
import locale
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from refvid.errors import RefvidError
from refvid.video.incoming import is_url

MANIFEST_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
_COLUMNS = ("input", "expression", "output")
_DELIMITERS = ",;\t|"
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # the first bytes of .xlsx and .ods, and of .xls
_REMEDY = "in a spreadsheet, save it as 'CSV UTF-8'"
_MARKS = (  # of UTF-32 before UTF-16, whose mark its own begins with
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class ManifestRow:
    """One row of a manifest.

    Attributes:
        input: Path to read, or a URL.
        inside: Path as given, relative to the manifest's folder unless it is absolute; empty for a URL.
        expression: What to look for.
        output: Path to write as given; empty if the manifest names none.
    """

    input: Path | str
    inside: Path
    expression: str
    output: str


def read_manifest(manifest: Path) -> list[ManifestRow]:
    """Return the rows of a manifest.

    The encoding is told by the byte order mark, else it is UTF-8, else UTF-16 without a mark, else the code page that
    makes every input exist. The delimiter is the one that splits the heading into the columns: a comma, a semicolon, a
    tab or a bar. Headings may be in capitals, rows may be empty, and cells may have line breaks in quotes.

    Args:
        manifest: CSV file; its inputs are relative to its folder.

    Raises:
        RefvidError: The file cannot be read, lacks a column, has no rows, or a cell is empty or not in a column.
    """
    try:
        data = manifest.read_bytes()
    except OSError as error:
        raise RefvidError(f"the manifest {manifest} cannot be read ({error.strerror})") from error
    if data.startswith(_SPREADSHEETS):
        raise RefvidError(f"{manifest} is a spreadsheet, not a CSV file; {_REMEDY}")
    problem: RefvidError | None = None
    for encoding in _encodings(data):
        try:
            rows = list(_rows(data.decode(encoding), manifest))
        except UnicodeDecodeError:
            continue
        except csv.Error as error:
            raise RefvidError(f"the manifest {manifest} cannot be read as CSV ({error})") from error
        if not _is_unicode(encoding) and (missing := _first_missing(rows)):
            problem = problem or RefvidError(
                f"the manifest {manifest} is not UTF-8, and read as {encoding} it names {missing}, which does not "
                f"exist; {_REMEDY}"
            )
            continue
        if not rows:
            raise RefvidError(f"{manifest} has no rows; write one input,expression per line")
        return rows
    raise problem or RefvidError(f"the manifest {manifest} cannot be read as CSV (it is no text); {_REMEDY}")


def _encodings(data: bytes) -> list[str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return [encoding]
    sample = data[:400]
    if 0 in sample:  # UTF-16 without a mark: every other byte of plain letters is zero
        return ["utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"]
    return list(dict.fromkeys(["utf-8", locale.getpreferredencoding(False).lower(), "cp1252", "latin-1"]))


def _is_unicode(encoding: str) -> bool:
    return encoding.replace("-", "").startswith("utf")


def _rows(text: str, manifest: Path) -> Iterator[ManifestRow]:
    """Yield the rows of the text."""
    text, delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t")
    columns = [_heading(name) for name in next(reader, [])]
    if missing := {"input", "expression"} - set(columns):
        raise RefvidError(
            f"{manifest} has no column {' and '.join(sorted(missing))}; it needs input,expression[,output] "
            "as its first line"
        )
    if twice := [name for name in _COLUMNS if columns.count(name) > 1]:
        raise RefvidError(f"{manifest} has two columns {twice[0]}; give each column a name of its own")
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue  # spreadsheets leave empty rows behind
        place = f"{manifest}, line {reader.line_num}"
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise RefvidError(
                f"{place}: there are more cells than columns; put an expression with {delimiter!r} into quotes"
            )
        yield _row(dict(zip(columns, cells, strict=False)), place, manifest.parent)


def _delimiter(text: str) -> tuple[str, str]:
    """Return the text from its heading on, and the delimiter."""
    text = text.lstrip("\ufeff\r\n")
    if stated := re.match(r"sep=(.)\r?\n?", text, re.IGNORECASE):  # how Excel is told the delimiter
        return text[stated.end() :].lstrip("\r\n"), stated[1]

    def known(delimiter: str) -> int:
        heading = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True), [])
        return sum(_heading(name) in _COLUMNS for name in heading)

    return text, max(_DELIMITERS, key=known)  # the first of equals, a comma


def _heading(name: str) -> str:
    return name.strip().strip("\ufeff\"'").strip().casefold()


def _row(cells: dict[str, str], place: str, folder: Path) -> ManifestRow:
    input, expression, output = (cells.get(name, "").strip() for name in _COLUMNS)
    if not input or not expression:
        raise RefvidError(f"{place}: the input or the expression is empty")
    expression = " ".join(expression.split())  # a line break is only how the cell was laid out
    if is_url(input):
        return ManifestRow(input, Path(), expression, output)
    slashed = input.replace("\\", "/")  # as a manifest from Windows needs
    inside = Path(slashed if not (folder / input).exists() and (folder / slashed).exists() else input)
    return ManifestRow(folder / inside, inside, expression, output)


def _first_missing(rows: list[ManifestRow]) -> Path | None:
    return next((row.input for row in rows if isinstance(row.input, Path) and not row.input.exists()), None)
