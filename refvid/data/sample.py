"""Training samples and batches."""

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
    """A clip, and expressions with their masks in the middle frame of the clip.

    Attributes:
        frames: Frames uint8 [T, H, W, 3], RGB; the target is frame T // 2.
        frame_mask: False for frames beyond the ends of the video, bool [T].
        expressions: E expressions.
        masks: Mask of each expression in the target frame, bool [E, H, W]; empty if it means nothing there.
        regions: Masks of actors, things or garments in the target frame, bool [R, H, W]; None if the data set has none.
        region_words: Words that are true of each region; None if `regions` is None.
        region_unsure: Words of which it is unknown whether they are true of each region; None if all others are false.
        ignore: Pixels of the target frame that count in no loss, bool [H, W]; None if all count.
        frame_stride: Distance in frames of the video between consecutive frames of the clip.
        key: Name of the frames, the same whenever the same frames are drawn; None for frames that are drawn only once.
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
    """Samples with clips of one length, letterboxed to one size of the network's input.

    Attributes:
        clips: Clips uint8 [B, T, 3, H, W].
        frame_mask: False for frames beyond the ends of the video, bool [B, T].
        word_ids: Word ids int64 [B, E, L], 0 for padding.
        masks: Share of each pixel that the object of each expression covers, float32 [B, E, H, W].
        known: False for rows of padding, bool [B, E].
        region_maps: Share of each cell that each region covers, float32 [B, R, H / 8, W / 8]; None if the regions of
            any sample are unknown.
        region_words: Whether the word with id v is true of region r, bool [B, R, V]; None if `region_maps` is None.
        region_unsure: Whether the truth of the word with id v is unknown for region r, bool [B, R, V]; None if all
            truths are known.
        weights: Share of each pixel that counts in the losses, float32 [B, H, W]; None if all pixels count.
        taught: Ids of the words whose truth the regions record, int64 [K]; None for all words.
        frame_stride: Distance in frames of the video between consecutive frames of a clip.
        keys: Name of the frames of each sample; None for frames that are drawn only once.
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
        """Number of each frame of a clip in its video, counted from the first frame of the clip."""
        return [index * self.frame_stride for index in range(self.clips.shape[1])]


def collate(
    samples: Sequence[Sample], vocabulary: Words, canvas: tuple[int, int], taught: Sequence[str] | None = None
) -> Batch:
    """Letterbox samples and join them to a batch, padded to equally many expressions and regions.

    Args:
        samples: Samples with clips of one length and stride.
        vocabulary: Vocabulary or tokenizer of the network.
        canvas: Height and width of the network's input in pixels.
        taught: Words whose truth the data records; None for all words of the vocabulary.

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
    """Return the share of each pixel of the input that counts, [B, H, W]; None if all pixels count."""
    if all(sample.ignore is None for sample in samples):
        return None
    counting = []
    for sample, box in zip(samples, boxes, strict=True):
        ignored = np.zeros((0, *sample.frames.shape[1:3]), np.bool_) if sample.ignore is None else sample.ignore[None]
        counting.append(1 - _shares(ignored, box, 1)[0])
    return torch.stack(counting)


def _word_table(samples: Sequence[tuple[frozenset[str], ...] | None], vocabulary: Words, regions: int) -> Tensor:
    """Return whether each region of each sample has the word with each id, bool [B, regions, V]."""
    ids = vocabulary.ids
    table = torch.zeros(len(samples), regions, FIRST_WORD_ID + len(ids), dtype=torch.bool)
    for b, words_of_regions in enumerate(samples):
        for region, words in enumerate(words_of_regions or ()):
            table[b, region, [ids[word] for word in words if word in ids]] = True
    return table


def _shares(masks: npt.NDArray[np.bool_], box: Letterbox, rows: int) -> Tensor:
    """Return the share of each pixel of the input that masks [N, H, W] cover, padded with empty ones to `rows`."""
    placed: Tensor = torch.zeros(rows, *box.canvas)
    if len(masks):
        placed[: len(masks)] = box.pad(F.interpolate(torch.from_numpy(masks).float()[None], box.scaled, mode="area")[0])
    return placed
