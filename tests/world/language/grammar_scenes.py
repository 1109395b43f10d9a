"""Scenes for the tests of the grammar, and a small reader of expressions that shares nothing with it."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from refvid.world.language.words import CLOTHS, words_in
from refvid.world.palette import COLOURS, paint
from refvid.world.scene import ACTIONS_OF, KINDS, Facts, Garment, Look

WIDTH, HEIGHT = 200, 160
SHADES = {
    "black": (16, 16, 18), "white": (250, 250, 250), "red": (200, 24, 32), "green": (30, 130, 50),
    "yellow": (246, 220, 40), "blue": (30, 70, 190), "brown": (110, 70, 40), "grey": (130, 130, 132),
}  # fmt: skip
NOUNS = {
    "man": "man", "guy": "man", "gentleman": "man", "boy": "man", "woman": "woman", "lady": "woman", "girl": "woman",
    "person": "man woman", "adult": "man woman", "baby": "baby", "toddler": "baby", "infant": "baby", "child": "baby",
    "kid": "baby", "ball": "ball", "bird": "bird", "car": "car", "vehicle": "car", "cat": "cat", "kitty": "cat",
    "kitten": "cat", "dog": "dog", "puppy": "dog", "animal": "cat dog bird",
}  # fmt: skip
DEEDS = {"jogging": "running", "driving": "running", "bouncing": "jumping", "hopping": "jumping", "pecking": "eating",
         "standing": "none", "parked": "none", "lying": "none"}  # fmt: skip


def person(sex: str, *worn: str, **changes: object) -> Look:
    """A man, woman or baby in clothes given as "top yellow shirt"."""
    garments = tuple(
        Garment(slot, name, colour, SHADES[colour]) for slot, colour, name in (item.split(" ", 2) for item in worn)
    )
    kind = "baby" if sex == "baby" else "adult"
    main = garments[0]
    look = Look(kind, None if sex == "baby" else sex, garments, main.colour, main.paint)
    return replace(look, **changes)  # type: ignore[arg-type]


def thing(kind: str, colour: str, pattern: str = "plain") -> Look:
    return Look(kind, None, (), colour, SHADES[colour], pattern, (250, 250, 250))


def actor(look: Look, x: int, action: str = "none", direction: str = "", pace: str = "", **more: object) -> Facts:
    """An actor 30 pixels wide and `tall` high whose feet are on row `feet`."""
    tall, feet = int(more.pop("tall", 60)), int(more.pop("feet", 140))  # type: ignore[call-overload]
    pace = pace or ("" if direction else "still")
    box = (x - 15, feet - tall, x + 15, feet)
    facts = Facts(look, action, -1 if direction == "left" else 1, direction, pace, box, 15 * tall, 0)
    return replace(facts, **more)  # type: ignore[arg-type]


def random_look(rng: np.random.Generator, kind: str) -> Look:
    colours = [COLOURS[rng.integers(len(COLOURS))] for _ in range(5)]
    patterns = [("plain", "plain", "striped", "spotted", "checked")[rng.integers(5)] for _ in range(5)]
    if kind not in ("adult", "baby"):
        accent = (20, 20, 20) if colours[0] in ("white", "yellow") else (250, 250, 250)
        return Look(kind, None, (), colours[0], paint(rng, colours[0]), patterns[0], accent)
    by_slot: dict[str, list[str]] = {}
    for name, cloth in CLOTHS.items():
        by_slot.setdefault(cloth.slot, []).append(name)
    slots = ["dress", "shoes"] if rng.random() < 0.2 else ["top", "lower", "shoes"]
    slots += [slot for slot in ("hat", "bag") if rng.random() < 0.35]
    garments = tuple(
        Garment(
            slot, by_slot[slot][rng.integers(len(by_slot[slot]))], colour, paint(rng, colour), pattern, (250, 250, 250)
        )
        for slot, colour, pattern in zip(slots, colours, patterns, strict=False)
    )
    sex = ("man", "woman")[rng.integers(2)] if kind == "adult" else None
    return Look(kind, sex, garments, colours[0], garments[0].paint, patterns[0], (250, 250, 250))


def random_scene(rng: np.random.Generator, alike: bool = False) -> list[Facts]:
    """One to five actors, half of them of one kind; some barely seen."""
    count, first, scene = int(rng.integers(1, 6)), KINDS[rng.integers(7)], []
    one = random_look(rng, first)
    for x in rng.permutation((np.arange(count) + 0.5) / count + rng.normal(0, 0.05, count)):
        kind = first if alike or rng.random() < 0.6 else KINDS[rng.integers(7)]
        action = ACTIONS_OF[kind][rng.integers(len(ACTIONS_OF[kind]))]
        facing = int(rng.choice((-1, 1)))
        still = action in ("none", "eating") or (action == "jumping" and rng.random() < 0.5)
        direction = "" if still else "up" if action == "climbing" else {-1: "left", 1: "right"}[facing]
        pace = "still" if still else ("slow", "", "fast")[rng.integers(3)]
        tall, feet = rng.uniform(25, 110), rng.uniform(60, 100) if action == "flying" else rng.uniform(100, 158)
        box = (int(x * WIDTH - tall / 4), int(feet - tall), int(x * WIDTH + tall / 4), int(feet))
        look = one if alike else random_look(rng, kind)
        scene.append(Facts(look, action, facing, direction, pace, box, int(tall * tall / 4), 0, rng.random() > 0.08))
    ranks = np.argsort(np.argsort([-fact.box[3] for fact in scene]))
    return [replace(fact, depth=int(rank)) for fact, rank in zip(scene, ranks, strict=True)]


def random_scenes(count: int) -> Iterator[tuple[np.random.Generator, list[Facts]]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield rng, random_scene(rng)


class Reader:
    """Reads simple expressions word for word: colours, clothes in a colour, deeds, directions, paces, sides."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(words_in(text)).replace("gray", "grey").replace("violet", "purple")
        self.checks: list[str] = []

    def take(self, pattern: str) -> str | None:
        match = re.search(pattern, self.text)
        if match is None:
            return None
        self.text = f"{self.text[: match.start()]} {self.text[match.end() :]}"
        return match[1]

    def understood(self, facts: Facts) -> bool | None:
        """Whether it is true of an actor, None where there is more in the expression than this reader reads."""
        colour = "|".join(COLOURS)
        look, true = facts.look, []
        if re.search(r"\b(not|without|isn't|from the (left|right)$)\b", self.text):
            return None
        if path := self.take(r"(?:to|towards) the (left|right)(?: side)?(?! of)$"):
            true.append(facts.direction == path)
        if path := self.take(r"from (?:the )?(?:left|right) to (?:the )?(left|right)"):
            true.append(facts.direction == path)
        if side := self.take(r"(?:on|at) the (left|right)(?: side)?(?! of)\b"):
            centre = (facts.box[0] + facts.box[2]) / 2 / WIDTH
            true.append((centre if side == "left" else 1 - centre) < 0.45)
        if worn := self.take(rf"(?:dressed in|wearing|in) ({colour})\b(?! and)(?=$| who| that| is| \w+ing)"):
            true.append(any(g.colour == worn and g.slot in ("top", "dress") for g in look.garments))
        if pace := self.take(r"(?:very )?\b(fast|quickly|slowly)\b"):
            true.append(facts.pace == ("slow" if pace == "slowly" else "fast"))
        self.take(r"\b(in the air|through the air|on the ground|up and down|around|something|some food|food)\b")
        if deed := self.take(rf"\b({'|'.join([*DEEDS, *{a for every in ACTIONS_OF.values() for a in every}])})\b"):
            true.append(facts.action == DEEDS.get(deed, deed))
        if self.take(r"\b(moving|going|heading)\b"):
            true.append(facts.direction != "")
        if self.take(r"\b(up)\b"):
            true.append(facts.direction == "up")
        self.take(r"((?:who |that )?\bis\b)")
        match = re.fullmatch(rf"(?:(?:the|a|an) )?(?:({colour}) )?({'|'.join(NOUNS)})", " ".join(self.text.split()))
        if match is None:
            return None
        true.append((look.sex or look.kind) in NOUNS[match[2]].split())
        return all(true) and match[1] in (None, look.colour)
