"""The example clips: they are what the script draws, and their expressions refer to what the ground truth shows."""

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageSequence

from benchmarks.example_score import main as score_main
from benchmarks.example_score import score_clip, table
from examples.make_examples import EXAMPLES, WITH_SOUND, main, write_examples
from refvid.world.language.grammar import VOCABULARY
from refvid.world.language.predicates import (
    Truths,
    View,
    both,
    called,
    does,
    is_coloured,
    is_dressed_in,
    sole_referent,
    travels,
    wears,
    wears_any,
)
from refvid.world.language.words import NO, words_in
from refvid.world.palette import name_of
from refvid.world.scene import Scene

FOLDER = Path(__file__).parent.parent / "examples"
SIZES = {"park": (640, 360, 100), "street": (640, 360, 75), "yard": (480, 360, 75)}

# Every expression in the grammar's own predicates, which are certain of an actor or are not.
MEANINGS: dict[str, dict[str, Callable[[View], Truths]]] = {
    "park": {
        "man in yellow shirt": lambda view: both(called(view, "man"), wears(view, "shirt", "yellow")),
        "woman in red dress": lambda view: both(called(view, "woman"), wears(view, "dress", "red")),
        "the dog": lambda view: called(view, "dog"),
        "the brown dog": lambda view: both(called(view, "dog"), is_coloured(view, "brown")),
        "the orange ball": lambda view: both(called(view, "ball"), is_coloured(view, "orange")),
        "man in blue shirt": lambda view: both(called(view, "man"), wears(view, "shirt", "blue")),
        "the man who is standing": lambda view: both(called(view, "man"), does(view, "none")),
        "the man walking to the right": lambda view: both(
            called(view, "man"), both(does(view, "walking"), travels(view, "right"))
        ),
        "the black cat": lambda view: both(called(view, "cat"), is_coloured(view, "black")),
    },
    "street": {
        "the red car": lambda view: both(called(view, "car"), is_coloured(view, "red")),
        "the blue car": lambda view: both(called(view, "car"), is_coloured(view, "blue")),
        "the car driving to the left": lambda view: both(called(view, "car"), travels(view, "left")),
        "woman with a bag": lambda view: both(called(view, "woman"), wears_any(view, "bag")),
        "woman in a green jacket": lambda view: both(called(view, "woman"), wears(view, "jacket", "green")),
        "the cat": lambda view: called(view, "cat"),
        "the white dog": lambda view: both(called(view, "dog"), is_coloured(view, "white")),
    },
    "yard": {
        "the dog that is jumping": lambda view: both(called(view, "dog"), does(view, "jumping")),
        "the dog that is eating": lambda view: both(called(view, "dog"), does(view, "eating")),
        "the dog moving to the right": lambda view: both(called(view, "dog"), travels(view, "right")),
        "the man": lambda view: called(view, "man"),
    },
}


@pytest.fixture(scope="module")
def scenes() -> dict[str, Scene]:
    return {name: draw() for name, draw in EXAMPLES.items()}


def _decoded(path: Path) -> npt.NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _psnr(found: npt.NDArray[np.uint8], drawn: npt.NDArray[np.uint8]) -> float:
    error = float(np.mean((found.astype(np.float64) - drawn) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_committed_clip_is_what_the_script_draws(name: str, scenes: dict[str, Scene]) -> None:
    scene, path = scenes[name], FOLDER / f"{name}.mp4"
    width, height, length = SIZES[name]
    assert scene.frames.shape == (length, height, width, 3)
    frames = _decoded(path)
    assert frames.shape == scene.frames.shape
    for index in (0, 1, length // 2, length - 1):
        assert _psnr(frames[index], scene.frames[index]) > 30, index
    assert _psnr(frames[0], scene.frames[length // 2]) < 25, "another frame would be noticed"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_clips_are_small_and_park_has_sound(name: str) -> None:
    path = FOLDER / f"{name}.mp4"
    assert path.stat().st_size < 1_200_000
    with av.open(str(path)) as container:
        codecs = [stream.codec_context.name for stream in container.streams]
        assert codecs == (["h264", "aac"] if name in WITH_SOUND else ["h264"])
        assert container.streams.video[0].average_rate == 25
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        if name in WITH_SOUND:
            loudness = [np.abs(block.to_ndarray()).max() for block in container.decode(audio=0)]
            assert max(loudness) > 0.05
            assert abs(len(loudness) * 1024 / 44100 - 4) < 0.1


def test_the_same_frames_come_out_at_every_call(scenes: dict[str, Scene]) -> None:
    again = EXAMPLES["yard"]()
    assert np.array_equal(again.frames, scenes["yard"].frames)
    assert np.array_equal(again.instances, scenes["yard"].instances)
    assert (again.actors, again.references) == (scenes["yard"].actors, scenes["yard"].references)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_expression_means_one_actor(name: str, scenes: dict[str, Scene]) -> None:
    scene = scenes[name]
    height, width = scene.instances.shape[1:]
    view = View.of(scene.actors, width, height)
    assert {reference.expression for reference in scene.references} == set(MEANINGS[name])
    for reference in scene.references:
        truths = MEANINGS[name][reference.expression](view)
        if reference.actor is None:
            assert set(truths) == {NO}, reference.expression
        else:
            assert sole_referent(view, truths) == reference.actor, reference.expression
        assert set(words_in(reference.expression)) <= set(VOCABULARY)


@pytest.mark.parametrize("name", EXAMPLES)
def test_everybody_is_seen_in_every_frame_and_is_of_the_colours_that_are_named(
    name: str, scenes: dict[str, Scene]
) -> None:
    scene = scenes[name]
    assert scene.instances.max() == len(scene.actors)
    for actor, facts in enumerate(scene.actors):
        assert facts.seen
        assert scene.mask(actor).sum((1, 2)).min() > 1200
        assert name_of(facts.look.paint) == facts.look.colour
        for garment in facts.look.garments:
            assert name_of(garment.paint) == garment.colour


def test_a_mask_covers_what_is_drawn(scenes: dict[str, Scene]) -> None:
    """The man's shirt is the only thing so yellow, and the woman's dress the only thing so red."""
    scene = scenes["park"]
    for index in (0, 50, 99):
        red, green, blue = scene.frames[index].astype(int).transpose(2, 0, 1)
        for actor, shown in (
            (0, (red > 220) & (green > 190) & (blue < 80)),
            (1, (red > 180) & (green < 60) & (blue < 70)),
        ):
            mask = scene.mask(actor)[index]
            assert shown.sum() > 700
            assert (shown & mask).sum() > 0.98 * shown.sum()
            assert shown.sum() > 0.25 * mask.sum()


def test_the_other_man_wears_blue(scenes: dict[str, Scene]) -> None:
    scene = scenes["park"]
    view = View.of(scene.actors, 640, 360)
    assert sole_referent(view, both(called(view, "man"), is_dressed_in(view, "yellow"))) == 0
    assert sole_referent(view, both(called(view, "man"), is_dressed_in(view, "blue"))) is None, (
        "his jeans are blue, too"
    )


def test_what_the_commands_ask_for_is_in_the_clips(scenes: dict[str, Scene]) -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    refvid segment examples/(\w+)\.mp4 (.*)$", text, re.MULTILINE)
    assert {name for name, _ in commands} == set(EXAMPLES)
    for name, rest in commands:
        asked = re.findall(r'"([^"]+)"', rest)
        assert asked
        assert set(asked) <= {reference.expression for reference in scenes[name].references}
    rows = dict(re.findall(r"^\| `(\w+)\.mp4` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    for name, cell in rows.items():
        present = {reference.expression for reference in scenes[name].references if reference.actor is not None}
        assert set(re.findall(r'"([^"]+)"', cell)) <= present
    assert set(rows) == set(EXAMPLES)


def test_clips_and_animations_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--out", str(tmp_path), "--only", "yard"])
    assert "'the dog that is jumping': dog" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["yard.mp4"]
    main(["--gif", str(tmp_path / "yard.mp4"), str(tmp_path / "yard.gif")])
    with Image.open(tmp_path / "yard.gif") as animation:
        assert animation.size == (480, 360)
        assert animation.info["duration"] == 120
        assert len(list(ImageSequence.Iterator(animation))) == 25
        animation.seek(0)
        drawn = EXAMPLES["yard"]().frames[0]
        assert _psnr(np.asarray(animation.convert("RGB")), drawn) > 24


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    write_examples(tmp_path, ["yard"])
    write_examples(tmp_path / "again", ["yard"])
    assert (tmp_path / "yard.mp4").read_bytes() == (tmp_path / "again" / "yard.mp4").read_bytes()


def test_nothing_to_write_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "--out" in capsys.readouterr().err


def test_the_score_of_known_masks_is_known(scenes: dict[str, Scene]) -> None:
    scene = scenes["yard"]
    truth = np.stack([scene.mask(reference.actor) for reference in scene.references])
    perfect = score_clip("yard", scene.frames, scene, lambda frames, said: truth)
    assert [row.quiet for row in perfect] == [None, None, None, 1.0]
    assert all(set(row.ious) == {1.0} for row in perfect[:3])
    other = score_clip("yard", scene.frames, scene, lambda frames, said: truth[[1, 0, 1, 0]])
    assert all(max(row.ious) == 0 for row in other[:3])
    assert other[3].quiet == 0
    half = truth & (np.arange(75) < 30)[:, None, None]
    text = table(score_clip("yard", scene.frames, scene, lambda frames, said: half))
    assert "| yard | the dog that is eating | 0.400 | 0.40 | – |" in text
    assert text.endswith("| all | | 0.400 | 0.40 | 1.00 |")


@pytest.mark.filterwarnings("ignore:the model small has never seen")
@pytest.mark.filterwarnings("ignore:nothing is looked for by")
def test_a_model_is_scored(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(FOLDER / "yard.mp4", tmp_path)
    score_main(["-m", str(checkpoint), "--folder", str(tmp_path), "--only", "yard", "--device", "cpu"])
    assert capsys.readouterr().out.count("| yard |") == 4
    with pytest.raises(SystemExit) as stopped:
        score_main(["-m", str(checkpoint), "--folder", str(tmp_path), "--only", "park", "--device", "cpu"])
    assert stopped.value.code == 1
    assert "park.mp4" in capsys.readouterr().err
