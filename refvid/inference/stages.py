"""The values that one stage of a stream hands to the next, from the frame to its logits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

from torch import Tensor

from refvid.masks.finish import Item
from refvid.model.interface import FrameFeatures
from refvid.model.letterbox import Letterbox
from refvid.video.frame import Pixels


@dataclass(frozen=True, eq=False)
class Prepared(Generic[Item]):
    """A frame resized for the network.

    Attributes:
        item: The caller's item for this frame.
        pixels: The frame, uint8 RGB [H, W, 3].
        picture: The network's input, float32 [1, 3, H', W'], on the CPU.
        box: Place of the frame in the network's input.
    """

    item: Item
    pixels: Pixels
    picture: Tensor
    box: Letterbox


@dataclass(frozen=True, eq=False)
class Encoded(Generic[Item]):
    """A frame with its visual features, before or after cross-frame attention.

    Attributes:
        item: The caller's item for this frame.
        pixels: The frame, uint8 RGB [H, W, 3].
        features: Features of the frame, B = 1, on the device.
        box: Place of the frame in the network's input.
        seconds: Time that the network has spent on the frame so far.
    """

    item: Item
    pixels: Pixels
    features: FrameFeatures
    box: Letterbox
    seconds: float

    def enhanced(self, features: FrameFeatures, seconds: float) -> "Encoded[Item]":
        """Return the frame with its features after cross-frame attention, and the seconds that this took added."""
        return replace(self, features=features, seconds=self.seconds + seconds)


@dataclass(frozen=True, eq=False)
class FrameLogits(Generic[Item]):
    """A frame with its logits.

    Attributes:
        item: The caller's item for this frame.
        pixels: The frame, uint8 RGB [H, W, 3].
        logits: Logits of each expression over the resized frame, float32 [E, h', w'].
        silent: Indices of the expressions that name nothing, whose masks are to be empty.
    """

    item: Item
    pixels: Pixels
    logits: Tensor
    silent: tuple[int, ...] = ()


def bytes_held(item: Prepared[Item] | Encoded[Item] | FrameLogits[Item]) -> int:
    """Return the number of bytes that a frame and its tensors take."""
    made: Sequence[Tensor]
    match item:
        case Prepared():
            made = [item.picture]
        case Encoded():
            made = item.features.tensors
        case FrameLogits():
            made = [item.logits]
    return item.pixels.nbytes + sum(tensor.nbytes for tensor in made)
