"""Khoreva's phrases for DAVIS: two annotators, each after the first frame and again after the full video.

A line of the four files is a sequence, the object's number from 1, and the phrase in quotes (Khoreva, Rohrbach and
Schiele, ACCV 2018, "Video Object Segmentation with Language Referring Expressions").
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from refvid.errors import RefvidError

Year = Literal["2016", "2017"]
Kind = Literal["full-video", "first-frame"]

RUNS = ("annot1", "annot2")
TEXT = "davis_text_annotations"
_ENDINGS: dict[Kind, str] = {"first-frame": "", "full-video": "_full_video"}
# As written in the files, and as the folders are called.
_MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}
_QUOTES = '"\x93\x94\u201c\u201d'  # the straight one, the typographic ones in Windows' code page and in Unicode
# ReferFormer's file has four phrases an object, in the order annotator 1 first frame, full video, then annotator 2.
_ORDER: tuple[tuple[str, Kind], ...] = tuple((run, kind) for run in RUNS for kind in _ENDINGS)


@dataclass
class Phrases:
    """The phrases of both annotators.

    Attributes:
        said: By run, sequence and object.
        bad: Number of rows that cannot be read, are empty, or say something of an object for the second time.
        mended: Number of rows whose sequence is misspelt.
    """

    said: dict[str, dict[str, dict[int, str]]] = field(default_factory=lambda: {run: {} for run in RUNS})
    bad: int = 0
    mended: int = 0

    def add(self, run: str, sequence: str, number: int, phrase: str) -> None:
        """Add a phrase, of which double blanks and those at the ends are taken out."""
        self.mended += sequence in _MISSPELT
        objects = self.said[run].setdefault(_MISSPELT.get(sequence, sequence), {})
        text = " ".join(phrase.split())
        if number in objects or number < 1 or not text:
            self.bad += 1
        else:
            objects[number] = text


def text_names(year: Year, kind: Kind) -> dict[str, str]:
    """Return the name of each run's file, relative to what DAVIS was unpacked into."""
    return {run: f"{TEXT}/Davis{year[2:]}_{run}{_ENDINGS[kind]}.txt" for run in RUNS}


def read_phrases(paths: Mapping[str, Path], year: Year) -> Phrases:
    """Read a file of each run.

    Args:
        paths: By run.
        year: In the file of 2016, which has one object a sequence, the object's number may be left out.

    Raises:
        RefvidError: A file cannot be read, or holds no phrase.
    """
    phrases = Phrases()
    for run, path in paths.items():
        for line in _decode(path).split("\n"):
            fields = line.split()
            if not fields:
                continue
            numbered = len(fields) > 1 and fields[1].isascii() and fields[1].isdecimal()
            if numbered:
                phrases.add(run, fields[0], int(fields[1]), _unquote(" ".join(fields[2:])))
            elif year == "2016":
                phrases.add(run, fields[0], 1, _unquote(" ".join(fields[1:])))
            else:
                phrases.bad += 1
        if not any(phrases.said[run].values()):
            raise RefvidError(f'{path} holds no phrase; expected lines such as: blackswan 1 "a black swan"')
    return phrases


def read_meta_phrases(path: Path, kind: Kind) -> Phrases:
    """Read the phrases of one kind out of ReferFormer's meta_expressions.json for DAVIS-17.

    Raises:
        RefvidError: The file cannot be read, or an object of it has not four phrases.
    """
    phrases = Phrases()
    try:
        for sequence, video in json.loads(path.read_text(encoding="utf-8"))["videos"].items():
            for key, expression in video["expressions"].items():
                run, asked = _ORDER[int(key) % len(_ORDER)]
                if asked == kind:
                    phrases.add(run, sequence, int(expression["obj_id"]), expression["exp"])
            if len(video["expressions"]) % len(_ORDER):
                raise ValueError(f"{sequence} has {len(video['expressions'])} expressions")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefvidError(
            f"{path} is not a list of DAVIS's phrases, four an object ({error}); give Khoreva's text files in {TEXT}/"
        ) from error
    return phrases


def _decode(path: Path) -> str:
    """Annotator 1's files are UTF-8 and annotator 2's Latin-1; what is valid UTF-8 is hardly ever anything else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RefvidError(f"{path} cannot be read ({error}); unpack the phrases again") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unquote(phrase: str) -> str:
    start = 1 if phrase[:1] in _QUOTES else 0
    return phrase[start:-1] if phrase[-1:] in _QUOTES else phrase[start:]
