"""The mark that tells a world folder from the data set whose layout it uses."""

import json
from dataclasses import replace
from pathlib import Path

from refvid.data.referring import ReferringSet
from refvid.data.text import count_of

RECORD = "refvid-world.json"  # at the top of every folder that `refvid world make` writes


def name_world(root: Path, opened: ReferringSet) -> ReferringSet:
    """Return a split of a world with a title and a note that say so; return any other split unchanged."""
    path = root / RECORD
    if not path.is_file():
        return opened
    note = (
        f"This is {_describe(path)}, in the layout of {opened.title}: its scores say nothing about the real data set, "
        "on which the papers' rows were measured."
    )
    return replace(opened, title=f"World in the layout of {opened.title}", notes=(note, *opened.notes))


def _describe(path: Path) -> str:
    """Return a description of the world, as far as the record can be read; a damaged record still marks a world."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        videos = count_of(record["videos"], "video")
        return f"a world that refvid {record['refvid']} has made, {videos} from seed {record['seed']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a world that refvid has made"
