"""The stream of masks against the network run on each clip alone."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from refvid.errors import UnavailableError, UsageError
from refvid.masking import mean_confidence
from refvid.model.letterbox import Letterbox
from refvid.segmenter import Segmenter, pick_precision
from refvid.weights import LoadedModel
from tests.clips import frame_pixels

SIZE = (80, 46)  # not square, so that a forgotten transpose fails


def video(frames: int) -> NDArray[np.uint8]:
    return np.stack([frame_pixels(index, SIZE) for index in range(frames)])


@torch.inference_mode()
def clip_by_clip(model: LoadedModel, frames: NDArray[np.uint8], expression: str) -> NDArray[np.float32]:
    """Logits [T, H, W]: the network's own forward on every frame's clip, truncated at the ends."""
    radius, box = model.config.frame_radius, Letterbox(*frames[0].shape[:2], model.config.canvas(*frames[0].shape[:2]))
    images = box.apply(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous())
    words = Segmenter(model).vocabulary.encode([expression])[None]
    results = []
    for index in range(len(frames)):
        first, last = max(0, index - radius), min(len(frames), index + radius + 1)
        logits = model.network(images[None, first:last], words, target=index - first)[0, 0]
        (height, width), (top, left) = box.scaled, box.offset
        results.append(box.restore(logits[None, top : top + height, left : left + width])[0].numpy())
    return np.stack(results)


@pytest.mark.parametrize("frames", [1, 2, 4, 9])
def test_stream_equals_each_clip_alone(model: LoadedModel, frames: int) -> None:
    sequence = video(frames)
    logits = clip_by_clip(model, sequence, "man in red shirt")
    sure = np.abs(logits) > 1e-3  # where rounding cannot turn a pixel
    masks = Segmenter(model)(sequence, "man in red shirt")
    assert masks.dtype == np.bool_
    assert masks.shape == (frames, 46, 80)
    np.testing.assert_array_equal(masks[sure], (logits > 0)[sure])
    assert 0.02 < masks.mean() < 0.98, "an empty or full mask proves nothing"
    assert sure.mean() > 0.9


def test_expressions_share_a_pass_and_do_not_touch_each_other(model: LoadedModel) -> None:
    segmenter = Segmenter(model)
    together = np.stack(list(segmenter.stream(video(5), ["dog", "the man in the yellow shirt", "shirt"])), axis=1)
    for index, expression in enumerate(["dog", "the man in the yellow shirt", "shirt"]):
        alone = segmenter(video(5), expression)
        assert (together[index] != alone).mean() < 1e-3
    assert (together[0] != together[1]).any()


def test_masks_leave_as_soon_as_their_clip_is_complete(model: LoadedModel) -> None:
    taken = 0

    def frames() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        for frame in video(10):
            taken += 1
            yield frame

    arrivals = []
    for _ in Segmenter(model).stream(frames(), ["dog"]):
        arrivals.append(taken)
    assert arrivals == [3, 4, 5, 6, 7, 8, 9, 10, 10, 10]


def test_no_frames_give_no_masks(model: LoadedModel) -> None:
    assert list(Segmenter(model).stream(iter([]), ["dog"])) == []


def test_threshold_moves_the_border(model: LoadedModel) -> None:
    areas = [Segmenter(model, threshold=t)(video(3), "dog").sum() for t in (0.2, 0.5, 0.8)]
    assert areas[0] > areas[1] > areas[2] > 0


def test_refined_masks_come_in_order_and_differ(model: LoadedModel) -> None:
    frames = video(4)
    plain = Segmenter(model, refine=False)(frames, "dog")
    refined = Segmenter(model, refine=True)(frames, "dog")
    assert refined.shape == plain.shape
    assert (refined != plain).any()
    agreement = [[(a == b).mean() for b in plain] for a in refined]
    assert all(int(np.argmax(row)) == index or row[index] > 0.8 for index, row in enumerate(agreement))


def test_misuse_is_a_sentence(model: LoadedModel) -> None:
    with pytest.raises(UsageError, match="between 0 and 1, got 1"):
        Segmenter(model, threshold=1)
    with pytest.raises(UsageError, match="'!!' has no words"):
        list(Segmenter(model).stream(video(1), ["!!"]))
    mixed = [frame_pixels(0, (32, 32)), frame_pixels(0, (32, 16))]
    with pytest.raises(UsageError, match="first was 32x32, then came 32x16"):
        list(Segmenter(model).stream(mixed, ["dog"]))
    with pytest.raises(UnavailableError, match="float16 needs a GPU"):
        pick_precision("float16", torch.device("cpu"))


def test_bfloat16_agrees_with_float32(model: LoadedModel) -> None:
    exact, quick = (Segmenter(model, precision=p)(video(3), "dog") for p in ("float32", "bfloat16"))
    assert (exact == quick).mean() > 0.95


def test_confidence_is_the_mean_inside_the_mask() -> None:
    probabilities = np.array([[[0.9, 0.7, 0.1]], [[0.2, 0.1, 0.4]]], dtype=np.float32)
    confidence = mean_confidence(probabilities, 0.5)
    assert confidence[0] == pytest.approx(0.8)
    assert math.isnan(confidence[1])


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (1920, 1080), (7, 500), (64, 64), (33, 47)])
def test_letterbox_round_trip_keeps_a_large_object(height: int, width: int) -> None:
    box = Letterbox(height, width, (320, 320))
    (scaled_height, scaled_width), (top, left) = box.scaled, box.offset
    assert max(scaled_height, scaled_width) == 320
    assert 0 <= 320 - scaled_height - 2 * top <= 1
    assert 0 <= 320 - scaled_width - 2 * left <= 1
    mask = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    mask[:, :, : height // 2 + 1, : width // 2 + 1] = 255
    image = box.apply(mask)
    assert image.shape == (1, 3, 320, 320)
    inside = image[0, :1, top : top + scaled_height, left : left + scaled_width]
    back = box.restore(inside * 2 - 1)[0] > 0
    truth = mask[0, 0] > 0
    overlap = (back & truth).sum() / (back | truth).sum()
    assert overlap > (0.98 if min(height, width) > 32 else 0.6)
