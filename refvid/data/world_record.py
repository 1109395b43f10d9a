"""How a world folder says that it is none of the data sets whose layout it has."""

import json
from dataclasses import replace
from pathlib import Path

from refvid.data.referring import ReferringSet
from refvid.data.text import count_of

RECORD = "refvid-world.json"  # lies at the top of every folder that `refvid world make` writes


def name_world(root: Path, opened: ReferringSet) -> ReferringSet:
    """Return a split under a title and with a note that say so where it is of a world; else as it is."""
    path = root / RECORD
    if not path.is_file():
        return opened
    note = (
        f"This is {_describe(path)}, in the layout of {opened.title}: its scores say nothing about the real data set, "
        "on which the papers' rows were measured."
    )
    return replace(opened, title=f"World in the layout of {opened.title}", notes=(note, *opened.notes))


def _describe(path: Path) -> str:
    """Return which world it is, as far as the record can be read; whatever it holds, it is a world."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        videos = count_of(record["videos"], "video")
        return f"a world that refvid {record['refvid']} has made, {videos} from seed {record['seed']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a world that refvid has made"
