"""Khoreva's phrases for DAVIS, by two annotators, each after seeing the first frame and after seeing the full video.

A line of the four files holds a sequence, the number of the object from 1, and the phrase in quotes (Khoreva, Rohrbach
and Schiele, ACCV 2018, "Video Object Segmentation with Language Referring Expressions").
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
# Spelling in the files, and the name of the folder.
_MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}
_QUOTES = '"\x93\x94\u201c\u201d'  # straight quotes, then typographic ones in Windows-1252 and in Unicode
# ReferFormer's file has four phrases per object: annotator 1 after the first frame and after the full video, then
# annotator 2.
_ORDER: tuple[tuple[str, Kind], ...] = tuple((run, kind) for run in RUNS for kind in _ENDINGS)


@dataclass
class Phrases:
    """The phrases of both annotators.

    Attributes:
        texts: Phrase by run, sequence and object number.
        bad: Number of rows that are unreadable or empty, or that repeat an object.
        mended: Number of rows whose sequence name was misspelt and has been corrected.
    """

    texts: dict[str, dict[str, dict[int, str]]] = field(default_factory=lambda: {run: {} for run in RUNS})
    bad: int = 0
    mended: int = 0

    def add(self, run: str, sequence: str, number: int, phrase: str) -> None:
        """Add a phrase, with surrounding and repeated blanks removed."""
        self.mended += sequence in _MISSPELT
        objects = self.texts[run].setdefault(_MISSPELT.get(sequence, sequence), {})
        text = " ".join(phrase.split())
        if number in objects or number < 1 or not text:
            self.bad += 1
        else:
            objects[number] = text


def text_names(year: Year, kind: Kind) -> dict[str, str]:
    """Return the path of each run's file, relative to the folder that DAVIS was unpacked into."""
    return {run: f"{TEXT}/Davis{year[2:]}_{run}{_ENDINGS[kind]}.txt" for run in RUNS}


def read_phrases(paths: Mapping[str, Path], year: Year) -> Phrases:
    """Read the phrases of all runs.

    Args:
        paths: File of each run.
        year: Year of the data set. The files of 2016, with one object per sequence, may omit the object's number.

    Raises:
        RefvidError: A file cannot be read or contains no phrase.
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
        if not any(phrases.texts[run].values()):
            raise RefvidError(f'{path} contains no phrase; expected lines such as: blackswan 1 "a black swan"')
    return phrases


def read_meta_phrases(path: Path, kind: Kind) -> Phrases:
    """Read the phrases of one kind from ReferFormer's meta_expressions.json for DAVIS-17.

    Raises:
        RefvidError: The file cannot be read, or an object does not have four phrases.
    """
    phrases = Phrases()
    try:
        for sequence, video in json.loads(path.read_text(encoding="utf-8"))["videos"].items():
            for key, expression in video["expressions"].items():
                run, phrase_kind = _ORDER[int(key) % len(_ORDER)]
                if phrase_kind == kind:
                    phrases.add(run, sequence, int(expression["obj_id"]), expression["exp"])
            if len(video["expressions"]) % len(_ORDER):
                raise ValueError(f"{sequence} has {len(video['expressions'])} expressions")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefvidError(
            f"{path} is not a list of DAVIS's phrases, four per object ({error}); use Khoreva's text files in {TEXT}/"
        ) from error
    return phrases


def _decode(path: Path) -> str:
    """Return the text of a file: annotator 1's files are UTF-8 and annotator 2's Latin-1.

    UTF-8 is tried first, because Latin-1 text with special characters is hardly ever valid UTF-8.
    """
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
