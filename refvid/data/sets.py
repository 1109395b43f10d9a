"""Open a data set by its name."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from refvid.data.a2d import open_a2d
from refvid.data.catalogue import check_choice, set_info
from refvid.data.davis import open_davis16, open_davis17
from refvid.data.jhmdb import open_jhmdb
from refvid.data.jhmdb_files import LIST, has_list
from refvid.data.refcoco import open_refcoco, open_refcoco_plus, open_refcocog
from refvid.data.referit import open_referit
from refvid.data.referring import ReferringSet, SetOpener
from refvid.data.refytvos import open_refytvos
from refvid.data.world_record import name_world

OPENERS: Mapping[str, SetOpener] = {
    "a2d": open_a2d,
    "jhmdb": open_jhmdb,
    "refcoco": open_refcoco,
    "refcoco+": open_refcoco_plus,
    "refcocog": open_refcocog,
    "referit": open_referit,
    "davis16": open_davis16,
    "davis17": open_davis17,
    "refytvos": open_refytvos,
}
_NO_LIST = f"The protocol is uniform3, as MTTR's list of frames is not there; put {LIST} into the root for mttr."


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
    opened = OPENERS[name](root, split, protocol)
    return name_world(root, replace(opened, notes=(*note, *opened.notes)))
