"""Rendering of clips: tracks of actors, drawn from far to near, and what stays visible of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from refvid.world.figures import draw
from refvid.world.scene import Look, Pose, Sprite

SHADOW = (16, 20, 16)


@dataclass(frozen=True)
class Track:
    """An actor with its position and action in every frame, counted from the middle one.

    Attributes:
        look: Appearance.
        action: One of `scene.ACTIONS`.
        facing: -1 for facing left, 1 for facing right.
        place: Column and row of the anchor in the middle frame, in world pixels (frame pixels for a still camera).
        velocity: Columns and rows per frame, in pixels.
        stature: Stature in the middle frame in pixels.
        growth: Relative change of the stature per frame.
        phase: Phase of the motion in the middle frame, in radians.
        turn: Change of the phase per frame, in radians.
        near: Drawing order; larger is nearer.
        airborne: Whether it casts no shadow at its position.
    """

    look: Look
    action: str
    facing: int
    place: tuple[float, float]
    velocity: tuple[float, float]
    stature: float
    growth: float
    phase: float
    turn: float
    near: float
    airborne: bool

    def sprite(self, step: int) -> tuple[Sprite, float, float]:
        """Return the actor's picture `step` frames after the middle one, with its column and row."""
        stature = self.stature * math.exp(self.growth * step)
        pose = Pose(self.action, self.phase + self.turn * step, self.facing)
        x, y = (place + speed * step for place, speed in zip(self.place, self.velocity, strict=True))
        return draw(self.look, pose, stature), x, y


@dataclass(frozen=True)
class Occluder:
    """A thing in front of actors.

    Attributes:
        sprite: Picture.
        place: Column and row of its foot, in world pixels.
        near: Drawing order, as for tracks.
    """

    sprite: Sprite
    place: tuple[float, float]
    near: float


@dataclass(frozen=True)
class Rendered:
    """Frames with the visible part of each track.

    Attributes:
        frames: RGB frames, uint8 [T, H, W, 3].
        instances: Instance maps, uint8 [T, H, W]: n + 1 where track n is visible.
        shown: Fraction of each track's pixels that are inside the middle frame and not hidden, [N].
    """

    frames: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint8]
    shown: npt.NDArray[np.float64]


def render(
    backdrop: Image.Image,
    margin: int,
    camera: npt.NDArray[np.float64],
    tracks: Sequence[Track],
    occluders: Sequence[Occluder],
    stride: int = 1,
) -> Rendered:
    """Draw a clip.

    Args:
        backdrop: RGB picture, larger than the frame by `margin` on each side.
        margin: Margin of the backdrop in pixels.
        camera: Columns and rows by which the window is offset from the middle of the backdrop, [T, 2].
        tracks: Actors, at most 254.
        occluders: Things in front of some of them.
        stride: Steps of the tracks from one frame to the next.
    """
    width, height = backdrop.width - 2 * margin, backdrop.height - 2 * margin
    frames = np.empty((len(camera), height, width, 3), np.uint8)
    instances = np.zeros((len(camera), height, width), np.uint8)
    drawn = np.zeros(len(tracks))
    things: list[tuple[int | None, Track | Occluder]] = [*enumerate(tracks), *((None, thing) for thing in occluders)]
    things.sort(key=lambda pair: pair[1].near)
    for number in range(len(camera)):
        step = (number - len(camera) // 2) * stride
        left, top = (round(margin + value) for value in camera[number])
        canvas = backdrop.crop((left, top, left + width, top + height))
        for index, thing in things:
            if isinstance(thing, Track):
                sprite, x, y = thing.sprite(step)
            else:
                sprite, (x, y) = thing.sprite, thing.place
            corner = (round(x + margin - left - sprite.anchor[0]), round(y + margin - top - sprite.anchor[1]))
            if isinstance(thing, Track) and not thing.airborne:
                _shade(canvas, corner[0] + sprite.anchor[0], y + margin - top, sprite.image.width)
            area = paste(canvas, instances[number], sprite.image, corner, 0 if index is None else index + 1)
            if step == 0 and index is not None:
                drawn[index] = area
        frames[number] = np.asarray(canvas)
    middle = np.bincount(instances[len(camera) // 2].ravel(), minlength=len(tracks) + 1)[1:]
    return Rendered(frames, instances, middle / np.maximum(drawn, 1))


def paste(
    canvas: Image.Image, instances: npt.NDArray[np.uint8], picture: Image.Image, corner: tuple[int, int], number: int
) -> int:
    """Draw an RGBA picture into a frame and its number into the instance map.

    Return the number of its pixels, including those outside the frame.
    """
    canvas.paste(picture, corner, picture)
    solid = np.asarray(picture.getchannel("A")) >= 128
    left, top = corner
    rows, columns = slice(max(0, -top), max(0, canvas.height - top)), slice(max(0, -left), max(0, canvas.width - left))
    visible = solid[rows, columns]
    if visible.size:
        window = instances[max(0, top) : max(0, top) + visible.shape[0], max(0, left) : max(0, left) + visible.shape[1]]
        window[visible] = number
    return int(solid.sum())


def _shade(canvas: Image.Image, x: float, y: float, across: float) -> None:
    """Darken the ground under an actor."""
    wide, high = max(4, round(across * 0.7)), max(2, round(across * 0.1))
    stain = Image.new("L", (2 * wide, 2 * high))
    ImageDraw.Draw(stain).ellipse((0, 0, 2 * wide - 1, 2 * high - 1), fill=90)
    stain = stain.reduce(2)
    canvas.paste(SHADOW, (round(x - wide / 2), round(y - high / 2)), stain)
