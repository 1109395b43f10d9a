"""Where the masks come from that are scored: what a model and a submission on disk have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from refvid.data.referring import ReferringVideo, Target


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """The masks that were found in one frame.

    Attributes:
        masks: bool [n, H, W], one for each expression that counts there, in the order of `Target.counting`.
        confidences: float64 [n]; NaN where the mask is empty.
    """

    masks: npt.NDArray[np.bool_]
    confidences: npt.NDArray[np.float64]


class MaskSource(Protocol):
    """Gives masks of a video's expressions."""

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, FrameMasks]]:
        """Yield every target of a video with its masks, in order.

        Raises:
            RefvidError: The footage, or a stored mask, cannot be read.
        """
        ...

    def masks_at(self, video: ReferringVideo, target: Target) -> FrameMasks:
        """Return the masks of one target; the same as `masks` yields for it.

        Raises:
            RefvidError: The footage, or a stored mask, cannot be read.
        """
        ...
