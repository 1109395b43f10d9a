"""Read the masks that refvid writes with `--format rle`: COCO's run lengths in one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.data.coco_masks import Mask, parse_segmentation
from refvid.errors import RefvidError


@dataclass(frozen=True, eq=False)
class RleMasks:
    """The masks of a video.

    Attributes:
        expressions: What was segmented, E expressions.
        masks: Masks, bool [E, T, H, W].
        indices: Index of each frame in the source, from 0, int64 [T].
        times: Presentation time of each frame in seconds on the source's clock, float64 [T].
        frame_rate: Average number of frames per second of the source.
    """

    expressions: tuple[str, ...]
    masks: Mask
    indices: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    frame_rate: Fraction


def read_rle(path: Path | str) -> RleMasks:
    """Read a file of masks; all of them are in memory at once.

    Raises:
        RefvidError: The file cannot be read or is not one that `--format rle` writes.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        height, width = content["size"]
        frames = content["frames"]
        masks = np.zeros((len(content["expressions"]), len(frames), height, width), np.bool_)
        for number, frame in enumerate(frames):
            for row, rle in zip(masks, frame["masks"], strict=True):
                row[number] = decode_rle(rle)
        return RleMasks(
            tuple(content["expressions"]),
            masks,
            np.array([frame["index"] for frame in frames], np.int64),
            np.array([frame["time"] for frame in frames], np.float64),
            Fraction(content["fps"]),
        )
    except OSError as error:
        raise RefvidError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RefvidError(f"{path} is not a file of masks as --format rle writes it ({error!r})") from error


def decode_rle(rle: Mapping[str, object]) -> Mask:
    """Return the mask of COCO's run lengths, bool [H, W].

    Args:
        rle: "size", [H, W], and "counts", as a compressed string (also as bytes, as pycocotools returns it) or as a
            list of numbers.

    Raises:
        RefvidError: It is something else, or the run lengths do not fill the size.
    """
    try:
        height, width = map(int, rle["size"])  # type: ignore[call-overload]
        counts = rle["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        return parse_segmentation({"size": [height, width], "counts": text}, height, width).draw()
    except (ValueError, KeyError, TypeError) as error:
        raise RefvidError(
            f"the run lengths cannot be read ({error}); expected a dictionary of size, [H, W], and counts, a string or "
            "a list of numbers"
        ) from error
