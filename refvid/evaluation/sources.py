"""The interface of a source of masks, shared by a model and a submission on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from refvid.data.referring import ReferringVideo, Target


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """The predicted masks of one frame.

    Attributes:
        masks: One mask for each expression evaluated in the frame, bool [n, H, W], in the order of `Target.counting`.
        confidences: Confidence of each mask, float64 [n]; nan if the mask is empty.
    """

    masks: npt.NDArray[np.bool_]
    confidences: npt.NDArray[np.float64]


class MaskSource(Protocol):
    """A source of predicted masks for the expressions of a video."""

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, FrameMasks]]:
        """Yield every target of a video with its masks, in order.

        Raises:
            RefvidError: The footage or a stored mask cannot be read.
        """
        ...

    def masks_at(self, video: ReferringVideo, target: Target) -> FrameMasks:
        """Return the masks of one target, identical to those that `masks` yields for it.

        Raises:
            RefvidError: The footage or a stored mask cannot be read.
        """
        ...
