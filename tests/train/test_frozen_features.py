"""Features of a frozen trunk that are kept on disk: the same every time, made again where they are damaged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from refvid.data.sample import Batch
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.efficientnet import EfficientNetLite
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.train.frozen_features import FrozenFeatures
from tests.model import small


@pytest.fixture(scope="module")
def network() -> ReferringNetwork:
    return small.build()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames passed a trunk, each time."""
    counted: list[int] = []
    compute = EfficientNetLite.forward

    def count(self: EfficientNetLite, images: Tensor) -> tuple[Tensor, ...]:
        counted.append(len(images))
        return compute(self, images)

    monkeypatch.setattr(EfficientNetLite, "forward", count)
    return counted


def batch(*keys: str | None, length: int = 3) -> Batch:
    """A clip of its own for each key."""
    pictures = (small.frames(length * len(keys), 32, 64) * 255).to(torch.uint8)
    return Batch(
        clips=pictures.view(len(keys), length, 3, 32, 64),
        frame_mask=torch.ones(len(keys), length, dtype=torch.bool),
        word_ids=small.EXPRESSIONS.expand(len(keys), -1, -1),
        masks=torch.zeros(len(keys), 2, 32, 64),
        known=torch.ones(len(keys), 2, dtype=torch.bool),
        keys=keys,
    )


def trunk_of(network: ReferringNetwork) -> Any:
    assert isinstance(network.backbone, PretrainedBackbone)
    return network.backbone.trunk


def stored(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


@torch.no_grad()
def test_features_are_those_of_the_trunk_in_half_precision(network: ReferringNetwork, tmp_path: Path) -> None:
    drawn = batch("scenes/1", "scenes/2")
    found = FrozenFeatures(network, tmp_path, 1).of(drawn)
    exact = trunk_of(network)(network.normalise(drawn.clips.flatten(0, 1).float() / 255))
    for level, truth in zip(found, exact, strict=True):
        assert level.dtype == torch.float32
        assert torch.equal(level, level.half().float())
        torch.testing.assert_close(level, truth, rtol=2e-3, atol=2e-3 * float(truth.abs().max()))


@torch.no_grad()
def test_each_scene_is_computed_once_and_read_the_same(
    network: ReferringNetwork, tmp_path: Path, passes: list[int]
) -> None:
    first = FrozenFeatures(network, tmp_path, 1).of(batch("scenes/1", "scenes/2"))
    assert passes == [3, 3]
    again = FrozenFeatures(network, tmp_path, 1).of(batch("scenes/1", "scenes/2"))
    assert passes == [3, 3], "another process reads them"
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    kept = stored(tmp_path)
    assert [path.name for path in kept] == ["1.safetensors", "2.safetensors"]
    assert {value.dtype for value in load_file(kept[0]).values()} == {torch.float16}
    with torch.no_grad():
        trunk_of(network).stem[0].weight.mul_(2)
    try:
        FrozenFeatures(network, tmp_path, 1).of(batch("scenes/1"))
    finally:
        trunk_of(network).stem[0].weight.mul_(0.5)
    assert passes == [3, 3, 3], "another trunk makes other features"
    other = small.build(pixel_mean=(0.485, 0.456, 0.406))
    FrozenFeatures(other, tmp_path, 1).of(batch("scenes/1"))
    assert passes == [3] * 4, "and so do pictures that are normalised otherwise"
    other = small.build("hinet-small")
    trunk_of(other).load_state_dict(trunk_of(network).state_dict())
    FrozenFeatures(other, tmp_path, 1).of(batch("scenes/1"))
    assert passes == [3] * 4, "another system on the same trunk reads them too"


@torch.no_grad()
def test_a_file_that_is_damaged_or_of_another_clip_is_made_again(
    network: ReferringNetwork, tmp_path: Path, passes: list[int]
) -> None:
    frozen = FrozenFeatures(network, tmp_path, 1)
    first = frozen.of(batch("scenes/1"))
    path = stored(tmp_path)[0]
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"else"):
        path.write_bytes(damaged)
        again = frozen.of(batch("scenes/1"))
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
        assert load_file(path).keys() == {"4", "8", "16", "32"}
    save_file({"4": torch.zeros(1)}, path)
    frozen.of(batch("scenes/1"))
    assert passes == [3] * 5
    frozen.of(batch("scenes/1"))
    assert passes == [3] * 5
    assert frozen.of(batch("scenes/1", length=1))[0].shape[0] == 1
    assert passes == [*[3] * 5, 1], "a clip of another length has other features"


@torch.no_grad()
def test_frames_that_are_drawn_once_are_computed_and_not_kept(
    network: ReferringNetwork, tmp_path: Path, passes: list[int]
) -> None:
    frozen = FrozenFeatures(network, tmp_path, 1)
    frozen.of(batch(None, "scenes/2"))
    frozen.of(replace(batch(None, "scenes/2"), keys=()))
    assert passes == [3] * 4
    assert [path.name for path in stored(tmp_path)] == ["2.safetensors"]


@torch.no_grad()
def test_the_limit_is_kept_and_told_once(network: ReferringNetwork, tmp_path: Path, passes: list[int]) -> None:
    FrozenFeatures(network, tmp_path / "one", 1).of(batch("scenes/1"))
    size = stored(tmp_path / "one")[0].stat().st_size
    told: list[str] = []
    limit = 2.5 * size / 2**30
    frozen = FrozenFeatures(network, tmp_path / "few", limit, tell=told.append)
    for index in range(5):
        frozen.of(batch(f"scenes/{index}"))
    assert [path.stem for path in stored(tmp_path / "few")] == ["0", "1"]
    assert len(told) == 1
    assert "have reached --feature-cache; the rest are not kept" in told[0]
    more = FrozenFeatures(network, tmp_path / "few", limit, tell=told.append)
    more.of(batch("scenes/0", "scenes/7"))
    assert len(stored(tmp_path / "few")) == 2, "what is there already counts"
    assert len(told) == 2
    shared = FrozenFeatures(network, tmp_path / "few", 2 * limit, processes=2)
    for index in range(10, 15):
        shared.of(batch(f"scenes/{index}"))
    assert len(stored(tmp_path / "few")) == 3, "half of the three that there is room for"


@pytest.mark.parametrize("name", small.OWN_SIZES)
def test_training_takes_them_for_the_frames_it_encodes(name: str, tmp_path: Path, passes: list[int]) -> None:
    """The features that a network makes of a clip are the same, without a pass of its own trunk."""
    network = small.build(name)
    drawn = batch("scenes/1", "scenes/2")
    frozen = FrozenFeatures(network, tmp_path, 1)
    clips = drawn.clips.float() / 255
    with torch.no_grad():
        computed = network.enhance(clips, 1, drawn.frame_mask, drawn.times)
    frozen.of(drawn)
    passes.clear()
    with torch.no_grad(), frozen.given(drawn):
        taken = network.enhance(clips, 1, drawn.frame_mask, drawn.times)
    assert passes == []
    for one, other in zip(taken.tensors, computed.tensors, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2 * float(other.abs().max()))
