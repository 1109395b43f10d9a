"""torchvision's ResNet-101 is loaded into the right places of the trunk, and any other file is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet101
from torchvision.models.video import s3d

from refvid.errors import UnavailableError, UsageError, WeightsError
from refvid.model.acga.video_backbone import S3DTrunk
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.registry import build_network
from refvid.train.backbone_weights import load_backbone, map_weights
from refvid.weights import read_checkpoint
from tests.conftest import save_random, small_config


def torchvision_weights() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return dict(resnet101(weights=None).state_dict())


def test_every_parameter_has_a_place_of_its_own_shape() -> None:
    weights = torchvision_weights()
    mapped = map_weights(weights, "it")
    with torch.device("meta"):
        trunk = ResNetBackbone().state_dict()
    assert mapped.keys() == trunk.keys()
    assert mapped["stem.0.weight"] is weights["conv1.weight"]
    assert mapped["res5.2.bn3.running_var"] is weights["layer4.2.bn3.running_var"]
    assert mapped["res2.0.downsample.0.weight"] is weights["layer1.0.downsample.0.weight"]


def test_counters_may_be_missing_and_nothing_else() -> None:
    weights = torchvision_weights()
    spared = {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    assert len(map_weights(spared, "it")) == len(spared) - 2, "fc has a weight and a bias"
    del spared["layer3.22.conv2.weight"]
    with pytest.raises(WeightsError, match=r"1 parameters are missing \(res4\.22\.conv2\.weight\)"):
        map_weights(spared, "it")


def test_weights_of_something_else_are_refused() -> None:
    weights = torchvision_weights()
    with pytest.raises(WeightsError, match=r"1 are unknown \(head\.weight\)"):
        map_weights(weights | {"head.weight": torch.zeros(1)}, "it")
    with pytest.raises(WeightsError, match=r"stem\.0\.weight has the shape \(1,\)"):
        map_weights(weights | {"conv1.weight": torch.zeros(1)}, "it")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_files_are_read_and_wrong_ones_are_named(tmp_path: Path, suffix: str) -> None:
    backbone = ResNetBackbone.__new__(ResNetBackbone)
    torch.nn.Module.__init__(backbone)
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="no weights that can be read safely"):
        load_backbone(backbone, str(path))
    if suffix == ".safetensors":
        save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    else:
        torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(WeightsError, match="parameters are missing"):
        load_backbone(backbone, str(path))


class Harmful:
    """Something that would run code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('unpickled')",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": Harmful()}, path)
    backbone = ResNetBackbone.__new__(ResNetBackbone)
    torch.nn.Module.__init__(backbone)
    with pytest.raises(WeightsError, match="no weights that can be read safely"):
        load_backbone(backbone, str(path))


def test_the_light_trunk_of_another_model_is_taken_over(tmp_path: Path) -> None:
    checkpoint = save_random(small_config(), tmp_path / "model")
    taught = read_checkpoint(checkpoint)[0].backbone
    config = small_config().replace(colour_channels=0)  # this one has a part less
    trunk = build_network(config).backbone
    load_backbone(trunk, str(checkpoint))
    for name, value in trunk.state_dict().items():
        assert torch.equal(value, taught.state_dict()[name]), name
    with pytest.raises(WeightsError, match="has other sizes"):
        load_backbone(LightBackbone((4, 4, 4, 4, 4)), str(checkpoint))
    with pytest.raises(UnavailableError, match="no model 'gone'"):
        load_backbone(trunk, "gone")


def test_other_trunks_and_names_of_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="no weights 'some' for a trunk of this kind"):
        load_backbone(torch.nn.Identity(), "some")
    backbone = ResNetBackbone.__new__(ResNetBackbone)
    torch.nn.Module.__init__(backbone)
    with pytest.raises(UsageError, match="there is no file"):
        load_backbone(backbone, "weights/gone.pth")


def test_without_a_connection_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    backbone = ResNetBackbone.__new__(ResNetBackbone)
    torch.nn.Module.__init__(backbone)
    with pytest.raises(UnavailableError, match="--backbone-weights"):
        load_backbone(backbone, "timm/resnet101.tv_in1k")


def test_loaded_weights_are_those_of_the_file(tmp_path: Path) -> None:
    with torch.device("meta"):
        classifier = resnet101(weights=None)
    torch.manual_seed(0)
    weights = {
        name: torch.rand(value.shape) if value.is_floating_point() else torch.tensor(3)
        for name, value in classifier.state_dict().items()
    }
    path = tmp_path / "weights.safetensors"
    save_file(weights, path)
    backbone: Any = ResNetBackbone()
    load_backbone(backbone, str(path))
    assert torch.equal(backbone.stem[0].weight, weights["conv1.weight"])
    assert torch.equal(backbone.stem[1].running_var, weights["bn1.running_var"])
    assert torch.equal(backbone.res4[22].conv3.weight, weights["layer3.22.conv3.weight"])


def test_an_s3d_is_cut_to_fit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = s3d(weights=None).state_dict()
    save_file(whole, tmp_path / "s3d.safetensors")
    trunk = S3DTrunk()
    load_backbone(trunk, str(tmp_path / "s3d.safetensors"))
    for name, value in trunk.state_dict().items():
        assert torch.equal(value, whole[name]), name
    whole.pop("features.0.0.0.weight")
    save_file(whole, tmp_path / "less.safetensors")
    with pytest.raises(WeightsError, match=r"not an S3D of torchvision: features\.0\.0\.0\.weight is missing"):
        load_backbone(trunk, str(tmp_path / "less.safetensors"))
