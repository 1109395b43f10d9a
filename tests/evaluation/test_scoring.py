"""Rows and scores, against numbers counted by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from refvid.data.referring import Expression, Rules, Target
from refvid.errors import RefvidError
from refvid.evaluation.scoring import SampleRow, _pair, score_video, summarise
from refvid.evaluation.sources import FrameMasks
from tests.evaluation.small_set import HEIGHT, WIDTH, Masks, Source, box, one_pixel_right, small_set, small_video

CONTOUR = Rules(measure="contour")
HUNGARIAN = Rules(measure="contour", matching="hungarian")
ONE = np.array([0.5])


def found_of(*masks: Masks, confidence: float = 0.5) -> FrameMasks:
    stacked = np.stack(masks)
    return FrameMasks(stacked, np.where(stacked.any(axis=(1, 2)), confidence, np.nan))


def test_a_row_counts_pixels() -> None:
    video = small_video(texts=("the  big dog",), at=(3,), runs=("2",))
    (row,) = score_video(video, Rules(), [(video.targets[0], found_of(box(8, 5, 12, 9), confidence=0.625))])
    # The truth is columns 7 to 18, the prediction columns 8 to 19, nine rows each.
    assert row == SampleRow(
        video="clip",
        key="1",
        run="2",
        frame="00003",
        text="the  big dog",
        words=3,
        intersection=99,
        union=117,
        iou=99 / 117,
        confidence=0.625,
        truth_area=108,
        predicted_area=108,
        j=None,
        f=None,
        instance=1,
    )


def test_void_pixels_do_not_count() -> None:
    left = np.zeros((HEIGHT, WIDTH), np.bool_)
    left[:, :10] = True  # three of the truth's columns, two of the prediction's
    video = small_video(texts=("dog",), at=(3,), left_out=left)
    (row,) = score_video(video, Rules(), [(video.targets[0], found_of(box(8, 5)))])
    assert (row.intersection, row.union, row.truth_area, row.predicted_area) == (81, 90, 81, 90)
    (inside,) = score_video(video, Rules(), [(video.targets[0], found_of(box(0, 5, 10, 9)))])
    assert (inside.intersection, inside.predicted_area, inside.confidence) == (0, 0, None)


def test_empty_masks() -> None:
    nothing = np.zeros((HEIGHT, WIDTH), np.bool_)
    video = replace(small_video(texts=("dog",), at=(3,)), truths=np.zeros((1, 12, HEIGHT, WIDTH), np.bool_))
    (row,) = score_video(video, Rules(), [(video.targets[0], found_of(nothing))])
    assert (row.union, row.iou, row.confidence, row.truth_area) == (0, 1.0, None, 0)
    (missed,) = score_video(small_video(texts=("dog",), at=(3,)), Rules(), [(video.targets[0], found_of(nothing))])
    assert (missed.iou, missed.truth_area, missed.predicted_area) == (0.0, 108, 0)
    for rule, mean in (("one", 0.5), ("zero", 0.0), ("skip", 0.0)):
        scores = summarise([row, missed], Rules(empty=rule))  # type: ignore[arg-type]
        assert scores["mean_iou"] == mean
        assert (scores["samples"], scores["empty"], scores["overall_iou"]) == (2, 1, 0)


def test_only_counting_expressions_have_rows_in_their_order() -> None:
    video = small_video(texts=("man", "dog", "cat"))
    video = replace(video, targets=(Target("a", 1, (2, 0)), Target("b", 4, (1,))))
    rows = score_video(video, Rules(), Source().masks(video))
    assert [(row.frame, row.text, row.instance, row.iou) for row in rows] == [
        ("a", "cat", 3, 1.0),
        ("a", "man", 1, 1.0),
        ("b", "dog", 2, 1.0),
    ]


def test_perfect_masks_score_one() -> None:
    video = small_video(texts=("man", "dog"), runs=("1", "2"))
    regions = summarise(score_video(video, Rules(), Source().masks(video)), Rules())
    assert regions == {
        **{f"p@{k}": 1.0 for k in (0.5, 0.6, 0.7, 0.8, 0.9)},
        "overall_iou": 1.0,
        "mean_iou": 1.0,
        "ap_mean_precision": 1.0,
        "ap_coco": 1.0,
        "samples": 12,
        "empty": 0,
    }
    for rules in (CONTOUR, HUNGARIAN):
        contours = summarise(score_video(video, rules, Source().masks(video)), rules)
        assert contours == {
            "j": 1.0,
            "j_recall": 1.0,
            "j_decay": 0.0,
            "f": 1.0,
            "f_recall": 1.0,
            "f_decay": 0.0,
            "j&f": 1.0,
            "samples": 12,
        }


def test_j_and_f_of_a_shifted_mask() -> None:
    video = small_video(texts=("man", "dog"))
    rows = score_video(video, CONTOUR, Source(one_pixel_right).masks(video))
    assert {row.j for row in rows} == {99 / 117}
    assert {row.f for row in rows} == {1.0}  # a pixel is within the contours' tolerance
    scores = summarise(rows, CONTOUR)
    assert scores["j"] == pytest.approx(99 / 117, abs=1e-12)
    assert scores["j&f"] == pytest.approx((99 / 117 + 1) / 2, abs=1e-12)
    assert "mean_iou" not in scores


def test_the_first_and_the_last_frame_can_be_left_out() -> None:
    video = small_video(texts=("man",), at=(0, 4, 9))

    def only_in_the_middle(masks: Masks) -> Masks:
        return masks if masks[0, 5, 19] and not masks[0, 5, 20] else ~masks  # in frame 4 it ends at column 19

    rules = replace(CONTOUR, inner=True)
    rows = score_video(video, rules, Source(only_in_the_middle).masks(video))
    assert [(row.frame, row.j) for row in rows] == [("00004", 1.0)]
    assert summarise(rows, rules)["samples"] == small_set(video, rules=rules).counts()["samples"] == 1
    assert summarise(score_video(video, CONTOUR, Source(only_in_the_middle).masks(video)), CONTOUR)["j"] < 0.5


def swap(masks: Masks) -> Masks:
    return masks[::-1]


def test_matching_forgives_swapped_objects() -> None:
    video = small_video(texts=("man", "dog"))
    own = score_video(video, CONTOUR, Source(swap).masks(video))
    assert summarise(own, CONTOUR)["j"] == 0
    matched = score_video(video, HUNGARIAN, Source(swap).masks(video))
    assert summarise(matched, HUNGARIAN)["j&f"] == 1
    assert [(row.text, row.iou, row.intersection) for row in matched] == [("man", 1.0, 108), ("dog", 1.0, 108)] * 3


def test_matching_is_of_the_whole_video_and_of_each_run_alone() -> None:
    video = small_video(texts=("man", "dog"), at=(1, 5, 10), runs=("1", "2"))

    def masks() -> list[tuple[Target, FrameMasks]]:
        swapped = []
        for number, target in enumerate(video.targets):
            truth = video.truth(target)
            assert truth is not None
            order = [1, 0, 2, 3] if number < 2 else [0, 1, 2, 3]  # the first run is swapped in two frames of three
            swapped.append((target, found_of(*truth[order])))
        return swapped

    rows = score_video(video, HUNGARIAN, masks())
    assert [row.j for row in rows if row.run == "1"] == [1, 1, 1, 1, 0, 0]
    assert [row.j for row in rows if row.run == "2"] == [1] * 6
    assert summarise(rows, HUNGARIAN)["j"] == pytest.approx((2 / 3 + 1) / 2)


def test_matching_weighs_both_measures() -> None:
    row, *_ = score_video(small_video(texts=("man",)), CONTOUR, Source().masks(small_video(texts=("man",))))
    measured = {(0, 0): (0.9, 0.0), (0, 1): (0.0, 0.9), (1, 0): (0.5, 0.9), (1, 1): (0.5, 0.2)}
    frame = {pair: replace(row, j=j, f=f) for pair, (j, f) in measured.items()}
    assert _pair([frame], [0, 1], [0, 1]) == [(1, 0), (0, 1)], "0.45 + 0.35 against 0.45 + 0.7"


def test_proposals_without_an_object_may_be_matched() -> None:
    """A third expression means nothing that is annotated, but its mask is the dog's."""
    two = small_video(texts=("man", "dog"), at=(1, 5))
    assert two.truths is not None
    nothing = np.zeros((1, *two.truths.shape[1:]), np.bool_)
    video = replace(
        two,
        expressions=(*two.expressions, Expression("3", "a thing", None)),
        targets=tuple(replace(target, counting=(0, 1, 2)) for target in two.targets),
        truths=np.concatenate([two.truths, nothing]),
    )
    rows = score_video(video, HUNGARIAN, Source(lambda masks: masks[[0, 2, 1]]).masks(video))
    assert [(row.text, row.j) for row in rows] == [("man", 1), ("dog", 1)] * 2
    assert summarise(rows, HUNGARIAN)["samples"] == small_set(video, rules=HUNGARIAN).counts()["samples"] == 4


def test_runs_are_averaged_and_samples_add_up() -> None:
    video = small_video(texts=("man",), at=(1, 5), runs=("1", "2"))

    def second_is_gone(masks: Masks) -> Masks:
        return masks & np.array([True, False])[:, None, None]

    rows = score_video(video, Rules(), Source(second_is_gone).masks(video))
    one, other = ([row for row in rows if row.run == run] for run in ("1", "2"))
    scores = summarise(rows, Rules())
    assert (scores["mean_iou"], scores["overall_iou"], scores["samples"]) == (0.5, 0.5, 4)
    assert summarise(one, Rules())["overall_iou"] == 1
    assert summarise(other, Rules())["overall_iou"] == 0
    # Runs of different lengths weigh the same.
    assert summarise([*one, other[0]], Rules())["mean_iou"] == 0.5


def test_objects_of_different_lengths_weigh_the_same() -> None:
    long, short = small_video("long", ("man",), at=(1, 3, 5, 7)), small_video("short", ("man",), at=(2,))
    rows = score_video(long, CONTOUR, Source().masks(long))
    rows += score_video(short, CONTOUR, Source(lambda masks: ~masks).masks(short))
    assert summarise(rows, CONTOUR)["j"] == 0.5


def test_nothing_to_score_is_not_a_number() -> None:
    assert math.isnan(summarise([], Rules())["mean_iou"])
    assert math.isnan(summarise([], CONTOUR)["j"])
    assert summarise([], Rules())["samples"] == 0


def test_misuse_is_a_sentence() -> None:
    video = small_video(texts=("man",), at=(1,))
    turned = FrameMasks(np.zeros((1, WIDTH, HEIGHT), np.bool_), ONE)
    with pytest.raises(RefvidError, match=r"clip, frame 00001: the masks are 46x80, but the data set's are 80x46"):
        score_video(video, Rules(), [(video.targets[0], turned)])
    with pytest.raises(RefvidError, match="not public"):
        score_video(small_video(public=False), Rules(), [(video.targets[0], turned)])
    partly = replace(small_video(texts=("man", "dog")), targets=(Target("a", 1, (1,)),))
    with pytest.raises(ValueError, match="expected all expressions"):
        score_video(partly, HUNGARIAN, Source().masks(partly))
