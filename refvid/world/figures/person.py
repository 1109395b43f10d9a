"""People: men, women and babies, dressed and in motion, from a skeleton to a sprite."""

import math
from collections.abc import Callable

from PIL import Image

from refvid.world.figures.gait import BODIES, GAITS, Body, Limb, Skeleton, chance
from refvid.world.figures.garments import LONG_SLEEVES, dress
from refvid.world.figures.head import Head
from refvid.world.figures.ink import Board, Disc, Point, across, between, edge_of, shade, shaded
from refvid.world.figures.motion import posed
from refvid.world.figures.pattern import draw_pattern
from refvid.world.scene import RGB, Garment, Look, Pose, Sprite

__all__ = ["GAITS", "draw_person", "draw_regions", "dress"]

_FOODS: tuple[RGB, ...] = ((206, 52, 44), (226, 176, 92), (244, 214, 70), (150, 190, 80))


def draw_person(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a person at a moment of a motion.

    Args:
        look: Look of kind "adult" or "baby".
        pose: Pose, whose phase refers to the action's cycle in `GAITS`.
        stature: Height of the person in pixels when upright, at least 4.

    Returns:
        Antialiased RGBA sprite, anchored on the ground under the middle of the body. The anchor stays on the ground
        when the body is lifted, as in a jump.

    Raises:
        ValueError: The kind is not a person's, or the stature is too small.
    """
    picture, anchor = _paint(look, pose, stature).finish()
    return _faced(picture, anchor, pose)


def draw_regions(look: Look, pose: Pose, stature: float) -> dict[str, Sprite]:
    """Return the visible part of each garment by slot, as sprites whose alpha is the coverage.

    Args:
        look: As for `draw_person`.
        pose: As for `draw_person`.
        stature: As for `draw_person`.

    Returns:
        For each garment's slot, a sprite in its paint with the size and anchor of the one from `draw_person`.

    Raises:
        ValueError: The kind is not a person's, or the stature is too small.
    """
    board = _paint(look, pose, stature)
    found = {}
    for garment in look.garments:
        cover, anchor = board.region(garment.slot)
        picture = Image.new("RGBA", cover.size, garment.paint)
        picture.putalpha(cover)
        found[garment.slot] = _faced(picture, anchor, pose)
    return found


def _faced(picture: Image.Image, anchor: Point, pose: Pose) -> Sprite:
    if pose.action == "rolling":  # rests on whatever is lowest: knees, back, head
        anchor = (anchor[0], picture.height)
    if pose.facing < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        anchor = (picture.width - anchor[0], anchor[1])
    return Sprite(picture, anchor)


def _paint(look: Look, pose: Pose, stature: float) -> Board:
    if look.kind not in BODIES or not stature >= 4:
        raise ValueError(f"the figure is a {look.kind!r} of {stature} px, expected an adult or baby of at least 4 px")
    skeleton = posed(look.kind, pose.action, pose.phase, look.build)
    points = [skeleton.hip, skeleton.chest, skeleton.head]
    points += [point for limb in (*skeleton.arms, *skeleton.legs) for point in (limb.root, limb.middle, limb.end)]
    along, up = [x for x, _ in points], [y for _, y in points]
    pad = 0.2 if look.kind == "adult" else 0.26
    box = (min(0.0, *along) - pad, min(0.0, *up) - pad, max(0.0, *along) + pad, max(up) + pad)
    board = Board(box, stature)
    _Tailor(board, look, skeleton, pose.action).draw()
    return board


class _Tailor:
    """The painter of one dressed figure, layer by layer."""

    def __init__(self, board: Board, look: Look, skeleton: Skeleton, action: str) -> None:
        self._board, self._look, self._bones = board, look, skeleton
        self._body: Body = BODIES[look.kind]
        self._baby = look.kind == "baby"
        self._worn: dict[str, Garment] = {garment.slot: garment for garment in look.garments}
        self._trunk = self._worn.get("dress") or self._worn["top"]
        stout = 0.9 + 0.3 * chance(look.build, 1)
        wide = {"man": (0.092, 0.076, 0.078), "woman": (0.078, 0.06, 0.08)}.get(look.sex or "", (0.115, 0.122, 0.125))
        self._chest, self._waist, self._hips = (r * stout for r in wide)
        self._arm = (0.052, 0.046, 0.036) if self._baby else (0.04 * stout, 0.033 * stout, 0.026)
        self._leg = (0.08, 0.062, 0.046) if self._baby else (0.066 * stout, 0.048 * stout, 0.034)
        self._carries = action in ("walking", "none")
        self._head = Head(board, look, skeleton, self._body.head, action != "rolling")
        self._axis = self._frame()

    def _frame(self) -> Callable[[float, float], Point]:
        """Return the map from the trunk's coordinates (forwards, fraction of its length upwards) to statures."""
        (hx, hy), (cx, cy) = self._bones.hip, self._bones.chest
        long = math.hypot(cx - hx, cy - hy) or 1.0
        ux, uy = (cx - hx) / long, (cy - hy) / long

        def at(forwards: float, up: float) -> Point:
            return (hx + (cx - hx) * up + forwards * uy, hy + (cy - hy) * up - forwards * ux)

        return at

    def _ink(self, slot: str, colour: RGB, far: bool = False) -> int:
        return self._board.ink(shaded(colour) if far else colour, slot)

    def draw(self) -> None:
        bones = self._bones
        if bones.back:
            for limb in bones.arms:
                self._draw_arm(limb, False)
        else:
            self._draw_bag(behind=True)
            self._draw_arm(bones.arms[0], True)
            self._head.draw_behind()
        for limb, far in zip(bones.legs, (not bones.back, False), strict=True):
            self._draw_leg(limb, far)
        self._draw_skirt()
        self._draw_neck()
        self._draw_trunk()
        self._head.draw()
        if bones.back:
            self._draw_bag(behind=False)
        else:
            self._draw_arm(bones.arms[1], False)
            self._draw_bag(behind=False)
        for garment in self._look.garments:
            draw_pattern(self._board, garment, self._axis, self._body.torso, 0.1 if self._baby else 0.09)

    def _draw_leg(self, limb: Limb, far: bool) -> None:
        thigh, knee, ankle = self._leg
        skin = self._ink("skin", self._look.skin, far)
        lower = self._worn.get("lower")
        name = lower.name if lower is not None else self._trunk.name
        root, middle, end = Disc(*limb.root, thigh), Disc(*limb.middle, knee), Disc(*limb.end, ankle)
        self._draw_foot(limb, far)
        self._board.chain(skin, [root, middle, end])
        if name in ("trousers", "jeans", "romper"):
            cloth = self._ink("lower" if lower else "top", (lower or self._trunk).paint, far)
            cuff = ankle * (1.25 if name == "trousers" else 1.1)
            # Limbs have round ends, so the middle of the cuff stays above the ankle to keep the shoe visible.
            hem = between(middle, end, 0.86)
            self._board.chain(cloth, [root, middle, Disc(hem.x, hem.y, cuff)], 0.003)
        elif name == "shorts":
            cloth = self._ink("lower", (lower or self._trunk).paint, far)
            self._board.hull(cloth, [root, *across(limb.root, limb.middle, 0.92, knee + 0.012)], 0.004)

    def _draw_foot(self, limb: Limb, far: bool) -> None:
        body, (x, y) = self._body, limb.end
        c, s = math.cos(limb.pitch), math.sin(limb.pitch)

        def sole(u: float, v: float, radius: float) -> Disc:
            return Disc(x + u * c - v * s, y + u * s + v * c, radius)

        shoes = self._worn.get("shoes")
        ink = self._ink("shoes", shoes.paint, far) if shoes else self._ink("skin", self._look.skin, far)
        low = body.ankle
        if self._bones.back:
            self._board.hull(ink, [Disc(x, y, low), Disc(x, y + 0.02 - low, low * 0.95)])
            return
        high = low * 0.62
        heel, ball = sole(-body.heel * 0.55, high - low, high), sole(body.ball * 1.15, high * 0.72 - low, high * 0.72)
        self._board.hull(ink, [heel, ball, sole(0.0, 0.0, low * 0.75)])

    def _draw_skirt(self) -> None:
        """Draw what hangs from the waist: skirt, dress, coat tails or diaper; and the seat of trousers."""
        lower = self._worn.get("lower")
        hip, (far, near) = Disc(*self._axis(0, 0.02), self._hips), self._bones.legs
        if lower is not None and lower.name != "skirt":
            self._board.hull(self._ink("lower", lower.paint), [hip, Disc(*self._axis(0, 0.3), self._waist)])
        elif self._trunk.name == "romper":
            self._board.disc(self._ink("top", self._trunk.paint), hip)
        reach = 0.0
        if self._trunk.name in ("dress", "coat"):
            reach = 0.62 if self._trunk.name == "coat" else 0.8 + 0.35 * chance(self._look.build, 14)
            self._drape(self._trunk, reach, hip, far, near)
        elif lower is not None and lower.name == "skirt":
            self._drape(lower, 0.55 + 0.55 * chance(self._look.build, 14), hip, far, near)

    def _drape(self, garment: Garment, reach: float, hip: Disc, far: Limb, near: Limb) -> None:
        """Stretch cloth from the waist over both legs.

        `reach` is the fraction of the thigh that is covered; above 1, the cloth covers part of the shin too.
        """
        hem = []
        for limb in (far, near):
            start, stop, share = (limb.root, limb.middle, reach) if reach <= 1 else (limb.middle, limb.end, reach - 1)
            hem += across(start, stop, share, self._leg[0] * 1.05)
            if reach > 1:
                hem.append(Disc(*limb.middle, self._leg[1]))
        ink = self._ink(garment.slot, garment.paint)
        self._board.hull(ink, [Disc(*self._axis(0, 0.3), self._waist), hip, *hem], 0.004)

    def _draw_neck(self) -> None:
        (cx, cy), (x, y) = self._bones.chest, self._bones.head
        radius = self._body.head * (0.42 if self._baby else 0.48)
        ink = self._ink("skin", shade(self._look.skin, 0.88))
        self._board.chain(ink, [Disc(cx, cy, radius), Disc(x, y - 0.2 * self._body.head, radius)])

    def _draw_trunk(self) -> None:
        top, back = self._trunk, self._bones.back
        ink, rim = self._ink(top.slot, top.paint), self._board.ink(edge_of(top.paint), top.slot + " rim")
        bulk = {"coat": 0.012, "jacket": 0.009, "sweater": 0.006, "romper": 0.004}.get(top.name, 0.0)
        wide = self._body.across * 1.4 if back else self._body.across * 0.55
        shoulders = [Disc(*self._axis(side * wide, 0.83), self._chest * 0.72) for side in (-1, 1)]
        waist = Disc(*self._axis(0.0, 0.42), self._waist)
        low = {"jacket": -0.1, "vest": -0.1, "romper": -0.1}.get(top.name, -0.2)
        self._board.hull(ink, [*shoulders, waist], bulk)
        if self._worn.get("lower") and self._worn["lower"].name == "diaper" and chance(self._look.build, 15) < 0.4:
            low = 0.12
        hem = [Disc(*self._axis(side * (self._hips - 0.012), low), 0.014) for side in (-1, 1)]
        self._board.hull(ink, [waist, *hem, *([Disc(*self._axis(0.0, 0.05), self._hips)] if low < 0 else [])], bulk)
        if back:
            return
        edge = self._chest * 0.55
        collar = [self._axis(edge * 0.2 - 0.03, 1.07), self._axis(edge * 0.6, 0.98), self._axis(edge * 1.25, 1.04)]
        if top.name in ("shirt", "blouse", "coat", "jacket"):
            front = self._chest * 0.45
            down = -0.4 if top.name == "coat" else low
            self._board.line(rim, [self._axis(edge * 0.8, 1.0), self._axis(front, 0.5), self._axis(front, down)], 0.011)
        self._board.line(rim, collar, 0.018 if top.name in ("coat", "jacket", "sweater") else 0.011)
        if top.name in ("sweater", "jacket", "t-shirt", "shirt"):
            ends = [self._axis(side * (self._hips + bulk), low) for side in (-1, 1)]
            self._board.line(rim, ends, 0.022 if top.name == "sweater" else 0.012)
        if top.name == "dress":
            self._board.line(rim, [self._axis(-self._waist, 0.36), self._axis(self._waist, 0.36)], 0.02)

    def _draw_arm(self, limb: Limb, far: bool) -> None:
        upper, elbow, wrist = self._arm
        skin = self._ink("skin", self._look.skin, far)
        top = self._trunk
        cloth = self._ink(top.slot, top.paint, far)
        rim = self._board.ink(shaded(edge_of(top.paint)) if far else edge_of(top.paint), top.slot + " rim")
        line = 0.0 if far or self._bones.back else 0.009
        root, middle, hand = Disc(*limb.root, upper), Disc(*limb.middle, elbow), Disc(*limb.end, wrist)
        palm = Disc(limb.end[0], limb.end[1], wrist * 1.25)
        if self._bones.food and not far:
            self._draw_food(limb)
        sleeve = self._sleeve()
        if line and sleeve > 0:
            cuts = [root, middle, between(middle, hand, 0.8)] if sleeve > 1 else [root, between(root, middle, sleeve)]
            self._board.chain(rim, cuts, line)
        elif line:
            self._board.chain(self._ink("skin", shade(self._look.skin, 0.82)), [root, middle], line * 0.7)
        self._board.chain(skin, [root, middle, hand])
        self._board.disc(skin, palm)
        if sleeve > 1:
            self._board.chain(cloth, [root, middle, between(middle, hand, 0.8)], 0.004)
        elif sleeve > 0:
            self._board.chain(cloth, [root, between(root, middle, sleeve)], 0.006)

    def _sleeve(self) -> float:
        """Return the length of the sleeves: 0 for none, up to 1 on the upper arm, 2 to the wrist."""
        name, luck = self._trunk.name, chance(self._look.build, 16)
        if name in LONG_SLEEVES or (name in ("shirt", "romper") and luck < 0.6) or (name == "dress" and luck < 0.3):
            return 2.0
        return 0.0 if name == "vest" or (name == "dress" and luck < 0.6) else 0.7

    def _draw_food(self, limb: Limb) -> None:
        colour = _FOODS[int(chance(self._look.build, 17) * len(_FOODS))]
        ink, (x, y) = self._board.ink(colour, "food"), limb.end
        self._board.hull(ink, [Disc(x + 0.012, y + 0.024, 0.036), Disc(x - 0.004, y + 0.046, 0.026)])

    def _draw_bag(self, behind: bool) -> None:
        bag = self._worn.get("bag")
        if bag is None:
            return
        cloth, rim = self._ink("bag", bag.paint), self._board.ink(edge_of(bag.paint), "bag")
        if bag.name == "backpack":
            if self._bones.back and not behind:
                corners = [Disc(*self._axis(u, v), 0.03) for u in (-0.055, 0.055) for v in (0.35, 0.85)]
                self._board.hull(cloth, corners)
            elif behind:
                corners = [Disc(*self._axis(-self._chest - u, v), 0.03) for u in (0.0, 0.05) for v in (0.3, 0.9)]
                self._board.hull(cloth, corners)
            else:
                strap = [
                    self._axis(-self._chest * 0.3, 1.04),
                    self._axis(self._chest * 0.3, 0.8),
                    self._axis(-0.02, 0.5),
                ]
                self._board.line(rim, strap, 0.018)
            return
        if behind:
            return
        x, y = self._bones.arms[1].end
        if self._carries:
            self._board.line(rim, [(x - 0.03, y - 0.08), (x, y + 0.005), (x + 0.03, y - 0.08)], 0.012)
            top, low = y - 0.08, y - 0.16
            points = [(x - 0.05, top), (x + 0.05, top), (x + 0.065, low), (x - 0.065, low)]
        else:  # the hands are busy, so it hangs across the shoulder
            self._board.line(rim, [self._axis(0.3 * self._chest, 1.04), self._axis(-self._hips, 0.2)], 0.014)
            points = [self._axis(u - 0.6 * self._hips, v) for u in (-0.055, 0.055) for v in (0.0, 0.26)]
        self._board.hull(cloth, [Disc(*point, 0.012) for point in points])
