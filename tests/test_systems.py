"""The table of the systems, the costs in it, and the training and scoring of its rows."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import systems
from benchmarks.systems import (
    Pool,
    Recipe,
    claim,
    held_back_clips,
    is_right,
    learn,
    main,
    score,
    still,
    take_over,
    training_clips,
)
from benchmarks.systems_cost import Running, cost, count, count_unseen, linear_flops
from benchmarks.systems_table import (
    BASE,
    COMPARISONS,
    FULL,
    PUBLISHED,
    ROWS,
    Comparison,
    Result,
    comparison,
    difference,
    figures,
    main_table,
    paper_table,
    report,
    shares,
    value_of,
)
from refvid.data.sample import Sample
from refvid.model.cmsa.config import CmsaConfig
from refvid.model.cmsa.network import CmsaNetwork
from refvid.model.interface import FrameFeatures
from refvid.model.layers.language import Vocabulary, WordEmbedding
from refvid.model.registry import CONFIGS, build_network
from refvid.weights import load_model
from refvid.world import source
from refvid.world.scene import Scene

RECIPE = Recipe(clips=6, held_back=2, size=48, steps=2, batch=2)
OPTIONS = ["--clips", "6", "--held-back", "2", "--size", "48", "--steps", "2", "--batch", "2"]
COST = {"parameters": 1234, "gflop": 2.5, "rate": 30.0, "of_base": 0.75}
WORDS = ("it", "is", "a", "red", "ball")
BY_NAME = {row.name: row for row in ROWS}


def result(*scenes: float, right: int = 1) -> Result:
    """Made-up counts: one expression a scene, whose mask of 100 pixels is found with this IoU."""
    counts = {
        "intersection": [[round(100 * share)] for share in scenes],
        "union": [[100] for _ in scenes],
        "right": [[right] for _ in scenes],
        "chance": 0.4,
    }
    return {"scores": {"mixed": counts, "motion": counts}, "seconds": 7, "parts": ["dice", "entropy"]}


def test_measures_are_those_of_all_expressions() -> None:
    counts = {"intersection": [[50, 10], [80]], "union": [[100, 40], [100]], "right": [[1, 0], []], "chance": 0.5}
    made = {"scores": {"mixed": counts}}
    assert value_of(made, "mixed", "mean_iou") == pytest.approx(100 * (0.5 + 0.25 + 0.8) / 3)
    assert value_of(made, "mixed", "overall_iou") == pytest.approx(100 * 140 / 240)
    assert value_of(made, "mixed", "p@0.5") == pytest.approx(100 / 3), "an IoU of 0.5 is not higher than 0.5"
    assert value_of(made, "mixed", "right_actor") == pytest.approx(50)
    assert [part.tolist() for part in shares(made, "mixed", "right_actor")] == [[1, 0], [2, 0]]


def test_a_difference_is_of_the_same_scenes_and_its_interval_of_scenes_drawn_again() -> None:
    base = {0: result(0.1, 0.5, 0.9)}
    above = difference({0: result(0.2, 0.6, 1.0)}, base)
    assert (above.mean, above.low, above.high) == pytest.approx((10, 10, 10))
    assert above.settled
    assert str(above) == "+10.0 [+10.0, +10.0]"
    one_worse = difference({0: result(0.1, 0.5, 0.6)}, base)
    assert one_worse.mean == pytest.approx(-10)
    assert (one_worse.low, one_worse.high) == pytest.approx((-30, 0)), "scene 3 thrice, and never"
    assert not one_worse.settled


def test_a_difference_that_changes_its_sign_with_the_seed_is_undecided() -> None:
    base = {seed: result(0.5, 0.5) for seed in (0, 1, 2)}
    apart = difference({0: result(0.9, 0.9), 1: result(0.4, 0.4)}, base)
    assert apart.by_seed == pytest.approx((40, -10))
    assert (apart.mean, apart.low, apart.high) == pytest.approx((15, 15, 15))
    assert not apart.settled
    with pytest.raises(ValueError, match="no seed in common"):
        difference({3: result(0.5)}, base)


def test_the_table_shows_what_is_done_so_far() -> None:
    results = {"cmsa": {0: result(0.2, 0.4), 1: result(0.4, 0.4)}, "mean": {1: result(0.5, 0.7, right=0)}}
    lines = main_table(results, {"mean": COST}).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| CMSA (image) | 35.0 ± 7.1 |  | 35.0 ± 7.1 |")
    assert lines[3].startswith("| mean pooling | 60.0 | +20.0 [+10.0, +30.0] | 60.0 | 50.0 | 50.0 | 0.0 |")
    assert "| -100.0 [-100.0, -100.0] |" in lines[3], "nobody is the right one, against all"
    assert lines[3].endswith("| 1,234 | 2.50 | 30.0 | 0.75 | 7 | 1 |")
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_the_papers_order_is_judged_pair_by_pair() -> None:
    group = Comparison("Test", "mean_iou", {"cmsa": 50.0, "mean": 49.0, "max": 45.0}, "made up")
    results = {"cmsa": {0: result(0.5, 0.5)}, "mean": {0: result(0.6, 0.6)}, "max": {0: result(0.2, 0.9)}}
    told = comparison(group, results)
    assert "| mean pooling | 49.00 | 60.0 | 100.0 |" in told
    assert "The order differs: here mean > max > cmsa." in told
    assert "Of 3 pairs, 1 stand as in the paper (0 beyond chance), 2 the other way (1 beyond chance)." in told
    assert "- cmsa against mean: paper +1.0, here -10.0 [-10.0, -10.0]\n" in told
    assert told.endswith("- cmsa against max: paper +5.0, here -5.0 [-40.0, +30.0], undecided")
    alike = comparison(group, {"cmsa": {0: result(0.5)}, "max": {0: result(0.4)}})
    assert "The order is the paper's. Of 1 pairs, 1 stand as in the paper (1 beyond chance), 0 the" in alike
    assert comparison(group, {"mean": results["mean"]}) == ""


def test_the_papers_figures_stand_beside_ours() -> None:
    table = paper_table({"hinet": {0: result(0.6, 0.8)}}).splitlines()
    assert table[2] == "| HINet | paper, A2D Sentences | 61.1 | 55.9 | 48.6 | 34.2 | 12.0 | 67.9 | 52.9 |"
    assert table[4] == "| HINet | tiny, world | 100.0 | 50.0 | 50.0 | 0.0 | 0.0 | 70.0 | 70.0 |"
    assert paper_table({"mean": {0: result(0.6)}}) == ""


def test_the_report_says_what_is_not_alike() -> None:
    other = result(0.5) | {"parts": ["dice"]}
    full: dict[str, Result] = {
        "large": {"input": "64 x 32", "parameters": 5_000_000, "gflop": 1234.5},
        "lost": {"note": "not counted"},
    }
    told = report({"cmsa": {0: result(0.5)}, "pixel": {0: other}}, {}, full, "Recipe.")
    assert "Trained without a part of the loss, having nothing it applies to: `entropy`: pixel." in told
    assert "is right in per cent: 40.0 (mixed), 40.0 (motion)." in told
    assert "| large | 64 x 32 | 5,000,000 | 1,234 |" in told
    assert "| lost |  | 0 | not counted |" in told


def test_every_row_is_another_network_and_all_have_one_trunk() -> None:
    configs = [RECIPE.config(row) for row in ROWS]
    assert len({repr(config) for config in configs}) == len(ROWS) == len(BY_NAME)
    trunks = {(config.backbone_channels, config.colour_channels, config.embedding_channels) for config in configs}
    assert len(trunks) == 1
    assert {config.input_size for config in configs} == {RECIPE.size}
    assert [row.name for row, config in zip(ROWS, configs, strict=True) if getattr(config, "cross_frame", False)] == [
        "cmsa-cfsa",
        "refvid-tiny",
    ]
    assert set(FULL) <= set(CONFIGS)


def test_each_comparison_is_of_rows_that_are_trained() -> None:
    for group in COMPARISONS:
        assert set(group.paper) <= set(BY_NAME)
        assert BASE.name in group.paper
    compared = {name for group in COMPARISONS for name in group.paper}
    assert set(BY_NAME) - compared == {"refvid-tiny"}, "of which no paper tells"
    assert COMPARISONS[0].paper["hinet"] == pytest.approx(52.9)
    assert set(PUBLISHED) <= set(BY_NAME)


def sample(height: int, width: int, number: int, frames: int = 1) -> Sample:
    pictures = np.full((frames, height, width, 3), number, dtype=np.uint8)
    return Sample(pictures, np.ones(frames, dtype=np.bool_), ("it",), np.ones((1, height, width), dtype=np.bool_))


def test_a_pool_draws_all_samples_alike_and_those_of_a_batch_from_one_size() -> None:
    pool = Pool.of([sample(8, 16, 0), sample(16, 8, 1), sample(8, 16, 2), sample(8, 16, 3)])
    rng = np.random.default_rng(0)
    seen = np.bincount([int(pool.draw(rng).frames[0, 0, 0, 0]) for _ in range(2000)], minlength=4)
    assert seen.min() > 400, "each of four is drawn about 500 times"
    assert {pool.draw(rng, 0.1).frames.shape[1:3] for _ in range(50)} == {(8, 16)}
    assert {pool.draw(rng, 0.99).frames.shape[1:3] for _ in range(50)} == {(16, 8)}


def test_stills_are_the_target_frames_of_the_same_clips() -> None:
    clips = [sample(8, 16, number, frames=3) for number in range(5)]
    for number, clip in enumerate(clips):
        clip.frames[1] = 100 + number
    pool = Pool.of(clips)
    drawn = [pool.draw(np.random.default_rng(seed)) for seed in range(20)]
    for clip, frame in zip(drawn, [pool.stills().draw(np.random.default_rng(seed)) for seed in range(20)], strict=True):
        assert np.array_equal(frame.frames, clip.frames[1:2])
        assert frame.frame_mask.shape == (1,)


def test_a_folder_keeps_to_one_recipe(tmp_path: Path) -> None:
    claim(tmp_path / "made", RECIPE)
    claim(tmp_path / "made", RECIPE)
    with pytest.raises(
        SystemExit, match=r"holds settings that differ from the given ones \(steps\); give another --cache"
    ):
        claim(tmp_path / "made", Recipe(**(vars(RECIPE) | {"steps": 3})))


@pytest.mark.parametrize("changed", ["drawn_by", "start"])
def test_a_folder_whose_clips_or_first_weights_were_others_is_refused(tmp_path: Path, changed: str) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE.record() | {changed: "another"}))
    with pytest.raises(SystemExit, match=rf"\({changed}\)"):
        claim(tmp_path, RECIPE)


def test_clips_are_of_the_recipe_alone_and_their_scenes_are_drawn_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clips() -> list[Sample]:
        training = training_clips.__wrapped__(RECIPE, tmp_path)
        held_back = held_back_clips.__wrapped__(RECIPE, tmp_path)
        assert {kind: len(samples) for kind, samples in held_back.items()} == {"mixed": 2, "motion": 2}
        return [sample for samples in (*training.groups, *held_back.values()) for sample in samples]

    drawn = clips()
    assert len({sample.frames.tobytes() for sample in drawn}) == len(drawn) == 10, "each has a scene of its own"

    def refuse(*_: object, **__: object) -> Scene:
        raise AssertionError("drawn again")

    monkeypatch.setattr(source, "draw_scene", refuse)
    for first, second in zip(drawn, clips(), strict=True):
        assert np.array_equal(first.frames, second.frames)
        assert first.expressions == second.expressions
        assert np.array_equal(first.masks, second.masks)


def test_a_network_starts_from_trained_trunk_and_words_alone() -> None:
    trained = load_model(systems.START, device="cpu")
    assert isinstance(trained.network.embedding, WordEmbedding)
    config = RECIPE.config(BY_NAME["sentence"])
    network = build_network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    take_over(network, config)
    after = network.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert all(name.startswith("backbone.") or name == "embedding.words.table.weight" for name in changed)
    assert torch.equal(
        after["backbone.res5.1.conv2.weight"], trained.network.state_dict()["backbone.res5.1.conv2.weight"]
    )
    own, given = (Vocabulary(words).ids["yellow"] for words in (config.vocabulary, trained.config.vocabulary))
    assert torch.equal(after["embedding.words.table.weight"][own], trained.network.embedding.table.weight[given])


def test_the_right_actor_is_the_one_that_is_overlapped_best() -> None:
    regions = np.zeros((2, 4, 8), dtype=np.bool_)
    regions[0, :, :4] = regions[1, :, 6:] = True
    covering, missing = np.ones((4, 8), dtype=np.bool_), np.zeros((4, 8), dtype=np.bool_)
    assert is_right(regions[1], regions[1], regions)
    assert not is_right(regions[0], regions[1], regions)
    assert is_right(covering, regions[0], regions), "a mask of everything is that of the larger actor"
    assert not is_right(covering, regions[1], regions)
    assert not any(is_right(missing, region, regions) for region in regions), "and an empty one nobody's"


class Everything(CmsaNetwork):
    """Finds everything everywhere."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.frame_radius = 0
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def enhance(self, clips: torch.Tensor, *_: object, **__: object) -> FrameFeatures:
        assert clips.shape[1] == 1, "it looks at the target frame alone"
        return FrameFeatures((clips[:, 0],))

    def segment(self, levels: object, word_ids: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        return torch.full((*word_ids.shape[:2], 4, 4), 9.0), []


def test_scores_count_pixels_and_choices(tmp_path: Path) -> None:
    config = CmsaConfig(name="everything", vocabulary=("it",), input_size=32)
    masks = np.zeros((3, 32, 32), dtype=np.bool_)
    masks[0, :, :16] = masks[1, :8, 24:] = True  # and the third means nothing
    frames, present = np.zeros((3, 32, 32, 3), dtype=np.uint8), np.ones(3, dtype=np.bool_)
    several = Sample(frames, present, ("it",) * 3, masks, masks[:2], (frozenset(), frozenset()))
    alone = Sample(frames, present, ("it",), masks[:1], masks[:1], (frozenset(),))
    nothing = Sample(frames, present, ("it",), masks[2:], masks[:1], (frozenset(),))
    found = score(Everything().eval(), config, [several, alone, nothing])
    assert found == {
        "intersection": [[512, 64], [512]],
        "union": [[1024, 1024], [1024]],
        "right": [[1, 0], []],
        "chance": 0.5,
    }


def test_flops_are_two_for_a_multiplication_and_an_addition() -> None:
    config = CONFIGS["cmsa-tiny"](WORDS).replace(cross_frame=False)
    network, sizes = build_network(config), dict[str, int]()

    def note(name: str) -> Callable[[torch.nn.Conv2d, object, torch.Tensor], None]:
        def keep(module: torch.nn.Conv2d, _: object, output: torch.Tensor) -> None:
            sizes[name] = 2 * output[0, 0].numel() * module.weight.numel()

        return keep

    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(note(name))
    Running(network, config)
    assert sizes["backbone.stem.0"] == 2 * 72 * 128 * 24 * 3 * 9, "half of 144 x 256"
    convolutions = sum(sizes.values()) / 1e9
    counted = count(config)
    assert convolutions < counted["gflop"] < 1.5 * convolutions, "and what the attentions multiply"
    assert counted["parameters"] == sum(value.numel() for value in network.parameters())
    assert linear_flops((2, 3, 5), (7, 5), None, "none") == 2 * (2 * 3 * 7) * 5


def test_a_row_costs_what_it_does_in_a_stream() -> None:
    single, joined = (cost(BY_NAME[name], rounds=1, frames=1) for name in ("cmsa", "cmsa-cfsa"))
    assert joined["parameters"] > single["parameters"]
    # Each frame asks the eleven of its window, itself among them, and ten ask it: two products of P x P x A each.
    positions, channels, blocks = 18 * 32, 64, 21
    attended = blocks * 2 * 2 * positions**2 * channels / 1e9
    assert attended < joined["gflop"] - single["gflop"] < 1.2 * attended
    assert joined["rate"] > 0
    assert joined["of_base"] > 0


@pytest.mark.parametrize("name", ["cmsa-tiny", "refvos-tiny", "hinet-tiny", "acga-tiny"])
def test_what_is_counted_unseen_is_what_is_computed(name: str) -> None:
    config = CONFIGS[name](WORDS).replace(input_size=64)
    assert count_unseen(config) == count(config)


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    pool = training_clips(RECIPE, tmp_path)
    (first, parts), (second, _), (other, _) = (learn(RECIPE, BY_NAME["cmsa"], seed, pool) for seed in (0, 0, 1))
    assert parts == ["attributes", "contrast", "dice", "entropy", "words"]
    weights = [network.state_dict()["fusion.score.weight"] for network in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not first.training
    shown = still(pool.groups[0][0])
    assert shown.frames.shape[0] == 1


def test_rows_are_done_once_and_the_tables_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(systems, "FULL", ())
    monkeypatch.setattr(systems, "cost", lambda row: COST)
    folder, copy = tmp_path / "made", tmp_path / "copy.json"
    arguments = ["--cache", str(folder), *OPTIONS, "--only", "cmsa", "cmsa-cfsa", "--json", str(copy)]
    main(arguments)
    assert "| CMSA + CFSA |" in capsys.readouterr().out
    table = (folder / "table.md").read_text()
    assert "**Systems on A2D Sentences**" in table
    record = json.loads((folder / "table.json").read_text())
    assert record == json.loads(copy.read_text())
    assert set(record["rows"]) == {"cmsa", "cmsa-cfsa"}
    assert record["costs"]["cmsa"] == COST
    assert "words" in record["rows"]["cmsa"]["seeds"]["0"]["parts"]
    assert load_model(folder / "models" / "cmsa-0", device="cpu").config.name == "cmsa-tiny"

    def refuse(*_: object) -> object:
        raise AssertionError("done again")

    monkeypatch.setattr(systems, "learn", refuse)
    main(arguments)
    (folder / "table.md").unlink()
    main(["--cache", str(folder), "--table-only"])
    assert (folder / "table.md").read_text() == table


def test_a_table_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no results; leave --table-only out"):
        main(["--cache", str(tmp_path), "--table-only"])


def test_figures_hold_every_seed_and_the_difference() -> None:
    told = figures({"cmsa": {0: result(0.2)}, "max": {0: result(0.5)}})
    assert told["max"]["seeds"][0]["mixed"]["mean_iou"] == pytest.approx(50)
    assert told["max"]["against_base"]["motion"]["mean_iou"]["by_seed"] == pytest.approx((30,))
    assert "against_base" not in told["cmsa"]


def test_a_row_is_not_taken_for_another_whose_name_begins_alike(tmp_path: Path) -> None:
    for name, seconds in (("cmsa", 1), ("cmsa-cfsa", 2), ("word", 3), ("word-pixel", 4)):
        (tmp_path / f"result-{name}-0.json").write_text(f'{{"seconds": {seconds}}}')
    found = systems.results_in(tmp_path)
    assert {name: seeds[0]["seconds"] for name, seeds in found.items()} == {
        "cmsa": 1,
        "cmsa-cfsa": 2,
        "word": 3,
        "word-pixel": 4,
    }
