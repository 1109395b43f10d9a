"""Tests of the scores on real photos: the judge is judged on made-up photos whose rows are known beforehand."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from benchmarks.real_photos import Photo, Question, ask, find_photos
from benchmarks.real_rows import (
    THRESHOLDS,
    Answer,
    Judged,
    Predictor,
    calibration,
    judge,
    reliability,
    score_photos,
    summarise,
    sweep_of,
)
from benchmarks.real_score import main, predictor, table
from benchmarks.real_videos import find_sequences, score_sequence
from refvid.data.davis_text import RUNS
from refvid.inference.segmenter import Segmenter
from refvid.weights import LoadedModel

HEIGHT, WIDTH = 60, 100
RED, BLUE, GREY = (205, 30, 36), (30, 70, 190), (130, 130, 132)
CLASSES = ("apple", "bed", "bird", "boat", "car", "cat", "clock", "dog", "kite", "oven", "person", "train", "vase")

Box = tuple[int, int, int, int]  # left, top, right, bottom
Thing = tuple[str, Box, tuple[int, int, int]]


def _write(folder: Path, photos: Mapping[str, tuple[str, Sequence[Thing]]], void: Box | None = None) -> Path:
    """Write made-up photos, by name their source and things; one of the train split names every class of "coco"."""
    (folder / "images").mkdir(parents=True)
    lines = [{"source": "coco", "id": "t", "image": "", "mask": "", "split": "train", "complete": True,
              "instances": [{"id": number, "class": name} for number, name in enumerate(CLASSES, 1)]}]  # fmt: skip
    for name, (source, things) in photos.items():
        pixels, numbers = np.full((HEIGHT, WIDTH, 3), 240, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
        for number, (_, (left, top, right, bottom), paint) in enumerate(things, 1):
            pixels[top:bottom, left:right], numbers[top:bottom, left:right] = paint, number
        if void is not None:
            numbers[void[1] : void[3], void[0] : void[2]] = 255
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
        Image.fromarray(numbers).save(folder / "images" / f"{name}-mask.png")
        instances = [{"id": number, "class": label} for number, (label, _, _) in enumerate(things, 1)]
        lines.append({"source": source, "id": name, "image": f"images/{name}.png", "mask": f"images/{name}-mask.png",
                      "split": "val", "complete": True, "instances": instances})  # fmt: skip
    (folder / "index.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    """A lone dog beside a speck of a cat, and a red car on the left of a smaller blue one."""
    return find_photos(
        _write(
            tmp_path / "made",
            {
                "dog": ("coco", [("dog", (10, 10, 50, 50), GREY), ("cat", (80, 4, 84, 8), GREY)]),
                "cars": ("coco", [("car", (5, 10, 45, 50), RED), ("car", (60, 30, 90, 50), BLUE)]),
            },
        )
    )


def _stand_in(photos: Sequence[Photo], pick: Callable[[Question, npt.NDArray[np.uint8]], Any]) -> Predictor:
    """A predictor that knows the questions, and answers each with the mask picked, with a probability of 0.8."""
    asked = iter([(ask(photo, *photo.read()), photo.read()[1]) for photo in photos])

    def predict(pixels: npt.NDArray[np.uint8], expressions: Sequence[str]) -> Answer:
        questions, numbers = next(asked)
        assert [question.expression for question in questions] == list(expressions)
        masks = np.stack([np.asarray(pick(question, numbers), np.bool_) for question in questions])
        confidence = np.where(masks.any((1, 2)), 0.8, np.nan)
        return Answer(masks, confidence, np.where(masks, 0.8, 0.1).astype(np.float32))

    return predict


def _rows(photos: Sequence[Photo], pick: Callable[[Question, npt.NDArray[np.uint8]], Any]) -> dict[str, Any]:
    return summarise(score_photos(photos, _stand_in(photos, pick)))


def test_the_questions_are_those_that_a_photo_answers(photos: list[Photo]) -> None:
    dog, cars = (ask(photo, *photo.read()) for photo in photos)
    asked = [question for question in (*dog, *cars) if question.instance]
    absent = {question.expression for question in dog if question.instance is None}
    assert {question.expression: (sorted(question.rows), question.instance) for question in asked} == {
        "the dog": (["common", "dog", "lone", "lone_coco"], 1),
        "the car on the left": (["side", "two"], 1),
        "the car on the right": (["side", "two"], 2),
        "the bigger car": (["bigger", "two"], 1),
        "the red car": (["colour", "two"], 1),
        "the blue car": (["colour", "two"], 2),
    }
    assert len(absent) == len([question for question in cars if question.instance is None]) == 2
    assert not absent & {"the dog", "the cat"}
    assert ask(photos[0], *photos[0].read()) == dog
    assert {question.expression for seed in range(9) for question in ask(photos[0], *photos[0].read(), seed)} > {
        "the dog",
        *absent,
    }


def test_who_answers_the_truth_is_always_right(photos: list[Photo]) -> None:
    rows = _rows(photos, lambda question, numbers: question.truth(numbers))
    assert {row: figures["samples"] for row, figures in rows.items()} == {
        "lone": 1, "lone_coco": 1, "common": 1, "dog": 1, "two": 5, "side": 2, "bigger": 1, "colour": 2, "absent": 4,
    }  # fmt: skip
    assert {figures.get("mean_iou", figures.get("quiet")) for figures in rows.values()} == {1}
    assert rows["two"]["p@0.5"] == rows["two"]["sources"]["coco"]["mean_iou"] == 1
    assert rows["absent"]["interval"] == [1, 1]
    assert rows["lone"]["interval"] is None


def test_who_answers_nothing_is_only_quiet(photos: list[Photo]) -> None:
    rows = _rows(photos, lambda question, numbers: np.zeros(numbers.shape))
    assert rows["absent"]["quiet"] == 1
    assert rows["lone"]["mean_iou"] == rows["two"]["mean_iou"] == rows["two"]["p@0.5"] == 0


def test_who_answers_the_wrong_instance_is_wrong(photos: list[Photo]) -> None:
    rows = _rows(photos, lambda question, numbers: numbers == 3 - (question.instance or 1))
    assert rows["lone"]["mean_iou"] == rows["side"]["mean_iou"] == rows["two"]["p@0.5"] == 0
    # Nothing there: of the dog's photo the cat is found, 16 of 6,000 pixels, which is quiet, and not the blue car.
    assert rows["absent"]["quiet"] == 0.5
    both = _rows(photos, lambda question, numbers: numbers > 0)
    assert both["side"]["mean_iou"] == pytest.approx((1600 / 2200 + 600 / 2200) / 2)
    assert both["side"]["p@0.5"] == 0.5


def test_void_pixels_count_for_nobody(tmp_path: Path) -> None:
    (photo,) = find_photos(_write(tmp_path / "a", {"p": ("pets", [("dog", (10, 10, 50, 50), GREY)])}, (10, 10, 30, 50)))
    pixels, numbers = photo.read()
    questions = ask(photo, pixels, numbers)
    assert [question.expression for question in questions] == ["the dog"]
    found = np.zeros((1, HEIGHT, WIDTH), np.bool_)
    found[0, 10:50, 10:40] = True  # all of the void and half of the dog
    (finding,) = judge(0, photo, questions, numbers, Answer(found, np.array([0.7])))
    assert finding.iou == 0.5
    assert finding.area == 400 / (HEIGHT * WIDTH - 800)
    nothing = [Question(frozenset({"absent"}), "the kite")]
    (finding,) = judge(0, photo, nothing, numbers, Answer(numbers[None] == 255, np.array([0.7])))
    assert (finding.area, finding.present) == (0, False)


def test_a_crowd_is_not_asked_about(tmp_path: Path) -> None:
    things = {"p": ("coco", [("dog", (10, 10, 50, 50), GREY)])}
    (photo,) = find_photos(_write(tmp_path / "a", things, (60, 0, 100, 60)))
    assert ask(photo, *photo.read()) == []


def test_cats_and_dogs_are_asked_for_one_another(tmp_path: Path) -> None:
    things: dict[str, tuple[str, Sequence[Thing]]] = {
        "a": ("pets", [("dog", (10, 10, 50, 50), GREY)]),
        "b": ("pets", [("cat", (10, 10, 50, 50), GREY)]),
    }
    first, second = (ask(photo, *photo.read()) for photo in find_photos(_write(tmp_path / "a", things)))
    assert first[1:] == [Question(frozenset({"look_alike"}), "the cat")]
    assert second[1:] == [Question(frozenset({"look_alike"}), "the dog")]


@pytest.mark.parametrize(
    ("boxes", "expressions"),
    [
        # Centres 12 columns apart, areas 1.5 to 1.
        ([(20, 0, 40, 30), (32, 35, 52, 55)], set()),
        # One alone on the left, two close together on the right.
        ([(0, 0, 20, 30), (70, 0, 90, 30), (75, 30, 95, 60)], {"the boat on the left"}),
        # The one on the left is a sliver of the other.
        ([(0, 0, 9, 10), (30, 0, 90, 60)], {"the boat on the right", "the bigger boat"}),
        # Nobody speaks of sides where there are five.
        ([(20 * index, 0, 20 * index + 10, 20) for index in range(5)], set()),
        ([(0, 0, 50, 50), (60, 0, 75, 50), (80, 0, 95, 50)], {"the boat on the left", "the boat on the right",
                                                              "the biggest boat"}),
    ],
)  # fmt: skip
def test_of_several_only_what_is_clear_is_asked_for(tmp_path: Path, boxes: list[Box], expressions: set[str]) -> None:
    (photo,) = find_photos(_write(tmp_path / "a", {"p": ("coco", [("boat", box, GREY) for box in boxes])}))
    questions = ask(photo, *photo.read())
    assert {question.expression for question in questions if question.instance} == expressions


def test_held_out_classes_have_a_row_of_their_own(photos: list[Photo]) -> None:
    (question, *_) = ask(photos[0], *photos[0].read(), held_out=["dog", "kite"])
    assert question.rows == {"lone", "lone_coco", "common", "dog", "held_out"}


def test_less_than_half_a_percent_is_nothing(photos: list[Photo]) -> None:
    numbers, question = photos[0].read()[1], Question(frozenset({"absent"}), "the kite")
    found = np.zeros((2, HEIGHT, WIDTH), np.bool_)
    found[0, 0, :29], found[1, 0, :30] = True, True  # of 6,000
    findings = judge(0, photos[0], [question] * 2, numbers, Answer(found, np.full(2, 0.5)))
    assert summarise(findings)["absent"]["quiet"] == 0.5


def test_the_sweep_counts_as_each_threshold_would() -> None:
    rng = np.random.default_rng(1)
    values, truth, void = (
        rng.random((20, 30)).astype(np.float32),
        rng.random((20, 30)) < 0.4,
        rng.random((20, 30)) < 0.2,
    )
    found = sweep_of(values, truth, void)
    for step, threshold in enumerate(THRESHOLDS):
        mask, true = (values > threshold)[~void], truth[~void]
        assert found[0, step] == pytest.approx((mask & true).sum() / (mask | true).sum())
        assert found[1, step] == pytest.approx(mask.mean())


def test_reliability_is_of_the_masks_that_are_not_empty() -> None:
    def judged(confidence: float, iou: float, present: bool = True) -> Judged:
        return Judged(0, 0, frozenset({"lone" if present else "absent"}), present, iou, 0.1, "coco", confidence, None)

    findings = [judged(0.95, 0.9), judged(0.93, 0.6), judged(0.42, 0.1), judged(1.0, 0.7), judged(np.nan, 0.0)]
    figures = reliability(findings)
    assert [one["masks"] for one in figures["bins"]] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 3]
    assert figures["error"] == pytest.approx((1 * 0.42 + 3 * (1 - 0.96)) / 4)
    assert reliability([judged(0.5, 0.0, present=False)])["bins"][5]["right"] == 0
    assert calibration([*findings, judged(0.5, 1.0, present=False)])["all"]["masks"] == 5


def test_a_sequence_is_scored_by_the_phrases_of_both_annotators(tmp_path: Path) -> None:
    for name in ("swan", "grey-goose"):
        for kind in ("JPEGImages", "Annotations"):
            (tmp_path / "davis16" / kind / "480p" / name).mkdir(parents=True)
        for index in range(3):
            mask = np.zeros((8, 12), np.uint8)
            mask[:, :6] = 255
            folders = [tmp_path / "davis16" / kind / "480p" / name for kind in ("JPEGImages", "Annotations")]
            Image.fromarray(np.dstack([mask] * 3)).save(folders[0] / f"{index:05}.jpg")
            Image.fromarray(mask).save(folders[1] / f"{index:05}.png")
    (tmp_path / "davis17" / "derived_khoreva_format").mkdir(parents=True)
    for run in RUNS:
        for ending in ("", "_full_video"):
            path = tmp_path / "davis17" / "derived_khoreva_format" / f"Davis17_{run}{ending}.txt"
            path.write_text(f'swan 1 "a swan{ending}"\n')
    goose, swan = find_sequences(tmp_path / "davis16")
    assert goose.phrases == ("the grey goose",)
    assert swan.phrases == ("a swan", "a swan", "a swan_full_video", "a swan_full_video")

    def stream(frames: Any, expressions: Sequence[str]) -> Any:
        for _ in frames:
            found = np.zeros((len(expressions), 8, 12), np.bool_)
            found[:2, :, :6], found[2:, :, :3] = True, True
            yield found

    figures = score_sequence(swan, stream)
    assert (figures["mean_iou"], figures["p@0.5"], figures["samples"]) == (0.75, 0.5, 12)
    assert figures["phrases"] == {"a swan": 1, "a swan_full_video": 0.5}
    assert score_sequence(swan, stream, 2)["photos"] == 2


def test_a_model_is_scored_as_it_segments(model: LoadedModel, photos: list[Photo]) -> None:
    segmenter = Segmenter(model, precision="float32")
    pixels, _ = photos[0].read()
    answer = predictor(segmenter, with_maps=True)(pixels, ["the dog", "man in red shirt"])
    (masks,) = segmenter.stream([pixels], ["the dog", "man in red shirt"])
    assert np.array_equal(answer.masks, masks)
    assert answer.maps is not None
    assert np.array_equal(answer.maps > segmenter.threshold, masks)


def test_the_command_prints_and_writes_every_row(
    checkpoint: Path, photos: list[Photo], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file = tmp_path / "made", tmp_path / "out.json"
    main(["--model", str(checkpoint), "--device", "cpu", "--photos", str(folder), "--json", str(file),
          "--calibration", "--sheet", str(tmp_path / "sheets")])  # fmt: skip
    printed = capsys.readouterr().out
    figures = json.loads(file.read_text())["models"][str(checkpoint)]
    assert table({str(checkpoint): figures}) in printed
    assert figures["rows"]["side"]["samples"] == 2
    assert len(figures["calibration"]["sweep"]) == len(THRESHOLDS)
    assert {path.stem for path in (tmp_path / "sheets").iterdir()} == set(figures["rows"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--photos", "."], "neither index.jsonl nor labels.json"), (["--photos", "made", "--clips", "x"], "--sheet")],
)
def test_what_cannot_be_scored_is_said(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err
