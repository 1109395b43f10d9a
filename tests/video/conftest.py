"""Fixtures for the tests of `refvid.video`: clips by name, each made once a session."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.clips import corrupted, make_clip, make_sound, truncated, variable_times

BROKEN: dict[str, Any] = {
    "frames": 60,
    "size": (128, 96),
    "options": {"preset": "medium"},
    "container_options": {"movflags": "faststart"},
}
VP9: dict[str, Any] = {"codec": "libvpx-vp9"}
CLIPS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "b_frames.mp4": {"frames": 45, "options": {"preset": "medium"}, "keyframe_every": 15},
    "b_frames.mkv": {"frames": 45, "options": {"preset": "medium"}, "keyframe_every": 15},
    "b_frames.ts": {"frames": 45, "options": {"preset": "medium"}, "keyframe_every": 15},
    "variable.mp4": {"times": variable_times(30)},
    "ntsc.mkv": {"frames": 60, "times": [Fraction(1001 * index, 30_000) for index in range(60)]},
    "rotated90.mp4": {"rotation": 90, "size": (128, 64)},
    "rotated180.mp4": {"rotation": 180, "size": (128, 64)},
    "rotated270.mp4": {"rotation": 270, "size": (128, 64)},
    "narrow.mp4": {"size": (48, 64)},
    "hevc10.mp4": {"codec": "libx265", "pixel_format": "yuv420p10le"},
    "vp9.webm": {**VP9, "audio": "libopus"},
    "vp8.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "av1.mp4": {"codec": "libsvtav1"},
    "odd.webm": {**VP9, "size": (65, 49)},
    "odd444.mp4": {"size": (65, 49), "pixel_format": "yuv444p"},
    "sound.mp4": {"audio": "aac"},
    "variable_sound.mp4": {"times": variable_times(30), "audio": "aac"},
    "offset.mp4": {"start": 5, "audio": "aac"},
    "bt709.mp4": {"bt709": True},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "raw.h264": {},
    "animation.gif": {"codec": "gif", "pixel_format": "rgb8"},
    "whole.mp4": BROKEN,
    "whole.mkv": {**BROKEN, "container_options": None},
}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Path of the clip of that name in `CLIPS`."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make_clip(path, **CLIPS[name])

    return get


@pytest.fixture(scope="session")
def cut_off(clip: Callable[[str], Path]) -> Path:
    """60 frames promised, the second half missing."""
    source = clip("whole.mp4")
    return truncated(source, source.with_name("cut_off.mp4"))


@pytest.fixture(scope="session")
def noisy(clip: Callable[[str], Path]) -> Path:
    """60 frames, the bytes in the middle overwritten."""
    source = clip("whole.mp4")
    return corrupted(source, source.with_name("noisy.mp4"), at=0.5)


@pytest.fixture(scope="session")
def sound_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sound(tmp_path_factory.mktemp("sound") / "sound.m4a")
