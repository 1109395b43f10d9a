"""Find the object that a sentence describes in a video and cut it out.

    import refvid
    refvid.segment_video("park.mp4", "man in yellow shirt", "out.mp4")

The names below are loaded on first use, so that `refvid --help` answers without importing torch.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refvid.data.rle_file import RleMasks, decode_rle, read_rle
    from refvid.errors import RefvidError
    from refvid.inference.options import SegmentOptions
    from refvid.inference.report import SegmentReport
    from refvid.inference.segmenter import Segmenter
    from refvid.inference.video import segment_video
    from refvid.video.read import read_video, stream_video
    from refvid.weights import LoadedModel, load_model

    __version__: str

__all__ = [
    "LoadedModel",
    "RefvidError",
    "RleMasks",
    "SegmentOptions",
    "SegmentReport",
    "Segmenter",
    "__version__",
    "decode_rle",
    "load_model",
    "read_rle",
    "read_video",
    "segment_video",
    "stream_video",
]

_HOMES = {
    "LoadedModel": "refvid.weights",
    "RefvidError": "refvid.errors",
    "RleMasks": "refvid.data.rle_file",
    "SegmentOptions": "refvid.inference.options",
    "SegmentReport": "refvid.inference.report",
    "Segmenter": "refvid.inference.segmenter",
    "decode_rle": "refvid.data.rle_file",
    "load_model": "refvid.weights",
    "read_rle": "refvid.data.rle_file",
    "read_video": "refvid.video.read",
    "segment_video": "refvid.inference.video",
    "stream_video": "refvid.video.read",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562) and keep it."""
    value: object
    if name == "__version__":
        value = _installed_version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'refvid' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    try:
        return version("refvid")
    except PackageNotFoundError:
        return "0+not.installed"  # a checkout on PYTHONPATH has no metadata to read
