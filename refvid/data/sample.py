"""What a data set gives to training, one clip at a time and in batches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.layers.language import FIRST_WORD_ID, Words
from refvid.model.letterbox import Letterbox

STRIDE = 8


@dataclass(frozen=True)
class Sample:
    """A clip, expressions and what each means in the clip's middle frame.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB; the target is frame T // 2.
        frame_mask: bool [T], False for frames beyond the ends of the video.
        expressions: E of them.
        masks: bool [E, H, W] of the target frame; empty for an expression that means nothing there.
        regions: bool [R, H, W] of the target frame, one an actor or garment; None where a data set does not tell.
        region_words: The words that are true of each region; None likewise.
        region_unsure: The words that may or may not be true of each region; None where all others are false.
        ignore: bool [H, W] of the target frame, pixels that count in no loss; None where all count.
        frame_stride: Frames of the video from one frame of the clip to the next.
        key: Name of the frames, the same whenever the same frames are drawn; None where they are drawn once.
    """

    frames: npt.NDArray[np.uint8]
    frame_mask: npt.NDArray[np.bool_]
    expressions: tuple[str, ...]
    masks: npt.NDArray[np.bool_]
    regions: npt.NDArray[np.bool_] | None = None
    region_words: tuple[frozenset[str], ...] | None = None
    region_unsure: tuple[frozenset[str], ...] | None = None
    ignore: npt.NDArray[np.bool_] | None = None
    frame_stride: int = 1
    key: str | None = None


@dataclass(frozen=True)
class Batch:
    """Samples of one clip length, letterboxed to one input of the network.

    Attributes:
        clips: uint8 [B, T, 3, H, W].
        frame_mask: bool [B, T].
        word_ids: int64 [B, E, L], 0 for padding.
        masks: float32 [B, E, H, W], the share of each pixel that is the object.
        known: bool [B, E], False for rows that only fill up the batch.
        region_maps: float32 [B, R, H / 8, W / 8], the share of each cell that a region covers; None if any is unknown.
        region_words: bool [B, R, V], whether the word with id v is true of region r; None likewise.
        region_unsure: bool [B, R, V], whether nobody can tell if it is; None where that is known of all.
        weights: float32 [B, H, W], the share of each pixel that counts in the losses; None where all of each does.
        taught: int64 [K], ids of the words of which regions tell whether they are true; None: all of them.
        frame_stride: Frames of the video from one frame of a clip to the next.
        keys: Name of the frames of each sample; None for frames that are drawn once.
    """

    clips: Tensor
    frame_mask: Tensor
    word_ids: Tensor
    masks: Tensor
    known: Tensor
    region_maps: Tensor | None = None
    region_words: Tensor | None = None
    region_unsure: Tensor | None = None
    weights: Tensor | None = None
    taught: Tensor | None = None
    frame_stride: int = 1
    keys: tuple[str | None, ...] = ()

    @property
    def times(self) -> list[int]:
        """Number of each frame of a clip, counted from the first."""
        return [index * self.frame_stride for index in range(self.clips.shape[1])]


def collate(
    samples: Sequence[Sample], vocabulary: Words, canvas: tuple[int, int], taught: Sequence[str] | None = None
) -> Batch:
    """Letterbox samples and put them into a batch; missing expressions and regions are filled up with nothing.

    Args:
        samples: Of one clip length.
        vocabulary: Of the network.
        canvas: Height and width of the network's input, pixels.
        taught: The words that the data can say; None: all of the vocabulary.

    Raises:
        ValueError: The samples have clips of different lengths or strides.
    """
    if len({len(sample.frames) for sample in samples}) != 1:
        raise ValueError(f"clips of {sorted({len(sample.frames) for sample in samples})} frames cannot share a batch")
    if len({sample.frame_stride for sample in samples}) != 1:
        raise ValueError("clips of different frame strides cannot share a batch")
    rows = max(len(sample.expressions) for sample in samples)
    boxes = [Letterbox(sample.frames.shape[1], sample.frames.shape[2], canvas) for sample in samples]
    spoken = [[*sample.expressions, *("nothing",) * (rows - len(sample.expressions))] for sample in samples]
    batch = Batch(
        clips=torch.stack([
            box.pad(box.resize(torch.from_numpy(sample.frames).permute(0, 3, 1, 2).contiguous()))
            for box, sample in zip(boxes, samples, strict=True)
        ]),
        frame_mask=torch.from_numpy(np.stack([sample.frame_mask for sample in samples])),
        word_ids=vocabulary.encode([said for row in spoken for said in row]).view(len(samples), rows, -1),
        masks=torch.stack([_shares(sample.masks, box, rows) for box, sample in zip(boxes, samples, strict=True)]),
        known=torch.tensor([[row < len(sample.expressions) for row in range(rows)] for sample in samples]),
        weights=_weights(samples, boxes),
        frame_stride=samples[0].frame_stride,
        keys=tuple(sample.key for sample in samples),
    )  # fmt: skip
    if any(sample.regions is None or sample.region_words is None for sample in samples):
        return batch
    count = max(1, *(len(sample.region_words or ()) for sample in samples))
    regions = [sample.regions for sample in samples if sample.regions is not None]
    shares = torch.stack([_shares(region, box, count) for region, box in zip(regions, boxes, strict=True)])
    unsure = [sample.region_unsure for sample in samples]
    ids = vocabulary.ids
    return replace(
        batch,
        region_maps=F.avg_pool2d(shares, STRIDE),
        region_words=_word_table([sample.region_words for sample in samples], vocabulary, count),
        region_unsure=_word_table(unsure, vocabulary, count) if any(unsure) else None,
        taught=None if taught is None else torch.tensor(sorted(ids[word] for word in set(taught) & ids.keys())),
    )


def _weights(samples: Sequence[Sample], boxes: Sequence[Letterbox]) -> Tensor | None:
    """Return the share of each input pixel that counts, [B, S, S]; None where all do."""
    if all(sample.ignore is None for sample in samples):
        return None
    counting = []
    for sample, box in zip(samples, boxes, strict=True):
        ignored = np.zeros((0, *sample.frames.shape[1:3]), np.bool_) if sample.ignore is None else sample.ignore[None]
        counting.append(1 - _shares(ignored, box, 1)[0])
    return torch.stack(counting)


def _word_table(told: Sequence[tuple[frozenset[str], ...] | None], vocabulary: Words, regions: int) -> Tensor:
    """Return which words of the vocabulary each region has, bool [B, regions, V] by word id."""
    ids = vocabulary.ids
    table = torch.zeros(len(told), regions, FIRST_WORD_ID + len(ids), dtype=torch.bool)
    for b, words_of_regions in enumerate(told):
        for region, words in enumerate(words_of_regions or ()):
            table[b, region, [ids[word] for word in words if word in ids]] = True
    return table


def _shares(masks: npt.NDArray[np.bool_], box: Letterbox, rows: int) -> Tensor:
    """Resize masks [N, H, W] to the share of each input pixel they cover and fill up with empty ones: [rows, S, S]."""
    placed: Tensor = torch.zeros(rows, *box.canvas)
    if len(masks):
        placed[: len(masks)] = box.pad(F.interpolate(torch.from_numpy(masks).float()[None], box.scaled, mode="area")[0])
    return placed
