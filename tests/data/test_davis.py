"""Reading DAVIS-17: its places, its lists, phrases with their encodings and misspellings, palettes and void."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.data.davis import VOID, open_davis16, open_davis17
from refvid.data.davis_text import read_phrases
from refvid.data.frame_folder import FrameFolder, read_numbers
from refvid.data.referring import Expression
from refvid.data.sets import open_set
from refvid.data.text import name_some
from refvid.errors import RefvidError, UsageError, VideoError
from refvid.evaluation.check import check_set
from tests.data.davis_folder import (
    FRAMES,
    HEIGHT,
    REAL,
    WIDTH,
    numbers,
    told,
    write_frames,
    write_masks,
    write_palette,
    write_text,
)

FULL = {
    "annot1": 'bike 1 "a black bike"\nbike 2 "a man  wearing a \u201cfez\u201d"\nclasic-car 1 "an old car"\n'
    'bear 1 "a bear"\n',
    "annot2": 'bike 1 "a bike"\r\nbike 2 "a caf\xe9 owner"\r\nclassic-car 1 "a car"\r\n',
}


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """DAVIS-17 of two sequences with its phrases beside DAVIS/."""
    root = tmp_path / "DAVIS"
    for name, objects in (("bike", (1, 2)), ("classic-car", (1,))):
        write_frames(root / "JPEGImages" / "480p" / name)
        write_masks(root / "Annotations" / "480p" / name, objects)
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("bike\nclassic-car\n\n")
    write_text(tmp_path, "17", "_full_video", FULL)
    first = {run: text.replace('"a', '"first a') for run, text in FULL.items()}
    write_text(tmp_path, "17", "", first)
    return root


def test_full_video_phrases_of_both_annotators(davis: Path) -> None:
    opened = open_davis17(davis, "val", "full-video")
    assert told(opened) == [
        ("bike", "annot1", "1", "a black bike", 1),
        ("bike", "annot1", "2", "a man wearing a \u201cfez\u201d", 2),  # one quote at each end is taken off, no more
        ("bike", "annot2", "1", "a bike", 1),
        ("bike", "annot2", "2", "a caf\xe9 owner", 2),
        ("classic-car", "annot1", "1", "an old car", 1),
        ("classic-car", "annot2", "1", "a car", 1),
    ]
    assert opened.counts() == {"videos": 2, "expressions": 6, "samples": (4 + 2) * FRAMES}
    assert (opened.title, opened.split, opened.protocol) == ("DAVIS-17", "val", "full-video")
    rules = opened.rules
    assert (rules.measure, rules.matching, rules.exclusive, rules.inner) == ("contour", "own", True, False)
    assert (opened.layout, opened.submission, opened.public) == ("palette", "", True)
    assert opened.notes == ("1 phrase of a misspelt sequence: mended.",)


def test_first_frame_has_its_own_files_and_the_parent_will_do(davis: Path) -> None:
    opened = open_set("davis17", davis.parent, protocol="first-frame")
    assert told(opened)[:2] == [
        ("bike", "annot1", "1", "first a black bike", 1),
        ("bike", "annot1", "2", "first a man wearing a \u201cfez\u201d", 2),
    ]
    inside = davis / "davis_text_annotations"
    (davis.parent / "davis_text_annotations").rename(inside)
    assert told(open_davis17(davis.parent, "val", "first-frame")) == told(opened)
    assert told(open_davis17(davis, "val", "first-frame")) == told(opened)


def test_truth_follows_the_expressions(davis: Path) -> None:
    video = open_davis17(davis, "val", "full-video").videos[0]
    assert [(target.name, target.index) for target in video.targets] == [(f"{i:05d}", i) for i in range(FRAMES)]
    assert {target.counting for target in video.targets} == {(0, 1, 2, 3)}
    truth = video.truth(video.targets[2])
    assert truth is not None
    expected = numbers(1, 2, shift=2)
    np.testing.assert_array_equal(truth, np.stack([expected == 1, expected == 2] * 2))
    assert truth.dtype == np.bool_
    assert video.void(video.targets[2]) is None
    assert pickle.loads(pickle.dumps(video)) == video


def test_frames_are_read_and_stood_in_for(davis: Path) -> None:
    video = open_davis17(davis, "val", "full-video").videos[0]
    assert video.count_frames() == FRAMES
    pixels, present = video.read([-2, 3, 1, 9])
    assert pixels.shape == (4, HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[:, 0, 0, 0], [0, 120, 40, 120], atol=4)
    np.testing.assert_allclose(pixels[..., 2], 200, atol=4)
    assert present.tolist() == [False, True, True, False]
    folder = davis / "JPEGImages" / "480p" / "bike"
    (folder / "00001.jpg").unlink()
    (folder / "00002.jpg").unlink()
    pixels, present = video.read([1, 2])
    np.testing.assert_allclose(pixels[:, 0, 0, 0], [0, 120], atol=4)
    assert present.tolist() == [False, False]
    with pytest.raises(VideoError, match="has 4 frames"):
        video.read([4])


def test_broken_footage_is_a_sentence(davis: Path) -> None:
    video = open_davis17(davis, "val", "full-video").videos[0]
    folder = davis / "JPEGImages" / "480p" / "bike"
    whole = (folder / "00001.jpg").read_bytes()
    (folder / "00001.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"00001\.jpg cannot be read"):
        video.read([1])
    (folder / "00001.jpg").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"00001\.jpg cannot be read"):
        video.truth(video.targets[1])
    Image.new("RGB", (HEIGHT, WIDTH)).save(folder / "00001.jpg")
    with pytest.raises(VideoError, match="differ in size"):
        video.read([0, 1])
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(VideoError, match="none of its 4 frames"):
        video.read([0])


def test_mask_of_another_size_is_an_error(davis: Path) -> None:
    video = open_davis17(davis, "val", "full-video").videos[0]
    write_palette(davis / "Annotations" / "480p" / "bike" / "00001.png", numbers(1, 2).T)
    with pytest.raises(RefvidError, match=r"00001\.png is 24x40, but its frame is 40x24"):
        video.truth(video.targets[1])
    Image.new("RGB", (WIDTH, HEIGHT)).save(davis / "Annotations" / "480p" / "bike" / "00001.png")
    with pytest.raises(RefvidError, match=r"colour image \(mode RGB\)"):
        video.truth(video.targets[1])


def test_hungarian_takes_the_unsupervised_annotation_and_its_void(davis: Path) -> None:
    with pytest.raises(RefvidError, match="no Annotations_unsupervised/480p in it, nor in DAVIS/ below it"):
        open_davis17(davis, "val", "full-video-hungarian")
    folder = davis / "Annotations_unsupervised" / "480p"
    for name, objects in (("bike", (1, VOID)), ("classic-car", (1, 2))):
        write_masks(folder / name, objects)
    opened = open_davis17(davis, "val", "full-video-hungarian")
    assert (opened.rules.matching, opened.rules.exclusive, opened.rules.inner) == ("hungarian", True, False)
    assert told(opened)[:2] == [
        ("bike", "annot1", "1", "a black bike", 1),
        ("bike", "annot1", "2", "a man wearing a \u201cfez\u201d", None),  # competes, but is no object there
    ]
    assert told(opened)[-2:] == [
        ("classic-car", "annot2", "1", "a car", 1),
        ("classic-car", "annot2", "2", "", 2),  # nobody describes it; it is missed
    ]
    assert opened.notes[1:] == (
        "2 phrases of an object that the first mask does not have: predictions all the same.",
        "2 objects without the phrase of an annotator, counted in each run: count as missed.",
    )
    bike, car = opened.videos
    expected = numbers(1, VOID, shift=3)
    truth, void = bike.truth(bike.targets[3]), bike.void(bike.targets[3])
    assert truth is not None
    assert void is not None
    np.testing.assert_array_equal(truth, np.stack([expected == 1, np.zeros_like(expected, bool)] * 2))
    np.testing.assert_array_equal(void, expected == VOID)
    assert void.any()
    assert car.void(car.targets[3]) is None


def test_own_matching_leaves_out_what_cannot_be_compared(davis: Path) -> None:
    write_masks(davis / "Annotations" / "480p" / "bike", (1,))
    write_masks(davis / "Annotations" / "480p" / "classic-car", (1, 2))
    opened = open_davis17(davis, "val", "full-video")
    assert [row[:3] for row in told(opened)] == [
        ("bike", "annot1", "1"),
        ("bike", "annot2", "1"),
        ("classic-car", "annot1", "1"),
        ("classic-car", "annot2", "1"),
    ]
    assert opened.notes[1:] == (
        "2 phrases of an object that the first mask does not have: left out.",
        "2 objects without the phrase of an annotator, counted in each run: left out.",
    )


def test_semi_supervised_needs_no_phrases(davis: Path) -> None:
    for path in (davis.parent / "davis_text_annotations").iterdir():
        path.unlink()
    write_palette(davis / "Annotations" / "480p" / "bike" / "00003.png", numbers(1, 2, 3))  # the first mask counts
    opened = open_davis17(davis, "val", "semi-supervised")
    assert told(opened) == [("bike", "", "1", "", 1), ("bike", "", "2", "", 2), ("classic-car", "", "1", "", 1)]
    assert (opened.rules.inner, opened.rules.matching) == (True, "own")
    assert opened.videos[0].targets[0].counting == (0, 1)
    assert opened.notes == ()


def test_sequence_without_phrases_is_left_out(davis: Path) -> None:
    text = {run: "".join(line + "\n" for line in text.split("\n") if "car" not in line) for run, text in FULL.items()}
    write_text(davis.parent, "17", "_full_video", text)
    opened = open_davis17(davis, "val", "full-video")
    assert [video.name for video in opened.videos] == ["bike"]
    assert opened.notes == ("1 sequence without a phrase: left out.",)
    write_text(davis.parent, "17", "_full_video", {"annot1": 'bear 1 "a bear"', "annot2": 'bear 1 "a bear"'})
    with pytest.raises(RefvidError, match="describe none of the sequences in"):
        open_davis17(davis, "val", "full-video")


def test_bad_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "phrases.txt"
    rows = 'dog 1 "a dog"\ndog\ndog one "a dog"\ndog 0 "nothing"\ndog 2 ""\ndog 1 "again"\ndog 3 \u201ca bird\u201d\n'
    path.write_text(rows, encoding="utf-8-sig")
    second = tmp_path / "latin.txt"
    second.write_bytes(b'dog 1 "the\xa0dog"\nmotor-bike 1 \x93a "caf\xe9" racer\x94\n')
    phrases = read_phrases({"annot1": path, "annot2": second}, "2017")
    assert phrases.texts == {
        "annot1": {"dog": {1: "a dog", 3: "a bird"}},
        "annot2": {"dog": {1: "the dog"}, "motorbike": {1: 'a "caf\xe9" racer'}},
    }
    assert (phrases.bad, phrases.mended) == (5, 1)
    path.write_text("dog\n")
    with pytest.raises(RefvidError, match=r"phrases\.txt contains no phrase"):
        read_phrases({"annot1": path, "annot2": second}, "2017")


def test_all_that_is_missing_is_named_at_once(davis: Path, tmp_path: Path) -> None:
    (davis.parent / "davis_text_annotations" / "Davis17_annot2_full_video.txt").unlink()
    (davis / "ImageSets" / "2017" / "val.txt").unlink()
    (davis / "JPEGImages" / "480p").rename(davis / "elsewhere")
    with pytest.raises(
        RefvidError,
        match=r"does not hold DAVIS-17: no ImageSets/2017/val\.txt and no JPEGImages/480p and no "
        r"davis_text_annotations/Davis17_annot2_full_video\.txt in it, nor in DAVIS/ below it, nor "
        r"davis_text_annotations/ or meta_expressions/ beside it",
    ) as caught:
        open_davis17(davis, "val", "full-video")
    assert str(davis) in str(caught.value)
    assert caught.value.exit_code == 1
    with pytest.raises(
        RefvidError,
        match=r"no .*Davis16_annot1\.txt and no .*annot2\.txt in .* nor davis_text_annotations/ beside",
    ):
        open_davis16(davis, "val", "first-frame")
    with pytest.raises(RefvidError, match=r"JPEGImages/480p \(or 1080p or Full-Resolution\) and no Annotations/480p"):
        open_davis17(davis / "ImageSets", "val", "semi-supervised")
    with pytest.raises(RefvidError, match="is not a folder"):
        open_davis17(tmp_path / "nowhere", "val", "full-video")
    with pytest.raises(UsageError, match="no split 'test'; expected one of train, val"):
        open_davis17(davis, "test", "full-video")


def test_missing_sequences_and_masks_are_named(davis: Path) -> None:
    (davis / "ImageSets" / "2017" / "val.txt").write_text("bike\nclassic-car\ngoat\n")
    (davis / "Annotations" / "480p" / "bike" / "00002.png").unlink()
    with pytest.raises(RefvidError, match=r"480p has no frames of goat and .*Annotations.480p lacks masks of bike;"):
        open_davis17(davis, "val", "full-video")
    (davis / "JPEGImages" / "480p" / "bike" / "00002.jpg").unlink()
    with pytest.raises(RefvidError, match=r"frames of goat and .*480p has gaps between the frames of bike;"):
        open_davis17(davis, "val", "full-video")
    (davis / "ImageSets" / "2017" / "val.txt").write_text("\n")
    with pytest.raises(RefvidError, match="names no sequence"):
        open_davis17(davis, "val", "full-video")
    assert name_some(["a", "b"]) == "a, b"
    assert name_some(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_check_finds_files_that_hold_nothing(davis: Path) -> None:
    opened = open_davis17(davis, "val", "full-video")
    assert check_set(opened).faults == ()
    for folder, name in (("JPEGImages", "00002.jpg"), ("Annotations", "00003.png")):
        (davis / folder / "480p" / "bike" / name).write_bytes(b"")
    (fault,) = check_set(opened).faults
    assert fault.startswith("bike: 2 files missing or empty, first ")
    assert "00002.jpg" in fault


def test_masks_of_another_data_set_are_refused(davis: Path) -> None:
    first = davis / "Annotations" / "480p" / "bike" / "00000.png"
    Image.fromarray(numbers(255)).save(first)
    with pytest.raises(RefvidError, match="numbers 0 objects, expected 1 to 20"):
        open_davis17(davis, "val", "full-video")
    Image.fromarray(numbers(38, 75)).save(first)
    with pytest.raises(RefvidError, match="numbers 75 objects"):
        open_davis17(davis, "val", "full-video")


def test_full_resolution_stands_in_for_480p(davis: Path) -> None:
    (davis / "JPEGImages" / "480p").rename(davis / "JPEGImages" / "Full-Resolution")
    with pytest.raises(RefvidError, match="no JPEGImages/480p in it"):
        open_davis17(davis, "val", "full-video")
    (davis / "Annotations" / "480p").rename(davis / "Annotations" / "Full-Resolution")
    opened = open_davis17(davis, "val", "full-video")
    assert opened.notes[0] == "Frames and masks are those of Full-Resolution; published numbers are made with 480p."
    assert len(told(opened)) == 6


def test_phrases_of_meta_expressions_where_there_are_no_text_files(davis: Path) -> None:
    for path in (davis.parent / "davis_text_annotations").iterdir():
        path.unlink()
    said = {
        str(4 * (number - 1) + place): {"exp": f"{order} {number} ", "obj_id": str(number)}
        for number in (1, 2)
        for place, order in enumerate(("one first", "one full", "two first", "two full"))
    }
    videos = {"bike": {"expressions": said, "frames": ["00000"]}}
    path = davis.parent / "meta_expressions" / "valid" / "meta_expressions.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"videos": videos}))
    full, first = (open_davis17(davis, "val", protocol) for protocol in ("full-video", "first-frame"))
    assert [(row[1], row[2], row[3]) for row in told(full)] == [
        ("annot1", "1", "one full 1"),
        ("annot1", "2", "one full 2"),
        ("annot2", "1", "two full 1"),
        ("annot2", "2", "two full 2"),
    ]
    assert [row[3] for row in told(first)] == ["one first 1", "one first 2", "two first 1", "two first 2"]
    assert full.notes[0] == f"The phrases are those of {path}."
    del said["7"]
    path.write_text(json.dumps({"videos": videos}))
    with pytest.raises(RefvidError, match=r"four per object \(bike has 7 expressions\)"):
        open_davis17(davis, "val", "full-video")


def test_palette_indices_are_not_colours(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    write_palette(path, numbers(1, 2, 3))
    np.testing.assert_array_equal(read_numbers(path, (WIDTH, HEIGHT)), numbers(1, 2, 3))
    with pytest.raises(RefvidError, match=r"gone\.png cannot be read"):
        read_numbers(tmp_path / "gone.png", (WIDTH, HEIGHT))
    assert FrameFolder(tmp_path, ("a", "b")).path(1) == tmp_path / "b.jpg"


@pytest.mark.skipif(not (REAL / "davis17" / "derived_khoreva_format").is_dir(), reason="the real files are not here")
@pytest.mark.parametrize(
    ("protocol", "words"), [("full-video", "black and white coloured bike"), ("first-frame", "a black bike")]
)
def test_real_phrases_of_davis17(tmp_path: Path, protocol: str, words: str) -> None:
    folder = REAL / "davis17" / "derived_khoreva_format"
    lines = (folder / "Davis17_annot1.txt").read_text().splitlines()
    objects: dict[str, int] = {}
    for line in lines:
        name, number = line.split()[:2]
        objects[name] = max(objects.get(name, 0), int(number))
    for name, count in objects.items():
        write_frames(tmp_path / "JPEGImages" / "480p" / name, count=1)
        write_masks(tmp_path / "Annotations" / "480p" / name, range(1, count + 1), count=1)
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2017" / "val.txt").write_text("\n".join(objects))
    (tmp_path / "davis_text_annotations").symlink_to(folder)
    opened = open_davis17(tmp_path, "val", protocol)
    assert opened.counts() == {"videos": 30, "expressions": 122, "samples": 122}
    assert opened.notes == ()
    bike = next(video for video in opened.videos if video.name == "bike-packing")
    assert bike.expressions[0] == Expression("1", words, 1, "annot1")
