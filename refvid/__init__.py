"""Find the object that a sentence describes in a video and cut it out.

    import refvid
    refvid.segment_video(Path("park.mp4"), ["man in yellow shirt"], Path("out.mp4"))

The names below are loaded on first use, so that `refvid --help` answers without importing torch.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refvid.inference.segmenter import Segmenter
    from refvid.inference.video import SegmentOptions, segment_video
    from refvid.weights import load_model

    __version__: str

__all__ = ["SegmentOptions", "Segmenter", "__version__", "load_model", "segment_video"]

_HOMES = {
    "SegmentOptions": "refvid.inference.video",
    "Segmenter": "refvid.inference.segmenter",
    "load_model": "refvid.weights",
    "segment_video": "refvid.inference.video",
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
