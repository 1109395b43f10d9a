"""Files and folders that appear whole or not at all: written beside their final place and moved there at the end."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from refvid.errors import OutputExistsError, UsageError, VideoError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Staging:
    """The temporary place of one output and its way to the final one.

    Attributes:
        temporary: Where to write. A file, or an existing folder after `open`.
    """

    def __init__(self, output: Path, *, folder: bool, overwrite: bool) -> None:
        """Checks that the output may and can be written; touches nothing.

        Raises:
            OutputExistsError: It is there already, and `overwrite` is off or it is not refvid's to replace.
            UsageError: Its folder is missing, or it is of the other kind (a folder for a file, or the reverse).
            VideoError: Its folder does not let us write.
        """
        self._folder, self._overwrite = folder, overwrite
        # A link is followed: what it points to is replaced, as every other program does.
        self._final = Path(os.path.realpath(output)) if output.is_symlink() else output.absolute()
        self._check(output)
        self.temporary = _temporary_name(self._final)

    def _check(self, output: Path) -> None:
        parent = self._final.parent
        if not parent.is_dir():
            raise UsageError(f"there is no folder {parent} to write {self._final.name} into; make it first")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise VideoError(f"cannot write {output}: the folder {parent} does not permit it")
        if not self._final.exists():
            return
        if self._folder != self._final.is_dir() or not (self._folder or self._final.is_file()):
            raise UsageError(f"{output} is there already and is not a {'folder' if self._folder else 'file'}")
        if not self._overwrite and not self._is_empty_folder():
            raise OutputExistsError(f"{output} is there already; give --overwrite to replace it")
        if self._folder:
            self._check_replaceable(output)

    def _is_empty_folder(self) -> bool:
        return self._folder and not any(self._final.iterdir())

    def _check_replaceable(self, output: Path) -> None:
        """A wrong name must not cost anybody a folder of work: only PNGs are replaced."""
        for entry in self._final.iterdir():
            if entry.is_dir() or entry.suffix.lower() != ".png":
                raise OutputExistsError(
                    f"{output} holds more than PNG files ({entry.name}), so refvid does not replace it; "
                    "give another folder or empty this one"
                )

    def open(self) -> None:
        """Makes the temporary folder; a file is made by whoever writes it."""
        if self._folder:
            self.temporary.mkdir()

    def commit(self) -> None:
        """Moves what was written to its final place."""
        if self._final.exists() and not self._overwrite and not self._is_empty_folder():
            raise OutputExistsError(f"{self._final} has appeared meanwhile; give --overwrite to replace it")
        if not self._folder or not self._final.exists():
            os.replace(self.temporary, self._final)
            return
        aside = self.temporary.with_suffix(".old")
        os.replace(self._final, aside)
        try:
            os.replace(self.temporary, self._final)
        except BaseException:
            os.replace(aside, self._final)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def discard(self) -> None:
        """Removes what was written; never raises, for it runs while something else goes wrong."""
        with suppress(OSError):
            if self._folder:
                shutil.rmtree(self.temporary, ignore_errors=True)
            else:
                self.temporary.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    # The suffix stays last, for libraries that go by it; the token keeps two writers in one process apart.
    return path.with_name(f".{path.stem[:40]}.refvid-{os.getpid()}-{secrets.token_hex(3)}.part{path.suffix[:20]}")


def is_temporary(path: Path) -> bool:
    """Return whether a file's name is that of an unfinished one, which a process that was killed has left."""
    return path.name.startswith(".") and ".refvid-" in path.name and ".part" in path.name


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path: the file there replaces `path` when the block ends well, and is removed when it fails.

    Processes that write the same file at the same time do not disturb each other: the last one stays.

    Args:
        path: In an existing folder; a file that is there already is replaced.
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
    """Write text (as UTF-8) or bytes to a file in an existing folder, as `whole_file` does."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder: it replaces `path` when the block ends well, and is removed when it fails.

    What the folder holds is on the disk when this returns, so that a power cut leaves the old folder or the new one.

    Args:
        path: In an existing folder; a folder that is there already is replaced.
    """
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
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
    """Make sure that a file, or a folder's list of names, survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(output: Path, *, failures: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """Turn what the system, or a library, raises while writing into a sentence.

    Args:
        output: Named in the sentence.
        failures: What is turned into one; each has an `errno` and a `strerror`, as `OSError` has.

    Raises:
        VideoError: The disk is full, or anything else went wrong.
    """
    try:
        yield
    except failures as error:
        if getattr(error, "errno", None) in _FULL:
            raise VideoError(f"cannot write {output}: no space left on the disk that holds it") from error
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        log = getattr(error, "log", None)  # FFmpeg's last line often says more than its error number
        raise VideoError(f"cannot write {output}: {reason}{f' ({log[2]})' if log else ''}") from error
