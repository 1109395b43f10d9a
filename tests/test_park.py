"""Tests of the drawn park world: its masks are exact and its expressions mean what the attributes say."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from examples.park import VOCABULARY, Scene, draw_scene, main, write_example
from examples.park_figures import Actor

COLOURS = {"black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "grey"}
PEOPLE = {"man", "woman", "boy", "girl"}
MEANT = {
    **{kind: {kind} for kind in (*PEOPLE, "dog", "ball", "car", "bird")},
    "guy": {"man"},
    "lady": {"woman"},
    "child": {"boy", "girl"},
    "kid": {"boy", "girl"},
    "person": PEOPLE,
    "animal": {"dog", "bird"},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    path = tmp_path_factory.mktemp("park") / "park.mp4"
    return path, write_example(path)


def _scene(seed: int, frames: int = 3, width: int = 160, height: int = 96) -> Scene:
    return draw_scene(np.random.default_rng(seed), frames=frames, width=width, height=height)


def _is_worn(words: list[str], actor: Actor) -> bool:
    """Check the colours word by word, knowing nothing of the grammar's own predicates."""
    named = [word for word in words if word in COLOURS]
    if not named:
        return True
    if actor.kind not in PEOPLE:
        return named == [actor.colour] and not {"shirt", "dress", "trousers", "pants"} & set(words)
    if "dress" in words:
        return actor.gown and named == [actor.colour]
    legs = {"trousers", "pants"} & set(words)
    if "shirt" in words:
        return not actor.gown and named == [actor.colour, actor.lower][: 2 if legs else 1]
    return named == [actor.lower] if legs else named[0] in {actor.colour, actor.lower}


def _is_meant(text: str, actor: Actor) -> bool:
    """Tell whether everything in the sentence but its place words is true of the actor."""
    words = text.split()
    noun = next(word for word in words if word in MEANT)
    if actor.kind not in MEANT[noun] or not _is_worn(words, actor):
        return False
    action = next((word for word in words if word in {"walking", "running", "standing", "moving"}), None)
    if action is None:
        return True
    if action == "moving":
        if actor.motion == "standing":
            return False
    elif actor.motion != action:
        return False
    way = {"left": -1, "right": 1}
    return all(actor.heading == way[word] for word in words if word in way)


def _found(text: str, scene: Scene) -> list[int]:
    width = scene.frames.shape[2]
    found = [number for number, actor in enumerate(scene.actors) if _is_meant(text, actor)]
    place = [scene.actors[number].x / width for number in found]
    words = text.split()
    if "leftmost" in words and found:
        return [found[int(np.argmin(place))]]
    if "rightmost" in words and found:
        return [found[int(np.argmax(place))]]
    if {"on", "at"} & set(words):
        return [number for number, x in zip(found, place, strict=True) if (x < 0.5 if "left" in words else x > 0.5)]
    return found


def test_the_same_seed_gives_the_same_scene() -> None:
    first, again, other = _scene(5), _scene(5), _scene(6)
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.masks, again.masks)
    assert (first.expressions, first.absent, first.actors) == (again.expressions, again.absent, again.actors)
    assert not np.array_equal(first.frames, other.frames)


def test_shapes_and_types() -> None:
    scene = _scene(1, frames=4, width=120, height=90)
    assert scene.frames.shape == (4, 90, 120, 3)
    assert scene.frames.dtype == np.uint8
    assert scene.masks.shape == (len(scene.expressions), 4, 90, 120)
    assert scene.masks.dtype == np.bool_


def test_masks_are_disjoint_and_mostly_not_empty() -> None:
    seen = []
    for seed in range(60):
        scene = _scene(seed)
        assert 1 <= len(scene.actors) <= 5
        assert scene.masks.sum(axis=0).max() <= 1
        seen += [bool(mask[1].any()) for mask in scene.masks]
    assert np.mean(seen) > 0.95


def test_a_mask_covers_what_is_drawn(clip: tuple[Path, Scene]) -> None:
    """In the hand-laid clip the man's shirt is the only thing so yellow."""
    _, scene = clip
    man = next(number for number, actor in enumerate(scene.actors) if actor.kind == "man")
    colours = scene.frames[50][scene.masks[man, 50]].astype(int)
    yellow = (colours[:, 0] > 180) & (colours[:, 1] > 150) & (colours[:, 2] < 90)
    everywhere = scene.frames[50].astype(int)
    elsewhere = (everywhere[..., 0] > 220) & (everywhere[..., 1] > 190) & (everywhere[..., 2] < 60)
    assert yellow.mean() > 0.25
    assert (elsewhere & scene.masks[man, 50]).sum() > 0.95 * elsewhere.sum()


def test_every_expression_means_one_actor_and_absent_ones_none() -> None:
    said = 0
    for seed in range(80):
        scene = _scene(seed, frames=1)
        for number, texts in enumerate(scene.expressions):
            assert len(set(texts)) == len(texts)
            for text in texts:
                assert _found(text, scene) == [number], (seed, text, scene.actors)
            said += len(texts)
        for text in scene.absent:
            assert _found(text, scene) == [], (seed, text, scene.actors)
    assert said > 80 * 50


def test_no_expression_belongs_to_two_actors() -> None:
    for seed in range(40):
        texts = list(itertools.chain.from_iterable(_scene(seed, frames=1).expressions))
        assert len(texts) == len(set(texts))


def test_vocabulary_holds_every_word() -> None:
    words: set[str] = set()
    for seed in range(150):
        scene = _scene(seed, frames=1, width=64, height=48)
        for text in itertools.chain(scene.absent, *scene.expressions):
            assert len(text.split()) <= 20
            assert " a orange" not in f" {text}"
            words |= set(text.split())
    assert words <= set(VOCABULARY)
    assert set(VOCABULARY) - words == set(), "words the grammar never says"
    assert list(VOCABULARY) == sorted(set(VOCABULARY))


def test_too_small_a_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 frame of 16x16"):
        _scene(0, frames=0)


def test_the_example_clip(clip: tuple[Path, Scene]) -> None:
    path, scene = clip
    assert path.stat().st_size < 900_000
    by_kind = {actor.kind: texts for actor, texts in zip(scene.actors, scene.expressions, strict=True)}
    assert "the man in the yellow shirt" in by_kind["man"]
    assert "woman in red dress" in by_kind["woman"]
    assert "the brown dog" in by_kind["dog"]
    assert "the boy in the blue shirt" in by_kind["boy"]
    with av.open(str(path)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 100
    assert np.abs(decoded[50].astype(int) - scene.frames[50]).mean() < 6


def test_a_contact_sheet_is_written(tmp_path: Path) -> None:
    main(["--preview", str(tmp_path / "sheet.png"), "--seed", "3"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (1320, 630)


def test_nothing_to_write_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "nothing to write" in capsys.readouterr().err
