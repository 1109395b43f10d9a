"""Scenes cached on disk: identical to drawn ones, drawn only once, and drawn again if damaged."""

from pathlib import Path

import numpy as np
import pytest

from refvid.data.sample import Sample
from refvid.errors import UsageError
from refvid.world import source as world_source
from refvid.world.cache import SceneCache
from refvid.world.scene import Scene
from refvid.world.source import WorldSource
from tests.world.drawn import draw


def same(first: Sample, second: Sample) -> bool:
    return (
        np.array_equal(first.frames, second.frames)
        and first.expressions == second.expressions
        and np.array_equal(first.masks, second.masks)
        and first.region_words == second.region_words
    )


def test_a_scene_is_drawn_once_and_read_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = WorldSource(size=64, frames=3, frame_stride=2, cache=tmp_path / "scenes", cache_scenes=3)
    fresh = [source.draw(np.random.default_rng(number), 0.1) for number in range(12)]
    assert 1 < len(list((tmp_path / "scenes").rglob("*.npz"))) <= 6

    def refuse(*_: object, **__: object) -> Scene:
        raise AssertionError("drawn again")

    monkeypatch.setattr(world_source, "draw_scene", refuse)
    again = WorldSource(size=64, frames=3, frame_stride=2, cache=tmp_path / "scenes", cache_scenes=3)
    for number, sample in enumerate(fresh):
        assert same(again.draw(np.random.default_rng(number), 0.1), sample)


def test_expressions_of_a_kept_scene_vary(tmp_path: Path) -> None:
    source = WorldSource(size=64, cache=tmp_path / "scenes", cache_scenes=1, shares={"mixed": 1.0}, expressions=2)
    drawn = [source.draw(np.random.default_rng(number), 0.1) for number in range(8)]
    assert all(np.array_equal(sample.frames, drawn[0].frames) for sample in drawn)
    assert len({sample.expressions for sample in drawn}) > 1


def test_a_damaged_scene_is_drawn_again_as_it_was(tmp_path: Path) -> None:
    cache = SceneCache(tmp_path / "scenes", {"split": "train"}, 1)
    first = cache.get("small", np.random.default_rng(0), draw)
    (path,) = (tmp_path / "scenes").rglob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    second = cache.get("small", np.random.default_rng(5), draw)
    np.testing.assert_array_equal(first.frames, second.frames)
    assert first.references == second.references
    assert path.stat().st_size == len(whole)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "nothing half-written stays"


def test_other_scenes_and_other_folders_are_refused(tmp_path: Path) -> None:
    SceneCache(tmp_path / "scenes", {"photos": "street"}, 1)
    SceneCache(tmp_path / "scenes", {"photos": "street"}, 2)
    with pytest.raises(UsageError, match=r"were made with .*street.*, not with .*beach"):
        SceneCache(tmp_path / "scenes", {"photos": "beach"}, 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is not a folder of scenes"):
        SceneCache(tmp_path / "mine", {}, 1)
