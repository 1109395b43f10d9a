"""`refvid eval` from end to end on small worlds in the layouts of A2D Sentences and J-HMDB Sentences."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from refvid.data import sets
from refvid.data.catalogue import SETS
from refvid.data.referring import ReferringSet, ReferringVideo, Rules, Target
from refvid.data.sets import open_set
from refvid.evaluation.model_masks import ModelMasks
from refvid.evaluation.run import Origin, evaluate
from refvid.evaluation.sources import FrameMasks
from refvid.evaluation.submissions import RECORD, Submission
from refvid.world.output.make import WorldPlan, make_world
from tests.cli.conftest import Refvid
from tests.evaluation.small_set import FRAMES as SMALL_FRAMES
from tests.evaluation.small_set import Source, small_set, small_video
from tests.world.drawn import FRAMES, HEIGHT, WIDTH, draw

REGION_KEYS = {"p@0.5", "p@0.6", "p@0.7", "p@0.8", "p@0.9", "overall_iou", "mean_iou", "ap_mean_precision", "ap_coco"}
A2D, JHMDB = ("--dataset", "a2d"), ("--dataset", "jhmdb", "--protocol", "uniform3")


def world(folder: Path, layout: str, videos: int) -> Path:
    make_world(folder, WorldPlan(layout, videos, 3, FRAMES, (WIDTH, HEIGHT)), draw=draw)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def a2d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten videos, two of them for testing."""
    return world(tmp_path_factory.mktemp("worlds") / "a2d", "a2d", 10)


@pytest.fixture(scope="module")
def jhmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world(tmp_path_factory.mktemp("worlds") / "jhmdb", "jhmdb", 2)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep journals away from the user's, and change to an empty folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("REFVID_DEBUG", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path / "cache" / "refvid" / "eval"


def journals(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.jsonl"))


def scores(told: dict[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in (*REGION_KEYS, "samples", "empty")}


def store_truth(root: Path, dataset: str, folder: Path, **opened: str) -> ReferringSet:
    """Write the true masks as predictions."""
    referring_set = open_set(dataset, root, **opened)
    submission = Submission(folder, referring_set)
    submission.begin("truth", going_on=False, overwrite=False)
    evaluate(dataset, referring_set, Source(), Origin("truth"), submission=submission)
    return referring_set


def test_a2d_prints_the_table(refvid: Refvid, a2d: Path, checkpoint: Path, cache: Path) -> None:
    outcome = refvid("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    for words in ("small", "P@0.5", "CMSA+CFSA", "61.8"):
        assert words in outcome.stdout
    # Without those of its progress, which a slow machine has.
    lines = [line for line in outcome.stderr.splitlines() if " frames/s, " not in line]
    title = "World in the layout of A2D Sentences, test"
    assert lines[0] == f"refvid: {title}, protocol mttr (frames that show the instance (MTTR, ReferFormer))"
    assert outcome.stdout.startswith(title), "nobody takes a world for the real data set"
    assert lines[1].startswith("refvid: This is a world that refvid ")
    assert " has made, 10 videos from seed 3, in the layout of A2D Sentences: " in lines[1]
    assert "2 videos in" in lines[-1]
    assert journals(cache) == [], "what is done needs no journal"


@pytest.mark.parametrize(("layout", "names"), [("a2d", A2D), ("jhmdb", JHMDB)])
def test_json_has_the_keys_of_the_contract(
    refvid: Refvid, layout: str, names: tuple[str, ...], checkpoint: Path, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(layout)
    outcome = refvid("eval", *names, "--root", root, "-m", checkpoint, "--seed", "5", "--json", "-q", "--device", "cpu")
    assert (outcome.code, outcome.stderr) == (0, "")
    told = json.loads(outcome.stdout)
    assert outcome.stdout.count("\n") == 1
    assert REGION_KEYS | {"samples"} <= told.keys()
    assert all(0 <= told[key] <= 1 for key in REGION_KEYS)
    assert not {"j", "f", "j&f"} & told.keys()
    assert (told["schema"], told["dataset"], told["model"], told["revision"]) == (1, layout, "small", None)
    assert (told["seed"], told["split"], told["protocol"]) == (5, "test", names[-1] if layout == "jhmdb" else "mttr")
    referring_set = open_set(layout, root, protocol=told["protocol"])
    assert told["samples"] == referring_set.counts()["samples"] > 5
    assert told["counts"]["videos"] == 2
    assert (told["device"], told["precision"], told["threshold"], told["refine"]) == ("cpu", "float32", 0.5, False)


def test_a_folder_without_mttrs_list_is_evaluated_and_the_protocol_said(
    refvid: Refvid, jhmdb: Path, checkpoint: Path
) -> None:
    """Neither the archives of J-HMDB Sentences nor a world hold the list."""
    outcome = refvid("eval", "--dataset", "jhmdb", "--root", jhmdb, "-m", checkpoint, "--device", "cpu", "--json")
    assert outcome.code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert (told["protocol"], told["samples"]) == ("uniform3", 6)
    assert any("The protocol is uniform3, as MTTR's list of frames is not there" in note for note in told["notes"])
    assert "protocol uniform3 (three frames a video, evenly spread (ACGA))" in outcome.stderr
    outcome = refvid("eval", "--dataset", "jhmdb", "--root", jhmdb, "--protocol", "mttr", "-m", checkpoint)
    assert outcome.code == 1
    assert "put the list there, or give --protocol uniform3" in outcome.stderr


def test_dense_and_sparse_frames_have_the_same_masks(refvid: Refvid, jhmdb: Path, checkpoint: Path) -> None:
    """The masks of three frames of a video are those of the same frames when all are asked for."""
    for protocol in ("uniform3", "all"):
        outcome = refvid(
            "eval", "--dataset", "jhmdb", "--root", jhmdb, "--protocol", protocol, "-m", checkpoint, "-q",
            "--predictions", protocol, "--device", "cpu")  # fmt: skip
        assert outcome.code == 0, outcome.stderr
    sparse, dense = (
        {path.relative_to(folder) for path in Path(folder).rglob("*.png")} for folder in ("uniform3", "all")
    )
    assert sparse < dense
    assert (len(sparse), len(dense)) == (2 * 3, 2 * FRAMES)
    masks = [
        [np.asarray(Image.open(folder / path)) for path in sorted(sparse)] for folder in map(Path, ("uniform3", "all"))
    ]
    assert (np.array(masks[0]) != np.array(masks[1])).mean() < 1e-3
    assert 0.02 < (np.array(masks[0]) > 0).mean() < 0.98, "empty or full masks prove nothing"


@pytest.mark.parametrize(("layout", "names"), [("a2d", A2D), ("jhmdb", JHMDB)])
def test_perfect_masks_score_one(
    refvid: Refvid, layout: str, names: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(layout)
    opened = {"protocol": "uniform3"} if layout == "jhmdb" else {}
    store_truth(root, layout, tmp_path / "truth", **opened)
    outcome = refvid("eval", *names, "--root", root, "--score", tmp_path / "truth", "--json")
    assert outcome.code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert {told[key] for key in REGION_KEYS} == {1.0}
    assert (told["model"], told["masks"]) == (None, str(tmp_path / "truth"))


def test_predictions_score_as_the_model_did(refvid: Refvid, a2d: Path, checkpoint: Path) -> None:
    options = ("eval", *A2D, "--root", a2d, "--json")
    direct = refvid(*options, "-m", checkpoint, "--predictions", "masks", "--device", "cpu")
    assert direct.code == 0, direct.stderr
    assert "score them again with --score masks" in direct.stderr
    stored = refvid(*options, "--score", "masks")
    assert stored.code == 0, stored.stderr
    assert scores(json.loads(stored.stdout)) == scores(json.loads(direct.stdout))
    assert json.loads(direct.stdout)["mean_iou"] > 0.01, "masks that hit nothing prove nothing"


def test_existing_predictions_are_refused_or_replaced(refvid: Refvid, a2d: Path, checkpoint: Path) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--predictions", "masks", "-q")
    assert refvid(*options).code == 0
    refused = refvid(*options)
    assert refused.code == 6
    assert refused.stderr == "refvid: error: masks already exists; give --overwrite to replace it\n"
    stray = Path("masks/stray.png")
    stray.write_text("")
    assert refvid(*options, "-y").code == 0
    assert not stray.exists()
    assert Path("masks", RECORD).exists()
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    assert refvid(*options[:-2], "mine", "-y").code == 6
    assert Path("mine/thesis.txt").exists()


def test_a_missing_mask_is_an_error_or_empty(refvid: Refvid, a2d: Path, tmp_path: Path) -> None:
    folder = tmp_path / "truth"
    store_truth(a2d, "a2d", folder)
    files = sorted(folder.rglob("*.png"))
    files[3].unlink()
    options = ("eval", *A2D, "--root", a2d, "--score", folder)
    outcome = refvid(*options)
    assert outcome.code == 1
    assert outcome.stderr.splitlines()[-1].startswith(
        f"refvid: error: 1 of {len(files)} masks missing in {folder}, the first is {files[3]}; "
    )
    told = json.loads(refvid(*options, "--missing", "empty", "--json").stdout)
    assert told["mean_iou"] == pytest.approx(1 - 1 / len(files))
    assert told["notes"][1:] == [f"1 of {len(files)} masks have no file and count as empty."]
    assert "(--missing empty)" in " ".join(refvid(*options, "--missing", "empty").stdout.split())


def test_masks_of_another_size_are_an_error(refvid: Refvid, a2d: Path, tmp_path: Path) -> None:
    folder = tmp_path / "truth"
    store_truth(a2d, "a2d", folder)
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            image.resize((48, 32), Image.Resampling.NEAREST).save(path)
    outcome = refvid("eval", *A2D, "--root", a2d, "--score", folder)
    assert outcome.code == 1
    assert "the masks are 48x32, but the data set's are 96x64" in outcome.stderr


def test_masks_without_confidences(refvid: Refvid, a2d: Path, tmp_path: Path) -> None:
    folder = tmp_path / "truth"
    store_truth(a2d, "a2d", folder)
    (folder / "confidences.json").unlink()
    outcome = refvid("eval", *A2D, "--root", a2d, "--score", folder)
    assert outcome.code == 0
    assert "ap_coco means little" in outcome.stderr
    assert "has no confidences to rank the masks by" in " ".join(outcome.stdout.split())


class _Interrupted(ModelMasks):
    """Breaks off at a video, the second one."""

    asked: ClassVar[list[str]] = []
    at: ClassVar[int] = 2

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, FrameMasks]]:
        self.asked.append(video.name)
        if len(self.asked) == self.at:
            raise KeyboardInterrupt
        return super().masks(video)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the model break off at the second video that it is asked for, once; the names of all that are."""
    _Interrupted.asked = []
    monkeypatch.setattr("refvid.evaluation.opening.ModelMasks", _Interrupted)
    return _Interrupted.asked


def test_an_interrupted_evaluation_goes_on(
    refvid: Refvid, a2d: Path, checkpoint: Path, cache: Path, interrupted: list[str]
) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--json", "--predictions", "masks")
    broken = refvid(*options)
    assert (broken.code, broken.stdout) == (130, "")
    assert "1 of 2 videos are done; run the same command again to resume from there" in broken.stderr
    assert len(journals(cache)) == 1
    first, second = interrupted
    going_on = refvid(*options)
    assert going_on.code == 0, going_on.stderr
    assert "going on after 1 of 2 videos; --fresh starts over" in going_on.stderr
    assert interrupted == [first, second, second], "the first video is not done again"
    assert journals(cache) == []
    straight = refvid("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--json")
    assert scores(json.loads(going_on.stdout)) == scores(json.loads(straight.stdout))
    stored = refvid("eval", *A2D, "--root", a2d, "--score", "masks", "--json")
    assert scores(json.loads(stored.stdout)) == scores(json.loads(straight.stdout))


def test_an_evaluation_that_broke_off_in_its_first_video_begins_again(
    refvid: Refvid, a2d: Path, checkpoint: Path, interrupted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Interrupted, "at", 1)
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--json", "--predictions", "masks")
    broken = refvid(*options)
    assert (broken.code, broken.stdout) == (130, "")
    assert Path("masks", RECORD).exists()
    again = refvid(*options)
    assert again.code == 0, again.stderr
    assert "going on" not in again.stderr
    assert refvid(*options).code == 6, "what is finished is not replaced"


def test_predictions_that_were_removed_are_made_again(
    refvid: Refvid, a2d: Path, checkpoint: Path, cache: Path, interrupted: list[str]
) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--json", "--predictions", "masks")
    assert refvid(*options).code == 130
    unfinished = refvid("eval", *A2D, "--root", a2d, "--score", "masks", "--missing", "empty")
    assert unfinished.code == 1
    assert "the predictions in masks are incomplete" in unfinished.stderr
    next(Path("masks", interrupted[0]).rglob("*.png")).unlink()
    outcome = refvid(*options)
    assert outcome.code == 0, outcome.stderr
    assert "predictions of 1 finished video are gone: made again" in outcome.stderr
    assert "going on" not in outcome.stderr
    assert interrupted[2:] == interrupted[:2]
    stored = refvid("eval", *A2D, "--root", a2d, "--score", "masks", "--json")
    assert scores(json.loads(stored.stdout)) == scores(json.loads(outcome.stdout))


def test_a_cache_that_cannot_be_written_is_a_warning(
    refvid: Refvid, a2d: Path, checkpoint: Path, cache: Path, interrupted: list[str]
) -> None:
    cache.parents[1].write_text("a file")
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--json")
    broken = refvid(*options)
    assert broken.code == 130
    assert "goes on" not in broken.stderr
    outcome = refvid(*options)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.count("refvid: warning: ") == 1
    assert "refvid: warning: an interrupted evaluation cannot go on later; " in outcome.stderr


def test_damaged_footage_in_the_middle_leaves_what_is_done(refvid: Refvid, checkpoint: Path, tmp_path: Path) -> None:
    root = world(tmp_path / "copy", "a2d", 10)
    second = open_set("a2d", root).videos[1].name
    clip = root / "Release" / "clips320H" / f"{second}.mp4"
    whole = clip.read_bytes()
    clip.write_bytes(whole[:100])
    options = ("eval", *A2D, "--root", root, "-m", checkpoint, "--device", "cpu", "--json")
    outcome = refvid(*options)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert "refvid: 1 of 2 videos are done; run the same command again to resume from there\n" in outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("refvid: error: ")
    clip.write_bytes(whole)
    outcome = refvid(*options)
    assert outcome.code == 0, outcome.stderr
    assert "going on after 1 of 2 videos" in outcome.stderr


def test_the_table_is_as_wide_as_the_terminal(
    refvid: Refvid, a2d: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_truth(a2d, "a2d", tmp_path / "truth")
    options = ("eval", *A2D, "--root", a2d, "--score", tmp_path / "truth")
    for columns, least, most in (("", 70, 80), ("150", 100, 150), ("60", 50, 60), ("20", 50, 60)):
        monkeypatch.setenv("COLUMNS", columns)
        lines = refvid(*options).stdout.splitlines()
        assert least < max(map(len, lines)) <= most
        assert "…" not in "".join(lines)


def test_other_options_and_fresh_start_over(
    refvid: Refvid, a2d: Path, checkpoint: Path, cache: Path, interrupted: list[str]
) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "-v")
    assert refvid(*options).code == 130
    for more in (("--threshold", "0.4"), ("--protocol", "refvos"), ("--fresh",)):
        del interrupted[2:]
        outcome = refvid(*options, *more)
        assert outcome.code == 0, outcome.stderr
        assert "going on" not in outcome.stderr
        assert interrupted[2:] == interrupted[:2]
    assert journals(cache) == [], "--fresh has thrown the first journal away"


def test_predictions_that_are_gone_start_over(
    refvid: Refvid, a2d: Path, checkpoint: Path, interrupted: list[str]
) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--predictions", "masks")
    assert refvid(*options).code == 130
    Path("masks").rename("elsewhere")
    outcome = refvid(*options)
    assert outcome.code == 0, outcome.stderr
    assert "going on" not in outcome.stderr
    assert len(interrupted) == 4


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed otherwise here")
def test_an_evaluation_that_is_killed_goes_on(refvid: Refvid, a2d: Path, checkpoint: Path, cache: Path) -> None:
    script = (
        "import sys, time; from refvid.evaluation import model_masks; from refvid.cli.app import main\n"
        "whole = model_masks.ModelMasks.masks\n"
        "def masks(self, video):\n"
        "    self.count = getattr(self, 'count', 0) + 1\n"
        "    if self.count == 2:\n"
        "        time.sleep(120)\n"
        "    return whole(self, video)\n"
        "model_masks.ModelMasks.masks = masks\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    options = ("eval", *A2D, "--root", str(a2d), "-m", str(checkpoint), "--device", "cpu", "--json")
    with subprocess.Popen([sys.executable, "-c", script, *options], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 100
        while not any(path.read_bytes().endswith(b"\n") for path in journals(cache)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    outcome = refvid(*options)
    assert outcome.code == 0, outcome.stderr
    assert "going on after 1 of 2 videos" in outcome.stderr
    assert json.loads(outcome.stdout)["samples"] == open_set("a2d", a2d).counts()["samples"]


def test_the_first_videos_are_a_part(refvid: Refvid, a2d: Path, checkpoint: Path) -> None:
    outcome = refvid("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--limit", "1", "--json")
    told = json.loads(outcome.stdout)
    assert told["counts"]["videos"] == 1
    note = "Only the first 1 of 2 videos count: the scores are of a part of the split."
    assert note in told["notes"]
    assert note in outcome.stderr


def test_rules_can_be_overridden_and_that_is_said(refvid: Refvid, a2d: Path, checkpoint: Path) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--protocol", "refvos", "--json")
    told = [json.loads(refvid(*options, *more).stdout) for more in ((), ("--empty", "one"), ("--empty", "skip"))]
    usual, one, skip = (entry["rules"]["empty"] for entry in told)
    assert (one, skip) == ("one", "skip")
    note = "A sample where both masks are empty is left out, other than in the protocol refvos."
    assert [note in entry["notes"] for entry in told] == [False, False, True]
    assert usual == "zero", "RefVOS counts an IoU of 0 where the union is empty"
    for flag, inclusive in (("--inclusive", True), ("--strict", False)):
        assert json.loads(refvid(*options, flag).stdout)["rules"]["inclusive"] is inclusive


def test_check_counts_and_says_what_is_missing(refvid: Refvid, a2d: Path, tmp_path: Path) -> None:
    outcome = refvid("eval", *A2D, "--root", a2d, "--check")
    assert outcome.code == 0, outcome.stderr
    counts = open_set("a2d", a2d).counts()
    line = outcome.stdout.splitlines()[0]
    assert line.startswith("World in the layout of A2D Sentences, test, protocol mttr (")
    assert f": 2 videos, {counts['expressions']} expressions, " in line
    assert line.endswith(f" {counts['samples']} samples")
    told = json.loads(refvid("eval", *A2D, "--root", a2d, "--check", "-v", "--json").stdout)
    assert counts.items() <= told["counts"].items()
    assert told["frames_read"] == told["counts"]["frames"] > 2
    copy = world(tmp_path / "copy", "a2d", 10)
    clip = copy / "Release" / "clips320H" / "world000009.mp4"
    clip.write_bytes(clip.read_bytes()[:100])
    outcome = refvid("eval", *A2D, "--root", copy, "--check")
    assert (outcome.code, outcome.stdout) == (1, "")
    (line,) = [line for line in outcome.stderr.splitlines() if "error" in line]
    assert line.startswith(
        "refvid: error: 1 of 2 videos of World in the layout of A2D Sentences, test, cannot be used: "
    )
    assert "world000009" in line
    outcome = refvid("eval", *A2D, "--root", tmp_path, "--check")
    assert outcome.code == 1
    assert "a2d_annotation.txt" in outcome.stderr


def test_the_report_is_written_and_its_folder_looked_at_first(refvid: Refvid, a2d: Path, checkpoint: Path) -> None:
    options = ("eval", *A2D, "--root", a2d, "-m", checkpoint, "--device", "cpu", "--report")
    outcome = refvid(*options, "page")
    assert outcome.code == 0, outcome.stderr
    assert "wrote page/index.html" in outcome.stderr
    assert "A2D Sentences" in Path("page/index.html").read_text(encoding="utf-8")
    Path("mine").mkdir()
    Path("mine/index.html").write_text("a page about cats")
    outcome = refvid(*options, "mine")
    assert outcome.code == 6
    assert "videos in" not in outcome.stderr, "nothing was evaluated before the folder was looked at"
    assert Path("mine/index.html").read_text() == "a page about cats"


@pytest.fixture
def davis(monkeypatch: pytest.MonkeyPatch) -> ReferringSet:
    """A split with J and F in palette images, in the place of DAVIS-17."""
    return _stand_in(
        monkeypatch,
        small_set(
            small_video("swan", ("man in red shirt", "the dog"), at=range(SMALL_FRAMES), runs=("1", "2")),
            rules=Rules(measure="contour", exclusive=True),
            layout="palette",
        ),
        "full-video",
    )


def _stand_in(monkeypatch: pytest.MonkeyPatch, referring_set: ReferringSet, protocol: str) -> ReferringSet:
    made = replace(referring_set, protocol=protocol)

    def opened(name: str, root: Path, split: str | None = None, protocol: str | None = None) -> ReferringSet:
        return made

    monkeypatch.setattr(sets, "open_set", opened)
    return made


def test_contours_runs_and_palettes(refvid: Refvid, davis: ReferringSet, checkpoint: Path) -> None:
    options = ("eval", "--dataset", "davis17", "--root", ".")
    outcome = refvid(*options, "-m", checkpoint, "--device", "cpu", "--predictions", "masks", "--json")
    assert outcome.code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert {"j", "f", "j&f", "samples", "j_recall", "f_decay"} <= told.keys()
    assert not (REGION_KEYS & told.keys())
    assert told["j&f"] == pytest.approx((told["j"] + told["f"]) / 2)
    assert told["samples"] == 4 * SMALL_FRAMES
    pictures = sorted(Path("masks").rglob("*.png"))
    assert len(pictures) == 2 * SMALL_FRAMES
    with Image.open("masks/2/swan/00003.png") as image:
        assert image.mode == "P"
        assert set(np.unique(np.asarray(image))) <= {0, 1, 2}
    stored = json.loads(refvid(*options, "--score", "masks", "--json").stdout)
    assert all(stored[key] == told[key] for key in ("j", "f", "j&f", "samples"))
    table = refvid(*options, "--score", "masks")
    assert "J&F" in table.stdout
    for flag in (("--inclusive",), ("--empty", "zero")):
        outcome = refvid(*options, "--score", "masks", *flag)
        assert outcome.code == 2
        assert "measured by J and F" in outcome.stderr


def test_without_phrases_only_masks_on_disk_are_scored(
    refvid: Refvid, monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path
) -> None:
    video = small_video("swan", ("",), at=range(SMALL_FRAMES))
    rules = Rules(measure="contour", inner=True)
    made = _stand_in(monkeypatch, small_set(video, rules=rules, layout="palette"), "semi-supervised")
    options = ("eval", "--dataset", "davis16", "--root", ".", "--protocol", "semi-supervised", "--json")
    outcome = refvid(*options, "-m", checkpoint)
    assert outcome.code == 2
    assert "has no phrases" in outcome.stderr
    submission = Submission(tmp_path / "truth", made)
    submission.begin("truth", going_on=False, overwrite=False)
    evaluate("davis16", made, Source(), Origin("truth"), submission=submission)
    told = json.loads(refvid(*options, "--score", tmp_path / "truth").stdout)
    assert (told["j&f"], told["samples"]) == (1, SMALL_FRAMES - 2)
    shown = refvid(*options[:-1], "--score", tmp_path / "truth")
    assert "on disk" not in shown.stdout + shown.stderr
    assert "only masks on disk can be scored" in refvid(*options[:-1], "--check").stdout


def test_masks_for_a_server(refvid: Refvid, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    videos = [small_video(name, ("man in red shirt",), public=False) for name in ("one", "two")]
    _stand_in(monkeypatch, small_set(*videos, public=False, submission="Annotations"), "server")
    options = ("eval", "--dataset", "refytvos", "--root", ".", "-m", checkpoint, "--device", "cpu")
    for more, what in (((), "--predictions DIR"), (("--score", "."), "--score"), (("--report", "page"), "--report")):
        outcome = refvid(*(options[:5] if "--score" in more else options), *more)
        assert outcome.code == 2
        assert "are not public: its server scores them" in outcome.stderr
        assert what in outcome.stderr
    outcome = refvid(*options, "--predictions", "out")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert f"wrote the masks to {Path('out/Annotations')}; they cannot be scored here" in outcome.stderr
    assert {str(path) for path in Path("out/Annotations").rglob("*.png")} == {
        f"out/Annotations/{name}/1/{frame}.png" for name in ("one", "two") for frame in ("00001", "00005", "00010")
    }
    with Image.open("out/Annotations/one/1/00005.png") as image:
        assert image.mode == "L"
        assert set(np.unique(np.asarray(image))) == {0, 255}
    told = json.loads(refvid(*options, "--predictions", "again", "--json").stdout)
    assert told["counts"]["samples"] == 6
    assert not (REGION_KEYS | {"j", "f"}) & told.keys()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--root", "."], "--dataset"),
        (["--dataset", "a2d"], "--root"),
        (["--dataset", "cats", "--root", "."], "there is no data set 'cats'"),
        (["--dataset", "a2d", "--root", ".", "--split", "val"], "no split 'val'"),
        (["--dataset", "a2d", "--root", ".", "--protocol", "mine"], "no protocol 'mine'; expected one of mttr, refvos"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--predictions", "b"], "give only one of them"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--check"], "--check only checks"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "-m", "cmsa-tiny"], "--model is for a model"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--threshold", "0.4"], "--threshold is for a model"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--no-refine"], "--refine is for a model"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--device", "auto"], "--device is for a model"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--precision", "auto"], "--precision is for a model"),
        (["--dataset", "a2d", "--root", ".", "--score", "a", "--revision", "b"], "--revision is for a model"),
        (["--dataset", "refcoc", "--root", "."], "(did you mean 'refcoco' or 'refcoco+'?); expected one of a2d"),
        (["--dataset", "foo", "--root", "."], "there is no data set 'foo'; expected one of a2d"),
        (["--dataset", "A2D", "--root", "."], "'A2D' (did you mean 'a2d'?); expected one of a2d, "),
        (["--dataset", "a2d", "--root", ".", "--split", "tset"], "no split 'tset' (did you mean 'test'?); expected"),
        (["--dataset", "a2d", "--root", ".", "--protocol", "refvso"], "'refvso' (did you mean 'refvos'?); expected"),
        (["--dataset", "a2d", "--root", ".", "--threshold", "1.5"], "--threshold is 1.5"),
        (["--dataset", "a2d", "--root", ".", "--limit", "0"], "--limit"),
        (["--dataset", "a2d", "--root", ".", "--empty", "two"], "--empty"),
        (["--dataset", "a2d", "--root", ".", "-q", "-v"], "-q and -v"),
    ],
)
def test_usage_errors(refvid: Refvid, arguments: Sequence[str], what: str) -> None:
    outcome = refvid("eval", *arguments)
    assert outcome.code == 2, outcome.stderr
    assert outcome.stderr.startswith("refvid: error: ")
    assert what in outcome.stderr
    assert not list(Path().iterdir())


def test_help_names_every_data_set_and_loads_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys; from refvid.__main__ import main; code = main(['eval', '--help']);"
        "heavy = {'torch', 'av', 'decord', 'numpy', 'PIL', 'h5py', 'scipy', 'jinja2'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    environment = {**os.environ, "COLUMNS": "400"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    names = ", ".join(list(SETS)[:-1]) + f" or {list(SETS)[-1]}."
    assert names in done.stdout


def test_stored_masks_need_no_torch_of_their_own(tmp_path: Path) -> None:
    """What the package of evaluation imports at its top leaves torch alone."""
    script = (
        "import sys, refvid.evaluation.run, refvid.evaluation.stored_masks, refvid.evaluation.submissions;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=tmp_path).returncode == 0
