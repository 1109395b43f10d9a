"""The scores on the world, tested with predictors whose scores are known beforehand."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from benchmarks.score_sheets import bands_of
from benchmarks.score_tests import (
    TESTS,
    Clip,
    Clips,
    ClipScore,
    Finding,
    Masks,
    Predictor,
    difference,
    interval,
    score,
    score_clip,
    summarise,
)
from benchmarks.world_score import WITH, WITHOUT, main, predictor, report, table, without_cross_frame
from refvid.data.sample import Sample
from refvid.inference.segmenter import Segmenter
from refvid.model.cmsa.config import CmsaConfig
from refvid.weights import LoadedModel, load_model
from refvid.world.source import VOCABULARY
from tests.conftest import save_random, small_config


def _perfect(clip: Clip) -> Masks:
    return clip.sample.masks


def _empty(clip: Clip) -> Masks:
    return np.zeros_like(clip.sample.masks)


def _swapped(clip: Clip) -> Masks:
    """Find for each expression what another one of the clip means."""
    masks = clip.sample.masks.copy()
    meant = {mask.tobytes(): mask for mask in clip.sample.masks if mask.any()}
    following = dict(zip(meant, [*list(meant)[1:], *list(meant)[:1]], strict=True))
    for row, mask in enumerate(clip.sample.masks):
        if mask.any():
            masks[row] = meant[following[mask.tobytes()]]
    return masks


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn people of the validation split in the layout of the photo set."""
    labels = ("null", "bag", "hair", "pants", "shirt", "skin")
    folder = tmp_path_factory.mktemp("people")
    for part in ("photos", "labels"):
        (folder / part).mkdir()
    (folder / "labels.json").write_text(json.dumps(labels))
    for name, paint in (("0007", (205, 30, 36)), ("0023", (30, 70, 190)), ("0028", (246, 220, 40))):
        photo, label = Image.new("RGB", (128, 192), (150, 170, 150)), Image.new("L", (128, 192))
        for what, colour, box in (
            ("hair", (40, 26, 18), (52, 16, 76, 34)),
            ("skin", (228, 180, 142), (56, 24, 72, 44)),
            ("shirt", paint, (44, 44, 84, 100)),
            ("pants", (24, 24, 26), (48, 100, 80, 168)),
            ("bag", (140, 96, 60), (84, 90, 100, 112)),
        ):
            ImageDraw.Draw(photo).rectangle(box, fill=colour)
            ImageDraw.Draw(label).rectangle(box, fill=labels.index(what))
        photo.save(folder / "photos" / f"{name}.jpg", quality=95)
        label.save(folder / "labels" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def drawn(photos: Path) -> dict[str, list[Clip]]:
    return {test: _draw(Clips(test, 5, frames=3, photos=photos)) for test in TESTS}


def _draw(clips: Clips) -> list[Clip]:
    return [clips[index] for index in range(len(clips))]


def _report(drawn: dict[str, list[Clip]], predict: Predictor) -> dict[str, Any]:
    return report({test: score(clips, {WITH: predict}) for test, clips in drawn.items()})


def _clip(expressions: int, masks: Masks) -> Clip:
    """A clip of nothing but masks [E, H, W]."""
    frames = np.zeros((1, *masks.shape[1:], 3), np.uint8)
    sample = Sample(frames, np.ones(1, np.bool_), ("a thing",) * expressions, masks)
    return Clip(sample, (frozenset({"kind"}),) * expressions)


def test_a_perfect_predictor_reaches_every_goal(drawn: dict[str, list[Clip]]) -> None:
    figures = _report(drawn, _perfect)
    for test in TESTS:
        assert figures[test]["mean_iou"] == figures[test]["p@0.5"] == figures[test]["follows"] == 1
        assert figures[test]["interval"] == [1, 1]
        assert {group["mean_iou"] for group in figures[test]["groups"].values()} == {1}
    assert (figures["follows"], figures["quiet"]) == (1, 1)
    assert figures["world"]["changes"] > 20
    assert figures["world"]["absent_expressions"] > 5
    assert figures["motion"]["absent_expressions"] == 0
    assert table(figures).count("| yes |") == 6


def test_an_empty_predictor_is_only_quiet(drawn: dict[str, list[Clip]]) -> None:
    figures = _report(drawn, _empty)
    for test in TESTS:
        assert figures[test]["mean_iou"] == figures[test]["p@0.5"] == figures[test]["follows"] == 0
    assert (figures["follows"], figures["quiet"]) == (0, 1)
    assert table(figures).count("| no |") == 5


def test_a_swapped_predictor_never_follows(drawn: dict[str, list[Clip]]) -> None:
    figures = _report(drawn, _swapped)
    assert figures["follows"] == 0
    for test in ("world", "motion", "composite"):
        assert (figures[test]["follows"], figures[test]["follows_there_and_back"]) == (0, 0)


def test_a_full_predictor_is_never_quiet(drawn: dict[str, list[Clip]]) -> None:
    figures = _report(drawn, lambda clip: np.ones_like(clip.sample.masks))
    assert figures["quiet"] == 0
    assert 0 < figures["world"]["mean_iou"] < 0.5


def test_following_there_but_not_back_is_half() -> None:
    truth = np.zeros((3, 4, 8), np.bool_)
    truth[0, :, :4], truth[1, :, 4:] = True, True
    found = np.repeat(truth[:1], 3, axis=0)
    scored = score_clip(0, _clip(3, truth), found)
    assert (scored.follows, scored.both) == ((True, False), (False,))
    figures = summarise([scored])
    assert (figures["follows"], figures["follows_there_and_back"], figures["quiet"]) == (0.5, 0, 0)
    assert (figures["mean_iou"], figures["p@0.5"], figures["expressions"]) == (0.5, 0.5, 2)


def test_less_than_half_a_percent_is_quiet() -> None:
    clip = _clip(2, np.zeros((2, 20, 50), np.bool_))
    found = np.zeros((2, 20, 50), np.bool_)
    found[0, 0, :4], found[1, 0, :5] = True, True
    assert summarise([score_clip(0, clip, found)])["quiet"] == 0.5


def test_masks_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 8\) were predicted where \(2, 4, 8\)"):
        score_clip(0, _clip(2, np.zeros((2, 4, 8), np.bool_)), np.zeros((1, 4, 8), np.bool_))


def test_intervals_are_drawn_over_clips() -> None:
    """Ten expressions of one clip that agree tell no more than one."""
    rng = np.random.default_rng(3)
    means = rng.uniform(0, 1, 60)
    once, again = interval([[mean] for mean in means]), interval([[mean] * 10 for mean in means])
    assert once == pytest.approx(again)
    assert once is not None
    low, high = once
    assert low < means.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * means.std() / 60**0.5, rel=0.15)
    assert interval([[0.3, 0.4]]) is None


def test_difference_is_taken_expression_by_expression(drawn: dict[str, list[Clip]]) -> None:
    scores = score(drawn["motion"], {WITH: _perfect, WITHOUT: _empty})
    assert difference(scores[WITH], scores[WITHOUT]) == {"mean": 1, "interval": [1, 1]}
    figures = report({"motion": scores})
    assert figures["motion"]["above_without_cfsa"]["mean"] == 1
    assert "gain 1.000 [1.000, 1.000]" in table(figures)
    assert figures["motion"]["without_cfsa"]["mean_iou"] == 0


def test_no_gain_by_cross_frame_attention_misses_the_goal(drawn: dict[str, list[Clip]]) -> None:
    figures = report({"motion": score(drawn["motion"], {WITH: _perfect, WITHOUT: _perfect})})
    assert "gain 0.000" in table(figures)
    assert "| no |" in table(figures)


def test_clips_are_always_the_same_and_differ_by_seed_and_test(drawn: dict[str, list[Clip]], photos: Path) -> None:
    for test in TESTS:
        again = Clips(test, 5, frames=3, photos=photos)[1]
        other = Clips(test, 5, seed=1, frames=3, photos=photos)[1]
        assert np.array_equal(drawn[test][1].sample.frames, again.sample.frames)
        assert drawn[test][1].sample.expressions == again.sample.expressions
        assert not np.array_equal(again.sample.frames, other.sample.frames)
    with pytest.raises(IndexError):
        Clips("world", 5)[5]


def test_clips_are_what_they_are_called(drawn: dict[str, list[Clip]]) -> None:
    for test, clips in drawn.items():
        for clip in clips:
            height, width = clip.sample.frames.shape[1:3]
            assert len(clip.sample.frames) == (1 if test == "photo" else 3)
            assert max(height, width) == 320 if test == "photo" else abs(height * width - 240**2) < 240
            assert clip.sample.masks.shape == (len(clip.groups), height, width)
    assert all(groups <= {"action", "direction", "pace"} for clip in drawn["motion"] for groups in clip.groups)
    said = [
        (expression, *groups)
        for clip in drawn["photo"]
        for expression, groups, mask in zip(clip.sample.expressions, clip.groups, clip.sample.masks, strict=True)
        if mask.any()
    ]
    assert {group for _, group in said} == {"person", "garment"}
    assert all("bag" in expression for expression, group in said if expression.endswith("bag") and group == "garment")


def test_the_sheet_shows_a_clip_once_a_band() -> None:
    findings = [
        Finding(clip, row, frozenset(), True, (clip + row / 10) / 20, 0.1) for clip in range(20) for row in (0, 1)
    ]
    nothing = [Finding(clip, 2, frozenset(), False, 0.0, clip / 100) for clip in range(20)]
    bands = bands_of([ClipScore((*findings, *nothing), (), ())])
    clips = {name.split(",")[0]: [finding.clip for finding in shown] for name, shown in bands}
    assert clips["best"] == list(range(19, 7, -1))
    assert clips["worst"] == list(range(12))
    assert sorted(clips["middling"]) == list(range(4, 16))
    assert clips["nothing there"] == list(range(19, 7, -1))


@pytest.mark.parametrize("frames", [1, 3, 5, 8])
def test_a_model_is_scored_as_it_segments(tmp_path: Path, frames: int) -> None:
    folder = save_random(small_config().replace(vocabulary=VOCABULARY), tmp_path / "knows-all-words")
    model = load_model(folder, device="cpu")
    clip = Clips("world", 1, frames=frames)[0]
    stream = Segmenter(model, precision="float32").stream(clip.sample.frames, clip.sample.expressions)
    masks = next(itertools.islice(stream, frames // 2, None))
    found = predictor(model)(clip)
    assert found.any()
    assert not found.all()
    assert (found == masks).mean() > 0.9995


def test_without_cross_frame_attention_a_frame_stands_alone(model: LoadedModel) -> None:
    clip = Clips("motion", 1, frames=5)[0]
    still = replace(clip, sample=replace(clip.sample, frames=clip.sample.frames[2:3]))
    plain = without_cross_frame(model)
    assert np.array_equal(predictor(plain)(clip), predictor(plain)(still))
    assert not np.array_equal(predictor(model)(clip), predictor(plain)(clip))
    assert isinstance(model.config, CmsaConfig)
    assert model.config.cross_frame
    weights = model.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.network.state_dict().items())


@pytest.fixture
def generous(checkpoint: Path, tmp_path: Path) -> Path:
    """The random model with a threshold so low that it finds most of a picture, and so a part of whatever is meant.

    At its own threshold it finds a seventh of a picture anywhere, as likely as not beside everything that is meant.
    """
    folder = Path(shutil.copytree(checkpoint, tmp_path / "generous"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"threshold": 0.05}))
    return folder


def test_from_the_command_line(
    generous: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, sheets = tmp_path / "score.json", tmp_path / "sheets"
    arguments = ["-m", str(generous), "--clips", "2", "--device", "cpu", "--json", str(record)]
    main([*arguments, "--photos", str(photos), "--sheet", str(sheets)])
    printed = capsys.readouterr().out
    assert printed.count("\n| ") == 7
    assert "CFSA off" in printed
    assert "threads" in printed
    figures = json.loads(record.read_text())
    assert all(figures[test]["clips"] == 2 for test in TESTS)
    assert 0 < figures["world"]["mean_iou"] < 1
    model = load_model(generous, device="cpu")
    predictors = {WITH: predictor(model), WITHOUT: predictor(without_cross_frame(model))}
    scored = report({"motion": score(_draw(Clips("motion", 2)), predictors)})["motion"]
    assert scored["mean_iou"] == figures["motion"]["mean_iou"] != scored["without_cfsa"]["mean_iou"]
    for test in TESTS:
        with Image.open(sheets / f"{test}.png") as sheet:
            assert len(sheet.convert("RGB").getcolors(sheet.width * sheet.height) or ()) > 1000
    main([*arguments, "--only", "motion", "photo", "--without-cfsa"])
    plain = json.loads(record.read_text())
    assert plain["motion"]["mean_iou"] == figures["motion"]["without_cfsa"]["mean_iou"] > 0
    assert "left out for want of --photos: photo" in capsys.readouterr().out


@pytest.mark.slow
def test_workers_change_nothing(checkpoint: Path, tmp_path: Path) -> None:
    records = []
    for workers in ("0", "2"):
        path = tmp_path / f"{workers}.json"
        main(["-m", str(checkpoint), "--clips", "3", "--only", "world", "--workers", workers, "--json", str(path)])
        records.append(json.loads(path.read_text()) | {"seconds": 0})
    assert records[0] == records[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "0"], "--clips is 0; give at least 1"),
        (["--only", "photo"], "need --photos"),
        (["--only", "composite", "--photos", "/nowhere"], "has no folder photos/"),
    ],
)
def test_what_cannot_be_run_is_an_error(
    checkpoint: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["-m", str(checkpoint), *arguments])
    assert raised.value.code == 2
    assert message in capsys.readouterr().err
