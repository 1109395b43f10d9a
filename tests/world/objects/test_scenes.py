"""Photos of objects as scenes: what is kept, what is left out, and the same again from the same numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.data.sample import Sample, collate
from refvid.errors import RefvidError, UsageError
from refvid.model.layers.language import Vocabulary, split_words
from refvid.train.augment import mirror
from refvid.world.cache import TrainingScene
from refvid.world.objects.cast import Cast, own_mask
from refvid.world.objects.composite import ObjectWorld
from refvid.world.objects.folder import ObjectLibrary, read_photo
from refvid.world.objects.single import ObjectPhotos
from refvid.world.objects.stages import fill_smoothly
from refvid.world.output.training_sheet import SheetPlan, draw_training_sheet
from refvid.world.source import SHARES_WITH_OBJECTS, WorldSource
from tests.world.objects.made_up import write_objects


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def scenes(folder: Path) -> list[TrainingScene]:
    photos = ObjectPhotos([ObjectLibrary(folder)])
    return [photos.draw_scene(np.random.default_rng((1, n)), width=96, height=72) for n in range(30)]


@pytest.fixture(scope="module")
def composites(folder: Path) -> list[TrainingScene]:
    world = ObjectWorld([ObjectLibrary(folder)])
    return [world.draw_scene(np.random.default_rng((2, n)), frames=3, stride=4, width=96, height=72) for n in range(14)]


def test_the_list_is_read_by_split_and_source(folder: Path) -> None:
    assert {photo.source for photo in ObjectLibrary(folder).photos} == {"coco", "pets", "firetruck_via"}
    assert len(ObjectLibrary(folder, "validation")) == 5
    assert {photo.source for photo in ObjectLibrary(folder, "all", ("pets",)).photos} == {"pets"}
    with pytest.raises(UsageError, match="lists no photo of the split 'train' from feralcat"):
        ObjectLibrary(folder, "train", ("feralcat",))


def test_damaged_lists_and_photos_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text('{"source": "coco"}\n')
    with pytest.raises(UsageError, match="cannot be read as a list of photos"):
        ObjectLibrary(tmp_path)
    write_objects(tmp_path, copies=2)
    listed = ObjectLibrary(tmp_path).photos[0]
    listed.mask.write_bytes(b"no picture")
    with pytest.raises(RefvidError, match="cannot be read"):
        read_photo(listed)


def test_regions_and_words_belong_together(scenes: list[TrainingScene], composites: list[TrainingScene]) -> None:
    for scene in (*scenes, *composites):
        height, width = scene.frames.shape[1:3]
        assert scene.regions.shape == (len(scene.words), height, width)
        assert len(scene.unsure) == len(scene.words)
        assert not scene.words[-1], "nothing is surely true of the rest of the picture"
        for true, doubtful in zip(scene.words, scene.unsure, strict=True):
            assert not true & doubtful
        for reference in scene.references:
            assert reference.actor is None or scene.regions[reference.actor].any()
    absent = [r.actor is None for scene in (*scenes, *composites) for r in scene.references]
    assert 0.25 < np.mean(absent) < 0.55


def test_what_nobody_knows_is_left_out(scenes: list[TrainingScene]) -> None:
    with_band = [scene for scene in scenes if scene.ignore is not None]
    assert with_band
    for scene in with_band:
        assert scene.ignore is not None
        assert not (scene.regions & scene.ignore).any()


def test_a_band_belongs_to_what_it_is_nearer_to() -> None:
    labels = np.zeros((20, 40), np.uint8)
    labels[:, 10:20], labels[:, 20:28] = 1, 255
    assert own_mask(labels, 1)[10].nonzero()[0].tolist() == list(range(10, 24))


def test_nothing_comes_through_of_what_a_filled_hole_hid() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(60, 120, (40, 64, 3), dtype=np.uint8)
    hole = np.zeros((40, 64), np.bool_)
    hole[2:38, 4:60] = True
    other = image.copy()
    other[hole] = 255
    filled = fill_smoothly(image, hole)
    np.testing.assert_array_equal(filled, fill_smoothly(other, hole))
    assert filled.min() >= 60
    assert filled.max() < 120
    np.testing.assert_array_equal(filled[:, 63], image[:, 63])
    np.testing.assert_array_equal(fill_smoothly(image, ~hole | hole), image)


def test_what_covers_is_not_what_is_covered(composites: list[TrainingScene]) -> None:
    several = 0
    for scene in composites:
        assert scene.regions.astype(int).sum(0).max() <= 1
        several += len(scene.words) > 2
    assert several > 5


def test_only_whole_objects_are_cut_out(folder: Path) -> None:
    cast = Cast([ObjectLibrary(folder)])
    assert set(cast.kinds) >= {"dog", "cat", "cup", "bus"}
    player = cast.pick(np.random.default_rng(0), "cat")
    assert player is not None
    assert player.cutout.levels[0].shape[2] == 4
    assert cast.pick(np.random.default_rng(0), "zebra") is None


def test_single_frames_say_nothing_of_motion(folder: Path) -> None:
    world = ObjectWorld([ObjectLibrary(folder)])
    for number in range(12):
        scene = world.draw_scene(np.random.default_rng((4, number)), frames=1, width=96, height=72)
        assert not any(words & {"moving", "still"} for words in scene.words)
        assert not [r for r in scene.references if {"moving", "going"} & set(split_words(r.expression)) and r.actor]


def same(first: Sample, second: Sample) -> bool:
    return (
        np.array_equal(first.frames, second.frames)
        and first.expressions == second.expressions
        and np.array_equal(first.masks, second.masks)
        and first.region_words == second.region_words
        and first.region_unsure == second.region_unsure
        and (first.ignore is None) == (second.ignore is None)
        and (first.ignore is None or np.array_equal(first.ignore, second.ignore if second.ignore is not None else ()))
    )


def test_the_same_numbers_give_the_same_samples_and_the_cache_keeps_them(folder: Path, tmp_path: Path) -> None:
    options = {"size": 64, "photos": folder, "shares": {"object-photo": 2.0, "object-composite": 1.0}}
    first, again = WorldSource(**options), WorldSource(**options)  # type: ignore[arg-type]
    for number in range(8):
        assert same(first.draw(np.random.default_rng(number)), again.draw(np.random.default_rng(number)))
    kept = WorldSource(**options, sources=("pets",), cache=tmp_path / "scenes", cache_scenes=4)  # type: ignore[arg-type]
    drawn = [kept.draw(np.random.default_rng(number), 0.1) for number in range(16)]
    assert any(sample.ignore is not None for sample in drawn)
    for number, sample in enumerate(drawn):
        assert same(kept.draw(np.random.default_rng(number), 0.1), sample)


def test_about_a_third_of_the_expressions_mean_nothing_and_every_word_is_listed(folder: Path) -> None:
    source = WorldSource(size=96, photos=folder, shares={"object-photo": 0.6, "object-composite": 0.4})
    samples = [source.draw(np.random.default_rng((8, number))) for number in range(60)]
    empty = [not mask.any() for sample in samples for mask in sample.masks]
    assert 0.22 < np.mean(empty) < 0.48
    spoken = {word for sample in samples for said in sample.expressions for word in split_words(said)}
    told = {word for s in samples for words in (*s.region_words, *s.region_unsure) for word in words}  # type: ignore[misc]
    assert spoken <= set(source.words)
    assert told <= set(source.words)
    assert list(source.words) == sorted(set(source.words))


def test_shares_follow_what_there_are_photos_for(folder: Path) -> None:
    assert set(WorldSource(photos=folder).kinds) == set(SHARES_WITH_OBJECTS) - {"composite", "photo"}
    assert set(WorldSource().kinds) == {"mixed", "people", "motion"}
    with pytest.raises(UsageError, match="leave nothing to draw"):
        WorldSource(shares={"object-photo": 1.0})


def test_drawn_scenes_do_not_deny_what_only_photos_teach(folder: Path) -> None:
    source = WorldSource(size=64, photos=folder, shares={"mixed": 1.0})
    sample = source.draw(np.random.default_rng(0))
    assert sample.region_unsure is not None
    assert all("automobile" in doubtful for doubtful in sample.region_unsure)


def test_batches_know_what_counts(folder: Path) -> None:
    source = WorldSource(size=64, photos=folder, sources=("pets",), shares={"object-photo": 1.0})
    pair = [source.draw(np.random.default_rng(number), 0.99) for number in range(2)]
    vocabulary = Vocabulary(("zzz", *source.words))
    batch = collate(pair, vocabulary, pair[0].frames.shape[1:3], source.words)
    assert batch.weights is not None
    assert batch.region_unsure is not None
    assert batch.region_words is not None
    assert batch.taught is not None
    assert len(batch.taught) == len(source.words)
    assert 2 not in batch.taught.tolist(), "the word that nothing says"
    for b, sample in enumerate(pair):
        assert sample.ignore is not None
        np.testing.assert_array_equal(batch.weights[b].numpy() < 1, sample.ignore)
    assert not (batch.region_unsure & batch.region_words).any()


def test_mirrored_samples_keep_what_is_left_out(folder: Path) -> None:
    source = WorldSource(size=64, photos=folder, sources=("pets",), shares={"object-photo": 1.0})
    sample = source.draw(np.random.default_rng(1))
    twin = mirror(sample)
    assert sample.ignore is not None
    assert twin.ignore is not None
    np.testing.assert_array_equal(twin.ignore, sample.ignore[:, ::-1])
    assert same(mirror(twin), sample)


def test_the_sheet_shows_scenes(folder: Path) -> None:
    sheet = draw_training_sheet(SheetPlan((folder,), columns=2, rows=1))
    assert isinstance(sheet, Image.Image)
    assert len(np.unique(np.asarray(sheet))) > 50
    with pytest.raises(UsageError, match="give no scenes of the kind photo"):
        draw_training_sheet(SheetPlan((folder,), kind="photo"))
