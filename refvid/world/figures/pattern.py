"""Stripes, spots and checks in the coordinates of the wearer's body, so that they move with it."""

from collections.abc import Callable

from refvid.world.figures.ink import Board, Disc, Point, shaded
from refvid.world.scene import Garment


def draw_pattern(
    board: Board, garment: Garment, axis: Callable[[float, float], Point], long: float, step: float
) -> None:
    """Draw a garment's pattern over what has been drawn of the garment.

    Args:
        board: Board with the garment, in inks of its slot.
        garment: Garment; nothing is drawn for a plain one.
        axis: Function from (statures forwards of the trunk's middle, fraction of its length upwards) to the board.
        long: Length of the trunk in statures.
        step: Distance between marks in statures.
    """
    if garment.pattern == "plain":
        return
    # The marks cover less than half of the cloth, so that the paint, which gives the colour its name, predominates.
    thick = step * (0.34 if garment.pattern == "striped" else 0.2)
    lines: list[tuple[Point, Point, float]] = []
    dots: list[Disc] = []
    for number in range(-10, 8):
        share = (0.5 + number * step) / long
        if garment.pattern == "spotted":
            shift = 0.5 * (number % 2)
            dots += [Disc(*axis((place + shift) * step, share), step * 0.27) for place in range(-6, 7)]
            continue
        lines.append((axis(-0.5, share), axis(0.5, share), thick))
        if garment.pattern == "checked":
            lines.append((axis(number * step, -1.6), axis(number * step, 2.2), thick))
    marks = {garment.paint: garment.accent, shaded(garment.paint): shaded(garment.accent)}
    board.mark(garment.slot, marks, lines, dots)
