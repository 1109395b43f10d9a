"""Balls, shaded pixel by pixel as spheres."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.world.scene import Gait, Look, Pose, Sprite

Grid = npt.NDArray[np.float32]

GAITS: dict[tuple[str, str], Gait] = {
    ("ball", "rolling"): Gait(math.pi, 0.6),
    ("ball", "jumping"): Gait(1.0, 1.1),
    ("ball", "flying"): Gait(4.0, 0.8),
    ("ball", "none"): Gait(0.0, 0.0),
}
_BOUNCE = 1.5


def _icosahedron() -> npt.NDArray[np.float32]:
    """Return the 12 corners and 20 face centres of an icosahedron, unit vectors [32, 3], in an odd orientation."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [
        point
        for one in (-1.0, 1.0)
        for two in (-golden, golden)
        for point in ((0.0, one, two), (one, two, 0.0), (two, 0.0, one))
    ]
    near = [
        (a, b, c)
        for a in range(12)
        for b in range(a)
        for c in range(b)
        if all(math.dist(corners[i], corners[j]) < 2.1 for i, j in ((a, b), (b, c), (a, c)))
    ]
    array = np.array(corners)
    faces = np.array([array[list(face)].sum(0) for face in near])
    both = np.concatenate([array, faces])
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    a, b = 0.5, 0.35
    turn = np.array(((1, 0, 0), (0, math.cos(a), -math.sin(a)), (0, math.sin(a), math.cos(a)))) @ np.array(
        ((math.cos(b), 0, math.sin(b)), (0, 1, 0), (-math.sin(b), 0, math.cos(b)))
    )
    return np.asarray(both @ turn.T, np.float32)


_FACES = _icosahedron()


def draw_ball(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a ball.

    Args:
        look: Look of kind "ball", with the pattern "plain", "striped", "spotted" or "checked" (like a football).
        pose: Pose with any action of balls.
        stature: Diameter in pixels.

    Returns:
        The sprite; the anchor of a flying ball is its middle.
    """
    turn, height, squash = _motion(pose)
    wide, high = stature / 2 * squash**-0.5, stature / 2 * squash
    columns, rows = math.ceil(2 * wide) + 2, math.ceil(2 * high) + 2
    x = ((np.arange(columns, dtype=np.float32) + 0.5 - columns / 2) / np.float32(wide))[None, :]
    y = ((rows / 2 - 0.5 - np.arange(rows, dtype=np.float32)) / np.float32(high))[:, None]
    square = x * x + y * y
    z = np.sqrt(np.maximum(0, 1 - square))
    # Antialiasing: the coverage of a pixel near the edge follows from its distance to the edge.
    cover = np.clip((1 - np.sqrt(square)) * min(wide, high) + 0.5, 0, 1)
    cos, sin = math.cos(turn), math.sin(turn)
    share = _pattern(look, (x * cos - y * sin, x * sin + y * cos, z), stature)
    # Light falls from the upper front, and the rim is darker, which makes the disc look like a sphere.
    light = 0.80 + 0.2 * np.clip(0.25 * x + 0.55 * y + 0.8 * z, -0.4, 1)
    shine = 0.4 * np.clip(1 - ((x - 0.32) ** 2 + (y - 0.4) ** 2) * 9, 0, 1)
    paint = np.array(look.paint, np.float32)
    image = np.empty((rows, columns, 4), np.uint8)
    for channel in range(3):
        base = paint[channel] if share is None else paint[channel] + share * (look.accent[channel] - paint[channel])
        value = base * light
        image[..., channel] = value + (255 - value) * shine
    image[..., 3] = cover * 255 + 0.5
    anchor_row = rows / 2 if pose.action == "flying" else rows / 2 + high + height * stature
    picture = Image.fromarray(image)
    if pose.facing < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Sprite(picture, (columns / 2, anchor_row))


def _motion(pose: Pose) -> tuple[float, float, float]:
    """Return turn (radians clockwise), height above the ground (in diameters) and height of the squashed ball."""
    if pose.action in ("rolling", "flying"):
        return pose.phase, 0.0, 1.0
    if pose.action == "none":
        return 0.4, 0.0, 1.0
    cycle, contact = pose.phase / (2 * math.pi) % 1.0, 0.16
    # A bounce makes exactly one full turn per cycle, so that the motion repeats.
    if cycle < contact:
        return pose.phase, 0.0, 1 - 0.24 * math.sin(math.pi * cycle / contact)
    air = (cycle - contact) / (1 - contact)
    return pose.phase, _BOUNCE * 4 * air * (1 - air), 1 + 0.06 * abs(2 * air - 1) * (1 - abs(2 * air - 1)) * 4


def _pattern(look: Look, place: tuple[Grid, Grid, Grid], stature: float) -> Grid | None:
    """Return the share of the accent colour at each point of the sphere, with edges softened over about a pixel."""
    x, y, z = place
    if look.pattern == "striped":
        # Panels between the meridians of an axis that leans towards the viewer.
        forward, upward = 0.8 * z - 0.6 * y, 0.8 * y + 0.6 * z
        panels = np.sin(3 * np.arctan2(forward, x)) * np.sqrt(np.maximum(0, 1 - upward * upward))
        edge, steep = panels - 0.42, 0.33
    elif look.pattern in ("spotted", "checked"):
        towards = np.stack(np.broadcast_arrays(x, y, z), -1) @ _FACES.T
        corners = towards[..., :12].max(-1)
        if look.pattern == "spotted":
            edge, steep = corners - 0.962, 2.6
        else:
            # The pentagons of a truncated icosahedron are the points nearer to the plane of a corner than of a face.
            edge, steep = corners - 1.027 * towards[..., 12:].max(-1), 1.5
    else:
        return None
    share: Grid = np.clip(edge * np.float32(steep * max(2.0, stature / 2.2)) + 0.5, 0, 1)
    return share
