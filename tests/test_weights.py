"""Checkpoints: strict reading, devices, and what the Hub may answer."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import errors
from PIL import Image
from safetensors.torch import load_file, save_file

import refvid.weights
from refvid.embedded import embedded_folder, embedded_models
from refvid.errors import RefvidError, UnavailableError, UsageError, WeightsError
from refvid.model.cmsa.config import CmsaConfig, full_config
from refvid.model.registry import build_network
from refvid.weights import (
    DEFAULT_MODEL,
    load_model,
    locate_checkpoint,
    pick_device,
    read_checkpoint,
    save_checkpoint,
)
from tests.conftest import small_config


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def test_what_is_saved_comes_back(checkpoint: Path) -> None:
    network, config = read_checkpoint(checkpoint)
    assert config == small_config()
    stored = load_file(checkpoint / "model.safetensors")
    assert stored.keys() == network.state_dict().keys()
    assert all(torch.equal(value, stored[name]) for name, value in network.state_dict().items())


def test_a_folder_or_its_file_is_a_model(checkpoint: Path) -> None:
    assert load_model(checkpoint).name == "small"
    assert load_model(str(checkpoint / "model.safetensors"), device="cpu").revision is None


@pytest.mark.parametrize("name", ["refvid-tiny", "cmsa-deeplab101"])
def test_a_model_trained_from_another_has_a_name_of_its_own(name: str, tmp_path: Path) -> None:
    network = build_network(small_config())
    folder = tmp_path / "dogs" / "model"
    save_checkpoint(network, small_config().replace(name=name), folder)
    assert load_model(folder, device="cpu").name == str(folder)
    assert load_model(str(folder / "model.safetensors"), device="cpu").name == str(folder)


def test_an_embedded_model_keeps_its_name_however_it_is_found() -> None:
    assert load_model("hinet", device="cpu").name == "hinet-tiny"
    assert load_model(locate_checkpoint("hinet-tiny")[0], device="cpu").name == "hinet-tiny"


def test_half_precision_weights_are_widened(copy: Path) -> None:
    path = copy / "model.safetensors"
    save_file({n: v.half() if v.is_floating_point() else v for n, v in load_file(path).items()}, path)
    network, _ = read_checkpoint(copy)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_are_refused(copy: Path, change: str) -> None:
    path = copy / "model.safetensors"
    weights = load_file(path)
    if change == "missing":
        del weights["fusion.gamma"]
    elif change == "extra":
        weights["fusion.delta"] = torch.ones(1)
    else:
        weights["fusion.gamma"] = torch.ones(4)
    save_file(weights, path)
    with pytest.raises(WeightsError, match=r"do not fit its config.json: .*fusion\.(gamma|delta)"):
        read_checkpoint(copy)


def test_damaged_files_are_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"model\.safetensors' is damaged"):
        read_checkpoint(copy)
    weights.unlink()
    with pytest.raises(WeightsError, match=r"no model\.safetensors"):
        read_checkpoint(copy)
    (copy / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="does not describe a model"):
        read_checkpoint(copy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x"}, "missing keys"),
        ({"name": "x", "vocabulary": [], "widths": 3}, "unknown keys"),
        ({"name": "x", "vocabulary": [], "input_size": 100}, "multiple of 8"),
        ({"name": "x", "vocabulary": [], "threshold": 1}, "between 0 and 1"),
        ({"name": "x", "vocabulary": ["a", "a"]}, "twice"),
        ({"name": "x", "vocabulary": [], "crf": {"speed": 1}}, "speed"),
    ],
)
def test_a_config_says_what_is_wrong_with_it(copy: Path, values: dict[str, Any], message: str) -> None:
    (copy / "config.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(copy)


def test_config_survives_json() -> None:
    config = full_config(("a", "b"))
    assert CmsaConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_names_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no model 'nonsense'.*refvid-tiny"):
        load_model("nonsense")
    with pytest.raises(WeightsError, match=r"contains no config\.json"):
        load_model(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    for read in (load_model, read_checkpoint):
        with pytest.raises(
            WeightsError, match=rf"contains no config\.json; .* model is '{tmp_path / 'model'}'; give that"
        ):
            read(tmp_path)


def test_the_embedded_models_load_and_are_small() -> None:
    assert {DEFAULT_MODEL, "refvid-tiny"} <= set(embedded_models())
    for name in embedded_models():
        config = load_model(name, device="cpu").config
        assert config.name == name
        assert config.training, "the training record travels with the weights"
        folder = embedded_folder(name)
        assert folder is not None
        assert (folder / "model.safetensors").stat().st_size <= (24 if name == DEFAULT_MODEL else 12) * 2**20
    assert load_model(device="cpu").config.architecture == "refvid"


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        pick_device("gpu")
    with pytest.raises(UnavailableError, match="'cuda:9' is not available"):
        pick_device("cuda:9")


def response_error(kind: type[Exception]) -> Exception:
    """An error of the Hub without the response it was made from."""
    error = kind.__new__(kind)
    error.args = ("the server said no",)
    return error


@pytest.mark.parametrize(
    ("kind", "expected", "message"),
    [
        (errors.GatedRepoError, UnavailableError, "is gated"),
        (errors.RepositoryNotFoundError, UnavailableError, "no repository 'owner/name' at revision 'v1'"),
        (errors.RevisionNotFoundError, UnavailableError, "has no revision 'v1'"),
        (errors.LocalEntryNotFoundError, UnavailableError, "not in the cache"),
        (errors.HfHubHTTPError, UnavailableError, "could not be downloaded: the server said no"),
        (errors.HFValidationError, UsageError, "not a valid Hub id"),
    ],
)
def test_what_the_hub_may_answer(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], expected: type[RefvidError], message: str
) -> None:
    def refuse(*arguments: object, **keywords: object) -> str:
        raise response_error(kind)

    monkeypatch.setattr(refvid.weights, "snapshot_download", refuse)
    with pytest.raises(expected, match=message):
        load_model("owner/name", revision="v1")


def test_a_hub_id_gives_model_and_commit(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = Path(shutil.copytree(checkpoint, tmp_path / "snapshots" / commit))
    asked: list[tuple[object, object]] = []

    def answer(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision))
        assert "model.safetensors" in allow_patterns
        return str(folder)

    monkeypatch.setattr(refvid.weights, "snapshot_download", answer)
    assert load_model("owner/name", revision="main").revision == commit
    assert asked == [("owner/name", "main")]


def test_offline_and_not_cached_is_said_at_once(tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    Image.new("RGB", (32, 32)).save(picture)
    run = subprocess.run(
        [sys.executable, "-m", "refvid", "segment", str(picture), "dog", "-m", "owner/name"],
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""},
        capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert run.returncode == 3
    assert "HF_HUB_OFFLINE is set" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_the_full_network_has_the_papers_sizes() -> None:
    with torch.device("meta"):
        network = build_network(full_config(("dog",)))
        features = network.backbone(torch.empty(1, 3, 320, 320))
    assert [tuple(level.shape[1:]) for level in features.levels] == [(512, 40, 40), (1024, 40, 40), (2048, 40, 40)]
    assert [level.channels for level in network.cross_modal] == [512 + 1008, 1024 + 1008, 2048 + 1008]
    assert network.cross_modal[0].query.out_features == 512
    assert network.fusion.score.in_channels == 500
    assert network.frame_radius == 5


def test_saving_leaves_no_partial_file(tmp_path: Path) -> None:
    save_checkpoint(build_network(small_config()), small_config(), tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["config.json", "model.safetensors"]
