"""The table of the ablations, and the pool that they draw from."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ablation_table import BASE, COMPARISONS, VARIANTS, comparison, difference, main_table, verdict
from benchmarks.ablations import Pool, Recipe, claim, held_back_clips, training_clips
from refvid.data.sample import Sample
from refvid.model.network import build_network
from refvid.world import source
from refvid.world.scene import Scene

RECIPE = Recipe(
    clips=8, frames=3, stride=4, size=64, width=0.25, steps=2, start_steps=2, batch=2, rate=1e-3, held_back=4, seed=0
)  # fmt: skip


def result(*scenes: float) -> dict[str, object]:
    scores = {"mean_iou": float(np.mean(scenes)), "overall_iou": 0.5, "scenes": list(scenes)}
    scores |= {f"p@{threshold}": 0.25 for threshold in (0.5, 0.6, 0.7, 0.8, 0.9)}
    return {"scores": {"mixed": scores, "motion": scores}, "parameters": 1234, "seconds": 7}


def test_a_difference_is_of_the_same_clips() -> None:
    base = result(0.1, 0.5, 0.9)
    assert difference(result(0.2, 0.6, 1.0), base, "mixed") == pytest.approx((10, 0))
    mean, half = difference(result(0.1, 0.5, 0.6), base, "mixed")
    assert mean == pytest.approx(-10)
    assert half == pytest.approx(100 * 1.96 * 0.1)  # deviations 0, 0, -0.3: standard deviation 0.3 / sqrt 3


def test_the_order_is_judged_from_best_to_worst() -> None:
    paper = {"a": 3.0, "b": 2.0, "c": 1.0}
    other = {"a": 0.1, "b": 0.8, "c": 0.9}
    assert verdict(paper, {"a": 0.9, "b": 0.8, "c": 0.1}, []) == "The order is the paper's."
    assert verdict(paper, other, []) == "The order differs: here c > b > a, in the paper a > b > c."
    assert verdict(paper, other, ["b"]).endswith(" But against base, b differs by no more than chance among the clips.")
    assert "against base, b and c differ by no more" in verdict(paper, other, ["b", "c"])


def test_tables_show_what_is_done_so_far() -> None:
    results = {"base": result(0.2, 0.4), "mean": result(0.3, 0.4)}
    lines = main_table(results).splitlines()
    assert len(lines) == 4
    assert "| 30.0 |  | 50.0 |" in lines[2]
    assert "| 35.0 | +5.0 ± 9.8 | 50.0 |" in lines[3]
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert comparison(COMPARISONS[0], results) == ""
    pooling = comparison(COMPARISONS[1], results)
    assert "| mean pooling | 50.12 | 50.0 |" in pooling
    assert "mean differs by no more than chance" in pooling
    sure = {"base": result(0.2, 0.4), "mean": result(0.3, 0.51)}
    assert "chance" not in comparison(COMPARISONS[1], sure)


def test_each_comparison_is_of_variants_that_are_trained() -> None:
    names = {variant.name for variant in VARIANTS}
    for group in COMPARISONS:
        assert set(group.paper) <= names
        assert BASE.name in group.paper


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_is_another_network(variant: object) -> None:
    config = RECIPE.config(variant.changes)
    assert (config == RECIPE.config({})) == (variant is BASE)
    assert len(build_network(config).cross_frame) == (variant.name == "cfsa")


def sample(height: int, width: int, number: int) -> Sample:
    frames = np.full((1, height, width, 3), number, dtype=np.uint8)
    return Sample(frames, np.ones(1, dtype=np.bool_), ("it",), np.ones((1, height, width), dtype=np.bool_))


def test_a_pool_draws_all_samples_alike_and_those_of_a_batch_from_one_size() -> None:
    pool = Pool.of([sample(8, 16, 0), sample(16, 8, 1), sample(8, 16, 2), sample(8, 16, 3)])
    rng = np.random.default_rng(0)
    seen = np.bincount([int(pool.draw(rng).frames[0, 0, 0, 0]) for _ in range(2000)], minlength=4)
    assert seen.min() > 400, "each of four is drawn about 500 times"
    assert {pool.draw(rng, 0.1).frames.shape[1:3] for _ in range(50)} == {(8, 16)}
    assert {pool.draw(rng, 0.99).frames.shape[1:3] for _ in range(50)} == {(16, 8)}


def test_a_folder_keeps_to_one_recipe(tmp_path: Path) -> None:
    claim(tmp_path / "made", RECIPE)
    claim(tmp_path / "made", RECIPE)
    with pytest.raises(SystemExit, match="holds other settings"):
        claim(tmp_path / "made", Recipe(**(vars(RECIPE) | {"steps": 3})))


def test_a_folder_whose_clips_were_drawn_otherwise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(asdict(RECIPE)))
    with pytest.raises(SystemExit, match="holds other settings"):
        claim(tmp_path, RECIPE)


def test_clips_are_of_the_recipe_alone_and_their_scenes_are_drawn_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clips() -> list[Sample]:
        training, held_back = (
            training_clips.__wrapped__(RECIPE, tmp_path),
            held_back_clips.__wrapped__(RECIPE, tmp_path),
        )
        assert {kind: len(samples) for kind, samples in held_back.items()} == {"mixed": 4, "motion": 4}
        return [sample for samples in (*training.groups, *held_back.values()) for sample in samples]

    drawn = clips()
    assert len({sample.frames.tobytes() for sample in drawn}) == len(drawn) == 16, "each has a scene of its own"

    def refuse(*_: object, **__: object) -> Scene:
        raise AssertionError("drawn again")

    monkeypatch.setattr(source, "draw_scene", refuse)
    for first, second in zip(drawn, clips(), strict=True):
        assert np.array_equal(first.frames, second.frames)
        assert first.expressions == second.expressions
        assert np.array_equal(first.masks, second.masks)
