"""The actors of a composed clip: people from photos and, among them, drawn figures."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from refvid.world.figures import GAITS, random_look
from refvid.world.photos.cutout import blend, match_light, pick_level
from refvid.world.photos.facts import LabelledPart
from refvid.world.photos.folder import Photo
from refvid.world.scene import Look, Sprite
from refvid.world.scenes.render import Track
from refvid.world.scenes.sampler import FRAMES_PER_SECOND, direction_of, pace_of

Window = tuple[tuple[slice, slice], npt.NDArray[np.bool_]]
Tone = tuple[float, float, float, float]

# Paces of people from photos, who can only slide, bob and lean, since their legs do not move.
_PACES = {"still": 0.0, "slow": 0.55, "": 1.0, "fast": 1.7}
_PACE_SHARES = (0.4, 0.18, 0.24, 0.18)

_FIGURES = {"dog": 0.3, "cat": 0.14, "bird": 0.12, "ball": 0.12, "car": 0.1, "baby": 0.1, "adult": 0.12}
_FIGURE_STATURES = {"adult": 1.0, "baby": 0.5, "ball": 0.25, "bird": 0.3, "car": 0.85, "cat": 0.32, "dog": 0.48}
_FIGURE_ACTIONS = {
    "adult": ("walking", "running", "jumping", "eating", "crawling", "none"),
    "baby": ("walking", "crawling", "none"),
    "ball": ("rolling", "jumping", "none"),
    "bird": ("walking", "eating", "jumping", "none"),
    "car": ("running", "none"),
    "cat": ("walking", "running", "eating", "none"),
    "dog": ("walking", "running", "eating", "none"),
}


class Standing(Protocol):
    """Somebody or something on the ground of a composed clip.

    Positions are those in the middle frame, times are frames after it, and offsets are those of the camera.
    """

    @property
    def ground(self) -> tuple[float, float]:
        """Column and row of the ground underneath; larger rows are nearer to the camera."""

    def draw(self, frame: npt.NDArray[np.uint8], time: int, offset: npt.NDArray[np.float64]) -> Window | None:
        """Draw this into a frame; return the changed window and where in it this is opaque, None if it is outside."""


class Actor(Standing, Protocol):
    """An actor in a composed clip."""

    @property
    def look(self) -> Look:
        """Appearance of the actor."""

    @property
    def besides(self) -> tuple[LabelledPart, ...]:
        """Parts that the actor wears, but that its look does not contain."""

    @property
    def deed(self) -> tuple[str, int, str, str]:
        """Action, facing, direction and pace, as in `scene.Facts`."""


@dataclass(frozen=True)
class PhotoActor:
    """A person from a photo; positions are those in the middle frame, in pixels of the frame.

    Attributes:
        look: Appearance of the person.
        besides: Parts that the person wears, but that the look does not contain.
        rgba: Cut-out uint8 [h, w, 4], lit for the stage.
        place: Affine map float64 [2, 3] from pixels of the cut-out to pixels relative to the ground under the person.
        ground: Column and row of the ground under the person.
        stature: Height of the person in pixels of the frame.
        facing: -1 for facing left, 1 for facing right.
        pace: "still", "slow", "" for the usual pace, or "fast".
        velocity: Columns per frame.
        step: Radians of the cycle of steps per frame.
        phase: Phase of this cycle in the middle frame in radians.
    """

    look: Look
    besides: tuple[LabelledPart, ...]
    rgba: npt.NDArray[np.uint8]
    place: npt.NDArray[np.float64]
    ground: tuple[float, float]
    stature: float
    facing: int
    pace: str
    velocity: float
    step: float
    phase: float

    @property
    def deed(self) -> tuple[str, int, str, str]:
        """Action, facing, direction and pace."""
        if self.pace == "still":
            return "none", self.facing, "", "still"
        return "walking", self.facing, "left" if self.facing < 0 else "right", self.pace

    def draw(self, frame: npt.NDArray[np.uint8], time: int, offset: npt.NDArray[np.float64]) -> Window | None:
        """Draw the person with a shadow; see `Actor`."""
        column, row = self.ground[0] + self.velocity * time - offset[0], self.ground[1] - offset[1]
        draw_shadow(frame, column, row, 0.4 * self.stature)
        swing = self.phase + self.step * time
        lift = 0.018 * self.stature * abs(math.sin(swing))
        lean = math.radians(1.6) * math.sin(swing)
        if self.pace == "fast":
            lean += math.radians(2) * self.facing
        turn = np.array([[math.cos(lean), -math.sin(lean)], [math.sin(lean), math.cos(lean)]])
        transform = turn @ self.place
        transform[:, 2] += (column, row - lift)
        return blend(frame, self.rgba, transform)


def place_person(
    rng: np.random.Generator, photo: Photo, tone: Tone, stature: float, ground: tuple[float, float], moving: bool
) -> PhotoActor:
    """Place the person of a photo on the ground.

    Args:
        rng: Generator of all random choices.
        photo: Photo of the person.
        tone: Tone of the stage, as in `Cutout.tone`; the person is adapted to it slightly, too little to change the
            name of a colour.
        stature: Height of the person in pixels.
        ground: Column and row of the ground under the person.
        moving: Whether the person may walk.
    """
    cutout = photo.cutout
    level, scale = pick_level(cutout, stature)
    size = stature / cutout.stature / scale
    across = size if rng.random() < 0.5 else -size
    place = np.array([[across, 0, -across * cutout.anchor[0] * scale], [0, size, -size * cutout.anchor[1] * scale]])
    light, green_red, blue_yellow = (tone[channel] - cutout.tone[channel] for channel in range(3))
    shift = (np.clip(0.15 * light, -12, 12), np.clip(0.3 * green_red, -3, 3), np.clip(0.3 * blue_yellow, -3, 3))
    contrast = np.clip((max(tone[3], 1.0) / max(cutout.tone[3], 1.0)) ** 0.15, 0.9, 1.08)
    lit = match_light(level, (float(shift[0]), float(shift[1]), float(shift[2])), float(contrast), cutout.tone[0])
    pace = str(rng.choice(list(_PACES), p=_PACE_SHARES)) if moving else "still"
    facing = -1 if rng.random() < 0.5 else 1
    gait = GAITS["adult", "walking"]
    rate = _PACES[pace] * rng.uniform(0.85, 1.15) / FRAMES_PER_SECOND
    velocity = facing * gait.stride * gait.cadence * rate * stature
    step = 2 * math.pi * gait.cadence * rate
    phase = float(rng.uniform(0, math.pi)) if rate else 0.0
    look, besides = photo.look
    return PhotoActor(look, besides, lit, place, ground, stature, facing, pace, float(velocity), float(step), phase)


@dataclass(frozen=True)
class FigureActor:
    """A drawn figure among people from photos."""

    track: Track
    besides: tuple[LabelledPart, ...] = ()

    @property
    def look(self) -> Look:
        """Appearance of the figure."""
        return self.track.look

    @property
    def ground(self) -> tuple[float, float]:
        """Column and row of the ground under the figure."""
        return self.track.place

    @property
    def deed(self) -> tuple[str, int, str, str]:
        """Action, facing, direction and pace."""
        return self.track.action, self.track.facing, direction_of(self.track), pace_of(self.track)

    def draw(self, frame: npt.NDArray[np.uint8], time: int, offset: npt.NDArray[np.float64]) -> Window | None:
        """Draw the figure with a shadow; see `Actor`."""
        sprite, column, row = self.track.sprite(time)
        draw_shadow(frame, column - offset[0], row - offset[1], 0.7 * sprite.image.width)
        return draw_sprite(frame, sprite, column - offset[0], row - offset[1])


def place_figure(rng: np.random.Generator, stature: float, ground: tuple[float, float], cars: bool) -> FigureActor:
    """Place a random drawn figure on the ground.

    Args:
        rng: Generator of all random choices.
        stature: Height in pixels that a person would have there.
        ground: Column and row of the ground under the figure.
        cars: Whether the figure may be a car.
    """
    shares = {kind: share for kind, share in _FIGURES.items() if cars or kind != "car"}
    kind = str(rng.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values())))
    action = str(rng.choice(_FIGURE_ACTIONS[kind]))
    facing = -1 if rng.random() < 0.5 else 1
    stature *= _FIGURE_STATURES[kind] * rng.uniform(0.85, 1.2)
    gait = GAITS[kind, action]
    pace = float(
        rng.choice((rng.uniform(0.4, 0.65), rng.uniform(0.75, 1.35), rng.uniform(1.5, 2.2)), p=(0.2, 0.6, 0.2))
    )
    rate = gait.cadence * pace / FRAMES_PER_SECOND
    velocity = (float(facing * gait.stride * rate * stature), 0.0)
    phase, turn = float(rng.uniform(0, 2 * math.pi)), 2 * math.pi * rate
    look = random_look(rng, kind)
    return FigureActor(Track(look, action, facing, ground, velocity, stature, 0.0, phase, turn, ground[1], False))


def draw_sprite(frame: npt.NDArray[np.uint8], sprite: Sprite, column: float, row: float) -> Window | None:
    """Draw a sprite into a frame with its anchor at a column and row, rounded to whole pixels."""
    left, top = round(column - sprite.anchor[0]), round(row - sprite.anchor[1])
    return blend(frame, np.asarray(sprite.image), np.array([[1.0, 0, left], [0, 1.0, top]]))


def _make_shadow() -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[-1:1:16j, -1:1:48j]
    strength = (1 - np.hypot(rows, columns)).clip(0, 1) ** 0.8 * 120
    return np.dstack([np.full((16, 48, 3), 12, np.uint8), strength.astype(np.uint8)]).astype(np.uint8)


_SHADOW = _make_shadow()


def draw_shadow(frame: npt.NDArray[np.uint8], column: float, row: float, width: float) -> None:
    """Darken the ground under an actor, in place."""
    across, down = width / 48, 0.17 * width / 16
    blend(frame, _SHADOW, np.array([[across, 0, column - 24 * across], [0, down, row - 0.04 * width - 8 * down]]))
