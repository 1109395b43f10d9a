"""The output of a training run: the log and the sample pictures."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.train.loop import Step
from refvid.train.monitor import Monitor
from refvid.train.pictures import compare, sheet
from refvid.train.settings import TrainSettings
from tests.train.toy import Squares

SETTINGS = TrainSettings(steps=5, log_every=2)


def lines_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_holds_means_over_the_steps_that_counted(tmp_path: Path) -> None:
    shown = []
    monitor = Monitor(tmp_path, SETTINGS, first=0, show=lambda done, total, scalars: shown.append((done, total)))
    for number, (loss, applied) in enumerate([(1.0, True), (3.0, True), (4.0, True), (np.nan, False), (5.0, True)]):
        monitor.step(Step(number, applied, {"loss": loss}))
    monitor.close()
    assert [(line["step"], line["loss"]) for line in lines_of(tmp_path)] == [(2, 2.0), (4, 4.0), (5, 5.0)]
    assert shown == [(done, 5) for done in range(1, 6)]
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_resumed_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    whole = "".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in (2, 4, 6))
    (tmp_path / "log.jsonl").write_text(whole + '{"step": 8, "lo')
    Monitor(tmp_path, SETTINGS, first=4).close()
    assert [line["step"] for line in lines_of(tmp_path)] == [2, 4]


def test_without_tensorboard_there_are_still_log_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monitor = Monitor(tmp_path, SETTINGS, first=0)
    monitor.scalars(3, {"validation/mean_iou": 0.25})
    monitor.pictures(3, [("the dog", np.zeros((4, 12, 3), dtype=np.uint8))])
    monitor.close()
    assert lines_of(tmp_path) == [{"step": 3, "validation/mean_iou": 0.25}]
    assert not (tmp_path / "tensorboard").exists()
    with Image.open(tmp_path / "samples" / "step-000000003.png") as page:
        assert page.width == 12


def test_a_picture_shows_frame_prediction_and_truth() -> None:
    sample = Squares().draw(np.random.default_rng(0))
    rows = compare(sample, np.zeros_like(sample.masks))
    assert [text for text, _ in rows] == list(sample.expressions)
    frame, found, true = np.split(rows[0][1], 3, axis=1)
    assert np.array_equal(frame, sample.frames[0])
    assert np.array_equal(found, sample.frames[0] // 3), "nothing was found"
    mask = sample.masks[0]
    assert np.array_equal(true[~mask], found[~mask])
    assert true[mask].mean() > 2 * found[mask].mean()
    page = sheet(rows)
    assert page.width == 3 * 64
    assert page.height > 3 * 48
