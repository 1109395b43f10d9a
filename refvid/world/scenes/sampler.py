"""Random scenes: who is in them, what everybody does, and the expressions that tell them apart."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from refvid.world.figures import GAITS, random_look
from refvid.world.language.grammar import absent, refer, refer_motion
from refvid.world.scene import ACTIONS_OF, Facts, Look, Scene
from refvid.world.scenes.backdrop import Backdrop, draw_backdrop
from refvid.world.scenes.camera import camera_path, expose
from refvid.world.scenes.occluder import draw_occluder
from refvid.world.scenes.render import Occluder, Rendered, Track, render

Mode = Literal["mixed", "motion", "people"]
FRAMES_PER_SECOND = 25.0
MIN_AREA = 1 / 1200  # minimum visible area of an actor that is referred to, as a fraction of the frame
MIN_SHOWN = 0.4  # minimum visible fraction of its pixels
EXPRESSIONS = 8
ABSENT = 2

# Stature as a fraction of the frame's height, for an actor in the middle of the ground; for cars and balls, the height.
_STATURE = {"adult": 0.58, "baby": 0.36, "ball": 0.22, "bird": 0.26, "car": 0.32, "cat": 0.3, "dog": 0.36}
_REACH = {"cat": 0.3, "bird": 0.25}  # distance from the middle of a climber to its support, in statures
_KINDS = ("adult", "baby", "ball", "bird", "car", "cat", "dog")
_KIND_SHARES = (0.42, 0.07, 0.1, 0.1, 0.11, 0.08, 0.12)
_BESIDE_PEOPLE = ("dog", "cat", "ball", "car", "bird", "baby")
_TRAVELLING = ("walking", "running", "crawling", "rolling", "flying")


def draw_scene(
    rng: np.random.Generator, *, frames: int, width: int, height: int, mode: Mode = "mixed", stride: int = 1
) -> Scene:
    """Draw a random scene; the same state of the generator gives the same scene.

    Args:
        rng: Generator for all random choices.
        frames: Number of frames T, at least 1; facts and expressions hold for frame T // 2.
        width: Width in pixels, at least 32.
        height: Height in pixels, at least 32.
        mode: "mixed" for one to five actors of any kind, "motion" for look-alikes that differ only in what they do,
            "people" for two or three adults, mostly large, with up to two others.
        stride: Step between drawn frames, counted from the middle one.

    Raises:
        ValueError: A size is too small.
    """
    if frames < 1 or width < 32 or height < 32:
        raise ValueError(f"the scene has {frames} frames of {width}x{height} pixels, expected at least 1 of 32x32")
    backdrop = draw_backdrop(rng, width, height)
    camera = camera_path(rng, (frames - 1) * stride + 1, backdrop.margin)[::stride]
    while True:
        stage = _Stage(rng, backdrop, width, height)
        tracks = {"mixed": stage.cast, "motion": stage.look_alikes, "people": stage.people}[mode]()
        occluders = stage.occluders(tracks) if mode != "motion" else []
        rendered = render(backdrop.image, backdrop.margin, camera, tracks, occluders, stride)
        facts = describe(tracks, rendered)
        if any(actor.seen for actor in facts):
            break
    describe_actors = refer_motion if mode == "motion" else refer
    references = [*describe_actors(rng, facts, width, height, EXPRESSIONS), *absent(rng, facts, width, height, ABSENT)]
    return Scene(expose(rng, rendered.frames), rendered.instances, facts, tuple(references), FRAMES_PER_SECOND / stride)


def describe(tracks: Sequence[Track], rendered: Rendered) -> tuple[Facts, ...]:
    """Return the facts about every actor in the middle frame."""
    middle = rendered.instances[len(rendered.instances) // 2]
    ranks = np.argsort(np.argsort([-track.near for track in tracks]))
    facts = []
    for index, (track, rank, shown) in enumerate(zip(tracks, ranks, rendered.shown, strict=True)):
        rows, columns = np.nonzero(middle == index + 1)
        box = (0, 0, 0, 0)
        if len(rows):
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        seen = len(rows) >= MIN_AREA * middle.size and shown >= MIN_SHOWN
        direction, pace = direction_of(track), pace_of(track)
        facts.append(
            Facts(track.look, track.action, track.facing, direction, pace, box, len(rows), int(rank), bool(seen))
        )
    return tuple(facts)


def direction_of(track: Track) -> str:
    """Return "left", "right", "up" or "down", or "" for an actor that stays in place."""
    across, down = (speed / track.stature for speed in track.velocity)
    if max(abs(across), abs(down)) < 0.004:
        return ""
    if abs(across) >= abs(down):
        return "right" if across > 0 else "left"
    return "down" if down > 0 else "up"


def pace_of(track: Track) -> str:
    """Return "still", "slow" or "fast" compared with the usual pace of the actor's motion, "" for the usual pace."""
    if not direction_of(track):
        return "still"
    gait = GAITS[track.look.kind, track.action]
    usual = abs(gait.stride * gait.cadence) / FRAMES_PER_SECOND
    share = math.hypot(*track.velocity) / track.stature / max(usual, 1e-6)
    return "fast" if share > 1.45 else "slow" if share < 0.7 else ""


class _Stage:
    """The backdrop of a scene, with methods that place actors on it."""

    def __init__(self, rng: np.random.Generator, backdrop: Backdrop, width: int, height: int) -> None:
        self.rng, self.backdrop, self.width, self.height = rng, backdrop, width, height
        self.scale = math.sqrt(height * min(height, width)) * rng.uniform(0.85, 1.45)
        self.supports = list(backdrop.supports)

    def cast(self) -> list[Track]:
        """Return one to five actors, often several of one kind that share some traits."""
        rng = self.rng
        count = int(rng.choice((1, 2, 3, 4, 5), p=(0.08, 0.27, 0.32, 0.22, 0.11)))
        if count > 3:
            self.scale *= 0.85
        looks: list[Look] = []
        for _ in range(count):
            if looks and rng.random() < 0.45:
                looks.append(self._rival(looks[rng.integers(len(looks))]))
            else:
                looks.append(random_look(rng, str(rng.choice(_KINDS, p=_KIND_SHARES))))
        return [self._place(look, column) for look, column in zip(looks, self._columns(count), strict=True)]

    def people(self) -> list[Track]:
        """Return two or three adults, nearer than in other scenes, with up to two other actors."""
        rng = self.rng
        count = int(rng.choice((2, 3), p=(0.5, 0.5)))
        others = int(rng.choice((0, 1, 2), p=(0.3, 0.4, 0.3)))
        self.scale *= float(rng.uniform(1.0, 1.35) if count == 2 else rng.uniform(0.9, 1.25))
        looks: list[Look] = []
        for _ in range(count):
            if looks and rng.random() < 0.35:
                looks.append(self._rival(looks[rng.integers(len(looks))]))
            else:
                looks.append(random_look(rng, "adult"))
        looks += [random_look(rng, str(rng.choice(_BESIDE_PEOPLE))) for _ in range(others)]
        return [self._place(look, column) for look, column in zip(looks, self._columns(len(looks)), strict=True)]

    def look_alikes(self) -> list[Track]:
        """Return two or three actors that look the same but differ in action or direction."""
        rng = self.rng
        look = random_look(rng, str(rng.choice(_KINDS, p=_KIND_SHARES)))
        count = int(rng.choice((2, 3), p=(0.7, 0.3)))
        if count == 3:
            self.scale *= 0.85
        tracks: list[Track] = []
        deeds: set[tuple[str, str]] = set()
        ground = self._ground()
        for column in self._columns(count):
            for _ in range(20):
                track = self._place(look, column, ground + rng.uniform(-0.05, 0.05) * self.height)
                if (deed := (track.action, direction_of(track))) not in deeds:
                    break
            deeds.add(deed)
            tracks.append(track)
        return tracks

    def occluders(self, tracks: Sequence[Track]) -> list[Occluder]:
        """Return, now and then, a thing in front of one of the actors."""
        rng = self.rng
        if rng.random() > 0.18:
            return []
        track = tracks[int(rng.integers(len(tracks)))]
        sprite = draw_occluder(rng, self.height * rng.uniform(0.3, 0.9))
        column = track.place[0] + rng.choice((-1, 1)) * rng.uniform(0.15, 0.8) * track.stature
        row = min(track.place[1] + rng.uniform(0.02, 0.1) * self.height, 1.02 * self.height)
        return [Occluder(sprite, (float(column), row), track.near + 0.5)]

    def _columns(self, count: int) -> list[float]:
        shares = (np.arange(count) + 0.5) / count if count > 1 else np.array([self.rng.uniform(0.2, 0.8)])
        moved = shares + self.rng.normal(0, 0.22 / count, count)
        return [float(share) * self.width for share in self.rng.permutation(moved.clip(0.04, 0.96))]

    def _ground(self) -> float:
        low = min(self.backdrop.horizon + 0.12 * self.height, 0.85 * self.height)
        return float(self.rng.uniform(low, 0.98 * self.height))

    def _rival(self, look: Look) -> Look:
        """Return a look of the same kind that shares one trait with the given one: dress, paint or build."""
        other = random_look(self.rng, look.kind)
        if look.kind != "adult":
            return replace(other, colour=look.colour, paint=look.paint) if self.rng.random() < 0.3 else other
        if self.rng.random() < 0.5:
            return other
        kept = {garment.slot: garment for garment in look.garments}
        shared = str(self.rng.choice(sorted(kept)))
        dressed = {garment.slot for garment in other.garments}
        if shared not in dressed:  # somebody in trousers cannot share a dress
            return other
        garments = tuple(kept[shared] if garment.slot == shared else garment for garment in other.garments)
        front = next(garment for garment in garments if garment.slot in ("top", "dress"))
        return replace(
            other, garments=garments, colour=front.colour, paint=front.paint, pattern=front.pattern, accent=front.accent
        )

    def _place(self, look: Look, column: float, ground: float | None = None) -> Track:
        rng = self.rng
        action = self._action(look.kind)
        facing = int(rng.choice((-1, 1)))
        ground = self._ground() if ground is None else ground
        depth = (ground - self.backdrop.horizon) / max(self.height - self.backdrop.horizon, 1.0)
        stature = self.scale * _STATURE[look.kind] * (0.62 + 0.5 * depth) * rng.uniform(0.85, 1.15)
        near, row = ground, ground
        if action == "flying":
            row = rng.uniform(0.15, 0.75) * self.height
            near = ground if rng.random() < 0.5 else row
        elif action == "climbing" and self.supports:
            support = self.supports.pop(int(rng.integers(len(self.supports))))
            column = support.x - facing * _REACH.get(look.kind, 0.0) * stature
            row = rng.uniform(min(support.top + 0.8 * stature, support.bottom), support.bottom)
        row = max(row, min(0.9 * stature, self.height)) if action != "flying" else row
        velocity, turn, growth = self._motion(look.kind, action, facing, stature)
        phase = float(rng.uniform(0, 2 * math.pi))
        place = (column, float(row))
        return Track(look, action, facing, place, velocity, stature, growth, phase, turn, near, action == "flying")

    def _action(self, kind: str) -> str:
        """Choose an action; climbing needs a free support, and standing idle is favoured."""
        actions = [name for name in ACTIONS_OF[kind] if name != "climbing" or self.supports]
        weights = np.array([{"none": 1.8, "walking": 1.8, "climbing": 2.0}.get(name, 1.0) for name in actions])
        return str(self.rng.choice(actions, p=weights / weights.sum()))

    def _motion(self, kind: str, action: str, facing: int, stature: float) -> tuple[tuple[float, float], float, float]:
        """Return the velocity in pixels per frame, the change of phase per frame and the growth per frame."""
        rng, gait = self.rng, GAITS[kind, action]
        pace = float(
            rng.choice((rng.uniform(0.4, 0.65), rng.uniform(0.75, 1.35), rng.uniform(1.5, 2.2)), p=(0.2, 0.6, 0.2))
        )
        turn = 2 * math.pi * gait.cadence * pace / FRAMES_PER_SECOND
        travelled = gait.stride * gait.cadence * pace / FRAMES_PER_SECOND * stature
        growth = rng.normal(0, 0.004) if action in _TRAVELLING and rng.random() < 0.3 else 0.0
        if gait.vertical:
            down = rng.random() < 0.25
            return (0.0, travelled if down else -travelled), -turn if down else turn, 0.0
        rise = rng.normal(0, 0.25) * travelled if action == "flying" else 0.0
        return (facing * travelled, float(rise)), turn, float(growth)
