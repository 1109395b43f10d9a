"""`refvid train` on the command line."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from refvid.cli.app import app, main
from refvid.data.catalogue import SETS
from refvid.train.settings import TrainSettings
from refvid.world.output.make import LayoutName, WorldPlan, make_world
from tests.train.toy import register, small_config

NUMBERS = ["--steps", "2", "--batch", "2", "--log-every", "1", "--sample-every", "0", "--device", "cpu"]


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Options of a run of a second or less."""
    monkeypatch.setattr("refvid.train.sources.DATASETS", {})
    monkeypatch.chdir(tmp_path)
    register()
    model = tmp_path / "small.json"
    model.write_text(json.dumps(small_config().as_dict()))
    return ["train", "--dataset", "squares", "-m", str(model), "--frames", "1", *NUMBERS]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Options of a run of a second or less, without the data."""
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "small.json"
    model.write_text(json.dumps(small_config().as_dict()))
    return ["train", "-m", str(model), *NUMBERS, "--validate-every", "2", "--validation-samples", "2"]


def train_command() -> Any:
    """Return the command as Typer builds it for Click, whose groups alone have `commands`."""
    group: Any = get_command(app)
    return group.commands["train"]


def test_every_setting_is_an_option_with_its_default() -> None:
    command = train_command()
    options = {parameter.name: parameter for parameter in command.params}
    for name, default in TrainSettings().as_dict().items():
        assert name in options, name
        assert options[name].default == default, name
        assert options[name].show_default is (default != ""), name


def test_help_shows_plain_defaults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["train", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for default in ("reaches zero at the last. [default: 100000]", "[default: 0.00025]", "[default: no-freeze-norm]"):
        assert default in shown
    assert "[default: (" not in shown


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
        "refvid: error: the run folder 'runs/squares' is not empty; resume it with --resume"
    )
    assert main(["train", "--resume", "-o", "runs/squares", "--steps", "3", "-q", "--device", "cpu"]) == 0
    assert json.loads((tmp_path / "runs" / "squares" / "run.json").read_text())["settings"]["steps"] == 3
    Image.new("RGB", (64, 48), "red").save("picture.png")
    assert main(["segment", "picture.png", "the red square", "-m", "runs/squares/model", "-o", "out", "-f", "png"]) == 0


@pytest.mark.parametrize("option", ["-m", "--start"])
def test_the_folder_of_a_run_is_not_its_model(
    option: str, small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(Path(small[2]).read_text())
    others = small[3:] if option == "-m" else [*small[3:], "-m", small[2]]
    assert main(["train", option, "run", *others, "--dataset", "world", "--frames", "1"]) in (1, 2)
    assert "it is a training run, whose model is 'run/model'; give that" in capsys.readouterr().err


def finished(run: Path) -> dict[str, Any]:
    """The record of a run of two steps whose losses and scores are numbers."""
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss"]) for line in log if "loss" in line)
    config = json.loads((run / "model" / "config.json").read_text())
    assert config["training"]["steps"] == 2
    return config


@pytest.mark.parametrize(
    ("layout", "said"), [("a2d", ""), ("jhmdb", "is a test set, and all of it is used for training")]
)
def test_a_world_on_disk_is_learnt_from(
    layout: LayoutName, said: str, small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_world(tmp_path / "world", WorldPlan(layout, videos=5, frames=6, size=(64, 48)))
    assert main([*small, "--dataset", layout, "--root", "world", "--frames", "3", "--frame-stride", "2"]) == 0
    assert said in capsys.readouterr().err
    config = finished(tmp_path / "runs" / layout)
    assert config["training"]["data"] == {"dataset": layout, "root": "world"}
    assert len(config["vocabulary"]) > 5


def write_refcoco(root: Path) -> None:
    """Six pictures in RefCOCO's layout, each with a bright and a dark half and a sentence about each; four to learn."""
    pictures = root / "images" / "mscoco" / "images" / "train2014"
    pictures.mkdir(parents=True)
    (root / "refcoco").mkdir()
    images, annotations, refs = [], [], []
    for image in range(1, 7):
        name, width, height = f"COCO_train2014_{image:012d}.jpg", 60, 40
        pixels = np.full((height, width, 3), 40, np.uint8)
        pixels[:, :30] = 200
        Image.fromarray(pixels).save(pictures / name)
        images.append({"id": image, "file_name": name, "width": width, "height": height})
        for half, text in enumerate(("the bright half", "Dark one on the right")):
            number, left, right = 2 * image + half, 30 * half, 30 * (half + 1)
            outline = [left, 0, right, 0, right, height, left, height]
            annotations.append(
                {"id": number, "image_id": image, "category_id": 1, "segmentation": [outline], "iscrowd": 0}
                | {"area": 30 * height, "bbox": [left, 0, 30, height]}
            )
            sentence = {"tokens": text.lower().split(), "raw": text, "sent_id": number, "sent": text.lower()}
            refs.append(
                {"ref_id": number, "ann_id": number, "image_id": image, "category_id": 1, "sentences": [sentence]}
                | {"file_name": f"{name[:-4]}_{number}.jpg", "sent_ids": [number], "split": ("train", "val")[image > 4]}
            )
    instances = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "half"}]}
    (root / "refcoco" / "instances.json").write_text(json.dumps(instances))
    (root / "refcoco" / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))


@pytest.mark.parametrize("how", [["--frames", "1"], ["--frames", "3", "--frame-stride", "5", "--pseudo-video"]])
def test_pictures_are_learnt_from_as_they_are_and_as_clips(how: list[str], small: list[str], tmp_path: Path) -> None:
    write_refcoco(tmp_path / "coco")
    arguments = [*small, "--dataset", "refcoco", "--root", "coco", "--protocol", "unc"]
    assert main([*arguments, *how, "-q"]) == 0
    run = tmp_path / "runs" / "refcoco"
    config = finished(run)
    assert config["vocabulary"] == ["bright", "dark", "half", "on", "one", "right", "the"]
    settings = json.loads((run / "run.json").read_text())["settings"]
    assert settings["protocol"] == "unc"
    assert settings["pseudo_video"] == ("--pseudo-video" in how)
    assert main(["train", "--resume", "-o", str(run), "--steps", "3", "-q", "--device", "cpu"]) == 0, "as it was begun"
    assert json.loads((run / "run.json").read_text())["settings"] == settings | {"steps": 3}


def test_clips_of_pictures_need_to_be_asked_for(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_refcoco(tmp_path / "coco")
    assert main([*small, "--dataset", "refcoco", "--root", "coco"]) == 2
    assert "holds pictures and --frames is 3; give --frames 1 to train on pictures" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_help_names_every_data_set() -> None:
    (option,) = [parameter for parameter in train_command().params if parameter.name == "dataset"]
    listed = option.help.partition("--root: ")[2].rstrip(".").replace(" (also a world on disk)", "")
    assert listed.split(", ") == list(SETS)


def test_the_papers_loss_is_cross_entropy_alone(squares: list[str], tmp_path: Path) -> None:
    assert main([*squares, "-q", "--loss", "paper"]) == 0
    run = tmp_path / "runs" / "squares"
    weights = json.loads((run / "run.json").read_text())["objective"]
    assert weights.pop("entropy") == weights.pop("foreground") == 1.0
    assert not weights.pop("balanced")
    assert set(weights) == {"dice", "contrast", "choice", "words", "attributes", "actors", "edges"}
    assert not any(weights.values())
    for line in (run / "log.jsonl").read_text().splitlines():
        scalars = json.loads(line)
        assert scalars["loss"] == pytest.approx(scalars["entropy"])


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--out", "x"], 2, "--dataset is missing"),
        ([], 2, "--dataset is missing"),
        (["--dataset", "a2d"], 2, "needs --root"),
        (["--dataset", "refcoco+"], 2, "--dataset refcoco+ needs --root, the folder that holds RefCOCO+ (UNC+)"),
        (["--dataset", "davis17", "--root", "gone"], 1, "gone"),
        (["--dataset", "a2d", "--root", "gone", "--protocol", "unc"], 2, "A2D Sentences has no protocol 'unc'"),
        (["--dataset", "world", "--pseudo-video"], 2, "--pseudo-video go with data sets on disk"),
        (["--dataset", "refcoco", "--pseudo-video", "--frames", "1"], 2, "it must be left out with --frames 1"),
        (["--dataset", "davis"], 2, "there is no data set 'davis' (did you mean 'davis16' or 'davis17'?)"),
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
