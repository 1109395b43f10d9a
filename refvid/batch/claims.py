"""Claims on outputs, so that two runs into one folder share the work instead of doing it twice."""

import errno
import hashlib
import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Self

try:
    import fcntl
except ImportError:  # Windows, where runs do not see each other
    fcntl = None  # type: ignore[assignment]

LOGGER = logging.getLogger(__name__)
LOCK_NAME = ".refvid-batch.lock"
_TAKEN = (errno.EACCES, errno.EAGAIN)
_SECONDS_BETWEEN_TRIES = 0.5


class Claims:
    """The outputs that this process works on; a context manager that gives all of them up.

    A claim is a lock on one byte of a file in the output folder. The system gives it up when the process ends, however
    it ends, so that there is never a claim of nobody.

    Attributes:
        work: Whether the system and the file system have such locks; else every claim is granted.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / LOCK_NAME).open("ab")
        self.work = fcntl is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def take(self, output: Path, *, wait: bool) -> bool:
        """Return whether this process now has the claim on an output.

        Args:
            output: File or folder to write.
            wait: Whether to wait while another process has it.
        """
        if fcntl is None:
            return True
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(output))
                return True
            except OSError as error:
                if error.errno not in _TAKEN:
                    LOGGER.debug("the file system of %s has no locks: %s", output, error)
                    self.work = False
                    return True
            if not wait:
                return False
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def release(self, output: Path) -> None:
        """Give up the claim on an output."""
        if fcntl is not None and not self._file.closed:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(output))


def _byte(output: Path) -> int:
    """Return the number of an output's byte in the lock file, which need not be that long."""
    return int.from_bytes(hashlib.sha256(str(output.resolve()).encode(errors="surrogateescape")).digest()[:7], "big")
