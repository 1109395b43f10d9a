"""The program `refvid`, which also runs as `python -m refvid`."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from refvid.cli.app import main as run

# A plain kill, `timeout`, `docker stop`, a closed terminal, a lost connection, Ctrl-\ and a spent CPU time limit must
# clean up the temporary files, as Ctrl-C does. Windows has only the first.
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGXCPU")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    for name in _ENDING:
        number = getattr(signal, name, None)
        # A signal that is ignored stays so: `nohup` has the program survive the terminal.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    return run(sys.argv[1:] if argv is None else argv)


def _leave(number: int, frame: FrameType | None) -> None:
    for name in _ENDING:  # a closed terminal sends several signals: the later ones must not interrupt the cleaning up
        if (other := getattr(signal, name, None)) is not None:
            signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
