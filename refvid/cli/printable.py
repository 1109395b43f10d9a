"""Output that every terminal can show, also a narrow one or one that knows no Unicode."""

import codecs
import shutil
import sys
from typing import Any, TextIO

import typer

_SPELLED = {
    "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "−": "-", "×": "x", "→": "->",
    "•": "*", "│": "|", "─": "-", "━": "-", "┃": "|", "≥": ">=", "≤": "<=", "±": "+-", "\u00a0": " ",
}  # fmt: skip
_HANDLER = "refvid.spelled"
_WIDTH_OF_BOXES = 80  # columns; with fewer, the boxes cut names and explanations off with an ellipsis


def spell(error: UnicodeError) -> tuple[str, int]:
    """Return what to print instead of characters that an encoding lacks; an error handler of `codecs`.

    Signs of typography have a plain spelling; everything else, such as the bytes of a file name that is not UTF-8,
    becomes an escape like \\xe9. Bytes that cannot be decoded, which only a stream that is read has, become a
    replacement character.
    """
    if isinstance(error, UnicodeDecodeError):
        return "\ufffd", error.end
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    spelled = [_SPELLED.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in missing]
    return "".join(spelled), error.end


def make_streams_printable() -> None:
    """Let stdout and stderr print every text, whatever the encoding of the terminal, instead of raising an error."""
    codecs.register_error(_HANDLER, spell)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a stand-in such as StringIO needs nothing
            stream.reconfigure(errors=_HANDLER)


def simplify_help(command: Any, stream: TextIO | None = None) -> None:
    """Let a command and those below it print plain help where rich's boxes would not be readable.

    Boxes need Unicode and about 80 columns: with fewer, rich cuts options off with an ellipsis.

    Args:
        command: Command or group of Typer.
        stream: Stream of the help; None for stdout.
    """
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    unicode = encoding.lower().replace("_", "-").startswith("utf")
    if unicode and _columns() >= _WIDTH_OF_BOXES:
        return
    _set_plain(command)


def _columns() -> int:
    """Return the columns of the terminal; where stdout is none and COLUMNS says nothing, as many as boxes need."""
    return shutil.get_terminal_size((_WIDTH_OF_BOXES, 24)).columns


def _set_plain(command: Any) -> None:
    command.rich_markup_mode = None
    for below in getattr(command, "commands", {}).values():
        _set_plain(below)


def command_of(app: typer.Typer) -> Any:
    """Return the command of an application, with help that the terminal can show."""
    command = typer.main.get_command(app)
    simplify_help(command)
    return command
