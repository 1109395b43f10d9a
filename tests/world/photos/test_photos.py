"""Labelled photos of people: reading, colours, cut-outs, composites and single photos."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from refvid.errors import RefvidError
from refvid.model.layers.language import split_words
from refvid.world.language.part_grammar import WORDS, describe, may_be_called
from refvid.world.photos.backdrop import remove_person
from refvid.world.photos.colour import measure_colour
from refvid.world.photos.cutout import blend, cut_out
from refvid.world.photos.facts import LabelledPart, PersonFacts, look_of
from refvid.world.photos.folder import PhotoLibrary, Split, split_of
from refvid.world.photos.people import known_sex
from refvid.world.photos.scene import PhotoWorld, is_safe
from refvid.world.photos.single import SinglePhotos
from refvid.world.scene import RGB, Look, Reference

LABELS = ("null", "bag", "hair", "pants", "shirt", "shoes", "skin", "skirt")
PAINTS: tuple[tuple[RGB, RGB], ...] = (
    ((205, 30, 36), (30, 70, 190)),
    ((246, 220, 40), (24, 24, 26)),
    ((30, 130, 50), (110, 70, 40)),
    ((250, 250, 250), (120, 44, 160)),
)


def _draw_photo(top: RGB, lower: RGB, lower_label: str) -> tuple[Image.Image, Image.Image]:
    photo = Image.effect_noise((128, 192), 30).convert("RGB")
    labels = Image.new("L", photo.size)
    shapes: tuple[tuple[str, RGB, tuple[int, int, int, int]], ...] = (
        ("hair", (40, 26, 18), (52, 16, 76, 34)),
        ("skin", (228, 180, 142), (56, 24, 72, 44)),
        ("shirt", top, (44, 44, 84, 100)),
        (lower_label, lower, (48, 100, 80, 168)),
        ("shoes", (22, 22, 24), (46, 168, 82, 178)),
        ("bag", (140, 96, 60), (84, 90, 100, 112)),
    )
    for name, paint, box in shapes:
        ImageDraw.Draw(photo).rectangle(box, fill=paint)
        ImageDraw.Draw(labels).rectangle(box, fill=LABELS.index(name))
    return photo, labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four drawn people in the layout of the photo set."""
    made = tmp_path_factory.mktemp("people")
    (made / "photos").mkdir()
    (made / "labels").mkdir()
    (made / "labels.json").write_text(json.dumps(LABELS))
    for number in range(24):
        top, lower = PAINTS[number % len(PAINTS)]
        photo, labels = _draw_photo(top, lower, "skirt" if number % 3 == 0 else "pants")
        photo.save(made / "photos" / f"{number:04}.jpg", quality=95)
        labels.save(made / "labels" / f"{number:04}.png")
    return made


def _copy(folder: Path, target: Path, names: tuple[str, ...]) -> Path:
    for part in ("photos", "labels"):
        (target / part).mkdir(parents=True)
        for path in (folder / part).iterdir():
            if path.stem in names:
                (target / part / path.name).write_bytes(path.read_bytes())
    (target / "labels.json").write_bytes((folder / "labels.json").read_bytes())
    return target


def test_splits_are_disjoint_and_together_everything(folder: Path) -> None:
    splits: tuple[Split, ...] = ("train", "validation", "all")
    train, validation, everything = ({photo.name for photo in PhotoLibrary(folder, split).photos} for split in splits)
    assert not train & validation
    assert train | validation == everything
    assert len(everything) == 24


def test_split_of_a_name_never_changes() -> None:
    held_out = [number for number in range(1000) if split_of(f"{number:04}") == "validation"]
    assert held_out[:5] == [7, 23, 28, 32, 46]
    assert 110 < len(held_out) < 190


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RefvidError, match="has no folder photos/"):
        PhotoLibrary(tmp_path / "nowhere")


def test_missing_label_names_are_an_error(folder: Path, tmp_path: Path) -> None:
    target = _copy(folder, tmp_path / "set", ("0001",))
    (target / "labels.json").unlink()
    with pytest.raises(RefvidError, match=r"labels\.json cannot be read"):
        PhotoLibrary(target)


def test_label_names_of_the_wrong_kind_are_an_error(folder: Path, tmp_path: Path) -> None:
    target = _copy(folder, tmp_path / "set", ("0001",))
    (target / "labels.json").write_text('{"null": 0}')
    with pytest.raises(RefvidError, match="is not a list of label names"):
        PhotoLibrary(target)


def test_broken_and_unusable_photos_are_skipped_and_counted(folder: Path, tmp_path: Path) -> None:
    target = _copy(folder, tmp_path / "set", ("0001", "0002", "0003", "0004", "0005"))
    (target / "photos" / "0001.jpg").write_bytes(b"no photo")
    (target / "labels" / "0002.png").unlink()
    Image.new("L", (10, 10)).save(target / "labels" / "0003.png")  # of another size
    Image.new("L", (128, 192)).save(target / "labels" / "0004.png")  # nobody there
    library = PhotoLibrary(target, "all")
    assert [photo.name for photo in library.photos] == ["0005"]
    assert (library.broken, library.unusable) == (3, 1)


def test_folder_without_a_usable_photo_is_an_error(folder: Path, tmp_path: Path) -> None:
    target = _copy(folder, tmp_path / "set", ("0001",))
    (target / "photos" / "0001.jpg").write_bytes(b"no photo")
    with pytest.raises(RefvidError, match="no usable photo of the split 'all' \\(1 broken"):
        PhotoLibrary(target, "all")


def test_photos_are_kept_at_the_wanted_size(folder: Path) -> None:
    photo = PhotoLibrary(folder, "all", size=96).photos[0]
    assert photo.image.shape == (96, 64, 3)
    assert photo.labels.shape == (96, 64)
    assert photo.image.dtype == photo.labels.dtype == np.uint8


def test_garments_are_measured_and_named_by_colour(folder: Path) -> None:
    named = {}
    for photo in PhotoLibrary(folder, "all").photos[:4]:
        named.update({(photo.name, part.label): part.colour for part in photo.facts.parts})
    assert [named[f"000{n}", "shirt"] for n in range(4)] == ["red", "yellow", "green", "white"]
    assert [named["0000", "skirt"], named["0001", "pants"], named["0002", "pants"]] == ["blue", "black", "brown"]
    assert named["0003", "skirt"] == "purple"
    assert {named[f"000{n}", "shoes"] for n in range(4)} == {"black"}


@pytest.mark.parametrize(
    ("paint", "near"), [((120, 62, 62), {"red", "brown"}), ((196, 180, 160), {"grey", "white", "brown"})]
)
def test_colours_that_people_would_dispute_have_no_name(paint: RGB, near: set[str]) -> None:
    measured = measure_colour(np.full((200, 3), paint, np.uint8))
    assert measured.name is None
    assert measured.near & near


def test_striped_garment_has_no_colour_name() -> None:
    pixels = np.array([(200, 24, 32), (30, 70, 190)] * 100, np.uint8)
    measured = measure_colour(pixels)
    assert measured.name is None
    assert {"red", "blue"} <= measured.near


def test_sex_is_said_only_where_the_clothes_tell_it(folder: Path) -> None:
    sexes = {photo.name: photo.facts.sex for photo in PhotoLibrary(folder, "all").photos}
    assert sexes["0000"] == sexes["0003"] == "woman"  # in skirts
    assert sexes["0001"] is None
    assert known_sex("0004", LABELS) is None  # the notes about the one set hold for no other


def test_look_has_one_garment_a_slot_and_tells_what_is_left_out() -> None:
    parts = (
        LabelledPart("coat", 1, 0.4, "black", frozenset({"black"}), (20, 20, 20)),
        LabelledPart("shirt", 2, 0.2, "red", frozenset({"red"}), (200, 24, 32)),
        LabelledPart("jeans", 3, 0.2, None, frozenset({"blue", "grey"}), (100, 110, 130)),
    )
    look, besides = look_of(PersonFacts(parts, "woman", (220, 180, 150), (60, 40, 30)))
    assert [(garment.slot, garment.name, garment.colour) for garment in look.garments] == [
        ("top", "coat", "black"),
        ("lower", "jeans", ""),
    ]
    assert (look.sex, look.colour, besides) == ("woman", "black", parts[1:2])


def test_cutout_keeps_the_person_and_nothing_of_the_background() -> None:
    image = np.full((60, 40, 3), (0, 255, 0), np.uint8)
    person = np.zeros((60, 40), np.bool_)
    person[10:50, 12:28] = True
    image[person] = (200, 20, 30)
    cutout = cut_out(image, person)
    assert (cutout.stature, cutout.cut) == (40.0, frozenset())
    frame = np.full((60, 40, 3), 90, np.uint8)
    # One pixel of the cut-out is one of the frame; the anchor goes to column 20, row 50.
    drawn = blend(frame, cutout.levels[0], np.array([[1, 0, 20 - cutout.anchor[0]], [0, 1, 50 - cutout.anchor[1]]]))
    assert drawn is not None
    covered = np.zeros_like(person)
    covered[drawn[0]] = drawn[1]
    assert not (covered & ~person).any()
    assert (person & ~covered).sum() <= 4  # soft edges round the corners off
    assert frame[..., 1].max() <= 90  # no rim of green
    assert np.array_equal(frame[30, 20], (200, 20, 30))


def test_cutout_knows_where_the_photo_ends() -> None:
    person = np.zeros((40, 30), np.bool_)
    person[20:, 10:] = True
    assert cut_out(np.zeros((40, 30, 3), np.uint8), person).cut == {"right", "bottom"}


def test_removed_person_leaves_only_the_street() -> None:
    image = np.full((60, 80, 3), (90, 110, 130), np.uint8)
    person = np.zeros((60, 80), np.bool_)
    person[10:50, 30:50] = True
    image[person] = (255, 0, 0)
    street = remove_person(image, person)
    assert np.abs(street.astype(int) - (90, 110, 130)).max() <= 1


def test_facts_of_a_composite_are_those_of_the_visible_pixels(folder: Path) -> None:
    world = PhotoWorld(folder, "all", size=128)
    meant = 0
    for seed in range(12):
        scene = world.draw_scene(np.random.default_rng(seed), frames=3, width=96, height=72)
        assert scene.frames.shape == (3, 72, 96, 3)
        assert scene.instances.max() <= len(scene.actors)
        for index, facts in enumerate(scene.actors):
            mask = scene.mask(index)[1]
            assert facts.area == mask.sum()
            if facts.area:
                rows, columns = np.nonzero(mask)
                assert facts.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        for reference in scene.references:
            assert reference.actor is None or scene.actors[reference.actor].seen
            meant += reference.actor is not None
        assert scene.references or not any(facts.seen for facts in scene.actors)
    assert meant >= 12


def test_visible_pixels_of_a_person_have_the_clothes_colours(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = _copy(folder, tmp_path / "set", ("0000",))
    monkeypatch.setattr("refvid.world.photos.scene.WITH_FIGURES", 0.0)
    monkeypatch.setattr("refvid.world.photos.scene.expose", lambda rng, clip: clip)
    scene = PhotoWorld(target, "all").draw_scene(np.random.default_rng(1), frames=1, width=128, height=96)
    pixels = scene.frames[0][scene.mask(0)[0]].astype(int)
    red = (pixels[:, 0] > 130) & (pixels[:, 1] < 90) & (pixels[:, 2] < 90)
    assert red.mean() > 0.2
    outside: npt.NDArray[np.int64] = scene.frames[0][~scene.mask(0)[0]].astype(int)
    assert ((outside[:, 0] > 130) & (outside[:, 1] < 90) & (outside[:, 2] < 90)).mean() < 0.01


def test_same_generator_gives_the_same_composite(folder: Path) -> None:
    world = PhotoWorld(folder, "train", size=128)
    first, second = (
        world.draw_scene(np.random.default_rng(5), frames=4, width=80, height=64, stride=2) for _ in range(2)
    )
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.instances, second.instances)
    assert first.references == second.references
    assert first.frames_per_second == 12.5


def test_walking_people_move_where_they_are_said_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.world.photos.scene.camera_path", lambda rng, frames, margin: np.zeros((frames, 2)))
    monkeypatch.setattr("refvid.world.photos.scene.WITH_FIGURES", 0.0)
    world = PhotoWorld(folder, "all", size=128)
    seen = set()
    for seed in range(20):
        scene = world.draw_scene(np.random.default_rng(seed), frames=3, width=160, height=72, stride=3)
        for index, facts in enumerate(scene.actors):
            masks = scene.mask(index)
            alone = len(scene.actors) == 1 and masks[:, :, 0].sum() == masks[:, :, -1].sum() == 0
            if not alone:
                continue
            moved = np.nonzero(masks[2])[1].mean() - np.nonzero(masks[0])[1].mean()
            expected = {"left": -1, "right": 1, "": 0}[facts.direction]
            assert np.sign(moved) * (abs(moved) > 0.3) == expected
            assert (facts.action, facts.pace == "still") == (("walking", False) if expected else ("none", True))
            seen.add(facts.direction)
    assert len(seen) >= 2


def test_nobody_walks_in_a_still(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.world.photos.scene.WITH_FIGURES", 0.0)
    world = PhotoWorld(folder, "all", size=128)
    for seed in range(5):
        scene = world.draw_scene(np.random.default_rng(seed), frames=1, width=64, height=64)
        assert {facts.action for facts in scene.actors} == {"none"}


def test_too_small_a_composite_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 frame of 32x32"):
        PhotoWorld(folder, "all", size=128).draw_scene(np.random.default_rng(0), frames=1, width=20, height=64)


class _Dressed:
    """An actor that wears something its look does not tell."""

    def __init__(self, *besides: LabelledPart) -> None:
        self.look = Look("adult", "woman", (), "", (0, 0, 0))
        self.besides = besides
        self.ground = (0.0, 0.0)
        self.deed = ("none", 1, "", "still")

    def draw(self, *_: object) -> None:
        """Never drawn."""


@pytest.mark.parametrize(
    ("expression", "safe"),
    [
        ("the woman in a red shirt", False),
        ("the woman in red", False),
        ("the woman in a shirt", False),
        ("the woman in a green shirt", True),
        ("the woman in red jeans", True),
        ("the woman on the left", True),
    ],
)
def test_expression_that_a_hidden_garment_makes_ambiguous_is_dropped(expression: str, safe: bool) -> None:
    hidden = LabelledPart("shirt", 4, 0.1, None, frozenset({"red", "pink"}), (220, 60, 90))
    actors = (_Dressed(), _Dressed(hidden))
    assert is_safe(Reference(expression, 0, frozenset({"garment"})), actors, street=False) is safe
    assert is_safe(Reference(expression, 1, frozenset({"garment"})), actors, street=False)
    assert is_safe(Reference(expression, None, frozenset({"garment"})), actors, street=False) is safe


@pytest.mark.parametrize(
    ("expression", "way", "safe"),
    [("a car", "kind", False), ("the red car", "colour", False), ("a man", "kind", False), ("a dog", "kind", True)],
)
def test_nothing_is_denied_that_a_real_street_may_show(expression: str, way: str, safe: bool) -> None:
    reference = Reference(expression, None, frozenset({way}))
    assert is_safe(reference, (_Dressed(),), street=True) is safe
    assert is_safe(reference, (_Dressed(),), street=False)


def test_single_photo_masks_are_the_labels(folder: Path) -> None:
    photos = SinglePhotos(folder, "all", size=128)
    kinds = set()
    for seed in range(30):
        sample = photos.draw(np.random.default_rng(seed), longer=120)
        assert sample.regions is not None
        assert sample.region_words is not None
        person, *parts = sample.regions
        assert sample.frames.shape == (1, *person.shape, 3)
        assert not np.any(np.sum(parts, axis=0) > 1)
        assert not np.any(np.any(parts, axis=0) & ~person)
        for expression, mask in zip(sample.expressions, sample.masks, strict=True):
            same = [index for index, region in enumerate(sample.regions) if np.array_equal(mask, region)]
            assert same or not mask.any()
            kinds.add("nothing" if not mask.any() else "person" if same[0] == 0 else "part")
            for index in same[:1]:
                said = set(split_words(expression)) & {"shirt", "pants", "trousers", "skirt", "bag", "handbag", "red"}
                assert said <= sample.region_words[index] | sample.region_words[0]
    assert kinds == {"nothing", "person", "part"}


def test_single_photo_of_the_whole_person_equals_the_label_union(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = SinglePhotos(folder, "all", size=192)
    whole = (0, 0, 128, 192)
    monkeypatch.setattr(
        "refvid.world.photos.single.photo_windows", lambda rng, photo, frames, longer: ([whole] * frames, 1.0)
    )
    sample = photos.draw(np.random.default_rng(3), frames=3)
    assert sample.regions is not None
    source = [photo.person for photo in photos.library.photos]
    assert any(np.array_equal(sample.regions[0], shown) for person in source for shown in (person, person[:, ::-1]))
    assert sample.frames.shape[0] == len(sample.frame_mask) == 3


def test_single_photos_are_deterministic(folder: Path) -> None:
    photos = SinglePhotos(folder, "all", size=128)
    first, second = (photos.draw(np.random.default_rng(9), frames=2) for _ in range(2))
    assert first.expressions == second.expressions
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.masks, second.masks)


def test_sayings_mean_one_thing_or_nothing() -> None:
    parts = (
        LabelledPart("coat", 1, 0.4, "black", frozenset({"black"}), (20, 20, 20)),
        LabelledPart("jacket", 2, 0.2, "black", frozenset({"black", "grey"}), (30, 30, 30)),
        LabelledPart("bag", 3, 0.1, "red", frozenset({"red"}), (200, 24, 32)),
    )
    facts = PersonFacts(parts, "man", (220, 180, 150), (60, 40, 30))
    said = [saying for seed in range(60) for saying in describe(np.random.default_rng(seed), facts, 4, 2)]
    assert {saying.part for saying in said} >= {-1, 2, None}
    for saying in said:
        words = split_words(saying.expression)
        assert set(words) <= set(WORDS)
        assert saying.part not in (0, 1)  # nothing tells the black coat from the black jacket
        if saying.part is None and not {"woman", "lady", "girl"} & set(words):
            false = {"red": {"bag", "handbag", "purse"}, "black": {"coat", "jacket", "top", "blazer"}}
            assert not any(colour in words and names & set(words) for colour, names in false.items())
    assert may_be_called(parts[0], "jacket")


def test_notes_about_the_photo_set_hold_for_its_labels_only() -> None:
    labels = ["null", *(f"label {number}" for number in range(1, 59))]
    for index, name in {6: "bodysuit", 12: "clogs", 35: "romper", 58: "wedges"}.items():
        labels[index] = name
    assert known_sex("0004", labels) == "man"
    assert known_sex("0013", labels) == "woman"
    assert known_sex("0291", labels) == "unknown"
    assert known_sex("9999", labels) is None
    assert known_sex("0004", labels[:-1]) is None


def test_blend_outside_the_frame_changes_nothing() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    rgba = np.full((4, 4, 4), 255, np.uint8)
    assert blend(frame, rgba, np.array([[1.0, 0, 20], [0, 1.0, 0]])) is None
    assert not frame.any()
