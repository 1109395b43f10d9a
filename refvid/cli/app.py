"""The Typer application, and `main`, which maps every outcome to an exit code and at most one line on stderr."""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from refvid.cli.batch import batch
from refvid.cli.doctor import doctor
from refvid.cli.evaluate import evaluate
from refvid.cli.models import models_app
from refvid.cli.printable import command_of, make_streams_printable
from refvid.cli.segment import segment
from refvid.cli.train import train
from refvid.cli.world import world_app
from refvid.closest import did_you_mean
from refvid.errors import OutOfMemoryError, RefvidError

EXIT_CODES = (
    "Exit codes: 0 done; 1 something failed while running; 2 usage; 3 a device, codec or weights are not "
    "available; 4 out of memory; 5 --fail-if-empty and nothing found; 6 the output exists; 7 some of a batch failed; "
    "130 interrupted. Errors are one line on stderr; REFVID_DEBUG=1 shows the traceback."
)
# The sentence in which Typer reports a value that is none of an option's choices.
_NOT_A_CHOICE = re.compile(r"(?:Value error, )?'(?P<given>[^']*)' is not one of (?P<choices>'.*')\.")

app = typer.Typer(
    name="refvid",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
    pretty_exceptions_enable=False,
)
app.command(epilog=EXIT_CODES)(segment)
app.command(epilog=EXIT_CODES)(batch)
app.command(epilog=EXIT_CODES)(train)
app.command("eval", epilog=EXIT_CODES)(evaluate)
app.command(epilog=EXIT_CODES)(doctor)
app.add_typer(models_app)
app.add_typer(world_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from refvid import __version__

        typer.echo(f"refvid {__version__}")
        raise typer.Exit


@app.callback()
def refvid(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find the object that a sentence names in a video and cut it out."""


def main(argv: Sequence[str]) -> int:
    """Run the command line and report its outcome.

    Args:
        argv: Arguments after the program's name.

    Returns:
        One of the exit codes in `EXIT_CODES`.
    """
    make_streams_printable()
    command = command_of(app)
    try:
        returned = command.main(args=list(argv), prog_name="refvid", standalone_mode=False)
        sys.stdout.flush()  # otherwise a full disk or a closed pipe would fail only after the exit code is decided
        code = returned if isinstance(returned, int) else 0
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader of stdout has gone. Without a new target, the interpreter would fail again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except Exception as error:
        return _report(error)
    if code == 130:
        _write_line("refvid: interrupted")
    return code


def _report(error: Exception) -> int:
    """Write one line about the error to stderr and return its exit code."""
    if os.environ.get("REFVID_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    sentence, code = describe_error(error)
    _write_line(f"refvid: error: {' '.join(sentence.split())}")
    return code


def _write_line(line: str) -> None:
    """Write a line to stderr; a terminal that has been closed must not change the exit code."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")


def describe_error(error: Exception) -> tuple[str, int]:
    """Return the message for the user and the exit code of any error."""
    if isinstance(error, RefvidError):
        return str(error), error.exit_code
    if _is_out_of_memory(error):
        remedy = "use a smaller video, --precision bfloat16, another --device, or close other programs"
        return f"out of memory ({str(error) or 'none left'}); {remedy}", OutOfMemoryError.exit_code
    if hasattr(error, "format_message"):  # a usage error of Typer, whose class moved between versions
        context = getattr(error, "ctx", None)
        hint = "" if context is None else f" (see `{context.command_path} --help`)"
        return f"{_NOT_A_CHOICE.sub(_suggest, error.format_message())}{hint}", getattr(error, "exit_code", 2)
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{place}", 1
    kind = type(error).__name__
    return f"unexpected {kind}: {error}; run again with REFVID_DEBUG=1 to see where it comes from", 1


def _suggest(refused: re.Match[str]) -> str:
    """Return Typer's sentence about a value that is none of the choices, with the closest of them added."""
    choices = re.findall(r"'([^']*)'", refused["choices"])
    meant = did_you_mean(refused["given"], choices)
    return f"'{refused['given']}'{meant} is not one of {', '.join(choices)}"


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of Python, CUDA, MPS or the CPU allocator means out of memory; does not import torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
