"""ReferIt as CMSA uses it: phrases about regions of IAPR TC-12's pictures, each picture a video of one frame.

The data set is by Kazemzadeh et al., "ReferItGame: Referring to Objects in Photographs of Natural Scenes"; its splits
and files are those of Hu et al., "Segmentation from Natural Language Expressions",
https://github.com/ronghanghu/text_objseg: `referit_query_<split>.json` {"<picture>_<region>": [phrase, ...]},
`referit_<split>_imlist.txt`, `images/<picture>.jpg` and `mask/<picture>_<region>.mat`, in which 0 marks the region. A
region need not be an object; it may be sky or water.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.data.catalogue import check_choice
from refvid.data.numbered_pictures import picture_size
from refvid.data.packages import need_package
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.still import Still, read_still
from refvid.data.text import count_of
from refvid.errors import RefvidError

_TEXTS = ("", "referit", "data/referit", "data", "exp-referit/data")
_FOLDERS = ("", "referit", "data/referit", "referit-dataset", "exp-referit/referit-dataset")
_KEY = "segimg_t"
_PURPOSE = "reading the masks of ReferIt"


@dataclass(frozen=True)
class IaprPicture(Still):
    """A picture with all its expressions in a split.

    Attributes:
        name: Number of the picture, from which its file names are formed.
        path: File of the picture.
        masks: Folder of the region masks.
        expressions: Expressions, with regions as instances and keys REGION_N, where N counts the phrases of the region
            from 0.
    """

    name: str
    path: Path
    masks: Path
    expressions: tuple[Expression, ...]

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read the picture, scaled to the size of its masks; see `read_still`.

        Raises:
            RefvidError: The picture or its first mask cannot be read.
            UnavailableError: scipy is not installed.
        """
        height, width = _read_region(self._mask(0)).shape
        return read_still(self.path, indices, height, width)

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (width, height) of the picture and of its first mask.

        Raises:
            RefvidError: One of the files cannot be read.
            UnavailableError: scipy is not installed.
        """
        height, width = _read_region(self._mask(0)).shape
        return picture_size(self.path), (width, height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the regions of the expressions evaluated, bool [len(target.counting), H, W].

        Raises:
            RefvidError: A mask cannot be read, or the masks differ in size.
            UnavailableError: scipy is not installed.
        """
        paths = [self._mask(index) for index in target.counting]
        regions = {path: _read_region(path) for path in dict.fromkeys(paths)}
        if len({region.shape for region in regions.values()}) > 1:
            raise RefvidError(f"the masks {self.masks / self.name}_*.mat differ in size; download them again")
        return np.stack([regions[path] for path in paths])

    def _mask(self, index: int) -> Path:
        return self.masks / f"{self.name}_{self.expressions[index].instance}.mat"


def open_referit(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open ReferIt under its only protocol, "cmsa"; see `refvid.data.referring.SetOpener`."""
    info = check_choice("referit", split, protocol)
    need_package("scipy.io", _PURPOSE)
    queries, order, pictures, masks = _find_parts(root, split)
    by_picture, empty = read_queries(queries)
    listed = order.read_text(encoding="utf-8").split() if order else []
    names = list(dict.fromkeys(name for name in (*listed, *by_picture) if name in by_picture))
    if not names:
        raise RefvidError(f"{queries} contains no phrase; download it again")
    _check_files(pictures, [f"{name}.jpg" for name in names], "pictures")
    regions = dict.fromkeys((name, expression.instance) for name in names for expression in by_picture[name])
    _check_files(masks, [f"{name}_{region}.mat" for name, region in regions], "masks")
    videos = [IaprPicture(name, pictures / f"{name}.jpg", masks, by_picture[name]) for name in names]
    silent = len(set(listed)) - len(set(listed) & set(names))
    notes = (
        *([f"{count_of(empty, 'phrase')} skipped: the text is empty."] if empty else []),
        *([f"{silent:,} of the {len(set(listed)):,} pictures in the split's list have no phrase."] if silent else []),
    )
    return ReferringSet(info.title, split, protocol, Rules(), videos, notes=notes)


def read_queries(path: Path) -> tuple[dict[str, tuple[Expression, ...]], int]:
    """Read the phrases of a split.

    Args:
        path: JSON file of {"<picture>_<region>": [phrase, ...]}.

    Returns:
        The expressions of each picture, sorted by region, with the pictures in file order; and the number of phrases
        left out because they are empty.

    Raises:
        RefvidError: The file is not JSON of this form.
    """
    regions: defaultdict[str, list[tuple[int, list[str]]]] = defaultdict(list)
    try:
        with path.open("rb") as file:
            content = json.load(file)
        for key, phrases in content.items():
            name, _, region = key.rpartition("_")
            if not name.isalnum() or not isinstance(phrases, list):
                raise ValueError(f"the entry '{key}' is malformed, expected <picture>_<region> with a list of phrases")
            regions[name].append((int(region), [" ".join(phrase.split()) for phrase in phrases]))
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise RefvidError(f"{path} is not the JSON of ReferIt's phrases ({error}); download it again") from error
    found = {name: _expressions(sorted(of_name)) for name, of_name in regions.items()}
    empty = sum(not phrase for of_name in regions.values() for _, phrases in of_name for phrase in phrases)
    return {name: expressions for name, expressions in found.items() if expressions}, empty


def _expressions(regions: Iterable[tuple[int, Sequence[str]]]) -> tuple[Expression, ...]:
    return tuple(
        Expression(f"{region}_{number}", phrase, region)
        for region, phrases in regions
        for number, phrase in enumerate(phrases)
        if phrase
    )


def _find_parts(root: Path, split: str) -> tuple[Path, Path | None, Path, Path]:
    """Return the file of phrases, the list of pictures if there is one, the folder of pictures and that of masks."""
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the folder that ReferIt was unpacked into")
    queries, order = (
        next((file for place in _TEXTS if (file := root / place / name).is_file()), None)
        for name in (f"referit_query_{split}.json", f"referit_{split}_imlist.txt")
    )
    above = root.absolute().parent  # the given folder may hold only the phrases, with the rest beside it
    bases = [*(root / place for place in _FOLDERS), above, above / "referit-dataset"]
    pictures, masks = (
        next((folder for base in bases if (folder := base / name).is_dir()), None) for name in ("images", "mask")
    )
    missing = []
    if not queries:
        others = sorted({path.name for place in _TEXTS for path in (root / place).glob("referit_query_*.json")})
        there = f" (only {', '.join(others)})" if others else ""
        places = ", ".join(str(root / place) for place in _TEXTS)
        missing.append(f"no referit_query_{split}.json in {places}{there}")
    for name, found in (("images", pictures), ("mask", masks)):
        if not found:
            missing.append(f"no {name}/ in {', '.join(map(str, bases))}")
    if queries and pictures and masks:
        return queries, order, pictures, masks
    raise RefvidError(f"{root} does not hold ReferIt: {'; '.join(missing)}; unpack or link the missing parts there")


def _check_files(folder: Path, names: Sequence[str], kind: str) -> None:
    """Check that the files of a split exist, by listing once a folder that holds up to 100,000 files."""
    there = {entry.name for entry in os.scandir(folder)}
    missing = [name for name in names if name not in there]
    if missing:
        raise RefvidError(
            f"{folder} lacks {len(missing):,} of the split's {len(names):,} {kind}, first {missing[0]}; unpack "
            "them again"
        )


def _read_region(path: Path) -> npt.NDArray[np.bool_]:
    """Read a mask, bool [H, W]; this version of MATLAB files keeps the order of the axes."""
    loader = need_package("scipy.io", _PURPOSE)
    try:
        content: Mapping[str, object] = loader.loadmat(path, variable_names=[_KEY])
        region = np.asarray(content[_KEY]) == 0
        if region.ndim != 2:
            raise ValueError(f"{_KEY} has {region.ndim} axes, expected 2")
    except Exception as error:  # scipy's parser raises many types, few of them ValueErrors
        raise RefvidError(
            f"{path} is not a .mat file with `{_KEY}` ({type(error).__name__}: {error}); unpack the masks again"
        ) from error
    return np.asarray(region, np.bool_)
