"""Random clothes, skin and hair for people."""

import numpy as np

from refvid.world.figures.ink import shade, shaded
from refvid.world.palette import name_of, paint
from refvid.world.scene import RGB, Garment, Look

_Shares = dict[str, dict[str, float]]
_TOPS: _Shares = {
    "man": {"shirt": 5, "t-shirt": 4, "jacket": 3, "coat": 2, "sweater": 3, "vest": 1},
    "woman": {"shirt": 3, "t-shirt": 3, "jacket": 3, "coat": 2, "sweater": 3, "vest": 1, "blouse": 4},
    "baby": {"romper": 5, "t-shirt": 4, "shirt": 2, "sweater": 2},
}
_LOWERS: _Shares = {
    "man": {"trousers": 4, "jeans": 4, "shorts": 2},
    "woman": {"trousers": 3, "jeans": 3, "shorts": 1.5, "skirt": 4},
    "baby": {"trousers": 5, "shorts": 2, "diaper": 3},
}
LONG_SLEEVES = frozenset({"jacket", "coat", "sweater", "blouse"})
_SHARES: _Shares = {
    "top": {"red": 5, "blue": 5, "green": 4, "yellow": 4, "white": 4, "black": 4, "orange": 3, "pink": 3, "purple": 3,
            "grey": 3, "brown": 2},
    "lower": {"black": 5, "blue": 5, "grey": 4, "brown": 4, "white": 2, "green": 2, "red": 2, "purple": 1, "pink": 1,
              "yellow": 1, "orange": 1},
    "jeans": {"blue": 8, "black": 2, "grey": 2},
    "shoes": {"black": 5, "brown": 4, "white": 4, "grey": 2, "red": 2, "blue": 1, "pink": 1, "green": 1},
    "bag": {"brown": 4, "black": 4, "red": 2, "blue": 2, "green": 1, "yellow": 1, "pink": 1, "grey": 1},
    "diaper": {"white": 1},
}  # fmt: skip
_PATTERNS = {"plain": 6.0, "striped": 2, "spotted": 1, "checked": 1.4}
_SKINS: tuple[RGB, ...] = (
    (246, 212, 186),
    (236, 192, 158),
    (222, 172, 132),
    (190, 136, 98),
    (146, 98, 66),
    (98, 64, 46),
)
_HAIRS: tuple[RGB, ...] = (
    (32, 26, 24), (54, 36, 26), (84, 54, 34), (128, 84, 46), (214, 178, 104), (150, 66, 32), (160, 156, 152),
)  # fmt: skip
_DARK = frozenset({"black", "blue", "brown", "purple", "red", "green"})


def dress(rng: np.random.Generator, kind: str, sex: str | None) -> Look:
    """Return a random look for a person.

    Args:
        rng: Generator for all random choices.
        kind: "adult" or "baby".
        sex: "man" or "woman" for an adult, None for a baby.

    Returns:
        A look with the colour, paint, pattern and accent of its top or dress.

    Raises:
        ValueError: The kind and the sex do not fit together.
    """
    if (kind, sex) not in (("adult", "man"), ("adult", "woman"), ("baby", None)):
        raise ValueError(f"a person of kind {kind!r} and sex {sex!r}: expected adult man, adult woman or baby None")
    who = sex or "baby"
    garments = []
    if sex == "woman" and rng.uniform() < 0.22:
        garments.append(_garment(rng, "dress", "dress", "top", patterned=True))
    else:
        garments.append(_garment(rng, "top", _draw(rng, _TOPS[who]), "top", patterned=True))
        if garments[0].name != "romper":
            name = _draw(rng, _LOWERS[who])
            garments.append(
                _garment(rng, "lower", name, name if name in _SHARES else "lower", patterned=name == "skirt")
            )
    main = garments[0]
    garments += _extras(rng, kind, sex)
    skin, hair = _SKINS[rng.integers(len(_SKINS))], _HAIRS[rng.integers(len(_HAIRS) - (kind == "baby"))]
    if sum(skin) < 420 and rng.uniform() < 0.9:
        hair = _HAIRS[rng.integers(2)]
    return Look(kind, sex, tuple(garments), main.colour, main.paint, main.pattern, main.accent,
                _vary(rng, skin), _vary(rng, hair), float(rng.uniform()))  # fmt: skip


def _extras(rng: np.random.Generator, kind: str, sex: str | None) -> list[Garment]:
    """Return shoes (often none for babies), and sometimes headwear and a bag."""
    found = []
    if kind == "adult" or rng.uniform() < 0.4:
        found.append(_garment(rng, "shoes", "shoes", "shoes"))
    if rng.uniform() < (0.18 if kind == "adult" else 0.12):
        found.append(_garment(rng, "hat", "cap" if rng.uniform() < (0.7 if sex == "man" else 0.4) else "hat", "top"))
    if kind == "adult" and rng.uniform() < (0.14 if sex == "man" else 0.24):
        found.append(_garment(rng, "bag", "backpack" if sex == "man" or rng.uniform() < 0.4 else "handbag", "bag"))
    return found


def _garment(rng: np.random.Generator, slot: str, name: str, shares: str, patterned: bool = False) -> Garment:
    colour = _draw(rng, _SHARES[shares])
    coat = paint(rng, colour)
    while name_of(shaded(coat)) != colour and colour != "white":  # pale pink in the shade looks grey
        coat = paint(rng, colour)
    pattern = _draw(rng, _PATTERNS) if patterned else "plain"
    return Garment(slot, name, colour, coat, pattern, _accent(rng, colour, coat))


def _accent(rng: np.random.Generator, colour: str, coat: RGB) -> RGB:
    """Choose white, nearly black or a darker shade, whichever is visible on the paint and keeps its name true."""
    if colour in ("black", "grey"):
        return (240, 240, 236) if colour == "black" or sum(coat) < 400 else (40, 40, 44)
    if colour == "white":
        return (44, 44, 50)
    if colour in _DARK and rng.uniform() < 0.75:
        return (244, 244, 240)
    return (38, 34, 38) if rng.uniform() < 0.4 or colour in _DARK else shade(coat, 0.55)


def _draw(rng: np.random.Generator, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()), np.float64)
    return list(shares)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _vary(rng: np.random.Generator, colour: RGB) -> RGB:
    red, green, blue = (
        (np.array(colour) * rng.uniform(0.92, 1.06) + rng.uniform(-5, 5, 3)).clip(0, 255).round().tolist()
    )
    return (int(red), int(green), int(blue))
