"""The stream of masks against the network run on each clip alone."""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from refvid.data.sample import Sample
from refvid.errors import UnavailableError, UsageError
from refvid.inference.precision import pick_precision
from refvid.inference.segmenter import Segmenter
from refvid.inference.stages import Encoded, FrameLogits, bytes_held
from refvid.masks.finish import PlainFinisher, RefinedFinisher
from refvid.masks.threshold import logit_cut, mean_confidence, plain_masks, probability_cut
from refvid.model.letterbox import Letterbox
from refvid.train.validate import predict
from refvid.weights import LoadedModel
from tests.clips import frame_pixels

SIZE = (80, 46)  # not square, so that a forgotten transpose fails


def video(frames: int) -> NDArray[np.uint8]:
    return np.stack([frame_pixels(index, SIZE) for index in range(frames)])


def clip_by_clip(model: LoadedModel, frames: NDArray[np.uint8], expression: str) -> NDArray[np.float32]:
    """Logits [T, H, W]: the network's own forward on every frame's clip, truncated at the ends."""
    box = Segmenter(model).letterbox(frames[0])
    return np.stack([box.restore(logits)[0].numpy() for logits in on_the_input(model, frames, expression)])


@torch.inference_mode()
def on_the_input(model: LoadedModel, frames: NDArray[np.uint8], expression: str) -> list[Tensor]:
    """The same on the resized picture, [1, h', w'] of each frame."""
    radius, box = model.network.frame_radius, Segmenter(model).letterbox(frames[0])
    images = box.apply(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous())
    words = Segmenter(model).vocabulary.encode([expression])[None]
    results = []
    for index in range(len(frames)):
        first, last = max(0, index - radius), min(len(frames), index + radius + 1)
        logits = model.network(images[None, first:last], words, target=index - first)[0, 0]
        (height, width), (top, left) = box.scaled, box.offset
        results.append(logits[None, top : top + height, left : left + width])
    return results


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


def test_the_network_in_three_threads_answers_as_in_one(model: LoadedModel) -> None:
    """Each part has a thread of its own, and none knows what is set in another thread."""
    texts = ["dog", "man in red shirt"]

    def elsewhere(run: Callable[[], Iterable[Encoded[int]] | Iterable[FrameLogits[int]]]) -> list[Any]:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: list(run())).result()

    for precision in ("float32", "bfloat16"):
        segmenter = Segmenter(model, precision=precision)
        prepared = list(segmenter.prepare(enumerate(video(5))))
        expected = list(segmenter.predict(prepared, texts))
        encoded = elsewhere(partial(segmenter.encode, prepared))
        enhanced = elsewhere(partial(segmenter.enhance, encoded))
        found = elsewhere(partial(segmenter.decode, enhanced, texts))
        assert [each.item for each in found] == [0, 1, 2, 3, 4]
        for one, other in zip(found, expected, strict=True):
            assert one.pixels is other.pixels
            torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=0)


def test_the_seconds_of_all_parts_count_as_the_networks(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(10**6))  # one between any two looks at the clock
    clock = SimpleNamespace(perf_counter=lambda: float(next(seconds)))
    monkeypatch.setattr("refvid.inference.frame_stages.time", clock)
    segmenter = Segmenter(model)
    encoded = list(segmenter.encode(segmenter.prepare(enumerate(video(4)))))
    assert [frame.seconds for frame in encoded] == [1.0] * 4
    enhanced = list(segmenter.enhance(encoded))
    assert sum(frame.seconds for frame in enhanced) == 4 * 1 + 4 * 1 + 2 * 1, "two frames come out of the stream's end"
    assert segmenter.timings["network"] == 0
    list(segmenter.decode(enhanced, ["dog"]))
    assert segmenter.timings["network"] == 10 + 4 * 2, "the logits, and the wait for a GPU"
    (_,) = segmenter.segment_frames(lambda indices: video(4)[list(indices)], 4, {1: (0,)}, ["dog"])
    assert segmenter.timings["network"] > 18 + 10, "of the frames that are not wanted too"


def test_what_waits_between_stages_counts_with_all_its_bytes(model: LoadedModel) -> None:
    segmenter = Segmenter(model)
    (prepared,) = segmenter.prepare(enumerate(video(1)))
    (encoded,) = segmenter.encode([prepared])
    (enhanced,) = segmenter.enhance([encoded])
    (answered,) = segmenter.decode([enhanced], ["dog", "man"])
    frame = 46 * 80 * 3
    assert bytes_held(prepared) == frame + 4 * prepared.picture.numel()
    assert (
        bytes_held(enhanced)
        == bytes_held(encoded)
        == frame + 4 * sum(part.numel() for part in encoded.features.tensors)
    )
    assert bytes_held(answered) == frame + 4 * answered.logits.numel()
    assert len(answered.logits) == 2


def test_a_list_of_expressions_adds_a_first_axis(model: LoadedModel) -> None:
    segmenter, frames = Segmenter(model), video(3)
    one, listed = segmenter(frames, "dog"), segmenter(frames, ["man in red shirt", "dog"])
    assert (one.shape, listed.shape) == ((3, 46, 80), (2, 3, 46, 80))
    assert (listed[1] == one).mean() > 0.999, "only rounding may turn a pixel"
    assert segmenter(frames, ("dog",)).shape == (1, 3, 46, 80)
    streamed = list(segmenter.stream(list(frames), "dog"))
    np.testing.assert_array_equal(streamed, one)
    assert [masks.shape for masks in segmenter.stream(iter(frames), ["dog", "man"])] == [(2, 46, 80)] * 3
    assert [found.masks.shape for found in segmenter.run(enumerate(frames), "dog")] == [(1, 46, 80)] * 3


def test_probabilities_come_with_the_masks(model: LoadedModel) -> None:
    segmenter, frames = Segmenter(model), video(2)
    masks, shares = segmenter(frames, ["dog", "man in red shirt"], probabilities=True)
    assert (masks.shape, shares.shape, shares.dtype) == ((2, 2, 46, 80), (2, 2, 46, 80), np.dtype(np.float32))
    assert masks.any((1, 2, 3)).all()
    wrong = masks != (shares > segmenter.threshold)
    assert (np.abs(shares[wrong] - segmenter.threshold) < 1e-5).all()
    np.testing.assert_array_equal(masks, segmenter(frames, ["dog", "man in red shirt"]))
    alone = list(segmenter.stream(frames, "dog", probabilities=True))
    np.testing.assert_allclose([shares for _, shares in alone], shares[0], atol=1e-5)
    expected = 1 / (1 + np.exp(-clip_by_clip(model, frames, "dog")))
    np.testing.assert_allclose(shares[0], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["one", "maximum"])
def test_what_names_nothing_has_empty_masks_and_a_warning(model: LoadedModel, kind: str) -> None:
    segmenter = Segmenter(model if kind == "one" else relative(model))
    with pytest.warns(UserWarning, match="by \"red xyzzy\": the model small does not know 'xyzzy'"):
        masks, shares = segmenter(video(2), ["red xyzzy", "dog"], probabilities=True)
    assert masks.any((1, 2, 3)).tolist() == [False, True]
    assert shares[0].max() == 0
    (first, _) = segmenter.run(enumerate(video(2)), ["el perro", "dog"])
    assert np.isnan(first.confidence).tolist() == [True, False]
    with pytest.warns(UserWarning, match="names no thing; its masks are empty"):
        assert not segmenter(video(2), "in the").any()


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
    with pytest.raises(UsageError, match="'!!' has no words"):
        Segmenter(model).stream(video(1), "!!")  # before the first frame is asked for
    mixed = [frame_pixels(0, (32, 32)), frame_pixels(0, (32, 16))]
    with pytest.raises(UsageError, match="first is 32x32 and another is 32x16"):
        list(Segmenter(model).stream(mixed, ["dog"]))
    with pytest.raises(UnavailableError, match="float16 needs a GPU"):
        pick_precision("float16", torch.device("cpu"))


GREY = np.zeros((2, 6, 8), np.uint8)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([], "there are no frames to segment; give at least one"),
        (np.zeros((0, 6, 8, 3), np.uint8), "there are no frames to segment"),
        (GREY, r"frame 0 is uint8 \[6, 8\], .* repeat a grey frame three times"),
        (GREY[..., None], r"frame 0 is uint8 \[6, 8, 1\], .* repeat a grey frame three times"),
        (np.zeros((2, 6, 8, 4), np.uint8), r"uint8 \[6, 8, 4\], .* leave the fourth channel out"),
        (np.zeros((2, 3, 6, 8), np.uint8), r"uint8 \[3, 6, 8\], .* put the channels last"),
        (np.zeros((2, 6, 8, 3)), r"frame 0 is float64 \[6, 8, 3\], .* scale values of 0 to 1"),
        (np.zeros((6, 8, 3), np.uint8), r"frame 0 is uint8 \[8, 3\], .* for a single frame, give a list of it"),
        (np.zeros((1, 0, 8, 3), np.uint8), r"\[0, 8, 3\], .* with at least one pixel"),
        ([np.zeros((6, 8, 3), np.uint8), None], r"frame 1 is object \[\], but a frame must be uint8 RGB"),
        ("park.mp4", "the frames are 'park.mp4'; give arrays of pixels, as refvid.read_video"),
        (Path("park.mp4"), "give arrays of pixels, as refvid.read_video"),
        (None, "the frames are a NoneType; give a list or an array"),
        (7, "the frames are a int; give a list or an array"),
    ],
)
def test_frames_of_another_kind_are_refused(model: LoadedModel, frames: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Segmenter(model)(frames, "dog")
    with pytest.raises(UsageError, match=sentence):
        list(Segmenter(model).stream(frames, ["dog"]))


@pytest.mark.parametrize(
    ("expressions", "sentence"),
    [
        ([], "no expression given; describe at least one object"),
        (None, "the expressions are a NoneType; give a string or a list of strings"),
        (b"dog", "the expressions are a bytes; give a string"),
        (["dog", 7], "an expression is a int; each must be a string"),
        ({"dog"}, "the expressions are a set; give a string or a list"),
    ],
)
def test_expressions_of_another_kind_are_refused(model: LoadedModel, expressions: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Segmenter(model)(video(1), expressions)
    with pytest.raises(UsageError, match=sentence):
        Segmenter(model).stream(video(1), expressions)
    with pytest.raises(UsageError, match=sentence):
        list(Segmenter(model).segment_frames(lambda indices: video(1), 1, {0: (0,)}, expressions))


def test_pictures_and_tensors_are_frames_too(model: LoadedModel) -> None:
    frames = video(2)
    expected = Segmenter(model)(frames, "dog")
    np.testing.assert_array_equal(Segmenter(model)((Image.fromarray(frame) for frame in frames), "dog"), expected)  # type: ignore[misc]
    np.testing.assert_array_equal(Segmenter(model)(torch.from_numpy(frames), "dog"), expected)


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


def relative(model: LoadedModel, share: float = 0.8) -> LoadedModel:
    """The same network, whose masks are what has at least a share of the frame's largest probability."""
    return replace(model, config=model.config.replace(threshold_of="maximum", threshold=share))


def above_share(logits: NDArray[np.float32], share: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of logits [T, H, W] by the definition, and the pixels at which rounding cannot turn them."""
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    border = share * probabilities.max((1, 2), keepdims=True)
    return probabilities > border, np.abs(probabilities - border) > 1e-4


def test_a_share_of_the_maximum_is_taken_of_each_frame(model: LoadedModel) -> None:
    frames = video(4)
    expected, sure = above_share(clip_by_clip(model, frames, "man in red shirt"), 0.8)
    masks = Segmenter(relative(model))(frames, "man in red shirt")
    np.testing.assert_array_equal(masks[sure], expected[sure])
    assert sure.mean() > 0.9
    assert 0.02 < masks.mean() < 0.98, "an empty or full mask proves nothing"
    assert (masks != Segmenter(model, threshold=0.8)(frames, "man in red shirt")).any()


def test_the_model_says_whether_the_frame_guides_its_masks(model: LoadedModel) -> None:
    frames = video(3).repeat(3, 1).repeat(3, 2)  # larger than the input
    own, guided = (
        Segmenter(replace(model, config=model.config.replace(upsampling=name))) for name in ("bilinear", "guided")
    )
    assert own.threshold == guided.threshold
    plain, found = own(frames, "dog"), guided(frames, "dog")
    box = own.letterbox(frames[0])
    assert (plain != found).any()
    assert (plain == found).mean() > 0.9
    for frame, logits, mask in zip(frames, on_the_input(model, frames, "dog"), found, strict=True):
        decided: dict[str, Any] = {"threshold": own.threshold, "threshold_of": "one", "upsampling": "guided"}
        expected = plain_masks(logits, frame, box, **decided)[0].numpy()
        assert (mask == expected).mean() > 0.999, "only rounding may turn a pixel"
    turned = np.ascontiguousarray(frames[..., ::-1])
    np.testing.assert_array_equal(guided(turned[..., ::-1], "dog"), found)  # as OpenCV's users turn BGR round
    with pytest.raises(ValueError, match="'guided' needs threshold_of 'one'"):
        relative(model).config.replace(upsampling="guided")


def test_the_option_keeps_its_meaning_as_a_share(model: LoadedModel) -> None:
    asked, own = Segmenter(relative(model, 0.3), threshold=0.9), Segmenter(relative(model, 0.9))
    np.testing.assert_array_equal(asked(video(2), "dog"), own(video(2), "dog"))
    areas = [Segmenter(relative(model), threshold=share)(video(2), "dog").sum() for share in (0.5, 0.8, 0.999)]
    assert areas[0] > areas[1] > areas[2] > 0, "the largest probability is always above its share"


def test_rivals_share_no_pixel_where_each_has_a_threshold_of_its_own() -> None:
    """Of two rivals one is sure and one is not; a third expression competes with neither."""
    logits = torch.randn(3, 20, 40) + torch.tensor([1.0, 0.0, -4.0])[:, None, None]
    pixels = frame_pixels(0, (40, 20))
    finish: PlainFinisher[int] = PlainFinisher(
        0.5, lambda frame: Letterbox(20, 40, (20, 40)), {"network": 0.0}, "maximum"
    )
    (found,) = finish.push(7, pixels, logits, ["one", "one", "other"])
    free = torch.stack([one > 0.5 * one.max() for one in logits.double().sigmoid()])
    first = logits[0] > logits[1]
    expected = torch.stack([free[0] & first, free[1] & ~first, free[2]])
    np.testing.assert_array_equal(found.masks, expected.numpy())
    assert found.masks.any((1, 2)).all()
    assert (free[0] & free[1]).any()
    (alone,) = finish.push(8, pixels, logits)
    np.testing.assert_array_equal(alone.masks, free.numpy())
    means = [one[mask].mean() for one, mask in zip(logits.sigmoid(), free, strict=True)]
    np.testing.assert_allclose(alone.confidence, means, rtol=1e-5)


def test_rivals_and_a_share_of_the_maximum_meet_in_the_targets_of_a_video(model: LoadedModel) -> None:
    frames, texts, wanted = video(2), ["dog", "man in red shirt", "yellow"], {1: (0, 1, 2)}
    segmenter = Segmenter(relative(model))
    (free,) = segmenter.segment_frames(lambda indices: frames[list(indices)], 2, wanted, texts)
    (found,) = segmenter.segment_frames(lambda indices: frames[list(indices)], 2, wanted, texts, rivals=["one"] * 3)
    assert free.masks.any((1, 2)).all()
    assert free.masks.sum(0).max() > 1
    assert found.masks.sum(0).max() == 1
    assert (found.masks <= free.masks).all()


def test_a_share_of_the_maximum_of_refined_probabilities(model: LoadedModel) -> None:
    """The worker that refines is stood in for by one that halves the probabilities, which a share does not notice."""

    class Halving:
        workers = 1

        def submit(self, pixels: object, probabilities: NDArray[np.float32]) -> Callable[[], NDArray[np.float32]]:
            return lambda: probabilities / np.float32(2)

    logits = torch.randn(2, 20, 40)
    pixels = frame_pixels(0, (40, 20))
    found = {}
    for of in ("one", "maximum"):
        finish: RefinedFinisher[int] = RefinedFinisher(0.6, 40, {"refine": 0.0}, Halving(), of)  # type: ignore[arg-type]
        assert list(finish.push(7, pixels, logits)) == []
        (found[of],) = finish.flush()
    probabilities = 1 / (1 + np.exp(-logits.numpy()))
    expected = probabilities > 0.6 * probabilities.max((1, 2), keepdims=True)
    np.testing.assert_array_equal(found["maximum"].masks, expected)
    means = [one[mask].mean() for one, mask in zip(probabilities, expected, strict=True)]
    np.testing.assert_allclose(found["maximum"].confidence, means, rtol=1e-5)
    assert not found["one"].masks.any()
    assert Segmenter(relative(model), refine=True)(video(2), "dog").any((1, 2)).all()


@pytest.mark.parametrize("offset", [0.0, -30.0, -300.0])
def test_masks_are_never_empty_however_small_the_probabilities(offset: float) -> None:
    logits = torch.randn(3, 5, 7) + offset
    cut = logit_cut(logits, 0.5, "maximum")
    assert (logits > cut).any((1, 2)).tolist() == [True] * 3
    expected = logits.double().sigmoid().amax((1, 2), keepdim=True).mul(0.5).logit().float()
    torch.testing.assert_close(cut, expected)
    torch.testing.assert_close(cut.double().sigmoid(), probability_cut(logits.double().sigmoid(), 0.5, "maximum"))
    assert logit_cut(torch.zeros(1, 2, 2), 0.5).tolist() == [[[0.0]]], "a logit of 0 is not above one half"


def test_validation_cuts_as_the_stream_does(model: LoadedModel) -> None:
    frames = video(5)
    present, nothing = np.ones(5, np.bool_), np.zeros((1, 46, 80), np.bool_)
    sample = Sample(frames=frames, frame_mask=present, expressions=("man in red shirt",), masks=nothing)
    for choice in (model, relative(model)):
        (mask,) = predict(choice.network, choice.config, sample)
        assert (mask != Segmenter(choice)(frames, "man in red shirt")[2]).mean() < 1e-3
