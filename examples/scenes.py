"""The three scripted scenes of the example clips, with exact masks for every frame."""

from collections.abc import Callable

import numpy as np

from refvid.world.figures import GAITS
from refvid.world.scene import RGB, Garment, Look, Reference, Scene
from refvid.world.scenes.backdrop import Backdrop, draw_view
from refvid.world.scenes.render import Track, render
from refvid.world.scenes.sampler import FRAMES_PER_SECOND, describe

# Expression -> index of its actor (None if there is none) and the property that distinguishes that actor.
_Expressions = dict[str, tuple[int | None, str]]


def draw_park() -> Scene:
    """Draw `park.mp4`: 100 frames of 640 x 360; two people pass each other, a dog runs after a ball, a man looks on."""
    yellow_shirt = Garment("top", "shirt", "yellow", (248, 218, 44))
    blue_shirt = Garment("top", "shirt", "blue", (36, 96, 204))
    red_dress = Garment("dress", "dress", "red", (206, 28, 38))
    man = _person("man", (yellow_shirt, _jeans((44, 62, 128)), _shoes("brown", (98, 62, 38))), 0.42, hair=(84, 54, 34))
    woman = _person("woman", (red_dress, _shoes("black", (30, 28, 32))), 0.66, hair=(54, 36, 26))
    grey_trousers = Garment("lower", "trousers", "grey", (104, 106, 110))
    onlooker = _person("man", (blue_shirt, grey_trousers, _shoes("black", (30, 28, 32))), 0.52, skin=(146, 98, 66))
    dog = Look("dog", None, (), "brown", (122, 78, 44), build=0.31)
    ball = Look("ball", None, (), "orange", (246, 130, 22), build=0.5)
    tracks = [
        _move(man, "walking", 1, (296, 292), 186, pace=0.72, phase=0.4),
        _move(woman, "walking", -1, (330, 276), 174, pace=0.72, phase=2.0),
        _move(dog, "running", 1, (290, 354), 88, pace=0.37, haste=1.35, phase=0.2),
        _move(ball, "rolling", 1, (424, 357), 48, pace=1.15),
        _move(onlooker, "none", -1, (580, 262), 160),
    ]
    expressions: _Expressions = {
        "man in yellow shirt": (0, "garment"),
        "woman in red dress": (1, "garment"),
        "the dog": (2, "kind"),
        "the brown dog": (2, "colour"),
        "the orange ball": (3, "colour"),
        "man in blue shirt": (4, "garment"),
        "the man who is standing": (4, "action"),
        "the man walking to the right": (0, "direction"),
        "the black cat": (None, "kind"),
    }
    return _film(draw_view(np.random.default_rng(2), 640, 360, "park"), tracks, expressions, 100)


def draw_street() -> Scene:
    """Draw `street.mp4`: 75 frames of 640 x 360; two cars pass each other, a woman and a cat walk by."""
    jacket = Garment("top", "jacket", "green", (28, 128, 56))
    skirt = Garment("lower", "skirt", "black", (32, 30, 36))
    bag = Garment("bag", "handbag", "yellow", (240, 206, 48))
    woman = _person("woman", (jacket, skirt, _shoes("brown", (98, 62, 38)), bag), 0.07, hair=(150, 66, 32))
    red = Look("car", None, (), "red", (206, 30, 36), build=0.05)
    blue = Look("car", None, (), "blue", (40, 104, 214), build=0.3)
    cat = Look("cat", None, (), "orange", (238, 132, 40), "striped", (178, 84, 22), build=0.12)
    tracks = [
        _move(red, "running", 1, (290, 294), 78, pace=0.95),
        _move(blue, "running", -1, (360, 350), 92, pace=0.8),
        _move(woman, "walking", 1, (215, 216), 150, pace=0.8, phase=0.5),
        _move(cat, "walking", -1, (540, 220), 52, pace=0.8),
    ]
    expressions: _Expressions = {
        "the red car": (0, "colour"),
        "the blue car": (1, "colour"),
        "the car driving to the left": (1, "direction"),
        "woman with a bag": (2, "garment"),
        "woman in a green jacket": (2, "garment"),
        "the cat": (3, "kind"),
        "the white dog": (None, "kind"),
    }
    backdrop = draw_view(np.random.default_rng(2), 640, 360, "street")
    return _film(backdrop, tracks, expressions, 75, pan=-0.6)


def draw_yard() -> Scene:
    """Draw `yard.mp4`: 75 frames of 480 x 360; two dogs that look the same, one leaps along and the other one eats."""
    dog = Look("dog", None, (), "brown", (128, 82, 46), "spotted", (240, 234, 224), build=0.31)
    tracks = [
        _move(dog, "jumping", 1, (165, 254), 90, pace=0.78),
        _move(dog, "eating", -1, (378, 332), 106),
    ]
    expressions: _Expressions = {
        "the dog that is jumping": (0, "action"),
        "the dog that is eating": (1, "action"),
        "the dog moving to the right": (0, "direction"),
        "the man": (None, "kind"),
    }
    return _film(draw_view(np.random.default_rng(5), 480, 360, "yard"), tracks, expressions, 75)


# Name of the clip without its suffix -> function that draws it, with the same frames at every call.
EXAMPLES: dict[str, Callable[[], Scene]] = {"park": draw_park, "street": draw_street, "yard": draw_yard}


def _person(
    sex: str, garments: tuple[Garment, ...], build: float, skin: RGB = (232, 188, 152), hair: RGB = (32, 26, 24)
) -> Look:
    first = garments[0]  # the top or dress, which gives a `Look` its colours
    return Look("adult", sex, garments, first.colour, first.paint, first.pattern, first.accent, skin, hair, build)


def _jeans(paint: RGB) -> Garment:
    return Garment("lower", "jeans", "blue", paint)


def _shoes(colour: str, paint: RGB) -> Garment:
    return Garment("shoes", "shoes", colour, paint)


def _move(
    look: Look,
    action: str,
    facing: int,
    middle: tuple[float, float],
    stature: float,
    *,
    pace: float = 1.0,
    haste: float = 1.0,
    phase: float = 0.0,
) -> Track:
    """Return the track of an actor that moves horizontally at a constant speed.

    Args:
        look: Appearance of the actor.
        action: Name of the motion.
        facing: -1 for left, 1 for right.
        middle: Column and row of the feet in the middle frame, in pixels.
        stature: Height in pixels.
        pace: Speed as a factor of the usual speed of the motion.
        haste: Frequency of the steps as a factor of that which fits the speed.
        phase: Phase of the motion in the middle frame, in radians.
    """
    gait = GAITS[look.kind, action]
    cycles = gait.cadence * pace / FRAMES_PER_SECOND
    velocity = (facing * gait.stride * cycles * stature, 0.0)
    turn = 2 * np.pi * cycles * haste
    return Track(look, action, facing, middle, velocity, stature, 0.0, phase, turn, middle[1], airborne=False)


def _film(backdrop: Backdrop, tracks: list[Track], expressions: _Expressions, frames: int, pan: float = 0.0) -> Scene:
    """Render the tracks with a camera that stands still or pans by `pan` pixels per frame."""
    camera = np.zeros((frames, 2))
    camera[:, 0] = pan * (np.arange(frames) - frames // 2)
    rendered = render(backdrop.image, backdrop.margin, camera, tracks, ())
    references = tuple(
        Reference(expression, actor, frozenset({way} if actor is not None else ()))
        for expression, (actor, way) in expressions.items()
    )
    return Scene(rendered.frames, rendered.instances, describe(tracks, rendered), references, FRAMES_PER_SECOND)
