"""The catalogue of data sets: their names, splits and protocols, known without opening one."""

from refvid.closest import misspelt
from refvid.data.jhmdb_files import LIST
from refvid.data.referring import SetInfo
from refvid.errors import UsageError

_JHMDB = {
    "mttr": f"the three frames a video that MTTR's list names (put {LIST} into the root)",
    "uniform3": "three frames a video, evenly spread (ACGA)",
    "all": "every annotated frame",
}
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


def set_info(name: str) -> SetInfo:
    """Return what is known about a data set.

    Raises:
        UsageError: There is no data set of this name.
    """
    try:
        return SETS[name]
    except KeyError:
        raise UsageError(f"there is no data set {misspelt(name, SETS)}") from None


def check_choice(name: str, split: str, protocol: str) -> SetInfo:
    """Return what is known about a data set after checking that it has the given split and protocol.

    Raises:
        UsageError: The name, the split or the protocol is unknown.
    """
    info = set_info(name)
    if split not in info.splits:
        raise UsageError(f"{info.title} has no split {misspelt(split, info.splits)}")
    if protocol not in info.protocols:
        raise UsageError(f"{info.title} has no protocol {misspelt(protocol, info.protocols)}")
    return info
