"""A WordNet of a few nouns, in its files' own format."""

from pathlib import Path

from refvid.train.words.wordnet import PERSON, WordNet

LICENCE = "  1 This software and database is being provided to you, the LICENSEE\n"
# Offset, category, lemmas, parents: a chain down to animals, kinds of them, and people.
ROWS = (
    (1740, 3, "entity", ()), (1930, 3, "physical_entity", (1740,)), (2684, 3, "object", (1930,)),
    (3553, 3, "whole", (2684,)), (4258, 3, "living_thing", (3553,)), (4475, 3, "organism", (4258,)),
    (PERSON, 3, "person individual", (4475,)), (15388, 5, "animal beast", (4475,)), (15500, 5, "mammal", (15388,)),
    (20000, 5, "cattle", (15500,)), (20100, 5, "ox", (20000,)), (20200, 5, "cow", (20000,)),
    (20300, 5, "dog", (15500,)), (20400, 5, "pug", (20300,)), (20500, 5, "collie sheep_dog black_collie", (20300,)),
    (20600, 5, "crane", (15500,)), (20700, 5, "giraffe", (15500,)), (30000, 18, "diver", (PERSON,)),
    (30100, 18, "groom", (PERSON,)), (40000, 6, "crane", (3553,)), (40100, 6, "leash", (3553,)),
)  # fmt: skip
CLASSES = ("ox", "pug", "collie", "crane bird", "diver", "groom", "crane")


def small_wordnet(folder: Path) -> WordNet:
    lines: list[str] = []
    senses: dict[str, list[int]] = {}
    for offset, category, lemmas, parents in ROWS:
        words = lemmas.split()
        named = " ".join(f"{word} 0" for word in words)
        pointers = "".join(f" @ {parent:08d} n 0000" for parent in parents)
        lines.append(f"{offset:08d} {category:02d} n {len(words):02x} {named} {len(parents):03d}{pointers} | a thing")
        for word in words:
            senses.setdefault(word, []).append(offset)
    (folder / "data.noun").write_text(LICENCE + "\n".join(lines) + "\n")
    index = [
        f"{word} n {len(found)} 1 @ {len(found)} 0 {' '.join(f'{offset:08d}' for offset in found)}"
        for word, found in senses.items()
    ]
    (folder / "index.noun").write_text(LICENCE + "\n".join(index) + "\n")
    for part in ("verb", "adj", "adv"):
        (folder / f"index.{part}").write_text(LICENCE + "walk v 1 1 @ 1 0 00000001\n")
    (folder / "noun.exc").write_text("oxen ox\n")
    (folder / "cntlist.rev").write_text(
        "crane%2:38:00:: 1 9\ngroom%2:30:00:: 1 3\ndog%1:05:00:: 1 42\ndog%2:38:00:: 1 2\n"
    )
    return WordNet(folder)
