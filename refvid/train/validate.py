"""Validate a network on samples that it is not trained on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from refvid.data.sample import Sample
from refvid.masks.threshold import plain_masks
from refvid.metrics.regions import THRESHOLDS, iou, mean_iou, overall_iou, precision_at
from refvid.model.config import ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.letterbox import Letterbox
from refvid.train.feed import VALIDATION, SampleSource, collate_for, draw, generator_of, move


def kept_back(source: SampleSource, seed: int, count: int) -> list[Sample]:
    """Return the samples of a validation, which depend on the seed and not on what is drawn for training."""
    return [draw(source, generator_of(seed, VALIDATION, 0, index)) for index in range(count)]


@torch.no_grad()
def predict(network: ReferringNetwork, config: ModelConfig, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the masks of a sample's expressions in the frame's own size, bool [E, H, W].

    Args:
        network: Network in evaluation mode.
        config: Config of the network.
        sample: Sample with at least one expression.
    """
    device = next(network.parameters()).device
    batch = move(collate_for(config, [sample]), device)
    height, width = sample.frames.shape[1:3]
    box = Letterbox(height, width, (batch.clips.shape[-2], batch.clips.shape[-1]))
    levels = network.enhance(batch.clips.float() / 255, batch.clips.shape[1] // 2, batch.frame_mask, batch.times)
    logits, _ = network.segment(levels, batch.word_ids)
    pixels = sample.frames[len(sample.frames) // 2]
    resized = box.crop(logits[0].float())
    masks = plain_masks(
        resized,
        pixels,
        box,
        threshold=config.threshold,
        threshold_of=config.threshold_of,
        upsampling=config.upsampling,
    )
    return np.asarray(masks.cpu().numpy(), dtype=np.bool_)


def validate(network: ReferringNetwork, config: ModelConfig, samples: Sequence[Sample]) -> dict[str, float]:
    """Segment samples; return the mean IoU, overall IoU and P@K over all their expressions, as fractions.

    An expression that refers to nothing is correct if the predicted mask is empty.
    """
    found = [mask for sample in samples for mask in predict(network, config, sample)]
    truth = [mask for sample in samples for mask in sample.masks]
    ious = [iou(one, other) for one, other in zip(found, truth, strict=True)]
    precisions = {f"p@{threshold}": precision_at(ious, threshold) for threshold in THRESHOLDS}
    return {"mean_iou": mean_iou(ious), "overall_iou": overall_iou(found, truth), **precisions}
