"""Atomic files and folders: they are written beside their final place and renamed at the end, or not made at all."""

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from refvid.errors import OutputExistsError, UsageError, VideoError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Staging:
    """One output that is written to a temporary place and then moved to its final one.

    Attributes:
        temporary: Temporary path to write to: a file, or a folder that exists after `open`.
    """

    def __init__(self, output: Path, *, folder: bool, overwrite: bool) -> None:
        """Check that the output can and may be written, without writing anything yet.

        Args:
            output: Final path of the output.
            folder: Whether the output is a folder rather than a file.
            overwrite: Whether an existing output may be replaced.

        Raises:
            OutputExistsError: The output exists and `overwrite` is off, or it is a folder with other files than PNGs.
            UsageError: The parent folder is missing, or a folder exists where a file is to be written or vice versa.
            VideoError: The parent folder is not writable.
        """
        self._folder, self._overwrite = folder, overwrite
        # A symbolic link stays, and the file that it points to is replaced, as in other programs.
        self._final = Path(os.path.realpath(output)) if output.is_symlink() else output.absolute()
        self._check(output)
        self.temporary = _temporary_name(self._final)

    def _check(self, output: Path) -> None:
        parent = self._final.parent
        if not parent.is_dir():
            raise UsageError(f"there is no folder {parent} to write {self._final.name} into; create it first")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise VideoError(f"cannot write {output}: the folder {parent} is not writable")
        if not self._final.exists():
            return
        if self._folder != self._final.is_dir() or not (self._folder or self._final.is_file()):
            kind = "folder" if self._folder else "file"
            raise UsageError(f"{output} already exists and is not a {kind}; give another output")
        if not self._overwrite and not self._is_empty_folder():
            raise OutputExistsError(f"{output} already exists; give --overwrite to replace it")
        if self._folder:
            self._check_replaceable(output)

    def _is_empty_folder(self) -> bool:
        return self._folder and not any(self._final.iterdir())

    def _check_replaceable(self, output: Path) -> None:
        """Reject a folder that holds more than PNG files: a mistyped name must not cost anybody a folder of work."""
        for entry in self._final.iterdir():
            if entry.is_dir() or entry.suffix.lower() != ".png":
                raise OutputExistsError(
                    f"{output} contains more than PNG files ({entry.name}), so refvid does not replace it; "
                    "give another folder or empty this one"
                )

    def open(self) -> None:
        """Create the temporary folder; a temporary file is created by its writer."""
        if self._folder:
            self.temporary.mkdir()

    def commit(self) -> None:
        """Move the output to its final place.

        Raises:
            OutputExistsError: Another process has created the output in the meantime.
        """
        if self._final.exists() and not self._overwrite and not self._is_empty_folder():
            raise OutputExistsError(f"{self._final} was created in the meantime; give --overwrite to replace it")
        if not self._folder or not self._final.exists():
            os.replace(self.temporary, self._final)
            return
        # A folder cannot be replaced in one step, so the old one is kept until the new one is in place.
        aside = self.temporary.with_suffix(".old")
        os.replace(self._final, aside)
        try:
            os.replace(self.temporary, self._final)
        except BaseException:
            os.replace(aside, self._final)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def discard(self) -> None:
        """Remove the temporary output; never raise, because this runs while another error is on its way."""
        with suppress(OSError):
            if self._folder:
                shutil.rmtree(self.temporary, ignore_errors=True)
            else:
                self.temporary.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    # The suffix stays last for libraries that look at it; the token distinguishes two writers in one process.
    return path.with_name(f".{path.stem[:40]}.refvid-{os.getpid()}-{secrets.token_hex(3)}.part{path.suffix[:20]}")


def is_temporary(path: Path) -> bool:
    """Return whether a path is named like an unfinished file, which a killed process leaves behind."""
    return path.name.startswith(".") and ".refvid-" in path.name and ".part" in path.name


def remove_stale(output: Path) -> None:
    """Remove the unfinished files and folders of an output that killed processes of this machine have left behind."""
    pattern = re.compile(re.escape(f".{output.stem[:40]}.refvid-") + r"(\d+)-[0-9a-f]{6}\.(part|old).*")
    with suppress(OSError):
        for entry in output.absolute().parent.iterdir():
            match = pattern.fullmatch(entry.name)
            if match is None or _runs(int(match[1])):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if sys.platform == "win32":
        return True  # asking would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path, whose file replaces `path` if the block succeeds and is removed if it fails.

    Processes that write the same file at the same time do not disturb each other: the last one wins.

    Args:
        path: File in an existing folder; an existing file is replaced.
    """
    temporary = _temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes atomically to a file in an existing folder, by `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder, which replaces `path` if the block succeeds and is removed if it fails.

    The folder's files are on the disk before it gets its final name, so that a power cut cannot leave a new folder
    with incomplete files.

    Args:
        path: Folder in an existing folder; an existing one is replaced.
    """
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # left behind by a killed process
    temporary.mkdir()
    try:
        yield temporary
        for entry in temporary.iterdir():
            _flush(entry)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Flush a file, or the list of names in a folder, to the disk, so that it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(output: Path, *, failures: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """Turn the errors of the system, or of a library, while writing into messages for the user.

    Args:
        output: Output to name in the message.
        failures: Exceptions to convert, which have an `errno` and a `strerror` as `OSError` does.

    Raises:
        VideoError: The disk is full, or writing failed for another reason.
    """
    try:
        yield
    except failures as error:
        if getattr(error, "errno", None) in _FULL:
            raise VideoError(f"cannot write {output}: no space left on the disk that holds it") from error
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        log = getattr(error, "log", None)  # FFmpeg's last line often says more than its error number
        raise VideoError(f"cannot write {output}: {reason}{f' ({log[2]})' if log else ''}") from error
