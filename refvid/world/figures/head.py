"""Heads of people: face, hair, beard and hat, in units of the head's radius, turned with the head."""

import math
from collections.abc import Sequence

from refvid.world.figures.gait import Skeleton, chance
from refvid.world.figures.ink import Board, Disc, Point, edge_of, shade
from refvid.world.scene import Look

_ROUND = [(math.cos(math.tau * k / 24), math.sin(math.tau * k / 24)) for k in range(24)]


class Head:
    """The head of one person, drawn in two passes: first the hair behind the body, later the rest."""

    def __init__(self, board: Board, look: Look, skeleton: Skeleton, radius: float, loose: bool) -> None:
        """Store what the head depends on; the radius is in statures, and loose hair hangs down."""
        self._board, self._look, self._radius, self._back = board, look, radius, skeleton.back
        self._centre, self._loose = skeleton.head, loose
        self._c, self._s = math.cos(skeleton.tilt), math.sin(skeleton.tilt)
        self._hair = board.ink(look.hair, "hair")
        self._fold = board.ink(edge_of(look.hair), "hair")
        baby, style = look.kind == "baby", chance(look.build, 11)
        if look.sex == "woman":
            self.style = "long" if style < 0.4 else "bob" if style < 0.6 else "tail" if style < 0.85 else "bun"
        elif baby:
            self.style = "wisp" if style < 0.5 else "short"
        else:
            self.style = "short" if style < 0.8 else "bald" if style < 0.9 else "quiff"
        self._bearded = look.sex == "man" and chance(look.build, 12) < 0.3

    def _at(self, u: float, v: float) -> Point:
        u, v = u * self._radius, v * self._radius
        return (self._centre[0] + u * self._c + v * self._s, self._centre[1] - u * self._s + v * self._c)

    def _disc(self, ink: int, u: float, v: float, radius: float) -> None:
        self._board.disc(ink, Disc(*self._at(u, v), radius * self._radius))

    def _shape(self, ink: int, points: Sequence[Point]) -> None:
        self._board.polygon(ink, [self._at(u, v) for u, v in points])

    def _down(self, u: float, v: float, dx: float, dy: float, radius: float) -> Disc:
        """Return a disc straight below a point of the head, or one that turns with it if the hair is not loose."""
        if not self._loose:
            return Disc(*self._at(u + dx, v + dy), radius * self._radius)
        x, y = self._at(u, v)
        return Disc(x + dx * self._radius, y + dy * self._radius, radius * self._radius)

    def draw_behind(self) -> None:
        """Draw the hair that falls behind neck and shoulders."""
        if self._back:
            return
        if self.style == "long":
            discs = [self._down(-0.25, 0.1, 0, 0, 0.95), self._down(-0.6, -0.5, -0.15, -0.55, 0.62)]
            self._board.chain(self._hair, [*discs, self._down(-0.7, -0.5, -0.2, -1.5, 0.3)])
        elif self.style == "tail":
            self._tail(-0.85, 0.35)

    def _tail(self, u: float, v: float) -> None:
        discs = [self._down(u, v, 0, 0, 0.26), self._down(u, v, -0.5, -0.5, 0.36)]
        self._board.chain(self._hair, [*discs, self._down(u, v, -0.6, -1.7, 0.12)])

    def draw(self) -> None:
        """Draw face, hair and hat."""
        if self._back:
            self._draw_from_behind()
        else:
            self._draw_face()
            self._draw_hair()
        self._draw_hat()

    def _draw_face(self) -> None:
        skin = self._look.skin
        ink, rim = self._board.ink(skin, "skin"), self._board.ink(shade(skin, 0.82), "skin")
        baby = self._look.kind == "baby"
        self._disc(ink, 0, 0.04, 0.95)
        jaw, chin = (0.74, -0.3) if baby else (0.62, -0.52)
        self._board.hull(
            ink, [Disc(*self._at(0.05, 0), 0.92 * self._radius), Disc(*self._at(0.24, chin), jaw * self._radius)]
        )
        self._disc(ink, 0.95 if not baby else 0.9, -0.12, 0.17)
        dark = self._board.ink((36, 28, 28), "face")
        for u in (0.34, 0.74):
            self._board.hull(dark, [Disc(*self._at(u, v), 0.085 * self._radius) for v in (0.06, 0.2)])
        if baby:
            self._disc(
                self._board.ink((min(255, skin[0] + 8), round(skin[1] * 0.78), round(skin[2] * 0.78)), "face"),
                0.3,
                -0.28,
                0.17,
            )
        if self._bearded:
            beard = [
                (-0.32, -0.1),
                (0.1, -0.42),
                (0.86, -0.44),
                (0.88, -0.85),
                (0.6, -1.24),
                (0.1, -1.18),
                (-0.3, -0.7),
            ]
            self._shape(self._hair, beard)
        mouth = self._board.ink((176, 70, 70) if self._look.sex == "woman" else shade(skin, 0.58), "face")
        self._board.line(
            mouth, [self._at(0.42, -0.58), self._at(0.62, -0.63), self._at(0.8, -0.55)], 0.1 * self._radius
        )
        if self.style not in ("long", "bob"):
            self._disc(rim, -0.3, -0.1, 0.2)

    def _draw_hair(self) -> None:
        ear = self._board.ink(self._look.skin, "skin")
        crown = [(1.04 * c, 0.06 + 1.02 * s) for c, s in _ROUND]
        if self.style == "bald":
            band = [(-0.98, 0.3), (-0.45, 0.2), (-0.35, -0.2), (-0.6, -0.62), (-0.95, -0.3)]
            self._shape(self._hair, band)
        elif self.style == "wisp":
            self._shape(self._hair, [(-0.98, 0.3), *crown[3:12], (-0.85, -0.1), (-0.55, 0.35), (0.1, 0.66)])
        else:
            brow = [(0.2, 0.42), (-0.22, 0.3), (-0.3, -0.02), (-0.42, -0.3), (-0.72, -0.62)]
            self._shape(self._hair, [(0.86, 0.46), *crown[2:15], *reversed(brow)])
        if self.style == "quiff":
            self._shape(self._hair, [(0.95, 0.4), (1.12, 0.86), (0.7, 1.3), (-0.1, 1.2), (0.2, 0.6)])
        if self.style in ("long", "bob"):
            low = -1.25 if self.style == "long" else -0.8
            self._shape(
                self._hair, [(-1.0, 0.3), (-0.12, 0.5), (-0.06, -0.2), (-0.22, low), (-0.85, low), (-1.08, -0.4)]
            )
        elif self.style == "bun":
            self._disc(self._fold, -0.85, 0.75, 0.42)
        elif self.style == "tail":
            self._disc(self._fold, -0.92, 0.34, 0.2)
        if self.style not in ("long", "bob"):
            self._disc(ear, -0.28, -0.1, 0.15)

    def _draw_from_behind(self) -> None:
        ink = self._board.ink(self._look.skin, "skin")
        self._disc(ink, 0, -0.1, 0.96)
        for u in (-0.96, 0.96):
            self._disc(ink, u, -0.1, 0.2)
        if self.style == "bald":
            self._shape(self._hair, [(-0.98, 0.1), (0.98, 0.1), (0.8, -0.62), (-0.8, -0.62)])
            return
        self._disc(self._hair, 0, 0.06, 1.02)
        if self.style in ("long", "bob"):
            low = -2.0 if self.style == "long" else -1.0
            self._board.hull(self._hair, [self._down(u, 0, 0, v, 0.4) for u in (-0.62, 0.62) for v in (0, low)])
        elif self.style == "tail":
            self._board.chain(
                self._fold, [self._down(0, 0.2, 0, v, r) for v, r in ((0, 0.24), (-0.7, 0.34), (-1.8, 0.12))]
            )
        elif self.style == "bun":
            self._disc(self._fold, 0, 0.5, 0.45)

    def _draw_hat(self) -> None:
        found = [garment for garment in self._look.garments if garment.slot == "hat"]
        if not found:
            return
        hat = found[0]
        cloth, rim = self._board.ink(hat.paint, "hat"), self._board.ink(edge_of(hat.paint), "hat")
        dome = [(1.1 * c, 0.3 + 0.95 * s) for c, s in _ROUND[:13]]
        if hat.name == "cap":
            self._shape(cloth, dome)
            brim = [(-0.9, 0.3), (0.9, 0.3), (0.85, 0.12), (-0.85, 0.12)] if self._back else [
                (0.3, 0.5), (1.05, 0.52), (1.85, 0.3), (1.8, 0.16), (0.3, 0.24)]  # fmt: skip
            self._shape(rim, brim)
        else:
            self._shape(cloth, [(1.0 * u, v * 1.06) for u, v in dome])
            self._shape(rim, [(-1.05, 0.62), (1.05, 0.62), (1.05, 0.4), (-1.05, 0.4)])
            self._shape(cloth, [(1.75 * c, 0.34 + 0.2 * s) for c, s in _ROUND])
