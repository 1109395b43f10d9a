"""What one stage of a stream hands to the next, from the frame to the network's answer."""

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
    """A frame on its way to the network.

    Attributes:
        item: What was fed in with the frame.
        pixels: The frame, uint8 RGB [H, W, 3].
        picture: The network's input, float32 [1, 3, H', W'], on the CPU.
        box: Where the frame lies in it.
    """

    item: Item
    pixels: Pixels
    picture: Tensor
    box: Letterbox


@dataclass(frozen=True, eq=False)
class Encoded(Generic[Item]):
    """A frame with its features, on the device, before or after cross-frame attention.

    Attributes:
        seconds: How long the network has worked on it so far.
    """

    item: Item
    pixels: Pixels
    features: FrameFeatures
    box: Letterbox
    seconds: float

    def enhanced(self, features: FrameFeatures, seconds: float) -> "Encoded[Item]":
        """Return the frame with its features after cross-frame attention, which has taken so long."""
        return replace(self, features=features, seconds=self.seconds + seconds)


@dataclass(frozen=True, eq=False)
class FrameLogits(Generic[Item]):
    """A frame with the network's answer: logits float32 [E, h', w'] on the resized picture."""

    item: Item
    pixels: Pixels
    logits: Tensor


def bytes_held(item: Prepared[Item] | Encoded[Item] | FrameLogits[Item]) -> int:
    """Return the bytes of a frame and of what has been made of it."""
    made: Sequence[Tensor]
    match item:
        case Prepared():
            made = [item.picture]
        case Encoded():
            made = item.features.tensors
        case FrameLogits():
            made = [item.logits]
    return item.pixels.nbytes + sum(tensor.nbytes for tensor in made)
