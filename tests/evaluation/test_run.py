"""Whole evaluations of small sets: scores, interruptions, submissions and JSON."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refvid.data.referring import ReferringSet, Rules
from refvid.errors import RefvidError, UsageError
from refvid.evaluation.check import check_set
from refvid.evaluation.journal import Journal
from refvid.evaluation.run import Evaluation, Origin, count, evaluate, first_videos, override_rules
from refvid.evaluation.stored_masks import StoredMasks
from refvid.evaluation.submissions import CONFIDENCES, Submission
from tests.evaluation.small_set import FRAMES, HEIGHT, WIDTH, Masks, Source, one_pixel_right, small_set, small_video

MODEL = Origin("small", "abc", "cpu", "float32", 0.5, False)
CONTOUR = Rules(measure="contour")
NAMES = ("one", "two/a", "three", "four")
BEYOND = (
    "1 annotated frame after the end of the footage, in 1 video (short the first): the last frame there is stands in."
)


def four(**settings: object) -> ReferringSet:
    return small_set(*(small_video(name) for name in NAMES), **settings)  # type: ignore[arg-type]


def test_perfect_masks_score_one_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    evaluation = evaluate("a2d", four(notes=("An issue.",)), Source(), MODEL, notes=("Another.",), seed=7,
                          progress=lambda done, total: told.append((done, total)))  # fmt: skip
    assert told == [(3, 12), (6, 12), (9, 12), (12, 12)]
    assert evaluation.scores["p@0.9"] == evaluation.scores["overall_iou"] == evaluation.scores["ap_coco"] == 1
    assert len(evaluation.rows) == 24
    assert [row.video for row in evaluation.rows[::6]] == list(NAMES)
    assert evaluation.notes == ("An issue.", "Another.")
    assert evaluation.counts == {"videos": 4, "frames": 12, "expressions": 8, "samples": 24}
    assert evaluation.seconds > 0


def test_json_keeps_to_the_contract() -> None:
    evaluation = evaluate("a2d", four(), Source(one_pixel_right), MODEL, seed=7)
    told = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    for key in ("p@0.5", "p@0.6", "p@0.7", "p@0.8"):
        assert told[key] == 1
    assert told["p@0.9"] == 0
    for key in ("overall_iou", "mean_iou"):
        assert told[key] == pytest.approx(99 / 117)
    assert told["ap_mean_precision"] == told["ap_coco"] == pytest.approx(0.7)
    assert (told["samples"], told["empty"], told["frames"]) == (24, 0, 12)
    assert not {"j", "f", "j&f"} & told.keys()
    expected = {
        "schema": 1, "model": "small", "revision": "abc", "masks": None, "device": "cpu", "precision": "float32",
        "threshold": 0.5, "refine": False, "dataset": "a2d", "title": "Small", "split": "test", "protocol": "usual",
        "seed": 7, "notes": []}  # fmt: skip
    assert expected.items() <= told.items()
    assert told["version"] == evaluation.version
    contours = evaluate("davis17", four(rules=CONTOUR), Source(), Origin("peer", folder="peer")).as_json()
    assert (contours["j"], contours["f"], contours["j&f"], contours["samples"]) == (1, 1, 1, 24)
    assert (contours["model"], contours["masks"], contours["device"]) == (None, "peer", None)
    assert "mean_iou" not in contours


def test_a_score_of_which_nothing_can_be_said_is_null() -> None:
    absent = replace(small_video(texts=("ghost",)), truths=np.zeros((1, FRAMES, HEIGHT, WIDTH), np.bool_))
    evaluation = evaluate("a2d", small_set(absent), Source(), MODEL)
    assert math.isnan(evaluation.scores["ap_coco"])
    told = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    assert told["ap_coco"] is None
    assert (told["mean_iou"], told["empty"]) == (1, 3)


def straight(referring_set: ReferringSet) -> Evaluation:
    return evaluate("a2d", referring_set, Source(one_pixel_right), MODEL)


def same(one: Evaluation, other: Evaluation) -> bool:
    return replace(one, seconds=0.0) == replace(other, seconds=0.0)


@pytest.mark.parametrize("breaks_at", NAMES)
def test_an_interrupted_evaluation_goes_on(tmp_path: Path, breaks_at: str) -> None:
    path = tmp_path / "x.jsonl"
    broken = Source(one_pixel_right, breaks_at=breaks_at)
    with pytest.raises(KeyboardInterrupt):
        evaluate("a2d", four(), broken, MODEL, journal=Journal(path))
    done = NAMES.index(breaks_at)
    assert broken.asked == list(NAMES[: done + 1])
    journal, rest, told = Journal(path), Source(one_pixel_right), []
    assert len(journal.finished) == done
    evaluation = evaluate(
        "a2d", four(), rest, MODEL, journal=journal, progress=lambda done, total: told.append((done, total))
    )
    assert rest.asked == list(NAMES[done:]), "finished videos are not done again"
    assert told[-1] == (3 * (4 - done), 3 * (4 - done))
    assert same(evaluation, straight(four()))
    assert path.exists(), "whoever has opened the journal removes it when all is written"


def test_an_evaluation_that_is_killed_while_it_writes_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    evaluate("a2d", four(), Source(one_pixel_right), MODEL, journal=Journal(path))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 5 // 8])  # in the middle of the third line
    rest = Source(one_pixel_right)
    evaluation = evaluate("a2d", four(), rest, MODEL, journal=Journal(path))
    assert rest.asked == ["three", "four"]
    assert same(evaluation, straight(four()))


def test_an_evaluation_that_goes_on_adds_the_time_and_the_notes_of_before(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    odd = small_set(small_video("short", frames=6), small_video("two"))
    with pytest.raises(KeyboardInterrupt):
        evaluate("a2d", odd, Source(breaks_at="two"), MODEL, journal=Journal(path))
    journal = Journal(path)
    assert journal.finished[0].seconds > 0
    journal.finished[0] = replace(journal.finished[0], seconds=1000.0)
    evaluation = evaluate("a2d", odd, Source(), MODEL, journal=journal)
    assert 1000 < evaluation.seconds < 1100
    assert evaluation.notes == (BEYOND,)
    stored = evaluate("a2d", odd, Source(), Origin("peer", folder="peer"))
    assert stored.notes == (), "masks on disk were made of no footage of ours"


def test_the_journal_of_other_videos_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.jsonl")
    evaluate("a2d", four(), Source(), MODEL, journal=journal)
    for videos in (four().videos[::-1], four().videos[:2]):
        with pytest.raises(RefvidError, match="start over with --fresh"):
            evaluate("a2d", replace(four(), videos=videos), Source(), MODEL, journal=journal)


@pytest.mark.parametrize("layout", ["expressions", "palette"])
@pytest.mark.parametrize("measure", ["region", "contour"])
def test_stored_masks_score_as_they_did_before(tmp_path: Path, layout: str, measure: str) -> None:
    videos = [small_video(name, runs=("1", "2") if measure == "contour" else ("",)) for name in NAMES]
    referring_set = small_set(
        *videos,
        layout=layout,
        rules=Rules(measure=measure, exclusive=True),  # type: ignore[arg-type]
    )
    submission = Submission(tmp_path / "out", referring_set)
    submission.begin("key", going_on=False, overwrite=False)
    first = evaluate("a2d", referring_set, Source(one_pixel_right, 0.625), MODEL, submission=submission)
    stored = StoredMasks(tmp_path / "out", referring_set)
    again = evaluate("a2d", referring_set, stored, Origin("out", folder="out"))
    assert again.scores == first.scores
    assert again.rows == first.rows


def test_predictions_go_on_too(tmp_path: Path) -> None:
    """The masks of the first run stay, and the confidences of both are written at the end."""
    path, folder = tmp_path / "x.jsonl", tmp_path / "out"
    submission = Submission(folder, four())
    submission.begin("key", going_on=False, overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        evaluate("a2d", four(), Source(breaks_at="three"), MODEL, journal=Journal(path), submission=submission)
    assert not (folder / CONFIDENCES).exists(), "a submission that is not whole is not one"
    journal = Journal(path)
    assert submission.begin("key", going_on=bool(journal.finished), overwrite=False)
    evaluate("a2d", four(), Source(), MODEL, journal=journal, submission=submission)
    assert len(json.loads((folder / CONFIDENCES).read_text())) == 24
    assert evaluate("a2d", four(), StoredMasks(folder, four()), MODEL).scores["mean_iou"] == 1


def test_masks_without_public_truth_are_stored_and_not_scored(tmp_path: Path) -> None:
    secret = small_set(*(small_video(name, public=False) for name in NAMES), public=False, submission="Annotations")
    known = Source()
    known.masks_at = lambda video, target: Source().masks_at(small_video(video.name), target)  # type: ignore[method-assign]
    submission = Submission(tmp_path / "out", secret)
    submission.begin("key", going_on=False, overwrite=False)
    evaluation = evaluate("refytvos", secret, known, MODEL, submission=submission)
    assert (evaluation.scores, evaluation.rows) == ({}, ())
    assert len(list((tmp_path / "out" / "Annotations").rglob("*.png"))) == 24
    assert len(json.loads((tmp_path / "out" / CONFIDENCES).read_text())) == 24
    assert "mean_iou" not in evaluation.as_json()


def test_the_first_videos_are_said_to_be_a_part() -> None:
    part = first_videos(four(notes=("An issue.",)), 3)
    assert [video.name for video in part.videos] == list(NAMES[:3])
    assert part.notes == (
        "An issue.",
        "Only the first 3 of 4 videos count: the scores are of a part of the split.",
    )
    assert count(part) == {"videos": 3, "frames": 9, "expressions": 6, "samples": 18}
    whole = four()
    assert first_videos(whole, 4) is first_videos(whole, 9) is whole
    with pytest.raises(UsageError, match="at least 1"):
        first_videos(four(), 0)


def test_rules_that_are_not_the_protocols_are_noted() -> None:
    base = four()
    assert override_rules(base, None, None) is base
    assert override_rules(base, False, "one") == base
    changed = override_rules(base, True, "skip")
    assert changed.rules == Rules(inclusive=True, empty="skip")
    assert changed.notes == (
        "An IoU of exactly K counts for P@K, other than in the protocol usual.",
        "A sample where both masks are empty is left out, other than in the protocol usual.",
    )
    assert override_rules(four(rules=Rules(inclusive=True)), False, None).notes == (
        "An IoU of exactly K does not count for P@K, other than in the protocol usual.",
    )
    with pytest.raises(UsageError, match="measured by J and F"):
        override_rules(four(rules=CONTOUR), True, None)


def test_an_iou_of_exactly_k_counts_if_it_shall() -> None:
    def half(masks: Masks) -> Masks:
        """Six of twelve columns: an IoU of one half."""
        return masks & np.roll(masks, 6, axis=2)

    for inclusive, precision in ((False, 0), (True, 1)):
        changed = override_rules(four(), inclusive, None)
        assert evaluate("a2d", changed, Source(half), MODEL).scores["p@0.5"] == precision


def test_check_reads_a_frame_of_each_video_or_all() -> None:
    told: list[tuple[int, int]] = []
    videos = [small_video(name) for name in NAMES]
    checked = check_set(small_set(*videos), progress=lambda done, total: told.append((done, total)))
    assert (checked.frames, checked.faults, checked.notes) == (4, (), ())
    assert [video.asked for video in videos] == [[[1]]] * 4
    assert told[-1] == (4, 4)
    assert check_set(small_set(*videos), thorough=True).frames == 12
    assert videos[0].asked[1:] == [[1], [5], [10]]


def test_check_finds_what_is_wrong() -> None:
    good, damaged = small_video("good"), small_video("damaged", damaged=(5,))
    assert check_set(small_set(good, damaged)).faults == ()
    checked = check_set(small_set(good, damaged), thorough=True)
    assert len(checked.faults) == 1
    assert "damaged: frame 00005 cannot be read" in checked.faults[0]
    gone = small_video("gone", public=False)
    (fault,) = check_set(small_set(good, gone)).faults
    assert "gone: frame 00001 has no masks" in fault
    assert check_set(small_set(gone, public=False)).faults == ()
    turned = replace(small_video("turned"), truths=np.zeros((2, FRAMES, WIDTH, HEIGHT), np.bool_))
    (fault,) = check_set(small_set(turned)).faults
    assert "turned: frame 00001 has 2 masks of 46x80 pixels, expected 2 of 80x46" in fault
    assert check_set(small_set(small_video("short", at=(1, 5, 10), frames=6))).notes == (BEYOND,)
    (fault,) = check_set(small_set(small_video("nothing", frames=0))).faults
    assert "nothing has no frames" in fault
