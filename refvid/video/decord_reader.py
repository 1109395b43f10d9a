"""The decord reader of videos: fast, but it decodes ahead of its consumer and has no timestamps of its own."""

import re
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from refvid.errors import UnavailableError, VideoError
from refvid.video.colour import is_bt601, is_untagged
from refvid.video.frame import Frame, Pixels, VideoInfo
from refvid.video.pyav_reader import PyAVReader
from refvid.video.timeline import ProbedSource

# Seconds; decord counts times from zero, as float32.
_TIME_TOLERANCE = 2e-3
_DEEP_COLOUR = re.compile(r"(9|10|12|14|16)(le|be)$|^p0(10|12|16)")


def decord_installed() -> bool:
    """Return whether decord can be imported on this machine."""
    try:
        import decord  # noqa: F401
    except (ImportError, OSError, RuntimeError):  # decord loads its shared library itself, which raises the latter two
        return False
    return True


class DecordReader:
    """A reader that yields the frames `start <= index < stop` in order, with the timestamps of the probe.

    Args:
        source: The probed file.
        start: Index of the first frame.
        stop: Index after the last frame.
        hand_over: Whether PyAV takes over at a frame that decord cannot deliver, instead of an error.

    Raises:
        UnavailableError: decord is not installed.
        VideoError: decord cannot open the file, or finds other frames than the container holds.
    """

    name = "decord"

    def __init__(self, source: ProbedSource, start: int, stop: int, *, hand_over: bool = False) -> None:
        self.info: VideoInfo = source.info
        self.frame_total = stop - start
        self.span = source.span(start, stop)
        self.damage: list[str] = []
        self._source = source
        self._start = start
        self._stop = stop
        self._hand_over = hand_over
        self._decoder: Any = _open(source, start)
        self._running: Generator[Frame, None, None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder, its threads and the frames that it has decoded ahead."""
        if self._running is not None:
            self._running.close()
            self._running = None
        self._decoder = None  # decord has no close(); dropping the last reference ends it

    def __iter__(self) -> Iterator[Frame]:
        if self._running is not None:
            self._running.close()
        self._running = self._read()
        return self._running

    def _read(self) -> Generator[Frame, None, None]:
        decoder = self._decoder if self._decoder is not None else _open(self._source, self._start)
        self._decoder = decoder
        failures: tuple[type[Exception], ...] = (*_failures(), VideoError)
        for index in range(self._start, self._stop):
            try:
                # Reading indices in order is as fast as next(); only the first index seeks.
                pixels = self._checked(decoder[index].asnumpy())
            except failures as error:
                if not self._hand_over:
                    raise self._broken(index, error) from error
                break
            yield Frame(index, self._source.time(index), self._source.duration(index), pixels)
        else:
            return
        del decoder
        self._decoder = None
        with PyAVReader(self._source, index, self._stop) as successor:
            try:
                yield from successor
            finally:
                self.damage.extend(successor.damage)

    def _checked(self, pixels: Pixels) -> Pixels:
        """Return the frame, or raise VideoError if its shape is wrong.

        decord 0.6 takes the row padding of narrow pictures for a fourth channel.
        """
        expected = (self.info.height, self.info.width, 3)
        if pixels.shape != expected:
            raise VideoError(f"decord returns frames of shape {pixels.shape} instead of {expected}")
        return np.ascontiguousarray(pixels)

    def _broken(self, index: int, error: Exception) -> VideoError:
        if isinstance(error, VideoError):
            return VideoError(f"{error}; read {self.info.path} with --reader pyav")
        where = self._source.spoken(index)
        return VideoError(f"decord cannot decode {where} of {self.info.path}; read it with --reader pyav")


def distrust(source: ProbedSource, start: int) -> str:
    """Return why decord cannot be trusted with a file, to follow "decord"; empty if it can.

    It has no times of its own by which the frame that comes after a seek could be told, and it seeks to whatever the
    container calls a key frame: it lands wrong at recovery points, in open groups of pictures and behind edit lists.

    Args:
        source: The probed file.
        start: Index of the first frame to read.
    """
    if not source.exact_times:
        return "cannot follow the times of the frames"
    if source.info.mirrored:
        return "turns the mirrored pictures"
    if source.interlaced:
        return "blurs the colours of the interlaced pictures"
    if start > 0 and not source.closed:
        return "does not find a frame in the middle"
    return ""


def _open(source: ProbedSource, start: int) -> Any:
    if not decord_installed():
        raise UnavailableError("decord is not installed on this machine; leave out --reader or use --reader pyav")
    import decord

    path = source.info.path
    if reason := distrust(source, start):
        raise VideoError(f"decord {reason} of {path}; read it with --reader pyav")
    if source.matrix is not None or (is_untagged(source.info) and not is_bt601(source.info)):
        raise VideoError(f"decord cannot convert the colours of {path} as players do; read it with --reader pyav")
    if source.info.alpha:
        raise VideoError(f"decord does not read the transparency of {path}; read it with --reader pyav")
    decord.logging.set_level(decord.logging.QUIET)
    try:
        decoder = decord.VideoReader(str(path.absolute()))  # it does not accept a Path
    except UnicodeEncodeError as error:
        raise VideoError(f"decord cannot open {path}, whose name is not UTF-8; read it with --reader pyav") from error
    except _failures() as error:
        raise VideoError(f"decord cannot open {path}; read it with --reader pyav") from error
    if len(decoder) != len(source.pts) or source.expected > len(source.pts):
        raise VideoError(
            f"decord finds {len(decoder)} frames in {path}, but the container holds {source.expected}; "
            "read it with --reader pyav"
        )
    starts = decoder.get_frame_timestamp(range(len(decoder)))[:, 0]
    times = (np.asarray(source.pts, dtype=np.int64) - source.pts[0]) * float(source.info.time_base)
    if np.abs(starts - times).max() > _TIME_TOLERANCE + 1e-6 * times[-1]:
        raise VideoError(
            f"decord gives the frames of {path} other times than the container; read it with --reader pyav"
        )
    if start > 0 and not set(decoder.get_key_indices()) <= set(source.entries):  # it would seek to any of them
        raise VideoError(f"decord does not find a frame in the middle of {path}; read it with --reader pyav")
    _check_landing(source, start, decoder)
    return decoder


def _check_landing(source: ProbedSource, start: int, decoder: Any) -> None:
    """Compare the first frame with PyAV's, which is told by its time.

    Raises:
        VideoError: It is another frame.
    """
    if not converts_alike(source.info):
        return
    failures: tuple[type[Exception], ...] = (*_failures(), VideoError)
    try:
        ours = decoder[start].asnumpy()
        with PyAVReader(source, start, start + 1) as reader:
            theirs = next(iter(reader)).pixels
    except failures:
        return  # reading will say what is wrong with this frame
    if ours.shape == theirs.shape and not np.array_equal(ours, theirs):
        raise VideoError(
            f"decord gives another frame than {source.spoken(start)} of {source.info.path}; read it with --reader pyav"
        )


def converts_alike(info: VideoInfo) -> bool:
    """Return whether decord converts pictures of this size and depth to the same RGB as PyAV."""
    return info.width % 2 == info.height % 2 == 0 and not _DEEP_COLOUR.search(info.pixel_format)


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that decord raises: its own, a bare RuntimeError while opening, and those of indexing."""
    from decord import DECORDError

    own: type[Exception] = DECORDError
    return own, RuntimeError, IndexError, StopIteration
