"""The benchmarks that users run: every section at its smallest, the report, the table, and the goals."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import memory, model_speed, run, run_expressions, run_gpu, run_measure
from benchmarks.attention import compare_cross_frame, compare_cross_modal, literal_cross_modal
from benchmarks.run_expressions import expressions
from benchmarks.run_gpu import gpu_rows
from benchmarks.run_measure import NO_GPU, QUICK, Goal, Row, Settings, Sizes, in_turns
from benchmarks.run_network import FrameNetwork, full_model, read_frames, with_longest_side
from benchmarks.run_peers import MISSING, peers
from benchmarks.run_stages import stages
from refvid.inference.report import peak_resident
from refvid.inference.segmenter import Segmenter
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.layers.products import multiply
from refvid.model.layers.spatial import spatial_code
from refvid.video.reader import open_reader
from refvid.weights import LoadedModel

CPU = torch.device("cpu")
TINY = Sizes(
    grid=6,
    channels=16,
    words=(1, 3),
    cross_frame=((4, 8, 12),),
    budget=0.0,
    frames=6,
    rounds=1,
    network_frames=2,
    lengths=(6, 12),
    counts=(1, 2),
    word_counts=(1, 5),
    longest_sides=(64, 96),
    refined_frames=(1, 2),
    sam_side=256,
    dino_sides=(180, 320),
    sam_memory=2,
    peer_rounds=2,
)


@pytest.fixture
def settings(checkpoint: Path, tmp_path: Path) -> Settings:
    """The smallest sizes, and the small random model."""
    return Settings(CPU, str(checkpoint), tmp_path, torch.get_num_threads(), sizes=TINY)


@pytest.mark.parametrize(("length", "grid"), [(1, 5), (4, 7), (20, 4)])
def test_all_ways_of_cmsa_give_the_literal_result(length: int, grid: int) -> None:
    found = compare_cross_modal(length, grid, 16, CPU, rounds=2, budget=0.0)
    assert 0 < found["error"] < 2e-6
    assert found["ratio"] == found["literal"] / found["inference"]
    assert found["words"] == length


def test_the_stream_gives_the_result_of_every_clip() -> None:
    found = compare_cross_frame(5, 8, 12, CPU, rounds=2, budget=0.0)
    assert 0 < found["error"] < 2e-6
    assert found["ratio"] == found["clip by clip"] / found["streamed"]


def test_the_literal_form_is_the_same_by_other_products() -> None:
    torch.manual_seed(1)
    module, grid = CrossModalSelfAttention(16, 24, 16).eval(), 24
    visual, words = torch.randn(16, grid, grid), torch.randn(2, 24)
    spatial = spatial_code(grid, grid, dtype=torch.float32, device=CPU)
    with torch.inference_mode():
        plain, attention = literal_cross_modal(module, visual, words, spatial)
        other, same = literal_cross_modal(module, visual, words, spatial, multiply)
    torch.testing.assert_close(other, plain)
    torch.testing.assert_close(same, attention)
    assert float(attention.sum()) == pytest.approx(1)


def test_operations_memory_and_report(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(video: Path, **_: object) -> dict[str, object]:
        with open_reader(video) as reader:
            frames = reader.frame_total
        return {"resident": (100 + frames) << 20, "frames": frames, "frames_per_second": 9.0, "reader": "pyav"}

    monkeypatch.setattr(memory, "measure", measured)
    report = tmp_path / "report.json"
    arguments = ["--only", "memory", "operations", "--device", "cpu", "--model", settings.model, "--threads", "1"]
    before = torch.get_num_threads()
    run.main([*arguments, "--json", str(report)], TINY)
    assert torch.get_num_threads() == before
    found = json.loads(report.read_text())
    assert found["schema"] == 1
    assert found["environment"]["threads"] == 1
    assert [section["name"] for section in found["sections"]] == ["operations", "memory"]
    ways, growth = found["sections"]
    assert [row["what"] for row in ways["rows"]] == [
        "CMSA, 1 word, 6 x 6, 16-D",
        "CMSA, 3 words, 6 x 6, 16-D",
        "CFSA streamed, 4 x 4, 8-D",
    ]
    assert ways["rows"][0]["goal"] is None  # goals are of the paper's size
    assert ways["rows"][2]["goal"] == "over 4 times"
    lengths = {row["what"]: row for row in growth["rows"]}
    assert lengths["main memory, 12 frames"]["value"] == 112
    assert lengths["main memory, growth"]["value"] == pytest.approx(100 * (112 / 106 - 1))
    assert lengths["main memory, growth"]["reached"] is False
    assert lengths["GPU memory, growth"]["beside"] == NO_GPU
    shown = capsys.readouterr()
    assert "CFSA streamed, 4 x 4, 8-D" in shown.out
    assert shown.err.splitlines() == ["operations ...", "memory ..."]


def test_what_was_measured_is_shown_when_a_section_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "measure", lambda *_, **__: pytest.fail("no room"))
    with pytest.raises(pytest.fail.Exception, match="no room"):
        run.main(["--only", "operations", "memory", "--device", "cpu", "--model", settings.model], TINY)
    assert "CMSA, 3 words" in capsys.readouterr().out


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run.main(["--only", "stages", "--device", "cpu", "--model", "no-such-model"], TINY)
    assert str(caught.value).startswith("error: no model 'no-such-model'")


def test_stages(settings: Settings) -> None:
    rows = {row.what: row for row in stages(settings).rows}
    assert all(row.value is not None for what, row in rows.items() if what.startswith("small, "))
    assert "small, network: trunk" in rows
    assert rows["small, file to file"].goal is None  # it is refvid-tiny's
    for row in gpu_rows(settings):
        assert (row.beside, row.value, row.reached) == (NO_GPU, None, None)
        assert rows[row.what] == row


def test_the_gpus_rows_are_worked_out(settings: Settings, model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU and with a small network: what is missing on a GPU is the GPU."""
    for name, value in {"CLIP_FRAMES": 4, "NETWORK_FRAMES": 2, "MATRIX_SIDE": 64, "SIDE": 128}.items():
        monkeypatch.setattr(run_gpu, name, value)
    whole, network = run_gpu.whole_row(settings, model), run_gpu.network_row(settings, model)
    assert len(whole.details["rates"]) == TINY.rounds + 1
    assert network.value == network.details["seconds"] / network.details["bound_seconds"]
    assert network.details["bound_seconds"] == network.details["flop"] / network.details["matrix_flop_a_second"]
    assert network.details["flop"] > 1e6


def test_expressions(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def measure(video: Path, texts: list[str], **_: object) -> dict[str, int | None]:
        asked.append(len(texts))
        return {"resident": 2**20, "allocated": None, "frames": 6}

    monkeypatch.setattr(run_expressions, "measure", measure)
    rows = {row.what: row for row in expressions(settings).rows}
    assert rows["expressions, network: 1 expression"].value == 1
    assert rows["expressions, file to file: 2 expressions"].unit == "times"
    assert {"write", "read"} <= set(rows["expressions, file to file: 2 expressions"].details["stages"])
    assert asked == [1, 2]
    assert rows["expressions, memory: 2 expressions"].value == 1
    assert rows["words, network: 5 words"].value is not None
    assert {"input, network: 64 x 32", "input, network: 96 x 56"} <= set(rows)


def test_peers(settings: Settings) -> None:
    rows = peers(settings).rows
    assert [row.what for row in rows] == ["small", "SAM 2.1 tiny", "Grounding DINO tiny"]
    # What the papers' tiny models have, in millions: 38.9 and 172.
    assert [round(row.details["parameters"] / 1e6) for row in rows[1:]] == [39, 172]
    assert rows[0].details["times_refvid"] == 1
    assert all(row.details["gflop"] > 0 for row in rows)


def test_peers_say_what_is_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    section = peers(settings)
    assert (section.rows, section.notes) == ([], [MISSING])


def test_the_stages_of_the_network_give_the_masks_of_the_program(model: LoadedModel) -> None:
    frames = read_frames(5)
    network = FrameNetwork(model, frames, ["man in yellow shirt", "the dog"], fill=False)
    masks = []
    for _ in frames:
        network.push(network.encode())
        if network.last is not None:
            masks.append(network.masks(network.segment()).numpy())
    expected = list(Segmenter(model).stream(frames, ["man in yellow shirt", "the dog"]))
    assert len(masks) == len(frames) - model.network.frame_radius
    assert any(mask.any() for mask in masks)
    for found, same in zip(masks, expected, strict=False):
        assert (found == same).all()


def test_input_of_the_longest_side_asked_for(model: LoadedModel) -> None:
    area = replace(model, config=model.config.replace(input_shape="area"))
    square = replace(model, config=model.config.replace(input_shape="square"))
    for side, height in ((320, 176), (480, 272), (640, 360)):
        assert with_longest_side(area, side, 360, 640).config.canvas(360, 640) == (height, side)
        assert with_longest_side(square, side, 360, 640).config.canvas(360, 640) == (side, side)


def test_the_full_network_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    def build(config: object) -> torch.nn.Module:
        built.append(config)
        return torch.nn.Identity()

    monkeypatch.setattr("benchmarks.run_network.build_network", build)
    model = full_model(CPU)
    assert built[0].canvas(360, 640) == (320, 320)
    assert (model.name, built[0].attention_channels, built[0].frame_radius) == ("cmsa-deeplab101", 512, 5)


def test_goals() -> None:
    assert [Goal("over", 2).reached(value) for value in (1, 2, 3)] == [False, False, True]
    assert [Goal("under", 2).reached(value) for value in (1, 2, 3)] == [True, False, False]
    assert [Goal("at most", 2).reached(value) for value in (1, 2, 3)] == [True, True, False]
    assert Row("speed", 31.0, "frames/s", goal=Goal("over", 30)).as_json()["reached"] is True
    assert Row("speed", None, "frames/s", goal=Goal("over", 30)).reached is None


def test_in_turns_calls_each_as_often_and_stops_at_the_budget() -> None:
    calls: list[str] = []
    works = {name: (lambda name=name: calls.append(name)) for name in ("a", "b")}
    found = in_turns(works, 3, CPU, cold=["b"])
    assert calls == ["a", *"ab" * 3]
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}
    assert {len(times) for times in in_turns(works, 9, CPU, budget=0.0).values()} == {1}


@pytest.mark.skipif(sys.platform != "linux", reason="others do not charge a process with what its parent held")
def test_resident_memory_is_this_programs_own() -> None:
    held = np.ones(2**30, np.uint8)
    command = [sys.executable, "-c", "from refvid.inference.report import peak_resident; print(peak_resident())"]
    child = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert 2**20 < child < held.nbytes < peak_resident()


def test_a_video_is_measured_in_a_process_of_its_own() -> None:
    (found,) = memory.lengths([6], threads=1, reader="pyav")
    assert (found["frames"], found["allocated"], found["reader"]) == (6, None, "pyav")
    assert found["resident"] > 50 * 2**20  # PyTorch is in it
    assert found["frames_per_second"] > 0


def test_a_failure_in_the_measured_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 3, "", "refvid.errors.VideoError: there is nothing")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(
        RuntimeError, match=r"segmenting none\.mp4 failed: refvid\.errors\.VideoError: there is nothing"
    ):
        memory.measure(Path("none.mp4"), model="refvid-tiny")


def test_quick_is_less_of_the_same() -> None:
    full = Sizes()
    assert (QUICK.grid, QUICK.channels, QUICK.sam_side) == (full.grid, full.channels, full.sam_side)
    assert set(QUICK.words) < set(full.words)
    assert set(QUICK.counts) < set(full.counts)
    assert QUICK.frames < full.frames
    assert run_measure.PARK.is_file()


def test_models_are_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([3.0, 1.5, 5.0, 1.0, 4.0, 2.5])  # three rounds of two models, whose medians are 4.0 and 1.5
    monkeypatch.setattr(model_speed, "processor_seconds", lambda work: next(spent))
    frames = model_speed.first_frames(model_speed.CLIP, 2)
    assert [frame.shape for frame in frames] == [(360, 640, 3)] * 2
    first, second = model_speed.compare(["refvid-tiny", "refvos-tiny"], frames, rounds=3)
    assert str(first) == "| refvid-tiny | 2,260,761 | 4.5 | 2000.0 | 1.00 | 50% |"
    assert str(second) == "| refvos-tiny | 2,231,419 | 4.5 | 750.0 | 2.67 | 100% |"
