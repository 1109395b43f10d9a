"""Masks of a model for some frames of a video, against the stream over all of it."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from refvid.data.referring import Target
from refvid.errors import UnavailableError, UsageError
from refvid.evaluation.model_masks import ModelMasks
from refvid.evaluation.sources import FrameMasks
from refvid.inference import frame_stages
from refvid.inference.segmenter import Segmenter
from refvid.inference.windows import windows
from refvid.masks.dense_crf import Refiner
from refvid.masks.finish import Segmented
from refvid.masks.threshold import threshold_maps
from refvid.model.interface import FrameFeatures
from refvid.weights import LoadedModel
from tests.clips import frame_pixels
from tests.evaluation.small_set import FRAMES, HEIGHT, WIDTH, SmallVideo, small_set, small_video

TEXTS = ("man in red shirt", "the dog", "yellow dog in the shirt")
RADIUS = 2  # of the small model


def pixels(frames: int = FRAMES) -> NDArray[np.uint8]:
    return np.stack([frame_pixels(index, (WIDTH, HEIGHT)) for index in range(frames)])


def stream(model: LoadedModel, texts: Sequence[str] = TEXTS, frames: int = FRAMES) -> list[Segmented[int]]:
    return list(Segmenter(model).run(enumerate(pixels(frames)), texts))


def same(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Equal but for a pixel or two on the border, where the order of a sum may turn the last bit."""
    return one.shape == other.shape and bool((one != other).mean() < 1e-3)


@pytest.mark.parametrize(
    ("targets", "frames", "expected"),
    [
        ([], 10, []),
        ([0], 10, [range(0, 3)]),
        ([9, 4], 10, [range(2, 7), range(7, 10)]),
        ([4, 8], 10, [range(2, 10)]),
        ([4, 9], 20, [range(2, 7), range(7, 12)]),
        ([0, 15], 16, [range(0, 3), range(13, 16)]),
        ([0], 1, [range(0, 1)]),
    ],
)
def test_windows(targets: list[int], frames: int, expected: list[range]) -> None:
    assert windows(targets, 2, frames) == expected


def test_windows_of_a_model_without_cross_frame_attention_are_the_targets() -> None:
    assert windows([3, 4, 8], 0, 10) == [range(3, 4), range(4, 5), range(8, 9)]


@pytest.mark.parametrize("at", [(0,), (5,), (FRAMES - 1,), (0, 1, 7), (2, 5, 11), tuple(range(FRAMES))])
def test_targets_equal_the_stream_over_the_whole_video(model: LoadedModel, at: tuple[int, ...]) -> None:
    whole = stream(model)
    asked: list[range] = []

    def read(indices: range) -> NDArray[np.uint8]:
        asked.append(indices)
        return pixels()[list(indices)]

    found = list(Segmenter(model).segment_frames(read, FRAMES, {index: (0, 1, 2) for index in at}, TEXTS))
    assert [one.item for one in found] == list(at)
    for one in found:
        assert same(one.masks, whole[one.item].masks)
        np.testing.assert_allclose(one.confidence, whole[one.item].confidence, atol=1e-4)
    read_frames = [index for indices in asked for index in indices]
    near = {frame for index in at for frame in range(index - RADIUS, index + RADIUS + 1)} & set(range(FRAMES))
    assert sorted(read_frames) == sorted(near), "each frame that is needed once, and no other"
    assert any(0.02 < mask.mean() < 0.98 for one in found for mask in one.masks), "empty or full masks prove nothing"


def test_the_comparison_sees_a_window_that_is_cut_off(model: LoadedModel) -> None:
    """The masks of the small model do depend on the neighbours, so the test above can fail."""
    alone = next(Segmenter(model).run([(0, pixels()[5])], TEXTS))
    whole = stream(model)[5]
    assert np.abs(alone.confidence - whole.confidence).max() > 1e-3


def test_long_windows_are_read_in_parts_and_many_expressions_go_through_in_parts(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stream(model)
    monkeypatch.setattr("refvid.inference.windows.FRAMES_AT_ONCE", 5)
    monkeypatch.setattr(frame_stages, "EXPRESSIONS_AT_ONCE", 2)
    sizes, batches = [], []
    segment = model.folded.segment

    def count_expressions(features: FrameFeatures, word_ids: torch.Tensor) -> object:
        batches.append(word_ids.shape[1])
        return segment(features, word_ids)

    def read(indices: range) -> NDArray[np.uint8]:
        sizes.append(len(indices))
        return pixels()[list(indices)]

    monkeypatch.setattr(model.folded, "segment", count_expressions)
    wanted = {index: (0, 1, 2) for index in range(FRAMES)}
    found = list(Segmenter(model).segment_frames(read, FRAMES, wanted, TEXTS))
    assert sizes == [5, 5, 2]
    assert batches == [2, 1] * FRAMES
    assert all(same(one.masks, whole[one.item].masks) for one in found)


def test_each_frame_gets_the_expressions_that_it_wants(model: LoadedModel) -> None:
    whole = stream(model)
    found = Segmenter(model).segment_frames(lambda indices: pixels()[list(indices)], FRAMES, {3: [2], 4: [2, 0]}, TEXTS)
    third, fourth = found
    assert same(third.masks, whole[3].masks[[2]])
    assert same(fourth.masks, whole[4].masks[[2, 0]])


def test_rivals_share_no_pixel_and_the_most_probable_wins(model: LoadedModel) -> None:
    values = torch.tensor([[[0.9, 0.6, 0.2]], [[0.7, 0.8, 0.3]], [[0.8, 0.9, 0.1]]])  # [3, 1, 3]
    free = threshold_maps(values, 0.5)
    assert free[:, 0].tolist() == [[True, True, False]] * 3
    assert threshold_maps(values, 0.5, ["a", "a", "b"])[:, 0].tolist() == [
        [True, False, False],
        [False, True, False],
        [True, True, False],
    ]
    assert torch.equal(threshold_maps(values, 0.5, [0, 1, 2]), free)
    wanted = {5: (0, 1, 2)}
    apart, free_masks = (
        next(
            Segmenter(model).segment_frames(
                lambda indices: pixels()[list(indices)], FRAMES, wanted, TEXTS, rivals=rivals
            )
        ).masks
        for rivals in (["r"] * 3, None)
    )
    assert free_masks.sum(0).max() > 1, "masks that do not overlap prove nothing"
    assert apart.sum(0).max() == 1
    np.testing.assert_array_equal(apart.any(0), free_masks.any(0))


def test_a_refiner_is_shared_by_videos(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pydensecrf")
    refining = Segmenter(model, refine=True)
    expected = list(refining.run(enumerate(pixels(4)), TEXTS[:1]))
    made: list[Refiner] = []
    build = refining.refiner

    def note() -> Refiner:
        made.append(build())
        return made[-1]

    monkeypatch.setattr(refining, "refiner", note)
    with ModelMasks(refining) as source:
        for name in ("one", "two"):
            video = small_video(name, TEXTS[:1], at=(0, 3), frames=4)
            for target, found in source.masks(video):
                np.testing.assert_array_equal(found.masks, expected[target.index].masks)
    assert len(made) == 1


def test_no_words_and_no_package_are_sentences(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="'!!' has no words"):
        next(Segmenter(model).segment_frames(lambda indices: pixels()[list(indices)], FRAMES, {0: [0]}, ["!!"]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="pydensecrf"), ModelMasks(Segmenter(model, refine=True)):
        pass


def masks_of(model: LoadedModel, video: SmallVideo, *, exclusive: bool = False) -> dict[str, FrameMasks]:
    with ModelMasks(Segmenter(model), exclusive=exclusive) as source:
        return {target.name: found for target, found in source.masks(video)}


def test_model_masks_are_those_of_the_stream(model: LoadedModel) -> None:
    video = small_video(texts=TEXTS)
    video = replace(video, targets=(Target("a", 1, (2, 0)), Target("b", 6, (1,)), Target("c", 7, (0, 1, 2))))
    whole = stream(model)
    found = masks_of(model, video)
    assert list(found) == ["a", "b", "c"]
    for target in video.targets:
        expected = whole[target.index]
        assert same(found[target.name].masks, expected.masks[list(target.counting)])
        np.testing.assert_allclose(
            found[target.name].confidences, expected.confidence[list(target.counting)], atol=1e-4
        )
        with ModelMasks(Segmenter(model)) as source:
            alone = source.masks_at(video, target)
        assert same(alone.masks, found[target.name].masks)


def test_targets_after_the_end_take_the_last_frame(model: LoadedModel) -> None:
    video = replace(
        small_video(texts=TEXTS), targets=(Target("last", FRAMES - 1, (0, 1)), Target("beyond", FRAMES + 3, (2,)))
    )
    found, last = masks_of(model, video), stream(model)[-1]
    assert same(found["last"].masks, last.masks[:2])
    assert same(found["beyond"].masks, last.masks[2:])


def test_expressions_without_words_have_empty_masks(model: LoadedModel) -> None:
    video = small_video(texts=("", TEXTS[0], "?!"))
    video = replace(video, targets=(Target("a", 2, (0, 1, 2)), Target("b", 4, (2,)), Target("c", 6, (1, 0))))
    whole = stream(model, TEXTS[:1])
    found = masks_of(model, video)
    assert same(found["a"].masks[1], whole[2].masks[0])
    assert same(found["c"].masks[0], whole[6].masks[0])
    assert not found["a"].masks[[0, 2]].any()
    assert not found["b"].masks.any()
    assert found["b"].masks.shape == (1, HEIGHT, WIDTH)
    assert np.isnan(found["a"].confidences).tolist() == [True, False, True]
    with ModelMasks(Segmenter(model)) as source:
        assert source.notes(small_set(video)) == ("1 of 2 expressions hold no word; their masks are empty.",)


def test_exclusive_masks_compete_within_their_run_alone(model: LoadedModel) -> None:
    video = small_video(texts=TEXTS[:2], at=(5,), runs=("1", "2"))
    video = replace(video, targets=(Target("all", 5, (0, 1, 2, 3)), Target("one", 6, (0,))))
    free, apart = masks_of(model, video), masks_of(model, video, exclusive=True)
    assert (free["all"].masks[0] & free["all"].masks[1]).any(), "masks that do not overlap prove nothing"
    for run in (0, 2):
        one, other = apart["all"].masks[run : run + 2]
        assert not (one & other).any()
        np.testing.assert_array_equal(one | other, free["all"].masks[run : run + 2].any(0))
    # The rival of an expression takes its pixels where it does not count itself, too.
    assert apart["one"].masks.sum() < free["one"].masks.sum()


def test_a_damaged_frame_that_counts_is_said(model: LoadedModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="refvid"):
        masks_of(model, small_video("clip", TEXTS, at=(5,), damaged=(4,)))
        assert not caplog.messages
        masks_of(model, small_video("clip", TEXTS, at=(5,), damaged=(5,)))
    assert caplog.messages == ["clip: frame 5 cannot be decoded; the nearest one stands in"]


def test_what_the_model_cannot_read_is_noted(model: LoadedModel) -> None:
    long = " ".join(["man"] * 30)
    referring_set = small_set(small_video(texts=("a zebra and a zebra", "the okapi", long, "man")))
    assert ModelMasks(Segmenter(model)).notes(referring_set) == (
        "2 of 4 expressions use words that the model has never seen: a, zebra, and, okapi.",
        "1 of 4 expressions are cut to the 20 words that the model reads.",
    )
    many = small_set(small_video(texts=("b c d e f g", "g h i j k l", "l g")))
    (note,) = ModelMasks(Segmenter(model)).notes(many)
    assert note.endswith("never seen: g, l, b, c, d, e, f, h, i, j and 1 more."), "the most frequent ones first"
