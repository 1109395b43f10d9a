"""`refvid train` as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from refvid.cli.app import app, main
from refvid.train.settings import TrainSettings
from tests.train.toy import register, small_config


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Options of a run of a second or less."""
    monkeypatch.setattr("refvid.train.sources.DATASETS", {})
    monkeypatch.chdir(tmp_path)
    register()
    model = tmp_path / "small.json"
    model.write_text(json.dumps(small_config().as_dict()))
    numbers = ["--steps", "2", "--batch", "2", "--frames", "1", "--log-every", "1", "--sample-every", "0"]
    return ["train", "--dataset", "squares", "-m", str(model), "--device", "cpu", *numbers]


def test_every_setting_is_an_option_with_its_default() -> None:
    command = get_command(app).commands["train"]
    options = {parameter.name: parameter for parameter in command.params}
    for name, default in TrainSettings().as_dict().items():
        assert name in options, name
        assert options[name].default is None
        shown = options[name].show_default
        assert shown == (f"{default:g}" if isinstance(default, float) else str(default)), name


def test_help_answers_without_torch() -> None:
    code = "import sys; from refvid.cli.app import main; main(['train', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--weight-decay" in done.stdout


def test_a_run_is_trained_and_segments(squares: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(squares) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "wrote runs/squares/model: 2 steps" in said.err
    assert main([*squares, "-q"]) == 6
    assert capsys.readouterr().err.startswith(
        "refvid: error: the run folder 'runs/squares' is not empty; go on with it"
    )
    assert main(["train", "--resume", "-o", "runs/squares", "--steps", "3", "-q", "--device", "cpu"]) == 0
    assert json.loads((tmp_path / "runs" / "squares" / "run.json").read_text())["settings"]["steps"] == 3
    from PIL import Image

    Image.new("RGB", (64, 48), "red").save("picture.png")
    assert main(["segment", "picture.png", "the red square", "-m", "runs/squares/model", "-o", "out", "-f", "png"]) == 0


def test_the_papers_loss_is_cross_entropy_alone(squares: list[str], tmp_path: Path) -> None:
    assert main([*squares, "-q", "--loss", "paper"]) == 0
    run = tmp_path / "runs" / "squares"
    weights = json.loads((run / "run.json").read_text())["objective"]
    assert weights == {"entropy": 1.0, "dice": 0.0, "contrast": 0.0, "words": 0.0, "attributes": 0.0}
    for line in (run / "log.jsonl").read_text().splitlines():
        scalars = json.loads(line)
        assert scalars["loss"] == pytest.approx(scalars["entropy"])


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--out", "x"], 2, "--dataset is missing"),
        ([], 2, "--dataset is missing"),
        (["--dataset", "a2d"], 2, "needs --root"),
        (["--dataset", "davis"], 2, "no data set is called 'davis'"),
        (["--dataset", "world", "--frames", "4"], 2, "--frames is 4; it must be odd"),
        (["--dataset", "world", "--learning-rate", "0"], 2, "--learning-rate is 0.0; it must be more than 0"),
        (["--dataset", "world", "-m", "nothing"], 2, "there is no model 'nothing'"),
        (["--resume", "--out", "gone"], 1, "no run to resume"),
        (["--resume", "--out", "gone", "-m", "cmsa-tiny"], 2, "a resumed run keeps its model"),
        (["--resume", "--out", "gone", "--loss", "paper"], 2, "a resumed run keeps its model and loss"),
        (["--dataset", "world", "--device", "cuda:99"], 3, "cuda:99"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    arguments: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("refvid: error: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert not list(tmp_path.iterdir()), "nothing is left behind"
