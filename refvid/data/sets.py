"""The registry of data sets."""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import cast

from refvid.data.jhmdb_files import LIST, has_list
from refvid.data.referring import ReferringSet, SetInfo, SetOpener
from refvid.data.world_record import name_world
from refvid.errors import UsageError

_JHMDB = {
    "mttr": f"the three frames a video that MTTR's list names (put {LIST} into the root)",
    "uniform3": "three frames a video, evenly spread (ACGA)",
    "all": "every annotated frame",
}
_NO_LIST = f"The protocol is uniform3, as MTTR's list of frames is not there; put {LIST} into the root for mttr."
_KHOREVA = {
    "full-video": "phrases given after the whole video was seen; mean of the two annotators",
    "first-frame": "phrases given after the first frame alone; mean of the two annotators",
    "full-video-hungarian": "as full-video, objects matched as the DAVIS unsupervised task does",
    "first-frame-hungarian": "as first-frame, objects matched as the DAVIS unsupervised task does",
    "semi-supervised": "no phrases, the first and last frame left out",
}
_KINDS = {"umd": "UMD's split", "google": "Google's split, train and val only (the CMSA paper's G-Ref)"}

SETS = {
    info.name: info
    for info in (
        SetInfo(
            "a2d",
            "A2D Sentences",
            ("train", "test"),
            "test",
            "train",
            {
                "mttr": "frames that show the instance (MTTR, ReferFormer)",
                "refvos": "every annotated frame, an absent instance is an empty mask (RefVOS)",
            },
        ),
        SetInfo("jhmdb", "J-HMDB Sentences", ("test",), "test", None, _JHMDB),
        SetInfo("refcoco", "RefCOCO (UNC)", ("train", "val", "testA", "testB"), "val", "train", {"unc": "UNC's split"}),
        SetInfo(
            "refcoco+", "RefCOCO+ (UNC+)", ("train", "val", "testA", "testB"), "val", "train", {"unc": "UNC's split"}
        ),
        SetInfo("refcocog", "RefCOCOg (G-Ref)", ("train", "val", "test"), "val", "train", _KINDS),
        SetInfo("referit", "ReferIt", ("trainval", "train", "val", "test"), "test", "trainval", {"cmsa": "as CMSA"}),
        SetInfo("davis16", "DAVIS-16", ("train", "val"), "val", "train", _KHOREVA),
        SetInfo("davis17", "DAVIS-17", ("train", "val"), "val", "train", _KHOREVA),
        SetInfo(
            "refytvos",
            "Ref-YouTube-VOS",
            ("train", "valid", "test"),
            "valid",
            "train",
            {"server": "masks of every expression, for the benchmark's server; train is scored here"},
            private=("valid", "test"),
        ),
    )
}

_READERS = {
    "a2d": "refvid.data.a2d",
    "jhmdb": "refvid.data.jhmdb",
    "refcoco": "refvid.data.refcoco",
    "refcoco+": "refvid.data.refcoco",
    "refcocog": "refvid.data.refcoco",
    "referit": "refvid.data.referit",
    "davis16": "refvid.data.davis",
    "davis17": "refvid.data.davis",
    "refytvos": "refvid.data.refytvos",
}


def set_info(name: str) -> SetInfo:
    """Return what is known about a data set.

    Raises:
        UsageError: There is no data set of this name.
    """
    try:
        return SETS[name]
    except KeyError:
        raise UsageError(f"there is no data set {_misspelt(name, SETS)}") from None


def check_choice(name: str, split: str, protocol: str) -> SetInfo:
    """Return what is known about a data set after checking that it has the given split and protocol.

    Raises:
        UsageError: The name, the split or the protocol is unknown.
    """
    info = set_info(name)
    if split not in info.splits:
        raise UsageError(f"{info.title} has no split {_misspelt(split, info.splits)}")
    if protocol not in info.protocols:
        raise UsageError(f"{info.title} has no protocol {_misspelt(protocol, info.protocols)}")
    return info


def _misspelt(name: str, known: Iterable[str]) -> str:
    """Return the part of a message that quotes an unknown name, suggests similar ones and lists all."""
    names = {other.casefold(): other for other in known}
    close = [f"'{names[other]}'" for other in get_close_matches(name.casefold(), names, 2)]
    meant = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"'{name}'{meant}; expected one of {', '.join(names.values())}"


def open_set(name: str, root: Path, split: str | None = None, protocol: str | None = None) -> ReferringSet:
    """Open a split of a data set, or of a world in its layout, in which case the title and a note say so.

    Args:
        name: Name of the data set.
        root: Folder of the data set, as downloaded.
        split: Name of the split; None for the one evaluated by default.
        protocol: Name of the protocol; None for the default. For J-HMDB Sentences that is "uniform3", with a note, if
            MTTR's list of frames is absent, which no archive includes.

    Raises:
        RefvidError: Parts of the data set are missing; the message names them and the places searched.
        UnavailableError: A package needed to read the data set is not installed.
        UsageError: The name, the split or the protocol is unknown.
    """
    info = set_info(name)
    split = info.evaluated if split is None else split
    note: tuple[str, ...] = ()
    if protocol is None:
        protocol = next(iter(info.protocols))
        if name == "jhmdb" and not has_list(root):
            protocol, note = "uniform3", (_NO_LIST,)
    check_choice(name, split, protocol)
    reader = import_module(_READERS[name])
    opener = cast(SetOpener, getattr(reader, "open_" + name.replace("+", "_plus")))
    opened = opener(root, split, protocol)
    return name_world(root, replace(opened, notes=(*note, *opened.notes)))
