"""The public methods that each stage calls once a frame, to have something happen just before a call."""

import functools
from collections.abc import Callable
from typing import Any

from refvid.masks.dense_crf import Refiner
from refvid.masks.finish import PlainFinisher
from refvid.model.cmsa.network import LevelStream
from refvid.model.refvid.network import RefvidNetwork
from refvid.video.frame import Frame
from refvid.video.video_writer import VideoSink
from refvid.video.writer import StagedWriter

SEAMS: dict[str, tuple[type, str]] = {
    "read": (Frame, "__post_init__"),  # a reader makes each frame inside its own loop
    "encode": (RefvidNetwork, "encode"),
    "enhance": (LevelStream, "push"),
    "network": (RefvidNetwork, "segment"),
    "masks": (PlainFinisher, "push"),
    "write": (StagedWriter, "write"),
    "finish": (VideoSink, "finish"),  # once a file
    "refine": (Refiner, "submit"),
}


def intercepted(place: str, act: Callable[[], object]) -> Callable[..., Any]:
    """Return the method at a seam, with `act` called before each call of it."""
    owner, name = SEAMS[place]
    original = getattr(owner, name)

    @functools.wraps(original)
    def call(*arguments: Any) -> Any:
        act()
        return original(*arguments)

    return call
