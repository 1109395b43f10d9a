"""The program `refvid`, which also runs as `python -m refvid`."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from refvid.cli.app import main as run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    # A plain kill, `timeout` or `docker stop` must clean up the temporary files, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _leave)
    return run(sys.argv[1:] if argv is None else argv)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
