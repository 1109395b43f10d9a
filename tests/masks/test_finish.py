"""The input of the CRF, and the use of its output."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from refvid.masks.dense_crf import refine_masks
from refvid.masks.finish import PlainFinisher, RefinedFinisher, Segmented
from refvid.masks.guided_filter import upsample
from refvid.masks.threshold import GUIDED_RADIUS, PROBABLE, plain_masks, probable_part
from refvid.model.config import CrfSettings, UpsamplingName
from refvid.model.letterbox import Letterbox

PARAMETERS = CrfSettings(5, 1.5, 3.0, 10.0, 3.0, 10.0)
SIDE = 160


class Inline:
    """Stands in for the pool: refines at once, and keeps what it was given."""

    workers = 2

    def __init__(self, refine: Callable[..., NDArray[np.float32]] = refine_masks) -> None:
        self.refine = refine
        self.given: list[tuple[NDArray[np.uint8], NDArray[np.float32]]] = []

    def submit(
        self, pixels: NDArray[np.uint8], probabilities: NDArray[np.float32]
    ) -> Callable[[], NDArray[np.float32]]:
        self.given.append((pixels, probabilities))
        return lambda: self.refine(pixels, probabilities, PARAMETERS)


def as_it_is(pixels: NDArray[np.uint8], probabilities: NDArray[np.float32], _: object) -> NDArray[np.float32]:
    return probabilities


def finish(
    pixels: NDArray[np.uint8],
    logits: torch.Tensor,
    refiner: Inline,
    threshold: float = 0.4,
    rivals: list[str] | None = None,
    side: int = SIDE,
) -> Segmented[int]:
    finisher: RefinedFinisher[int] = RefinedFinisher(threshold, side, {"refine": 0.0}, refiner)  # type: ignore[arg-type]
    (found,) = *finisher.push(5, pixels, logits, rivals), *finisher.flush()
    assert found.item == 5
    return found


def scene(size: tuple[int, int] = (320, 180)) -> tuple[NDArray[np.uint8], NDArray[np.bool_], torch.Tensor]:
    """A bright disc on noise, and logits on 144x256 positions of a disc that is too small and lies beside it."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    disc = (rows - 0.5 * height) ** 2 + (columns - 0.4 * width) ** 2 < (0.2 * height) ** 2
    noise = np.random.default_rng(0).integers(0, 12, (height, width, 3))
    pixels = (np.where(disc[..., None], (220, 200, 30), (70, 90, 110)) + noise).astype(np.uint8)
    y, x = torch.meshgrid(torch.arange(144.0), torch.arange(256.0), indexing="ij")
    return pixels, disc, 0.25 * (26 - torch.hypot(y - 75, x - 104))[None]


def test_a_rough_mask_takes_the_objects_shape() -> None:
    pixels, disc, logits = scene()
    found = finish(pixels, logits, Inline())
    rough = finish(pixels, logits, Inline(as_it_is))
    wrong, before = ((mask.masks[0] != disc).mean() for mask in (found, rough))
    assert before > 0.005
    assert wrong < before / 5


def test_the_part_gives_what_the_whole_picture_would() -> None:
    pixels, _, logits = scene()
    part, whole = Inline(), Inline()
    found = finish(pixels, logits, part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refvid.masks.finish.MARGIN", 9.0)
        everything = finish(pixels, logits, whole)
    assert whole.given[0][0].shape == (90, 160, 3)
    assert part.given[0][1].size < 0.5 * whole.given[0][1].size
    assert part.given[0][0].shape[:2] == part.given[0][1].shape[1:]
    assert (found.masks == everything.masks).mean() > 0.999
    np.testing.assert_allclose(found.confidence, everything.confidence, atol=0.01)


def test_what_is_nowhere_above_the_threshold_is_not_refined_and_would_stay_empty() -> None:
    pixels, _, logits = scene()
    below = torch.log(torch.tensor(0.4 / 0.6)) - 1e-3 - (logits.max() - logits)
    refiner = Inline()
    found = finish(pixels, below, refiner)
    assert not refiner.given
    assert found.masks.shape == (1, 180, 320)
    assert not found.masks.any()
    assert np.isnan(found.confidence).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refvid.masks.finish.NEUTRAL", -1.0)  # is never below: everything is refined
        finish(pixels, below, refiner)
    ((picture, given),) = refiner.given
    assert (refine_masks(picture, given, PARAMETERS) <= given.clip(1e-5, 1) + 1e-6).all()


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7])
def test_what_is_not_changed_is_cut_at_the_threshold(threshold: float) -> None:
    """The frame has the size that is refined, so that nothing is resized."""
    logits = torch.randn(3, 9, 16, generator=torch.Generator().manual_seed(0))
    pixels = np.zeros((9, 16, 3), np.uint8)
    found = finish(pixels, logits, Inline(as_it_is), threshold, side=16)
    probabilities = logits.sigmoid().numpy()
    np.testing.assert_array_equal(found.masks, probabilities > threshold)
    means = [one[one > threshold].mean() for one in probabilities]
    np.testing.assert_allclose(found.confidence, means, rtol=1e-5)


def test_confidence_is_the_networks_own_and_not_the_crfs() -> None:
    """The CRF brings all probabilities close to 0 or 1; how sure the network is does not change."""
    pixels, _, logits = scene()
    found, plain = finish(pixels, logits, Inline()), finish(pixels, logits, Inline(as_it_is))
    assert 0.5 < plain.confidence[0] < 0.95
    assert found.confidence[0] == pytest.approx(plain.confidence[0], abs=0.05)
    own = logits.sigmoid().numpy()
    assert found.highest == pytest.approx(own.max((1, 2)), abs=0.01)
    assert Inline().submit(pixels[::2, ::2], own[:, :90, :160])().max() > 0.99, "which proves that it would"


@pytest.mark.parametrize("threshold", [0.2, 0.7])
@pytest.mark.parametrize("refine", [Inline(), Inline(as_it_is), None])
def test_masks_are_the_probabilities_above_the_threshold(threshold: float, refine: Inline | None) -> None:
    pixels, _, logits = scene((320, 180))
    logits = torch.cat([logits, logits - 1, logits - 90])
    finisher: RefinedFinisher[int] | PlainFinisher[int]
    if refine is None:
        box = Letterbox(180, 320, (144, 256))
        finisher = PlainFinisher(threshold, lambda _: box, {"network": 0.0}, "one", "guided", keep_probabilities=True)
    else:
        finisher = RefinedFinisher(
            threshold,
            SIDE,
            {"refine": 0.0},
            refine,  # type: ignore[arg-type]
            keep_probabilities=True,
        )
    (found,) = *finisher.push(0, pixels, logits), *finisher.flush()
    assert found.probabilities is not None
    assert (found.probabilities.shape, found.probabilities.dtype) == ((3, 180, 320), np.dtype(np.float32))
    assert found.masks.any((1, 2)).tolist() == [True, True, False]
    wrong = found.masks != (found.probabilities > threshold)
    assert (np.abs(found.probabilities[wrong] - threshold) < 1e-5).all(), "only rounding may turn a pixel"
    assert found.highest == pytest.approx(logits.sigmoid().amax((1, 2)).numpy(), abs=0.01)


def test_without_some_rows_nothing_is_found_in_them() -> None:
    masks = np.ones((3, 2, 2), np.bool_)
    whole: Segmented[int] = Segmented.of(0, masks, np.full(3, 0.7), np.ones(3, np.float32), masks.astype(np.float32))
    found = whole.without((0, 2))
    assert found.masks.any((1, 2)).tolist() == [False, True, False]
    np.testing.assert_array_equal(found.confidence, [np.nan, 0.7, np.nan])
    assert found.highest.tolist() == [0, 1, 0]
    assert found.probabilities is not None
    assert found.probabilities.max((1, 2)).tolist() == [0, 1, 0]
    assert whole.masks.all()
    assert whole.without(()) is whole


@pytest.mark.parametrize("threshold", [0.2, 0.7])
def test_the_crf_takes_neither_side_at_the_threshold(threshold: float) -> None:
    logits = torch.tensor([[0.0, 4.0]]).expand(1, 4, 2) + np.log(threshold / (1 - threshold))
    refiner = Inline(as_it_is)
    finish(np.zeros((4, 2, 3), np.uint8), logits, refiner, threshold, side=4)
    np.testing.assert_allclose(refiner.given[0][1][0, 0], [0.5, 1 / (1 + np.exp(-4.0))], rtol=1e-5)


def test_expressions_without_anything_are_left_out_and_keep_their_place() -> None:
    pixels, _, logits = scene()
    refiner = Inline()
    found = finish(pixels, torch.cat([logits - 90, logits, logits - 90, logits - 0.5]), refiner, rivals=list("aabb"))
    assert len(refiner.given[0][1]) == 2
    assert found.masks.any((1, 2)).tolist() == [False, True, False, True]
    assert np.isnan(found.confidence).tolist() == [True, False, True, False]
    together = finish(pixels, torch.cat([logits, logits - 0.5]), Inline(), rivals=list("aa"))
    assert together.masks.sum(0).max() == 1


def test_frames_come_in_order_and_a_bounded_number_waits() -> None:
    pixels, _, logits = scene()
    finisher: RefinedFinisher[int] = RefinedFinisher(0.4, 40, {"refine": 0.0}, Inline())  # type: ignore[arg-type]
    early = [found.item for index in range(9) for found in finisher.push(index, pixels, logits)]
    assert early == [0, 1, 2]
    assert [found.item for found in finisher.flush()] == [3, 4, 5, 6, 7, 8]


def test_the_probable_part_has_a_margin_inside_the_picture() -> None:
    maps = np.zeros((2, 30, 50), np.float32)
    maps[0, 12, 20] = maps[1, 14, 47] = PROBABLE + 0.01
    assert probable_part(maps, 4) == (slice(8, 19), slice(16, 52))
    assert maps[0][probable_part(maps, 4)].shape == (11, 34)
    assert probable_part(maps[:, :5], 4) == (slice(0, 0), slice(0, 0))


def plain(
    pixels: NDArray[np.uint8], logits: torch.Tensor, upsampling: UpsamplingName, rivals: list[str] | None = None
) -> NDArray[np.bool_]:
    _, height, width = logits.shape
    box = Letterbox(pixels.shape[0], pixels.shape[1], (height, width))
    masks: NDArray[np.bool_] = plain_masks(
        logits, pixels, box, threshold=0.4, threshold_of="one", upsampling=upsampling, rivals=rivals
    ).numpy()
    return masks


def test_guided_masks_take_the_objects_shape() -> None:
    """The logits are right but for a blur over 3 of 144 x 256 positions."""
    pixels, disc, _ = scene((640, 360))
    shares = F.interpolate(torch.from_numpy(disc)[None, None].float(), (144, 256), mode="bilinear", antialias=True)
    logits = 8 * (F.avg_pool2d(shares, 3, 1, 1, count_include_pad=False)[0] - 0.45)
    wrong = {name: (plain(pixels, logits, name)[0] != disc).sum() for name in ("bilinear", "guided")}
    assert wrong["guided"] < 0.5 * wrong["bilinear"], wrong


@pytest.mark.parametrize("colours", [((200, 50, 50), (60, 180, 60)), ((90, 90, 90), (90, 90, 90))])
def test_what_differs_in_no_grey_value_keeps_its_size(colours: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """A red square of 3 x 3 positions on a green of the same brightness, and one that cannot be seen at all."""
    logits = torch.full((1, 144, 256), -6.0)
    logits[0, 60:63, 100:103] = 2.0
    pixels = np.empty((720, 1280, 3), np.uint8)
    pixels[:] = colours[1]
    pixels[300:315, 500:515] = colours[0]
    areas = {name: int(plain(pixels, logits, name).sum()) for name in ("bilinear", "guided")}
    assert areas["guided"] > 0.75 * areas["bilinear"] > 100, areas


def test_confidence_and_masks_agree_on_what_is_empty() -> None:
    """Nothing comes above the threshold that the network left below it, however rough the picture; and what the
    frame's size leaves of no mask has no confidence."""
    noise = np.random.default_rng(3).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    below = torch.full((1, 144, 256), -9.0)
    below[0, 50:70, 100:140] = -0.42  # a probability of 0.397
    finisher: PlainFinisher[int] = PlainFinisher(
        0.4, lambda pixels: Letterbox(pixels.shape[0], pixels.shape[1], (144, 256)), {"network": 0.0}, "one", "guided"
    )
    (found,) = finisher.push(0, noise, below)
    assert not found.masks.any()
    assert np.isnan(found.confidence).all()
    empty = Segmented.of(
        0,
        np.zeros((2, 3, 3), np.bool_) | np.array([True, False])[:, None, None],
        np.full(2, 0.7),
        np.ones(2, np.float32),
    )
    np.testing.assert_array_equal(empty.confidence, [0.7, np.nan])


def test_guided_masks_are_those_of_the_whole_frame() -> None:
    pixels, _, logits = scene((640, 360))
    logits = torch.cat([logits, logits - 1.5, logits - 99])
    found = plain(pixels, logits, "guided")
    restored, _ = upsample(logits.sigmoid(), torch.from_numpy(pixels), radius=GUIDED_RADIUS)
    assert found[:2].any((1, 2)).all()
    assert not found[2].any()
    np.testing.assert_array_equal(found, (restored > 0.4).numpy())
    together = plain(pixels, logits, "guided", ["one", "one", "other"])
    np.testing.assert_array_equal(together[0], found[0])  # the second rival is nowhere ahead
    assert not together[1:].any()


@pytest.mark.parametrize("size", [(256, 144), (200, 112), (128, 72)])
def test_frames_no_larger_than_the_input_are_never_guided(size: tuple[int, int]) -> None:
    pixels, _, logits = scene(size)
    np.testing.assert_array_equal(plain(pixels, logits, "guided"), plain(pixels, logits, "bilinear"))
