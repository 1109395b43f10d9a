"""The camera: its motion and its rendition of light."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Path = npt.NDArray[np.float64]

# Side in pixels of the block of grain repeated over a frame. It starts at another corner in each frame, so that the
# repetition is invisible.
_BLOCK = 128


def camera_path(rng: np.random.Generator, frames: int, margin: float) -> Path:
    """Return the motion of a window over a backdrop: still in half of all clips, else pan, tilt, shake or hand-held.

    Args:
        rng: Generator for all random choices.
        frames: Number of frames T, at least 1.
        margin: Maximum distance in pixels from the centred position, at least 0.

    Returns:
        Offsets x and y in pixels from the centred window, within the margin, float64 [T, 2].

    Raises:
        ValueError: An argument is too small.
    """
    if frames < 1 or margin < 0:
        raise ValueError(f"the path has {frames} frames and a margin of {margin}, expected at least 1 and 0")
    if rng.uniform() < 0.5:
        return np.zeros((frames, 2))
    kinds: tuple[Callable[[np.random.Generator, int, float], Path], ...] = (_pan, _pan, _tilt, _shake, _hand, _hand)
    path = kinds[int(rng.integers(len(kinds)))](rng, frames, margin)
    if rng.uniform() < 0.25:
        path = path + _hand(rng, frames, 0.3 * margin)
    return np.clip(path, -margin, margin)


def _pan(rng: np.random.Generator, frames: int, margin: float) -> Path:
    """Return a sweep to one side; clips of fewer than 40 frames sweep less far, so that they are not faster."""
    reach = min(1.0, frames / 40) * rng.uniform(0.2, 1) * margin
    share = np.linspace(-1, 1, frames) if frames > 1 else np.zeros(1)
    if rng.uniform() < 0.4:
        share = np.sin(np.pi / 2 * share)
    side = 1 if rng.uniform() < 0.5 else -1
    return np.stack([side * reach * share, np.full(frames, rng.uniform(-0.1, 0.1) * margin)], 1)


def _tilt(rng: np.random.Generator, frames: int, margin: float) -> Path:
    """Return a sweep up or down."""
    return _pan(rng, frames, 0.7 * margin)[:, ::-1]


def _smooth(steps: Path, memory: float) -> Path:
    """Return the steps filtered as by an inert hand."""
    out, now = np.empty_like(steps), steps[0]
    for index, step in enumerate(steps):
        now = memory * now + (1 - memory) * step
        out[index] = now
    return out


def _shake(rng: np.random.Generator, frames: int, margin: float) -> Path:
    """Return a jitter from frame to frame."""
    return _smooth(rng.standard_normal((frames, 2)), 0.3) * margin * rng.uniform(0.04, 0.2)


def _hand(rng: np.random.Generator, frames: int, margin: float) -> Path:
    """Return a slow sway, as of a hand, with a slight tremor."""
    times = np.arange(frames)[:, None]
    sway = np.zeros((frames, 2))
    for period in (13.0, 29.0, 67.0):
        turn = 2 * np.pi * (times / (period * rng.uniform(0.7, 1.4, 2)) + rng.uniform(0, 1, 2))
        sway += np.sin(turn) * rng.uniform(0.3, 1, 2)
    trembling = _smooth(rng.standard_normal((frames, 2)), 0.5) * 0.25
    return (sway + trembling) * margin * rng.uniform(0.08, 0.4)


def expose(rng: np.random.Generator, frames: Frames) -> Frames:
    """Return frames as a real camera would have recorded them.

    The effects are light, contrast and colour cast (which may drift slowly), vignette, a little blur, grain that
    differs in every frame, and JPEG artefacts at a quality of 20 to 90. Each occurs only in some clips, and then alike
    in all frames.

    Args:
        rng: Generator for all random choices.
        frames: RGB frames, uint8 [T, H, W, 3]; not modified.

    Returns:
        Recorded frames, uint8 [T, H, W, 3].
    """
    count, height, width, _ = frames.shape
    tables = _tables(rng, count)
    vignette = _vignette(rng, height, width) if rng.uniform() < 0.25 else None
    blur = rng.uniform(0.4, 1.3) * max(1.0, min(height, width) / 240) if rng.uniform() < 0.2 else 0.0
    grain = _grain_sheet(rng, height, width) if rng.uniform() < 0.6 else None
    quality = int(rng.integers(20, 91)) if rng.uniform() < 1 / 3 else None
    seen = np.empty_like(frames)
    for index, frame in enumerate(frames):
        now = frame
        if blur:
            now = np.asarray(cv2.GaussianBlur(now, (0, 0), blur), np.uint8)
        if vignette is not None:
            now = np.asarray(cv2.multiply(now, vignette, dtype=cv2.CV_8U), np.uint8)
        if tables is not None:
            now = np.asarray(cv2.LUT(now, tables[index]), np.uint8)
        if grain is not None:
            row, column = rng.integers(_BLOCK, size=2).tolist()
            window = grain[row : row + height, column : column + width]
            now = np.asarray(cv2.add(now, window, dtype=cv2.CV_8U), np.uint8)
        if quality is not None:
            now = _through_jpeg(now, quality)
        seen[index] = now
    return seen


def _tables(rng: np.random.Generator, count: int) -> list[Frames] | None:
    """Return the tone curve of each frame, uint8 [1, 256, 3], or None for a neutral camera."""
    gain = rng.uniform(0.72, 1.22) if rng.uniform() < 0.6 else 1.0
    contrast = rng.uniform(0.7, 1.3) if rng.uniform() < 0.5 else 1.0
    gamma = rng.uniform(0.8, 1.25) if rng.uniform() < 0.3 else 1.0
    cast = rng.uniform(0.9, 1.1, 3) if rng.uniform() < 0.4 else np.ones(3)
    drift = rng.uniform(-0.08, 0.08) if rng.uniform() < 0.25 else 0.0
    if gain == contrast == gamma == 1.0 and drift == 0.0 and bool((cast == 1).all()):
        return None
    tone = (np.arange(256) / 255) ** gamma
    tone = (0.45 + (tone - 0.45) * contrast)[:, None] * cast * gain
    shares = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    levels = [1.0] if drift == 0.0 else (1 + drift * shares).tolist()
    tables = [np.rint(255 * tone * level).clip(0, 255).astype(np.uint8)[None] for level in levels]
    return tables if len(tables) == count else tables * count


def _vignette(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Return gains that fall towards the corners by up to half, float32 [H, W, 3]."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    gain = (1 - rng.uniform(0.1, 0.5) * (x * x + y * y) / 2).astype(np.float32)
    return np.asarray(cv2.merge([gain, gain, gain]), np.float32)


def _grain_sheet(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.int8]:
    """Return grey or coloured, fine or coarse noise that exceeds a frame by at least 128 pixels, int8 [.., .., 3]."""
    colours = 3 if rng.uniform() < 0.5 else 1
    noise = rng.standard_normal((_BLOCK, _BLOCK, colours), np.float32)
    if rng.uniform() < 0.35:
        noise = 1.8 * np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.7), np.float32).reshape(noise.shape)
    block = np.rint(noise * rng.uniform(1, 9)).clip(-100, 100).astype(np.int8)
    rows, columns = (height - 1) // _BLOCK + 2, (width - 1) // _BLOCK + 2
    return np.tile(block, (rows, columns, 3 // colours))


def _through_jpeg(frame: Frames, quality: int) -> Frames:
    """Return a frame after JPEG compression."""
    # OpenCV uses BGR order.
    swapped = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
