"""Clips composed of objects cut out of photos, with exact masks of the middle frame."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from refvid.world.cache import TrainingScene
from refvid.world.language.claims import weigh
from refvid.world.objects.cast import Cast, Player
from refvid.world.objects.folder import IGNORED, ObjectLibrary
from refvid.world.objects.phrases import deny, refer
from refvid.world.objects.single import ABSENT as DENIALS
from refvid.world.objects.single import EXPRESSIONS, things_of, with_rest
from refvid.world.objects.stages import Place, Places
from refvid.world.objects.things import Thing, measure, rest_doubtful
from refvid.world.photos.actor import Window, draw_shadow
from refvid.world.photos.composition import compose, place_occluder
from refvid.world.photos.cutout import blend, match_light, pick_level
from refvid.world.photos.folder import PhotoLibrary
from refvid.world.photos.stage import Stage
from refvid.world.scenes.camera import camera_path, expose
from refvid.world.scenes.sampler import FRAMES_PER_SECOND

_COUNTS = (1, 2, 3, 4, 5)
_COUNT_SHARES = (0.22, 0.33, 0.24, 0.13, 0.08)
_ALIKE = 0.55  # probability that a further object has the class of one that is already there
_TALLEST = (0.8, 0.7, 0.58, 0.5, 0.45)  # maximum stature as a share of the frame's height, by the number of objects
_SHORTEST = 0.2  # minimum stature as a share of the frame's height
_ENLARGED = 1.5  # maximum factor by which a cut-out is enlarged
_WIDEST = 0.8  # maximum width of an object as a share of the frame's width
_WITH_OCCLUDER, _WITH_SHADOW = 0.12, 0.5
_OCCLUDERS = ("tree trunk", "tree", "fir", "bush", "crate")  # none of them belongs to a class
_LEAST_WAY = 0.05  # minimum distance that a moving object travels in a clip, as a share of the frame's width
_DRAWS = 12
_OCCLUDED = 255


@dataclass(frozen=True)
class Pasted:
    """An object in a clip; positions are those in the middle frame, in pixels of the frame.

    Attributes:
        player: The object.
        rgba: Cut-out uint8 [h, w, 4], lit for the stage.
        place: Affine map float64 [2, 3] from pixels of the cut-out to pixels relative to the ground under its middle.
        ground: Column and row of the ground under its middle.
        stature: Height in pixels of the frame.
        velocity: Columns and rows per frame at 25 frames a second.
        swing: Amplitude in radians with which it sways while it moves.
        shadow: Whether it casts a shadow on the ground.
    """

    player: Player
    rgba: npt.NDArray[np.uint8]
    place: npt.NDArray[np.float64]
    ground: tuple[float, float]
    stature: float
    velocity: tuple[float, float]
    swing: float
    shadow: bool

    def draw(self, frame: npt.NDArray[np.uint8], time: int, offset: npt.NDArray[np.float64]) -> Window | None:
        """Draw the object into a frame, with its shadow if it casts one; see `Standing`."""
        column = self.ground[0] + self.velocity[0] * time - offset[0]
        row = self.ground[1] + self.velocity[1] * time - offset[1]
        if self.shadow:
            draw_shadow(frame, column, row, 0.6 * self.stature)
        lean = self.swing * math.sin(0.45 * time)
        turn = np.array([[math.cos(lean), -math.sin(lean)], [math.sin(lean), math.cos(lean)]])
        transform = turn @ self.place
        transform[:, 2] += (column, row)
        return blend(frame, self.rgba, transform)


class ObjectWorld:
    """A source of scenes with one to five objects from photos."""

    def __init__(self, libraries: Sequence[ObjectLibrary], people: Sequence[PhotoLibrary] = ()) -> None:
        """Collect objects and places from libraries, and people and streets from photos of people."""
        self._cast, self._places = Cast(libraries, people), Places(libraries, people)

    def draw_scene(
        self, rng: np.random.Generator, *, frames: int, width: int, height: int, stride: int = 1
    ) -> TrainingScene:
        """Draw a clip.

        Args:
            rng: Generator of all random choices.
            frames: Length T; expressions describe frame T // 2. In a single frame, nothing is said to move.
            width: Width of the frames in pixels, at least 32.
            height: Height of the frames in pixels, at least 32.
            stride: Distance between the frames that are drawn, in frames at 25 a second.
        """
        place = self._places.draw(rng, width, height)
        length = (frames - 1) * stride
        pasted = self._paste(rng, place, width, height, length)
        occluder = place_occluder(rng, pasted, height, _WITH_OCCLUDER, _OCCLUDERS)
        path = camera_path(rng, length + 1, place.stage.margin)[::stride]
        clip = np.empty((frames, height, width, 3), np.uint8)
        middle = np.zeros((height, width), np.uint8)
        areas: list[int] = []
        for t in range(frames):
            clip[t] = place.stage.window(path[t], width, height)
            instances = np.zeros((height, width), np.uint8)
            time = (t - frames // 2) * stride
            found = compose(pasted, occluder, time, path[t], clip[t], instances, hidden=_OCCLUDED)
            if t == frames // 2:
                middle, areas = instances, found
        clip = expose(rng, clip) if rng.random() < 0.6 else clip
        return _describe_clip(rng, clip, place, path[frames // 2], pasted, middle, areas, self._cast.weights)

    def _paste(self, rng: np.random.Generator, place: Place, width: int, height: int, length: int) -> list[Pasted]:
        """Return the objects of a clip, the farthest first."""
        count = int(rng.choice(_COUNTS, p=_COUNT_SHARES))
        tallest = _TALLEST[count - 1]
        columns = (rng.permutation(count) + rng.uniform(0.1, 0.9, count)) / count * width
        shared = float(rng.uniform(_SHORTEST, tallest))
        made = []
        for number, player in enumerate(self._players(rng, place, count)):
            stature = height * (shared * rng.uniform(0.85, 1.18) if rng.random() < 0.35 else
                                rng.uniform(_SHORTEST, tallest))  # fmt: skip
            made.append(_put(rng, player, place.stage, float(stature), float(columns[number]), (width, height), length))
        return sorted(made, key=lambda one: one.ground[1])

    def _players(self, rng: np.random.Generator, place: Place, count: int) -> list[Player]:
        """Return `count` objects or fewer, none of a class that the place may show unlabelled."""
        unsure = {thing.kind for thing in place.unsure}
        weights = {kind: weight for kind, weight in self._cast.weights.items() if kind not in unsure}
        there = set(place.photo.listed.kinds.values()) if place.photo is not None else set()
        chosen: list[Player] = []
        for _ in range(_DRAWS * count):
            if len(chosen) == count or not weights:
                break
            alike = sorted({player.kind for player in chosen} | (there & weights.keys()))
            kind = str(rng.choice(alike)) if alike and rng.random() < _ALIKE else weigh(rng, weights)
            player = self._cast.pick(rng, kind)
            if player is not None and all(player.cutout is not other.cutout for other in chosen):
                chosen.append(player)
        return chosen


def _put(
    rng: np.random.Generator, player: Player, stage: Stage, stature: float, column: float, size: tuple[int, int],
    length: int,
) -> Pasted:  # fmt: skip
    """Place an object in frames of a size (width, height), lit to match the stage."""
    cutout, (width, height) = player.cutout, size
    wide = cutout.levels[0].shape[1]
    stature = min(stature, _ENLARGED * cutout.stature, _WIDEST * width / wide * cutout.stature)
    level, scale = pick_level(cutout, stature)
    factor = stature / cutout.stature / scale
    across = factor if rng.random() < 0.5 else -factor
    tilt = float(rng.normal(0, 0.05))
    turn = np.array([[math.cos(tilt), -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]])
    anchor = (level.shape[1] / 2, cutout.anchor[1] * scale)
    place = turn @ np.array([[across, 0, -across * anchor[0]], [0, factor, -factor * anchor[1]]])
    shift = [(stage.tone[channel] - cutout.tone[channel]) * share for channel, share in enumerate((0.2, 0.25, 0.25))]
    light = float(np.clip(shift[0], -14, 14) + rng.normal(0, 6))
    tint = (float(np.clip(shift[1], -3, 3)), float(np.clip(shift[2], -3, 3)))
    lit = match_light(level, (light, *tint), float(rng.uniform(0.9, 1.1)), cutout.tone[0])
    on_ground = rng.random() < 0.75
    row = float(rng.uniform(max(0.55 * height, min(stature, 0.95 * height)), 1.02 * height))
    if not on_ground:
        row = float(rng.uniform(0.9 * stature, 1.02 * height)) if stature < height else height
    if "bottom" in cutout.cut:
        row = max(row, height + stage.margin + 1.0)
    velocity = (0.0, 0.0)
    if length and rng.random() < 0.62:
        speed = max(rng.uniform(0.25, 1.5) * stature / FRAMES_PER_SECOND, _LEAST_WAY * width / length)
        speed = min(speed, 0.9 * width / length)
        way = -1 if rng.random() < 0.5 else 1
        velocity = (float(way * speed), float(rng.uniform(-0.12, 0.12) * speed))
    swing = float(rng.uniform(0, 0.05)) if velocity[0] else 0.0
    half = 0.5 * stature * wide / cutout.levels[0].shape[0]
    column = float(np.clip(column, min(0.7 * half, width / 2), max(width - 0.7 * half, width / 2)))
    shadow = bool(on_ground and rng.random() < _WITH_SHADOW)
    return Pasted(player, lit, place, (column, row), stature, velocity, swing, shadow)


def _describe_clip(
    rng: np.random.Generator, clip: npt.NDArray[np.uint8], place: Place, offset: npt.NDArray[np.float64],
    pasted: Sequence[Pasted], middle: npt.NDArray[np.uint8], areas: Sequence[int], kinds: Mapping[str, float],
) -> TrainingScene:  # fmt: skip
    """Measure the objects in the middle frame and make expressions for them; `kinds` is for `deny`."""
    picture, moving = clip[len(clip) // 2], len(clip) > 1
    things: list[Thing] = []
    masks: list[npt.NDArray[np.bool_]] = []
    ignore = None
    if place.photo is not None and place.labels is not None:
        labels = _window(place.labels, place.stage.margin, offset, middle.shape)
        before = np.bincount(labels.ravel(), minlength=256)
        labels[middle > 0] = 0
        ignore = labels == IGNORED if (labels == IGNORED).any() else None
        there, masks = things_of(place.photo, picture, labels, whole=before)
        things = [replace(thing, motion="still" if moving else "") for thing in there]
    for index, (one, area) in enumerate(zip(pasted, areas, strict=True)):
        motion = "" if not moving else "still" if not one.velocity[0] else "left" if one.velocity[0] < 0 else "right"
        mask = np.asarray(middle == index + 1, np.bool_)
        kind, names = one.player.kind, one.player.names
        thing = measure(picture, mask, kind, whole=area, motion=motion, names=names)
        if thing is not None:
            things.append(thing)
            masks.append(mask)
    known = [*things, *place.unsure]
    references = [*refer(rng, known, EXPRESSIONS), *deny(rng, known, DENIALS, kinds)]
    return with_rest(clip, things, masks, references, ignore, rest_doubtful(place.unsure))


def _window(
    labels: npt.NDArray[np.uint8], margin: int, offset: npt.NDArray[np.float64], shape: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    """Return the labels that a camera at an offset sees, as `Stage.window` shows the picture."""
    left, top = (int(value) for value in np.rint(margin + offset))
    return labels[top : top + shape[0], left : left + shape[1]].copy()
