"""Reading RefCOCO, RefCOCO+ and RefCOCOg: their places, splits, skipped rows, pictures and masks."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.data.coco_masks import parse_segmentation
from refvid.data.refcoco import open_refcoco, open_refcoco_plus, open_refcocog
from refvid.data.referring import Expression, ReferringSet, Rules, Scaled
from refvid.data.sets import open_set
from refvid.errors import RefvidError, UsageError, VideoError
from tests.data.coco_folder import (
    HEIGHT,
    NEAR,
    SQUARE,
    TWO_PARTS,
    WIDTH,
    instances,
    pixels,
    reference,
    write_annotations,
    write_pictures,
)
from tests.data.python2_pickle import python2_pickle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The data folder of the data sets' own interface."""
    root = tmp_path / "data"
    write_annotations(root / "refcoco")
    write_annotations(root / "refcoco+")
    for name in ("refs(umd).p", "refs(google).p"):
        write_annotations(root / "refcocog", name)
    write_pictures(root / NEAR)
    return root


def _spoken(opened: ReferringSet) -> list[tuple[str, list[str]]]:
    return [(video.name, [said.text for said in video.expressions]) for video in opened.videos]


def test_pictures_carry_all_that_the_split_says_of_them(root: Path) -> None:
    opened = open_refcoco(root, "train", "unc")
    assert _spoken(opened) == [
        ("COCO_train2014_000000000009", ["square on the left", "the square", "two parts"]),
        ("COCO_train2014_000000581857", ["dog"]),
    ]
    first = opened.videos[0]
    assert first.expressions[0] == Expression("1", "square on the left", 90)
    assert [(said.key, said.instance) for said in first.expressions] == [("1", 90), ("2", 90), ("7", 91)]
    (target,) = first.targets
    assert (target.name, target.index, target.counting) == ("00000", 0, (0, 1, 2))
    assert first.count_frames() == 1
    assert first.void(target) is None
    assert opened.counts() == {"videos": 2, "expressions": 4, "samples": 4}
    assert (opened.title, opened.split, opened.protocol) == ("RefCOCO (UNC)", "train", "unc")
    assert (opened.layout, opened.public, opened.rules) == ("expressions", True, Rules())


def test_what_is_skipped_is_counted(root: Path) -> None:
    notes = open_refcoco(root, "train", "unc").notes
    assert notes == (
        "1 reference skipped: instances.json has no picture or no segmentation.",
        "1 sentence skipped: the cleaned text is empty.",
    )
    assert open_refcoco(root, "val", "unc").notes == ()


def test_sizes_of_picture_and_annotations(root: Path) -> None:
    video = open_refcoco(root, "train", "unc").videos[0]
    assert isinstance(video, Scaled)
    assert video.sizes() == ((WIDTH, HEIGHT), (WIDTH, HEIGHT))
    Image.new("RGB", (WIDTH // 2, HEIGHT + 5)).save(video.path)  # type: ignore[attr-defined]
    assert video.sizes() == ((WIDTH // 2, HEIGHT + 5), (WIDTH, HEIGHT))


def test_truth_is_the_union_of_the_parts(root: Path) -> None:
    first = open_refcoco(root, "train", "unc").videos[0]
    truth = first.truth(first.targets[0])
    assert truth is not None
    assert truth.dtype == np.bool_
    assert truth.shape == (3, HEIGHT, WIDTH)
    square = np.zeros((HEIGHT, WIDTH), np.bool_)
    square[6:30, 4:20] = True
    parts = np.zeros((HEIGHT, WIDTH), np.bool_)
    parts[10:20, 30:50] = parts[15:40, 40:60] = True
    np.testing.assert_array_equal(truth, [square, square, parts])
    judge = pytest.importorskip("pycocotools.mask")
    for polygons, mask in ((SQUARE, truth[0]), (TWO_PARTS, truth[2])):
        union = judge.merge(judge.frPyObjects(polygons, HEIGHT, WIDTH))
        ours = judge.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert judge.iou([ours], [union], [0])[0, 0] == 1


def test_truth_out_of_run_lengths(root: Path) -> None:
    (video,) = open_refcoco(root, "val", "unc").videos
    truth = video.truth(video.targets[0])
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[8:24, 5] = True
    np.testing.assert_array_equal(truth, [expected, expected])


def test_reading_repeats_the_one_picture(root: Path) -> None:
    first = open_refcoco(root, "train", "unc").videos[0]
    frames, there = first.read([-1, 0, 1])
    assert frames.dtype == np.uint8
    assert frames.shape == (3, HEIGHT, WIDTH, 3)
    assert there.tolist() == [False, True, False]
    np.testing.assert_array_equal(frames[0], frames[1])
    assert np.abs(frames[1].astype(int) - pixels(9)).mean() < 3
    with pytest.raises(VideoError, match="is a picture with frame 0 only"):
        first.read([1, 2])


def test_grey_pictures_become_rgb(root: Path) -> None:
    (video,) = open_refcoco(root, "val", "unc").videos
    frames, _ = video.read([0])
    assert frames.shape == (1, HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(frames[..., 0], frames[..., 2])


def test_videos_are_small_and_can_be_pickled(root: Path) -> None:
    video = open_refcoco(root, "train", "unc").videos[0]
    content = pickle.dumps(video)
    assert len(content) < 3000
    copy = pickle.loads(content)
    np.testing.assert_array_equal(copy.truth(copy.targets[0]), video.truth(video.targets[0]))


@pytest.mark.parametrize("opener", [open_refcoco, open_refcoco_plus])
@pytest.mark.parametrize(("split", "text"), [("val", "runs"), ("testA", "person"), ("testB", "thing")])
def test_splits(root: Path, opener: Callable[[Path, str, str], ReferringSet], split: str, text: str) -> None:
    assert opener(root, split, "unc").videos[0].expressions[0].text == text


def test_test_takes_every_split_called_so(root: Path) -> None:
    assert _spoken(open_refcocog(root, "test", "umd")) == [("COCO_train2014_000000000012", ["person", "thing"])]


def test_google_has_no_test(root: Path) -> None:
    with pytest.raises(
        UsageError, match="'google' has no split 'test', because its test part was never published"
    ) as caught:
        open_set("refcocog", root, "test", "google")
    assert caught.value.exit_code == 2
    assert len(open_set("refcocog", root, "val", "google").videos) == 1


def test_unknown_splits_and_protocols(root: Path) -> None:
    meant = r"no split 'test' \(did you mean 'testA' or 'testB'\?\); expected one of train, val, testA"
    with pytest.raises(UsageError, match=meant):
        open_refcoco(root, "test", "unc")
    with pytest.raises(UsageError, match="expected one of umd, google"):
        open_refcocog(root, "val", "unc")


def test_each_name_has_its_own_folder(root: Path) -> None:
    write_annotations(root / "refcoco+", references=[reference("val", 9, 91, [(3, "plus")])])
    assert open_set("refcoco+", root).videos[0].expressions[0].text == "plus"
    assert open_set("refcoco", root).videos[0].expressions[0].text == "runs"
    assert open_set("refcoco+", root / "refcoco+").videos[0].expressions[0].text == "plus"
    with pytest.raises(RefvidError, match=r"no instances\.json in [^;]*refcoco\+/refcoco/annotations"):
        open_set("refcoco", root / "refcoco+")  # its files are called alike, but are another data set's


@pytest.mark.parametrize(
    ("annotations", "pictures", "given"),
    [
        ("refcoco", "images/train2014", "."),
        ("refcoco", "train2014", "."),
        ("refcoco", "coco/train2014", "."),
        ("refcoco", NEAR, "refcoco"),
        ("refcoco", "train2014", "refcoco"),
        ("refcoco", "refcoco/train2014", "refcoco"),
        (".", "train2014", "."),
        ("mine", "mine/train2014", "mine"),
        ("data/refcoco", f"data/{NEAR}", "."),
        ("data/refcoco", "train2014", "."),
        ("refcoco/annotations", "refcoco/images", "."),
        ("refcoco/annotations", "images/train2014", "refcoco"),
    ],
)
def test_places(tmp_path: Path, annotations: str, pictures: str, given: str) -> None:
    write_annotations(tmp_path / annotations)
    write_pictures(tmp_path / pictures)
    opened = open_refcoco(tmp_path / given, "val", "unc")
    assert opened.videos[0].read([0])[0].shape == (1, HEIGHT, WIDTH, 3)


def test_linked_annotations_have_their_pictures_beside_the_link(tmp_path: Path) -> None:
    write_annotations(tmp_path / "elsewhere" / "archive")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "refcoco").symlink_to(tmp_path / "elsewhere" / "archive")
    write_pictures(tmp_path / "data" / "train2014")
    assert len(open_refcoco(tmp_path / "data", "val", "unc").videos) == 1
    assert len(open_refcoco(tmp_path / "data" / "refcoco", "val", "unc").videos) == 1


def test_relative_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "refcoco")
    assert len(open_refcoco(Path("."), "val", "unc").videos) == 1


def test_pictures_of_train2017_and_of_several_folders(tmp_path: Path) -> None:
    write_annotations(tmp_path / "refcoco")
    write_pictures(tmp_path / "images" / "train2014", [581857])  # a broken download
    write_pictures(tmp_path / "train2017", name="{:012d}")
    videos = open_refcoco(tmp_path, "train", "unc").videos
    assert [video.read([0])[0].shape for video in videos] == [(1, HEIGHT, WIDTH, 3)] * 2
    assert [video.name for video in videos] == ["000000000009", "000000581857"]


def test_record_without_a_file_name(root: Path) -> None:
    content = instances()
    assert isinstance(content["images"], list)
    for record in content["images"]:
        del record["file_name"]
    (root / "refcoco" / "instances.json").write_text(json.dumps(content))
    assert open_refcoco(root, "val", "unc").videos[0].name == "COCO_train2014_000000000012"


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(RefvidError) as caught:
        open_refcoco(tmp_path, "val", "unc")
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert "\n" not in message
    for part in (
        f"{tmp_path} does not hold RefCOCO (UNC): no instances.json in {tmp_path / 'refcoco'}, ",
        f"{tmp_path / 'data' / 'refcoco' / 'annotations'}; no refs(unc).p in {tmp_path / 'refcoco'}, ",
        f"; no folder of pictures as {NEAR}, ",
        f"train2017 below {tmp_path.parent}, {tmp_path}; unpack",
    ):
        assert part in message
    with pytest.raises(RefvidError, match="nowhere is not a folder; give the folder that RefCOCO"):
        open_refcoco(tmp_path / "nowhere", "val", "unc")


def test_references_of_another_protocol_are_told(root: Path) -> None:
    (root / "refcocog" / "refs(google).p").unlink()
    with pytest.raises(RefvidError, match=r"no refs\(google\)\.p in .* \(only refs\(umd\)\.p, of another protocol\)"):
        open_refcocog(root, "val", "google")


def test_missing_pictures_are_told_before_anything_runs(root: Path) -> None:
    (root / NEAR / "COCO_train2014_000000581857.jpg").unlink()
    with pytest.raises(RefvidError, match=r"1 of 2 pictures, first COCO_train2014_000000581857\.jpg, are in none"):
        open_refcoco(root, "train", "unc")
    assert len(open_refcoco(root, "val", "unc").videos) == 1


def test_pictures_of_another_size(root: Path) -> None:
    path = root / NEAR / "COCO_train2014_000000000012.jpg"
    (video,) = open_refcoco(root, "val", "unc").videos
    Image.new("RGB", (2 * WIDTH, 2 * HEIGHT)).save(path)
    assert video.read([0])[0].shape == (1, HEIGHT, WIDTH, 3)
    Image.new("RGB", (HEIGHT, WIDTH)).save(path)
    with pytest.raises(VideoError, match="is 48x64 pixels, but its annotations are for 64x48"):
        video.read([0])
    path.write_bytes(b"no picture")
    with pytest.raises(VideoError, match="cannot be read as a picture"):
        video.read([0])


def test_orientation_in_the_file_is_not_followed(root: Path) -> None:
    path = root / NEAR / "COCO_train2014_000000000009.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.fromarray(pixels(9)).save(path, exif=exif, quality=95)
    frames, _ = open_refcoco(root, "train", "unc").videos[0].read([0])
    assert np.abs(frames[0].astype(int) - pixels(9)).mean() < 3


def test_files_that_are_something_else(root: Path) -> None:
    folder = root / "refcoco"
    for entry in ({}, {**reference("val", 9, 90, [(1, "a")]), "sentences": [{"sent": "a"}]}, "val"):
        (folder / "refs(unc).p").write_bytes(python2_pickle([entry]))
        with pytest.raises(RefvidError, match=r"refs\(unc\)\.p is not a list of references"):
            open_refcoco(root, "val", "unc")
    (folder / "refs(unc).p").write_bytes(python2_pickle({}))
    with pytest.raises(RefvidError, match="it contains a dict"):
        open_refcoco(root, "val", "unc")
    twice = [reference("val", 9, 90, [(1, "a")]), reference("val", 9, 91, [(1, "b")])]
    (folder / "refs(unc).p").write_bytes(python2_pickle(twice))
    with pytest.raises(RefvidError, match="a sent_id occurs twice"):
        open_refcoco(root, "val", "unc")
    (folder / "refs(unc).p").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(RefvidError, match=r"requests posix\.system"):
        open_refcoco(root, "val", "unc")
    write_annotations(folder)
    for text in ("{", "[]", '{"images": []}'):
        (folder / "instances.json").write_text(text)
        with pytest.raises(RefvidError, match=r"instances\.json is not COCO's JSON"):
            open_refcoco(root, "val", "unc")
    (folder / "instances.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(RefvidError, match=r"nothing is left of split val: .* has 1 references for it"):
        open_refcoco(root, "val", "unc")


def test_broken_segmentations_are_sentences(root: Path) -> None:
    path = root / "refcoco" / "instances.json"
    content = instances()
    assert isinstance(content["annotations"], list)
    crowd = content["annotations"][-1]
    crowd["segmentation"] = {"size": [WIDTH, HEIGHT], "counts": "0"}
    path.write_text(json.dumps(content))
    with pytest.raises(RefvidError, match=r"instances\.json is broken: annotation 120: the run lengths are for size"):
        open_refcoco(root, "val", "unc")
    crowd["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": "0"}
    path.write_text(json.dumps(content))
    (video,) = open_refcoco(root, "val", "unc").videos
    with pytest.raises(
        RefvidError, match=r"annotation 120 of COCO_train2014_000000000012\.jpg is broken: the run lengths"
    ):
        video.truth(video.targets[0])


def test_opening_draws_no_mask_and_reads_no_picture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / NEAR / "COCO_train2014_000000000009.jpg").write_bytes(b"no picture")
    monkeypatch.setattr("refvid.data.coco_masks.fill_polygon", lambda *_: pytest.fail("a mask was drawn"))
    assert len(open_refcoco(root, "train", "unc").videos) == 2
    assert parse_segmentation(SQUARE, HEIGHT, WIDTH).polygons[0].shape == (4, 2)
