"""Reading A2D Sentences: its places, its bad rows and broken masks, its pairs, and clips at the ends of a video."""

import sys
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from refvid.data.a2d import A2DSentences
from refvid.data.a2d_files import Sentence, find_parts, parse_sentences, read_instances, read_masks, read_splits
from refvid.errors import RefvidError, UnavailableError
from tests.clips import frame_pixels, make_clip

WIDTH, HEIGHT, FRAMES = 64, 48, 14
TEXT = """video_id,instance_id,query
-abc_0123-_,0,  Man in  red walking on the left
-abc_0123-_,3,the dog
-abc_0123-_,"1 (copy)",the dog again
--xyz_45678,0,a ball
test_video_,7,a bird, flying
nomasks____,0,nobody
strange____,0,not in the list of videos
"""
SPLITS = {"-abc_0123-_": 0, "--xyz_45678": 0, "test_video_": 1, "nomasks____": 0}


def mask(seed: int) -> np.ndarray:
    """A random mask, bool [H, W]."""
    return np.random.default_rng(seed).random((HEIGHT, WIDTH)) > 0.6


def write_masks(
    path: Path, instances: Sequence[float], masks: Sequence[np.ndarray], *, keep_axis: bool = False
) -> None:
    """Write an h5 file as MATLAB does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    reversed_axes = np.stack([one.T for one in masks]).astype(np.uint8)
    if len(masks) == 1 and not keep_axis:
        reversed_axes = reversed_axes[0]
    with h5py.File(path, "w") as file:
        file["reMask"], file["instance"] = reversed_axes, np.array(instances)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The data set as people unpack it: videos under Release, texts beside them."""
    clips, texts = tmp_path / "Release" / "clips320H", tmp_path / "text_annotations"
    clips.mkdir(parents=True)
    texts.mkdir()
    (texts / "a2d_annotation.txt").write_text(TEXT)
    rows = [f"{video},18,0:00:00,0:00:01,48,64,14,3,{test}\n" for video, test in SPLITS.items()]
    (tmp_path / "Release" / "videoset.csv").write_text("".join(rows))
    masks = texts / "a2d_annotation_with_instances"
    write_masks(masks / "-abc_0123-_" / "00001.h5", [3.0], [mask(1)])
    write_masks(masks / "-abc_0123-_" / "00007.h5", [0.0, 3.0, 5.0], [mask(2), mask(3), mask(4)])
    write_masks(masks / "-abc_0123-_" / "00014.h5", [5.0], [mask(5)])
    write_masks(masks / "--xyz_45678" / "00014.h5", [0.0], [mask(6)], keep_axis=True)
    write_masks(masks / "test_video_" / "00003.h5", [7.0, 7.0], [mask(7), mask(8), mask(9)])
    for video in ("-abc_0123-_", "--xyz_45678", "test_video_"):
        make_clip(clips / f"{video}.mp4", frames=FRAMES, size=(WIDTH, HEIGHT), keyframe_every=5)
    return tmp_path


def test_sentences_are_cleaned_and_bad_rows_counted() -> None:
    sentences, bad = parse_sentences(TEXT.splitlines(keepends=True))
    assert bad == 1
    assert sentences[:2] == [
        Sentence("-abc_0123-_", 0, "Man in red walking on the left"),
        Sentence("-abc_0123-_", 3, "the dog"),
    ]
    assert sentences[3] == Sentence("test_video_", 7, "a bird, flying")
    assert parse_sentences(["video_id,instance_id,query\n", "a,0, \n", "a\n", "a,0,dog\n"])[1] == 2
    assert parse_sentences([]) == ([], 0)


def test_pairs_need_the_instance_in_the_frame(root: Path) -> None:
    dataset = A2DSentences(root, "train")
    told = [(frame.video, frame.number, [s.query for s in frame.sentences]) for frame in dataset.frames]
    assert told == [
        ("-abc_0123-_", 1, ["the dog"]),
        ("-abc_0123-_", 7, ["Man in red walking on the left", "the dog"]),
        ("--xyz_45678", 14, ["a ball"]),
    ]
    assert (len(dataset), dataset.pairs) == (4, ((0, 0), (1, 0), (1, 1), (2, 0)))
    assert (dataset.skipped, dataset.without_masks) == (1, ("nomasks____",))


def test_refvos_counts_absent_instances_as_empty(root: Path) -> None:
    dataset = A2DSentences(root, "train", protocol="refvos")
    assert len(dataset) == 3 * 2 + 1
    first = dataset.sample(0)
    assert first.expressions == ("Man in red walking on the left", "the dog")
    assert not first.masks[0].any()
    np.testing.assert_array_equal(first.masks[1], mask(1))
    assert not dataset.sample(2).masks.any()


def test_sample_holds_all_sentences_of_the_frame(root: Path) -> None:
    dataset = A2DSentences(root, "train")
    sample = dataset[2]
    assert sample.expressions[dataset.pairs[2][1]] == "the dog"
    np.testing.assert_array_equal(sample.masks, np.stack([mask(2), mask(3)]))
    assert sample.frames.shape == (11, HEIGHT, WIDTH, 3)
    assert sample.frame_mask.all()
    assert sample.regions is None
    for taken, index in enumerate(range(1, 12)):  # number 7 is frame 6, five before and five after
        assert _nearest(sample.frames[taken]) == index


def test_clip_at_the_ends_of_the_video(root: Path) -> None:
    dataset = A2DSentences(root, "train", offsets=(-2, -1, 0, 1, 2))
    first, last = dataset.sample(0), dataset.sample(2)
    assert first.frame_mask.tolist() == [False, False, True, True, True]
    assert [_nearest(frame) for frame in first.frames] == [0, 0, 0, 1, 2]
    assert last.frame_mask.tolist() == [True, True, True, False, False]
    assert [_nearest(frame) for frame in last.frames] == [11, 12, 13, 13, 13]
    strided = dataset.sample(1, offsets=(-6, 0, 9))
    assert strided.frame_mask.tolist() == [True, True, False]
    assert [_nearest(frame) for frame in strided.frames] == [0, 6, 6]
    with pytest.raises(ValueError, match="0 in the middle"):
        dataset.sample(1, offsets=(0, 1, 2))


def test_more_masks_than_instances_and_one_twice(root: Path) -> None:
    dataset = A2DSentences(root, "test")
    assert len(dataset) == 1
    np.testing.assert_array_equal(dataset[0].masks, mask(7)[None])
    path = root / "text_annotations" / "a2d_annotation_with_instances" / "test_video_" / "00003.h5"
    instances, masks = read_masks(path)
    assert instances == [7, 7]
    assert masks.shape == (2, HEIGHT, WIDTH)
    write_masks(path, [1.0, 2.0, 7.0], [mask(1)])  # fewer masks than instances
    assert read_instances(path) == [1]


def test_video_that_is_a_frame_short_keeps_its_last_annotation(root: Path) -> None:
    make_clip(root / "Release" / "clips320H" / "--xyz_45678.mp4", frames=FRAMES - 1, size=(WIDTH, HEIGHT))
    sample = A2DSentences(root, "train", offsets=(-1, 0, 1)).sample(2)
    assert sample.frame_mask.tolist() == [True, True, False]
    assert _nearest(sample.frames[1]) == FRAMES - 2


def test_frames_are_scaled_to_the_masks(root: Path) -> None:
    make_clip(root / "Release" / "clips320H" / "--xyz_45678.mp4", frames=FRAMES, size=(WIDTH + 2, HEIGHT))
    sample = A2DSentences(root, "train").sample(2)
    assert sample.frames.shape[1:3] == sample.masks.shape[1:] == (HEIGHT, WIDTH)


def test_parts_are_found_in_the_root_too(root: Path) -> None:
    for name in ("clips320H", "videoset.csv"):
        (root / "Release" / name).rename(root / name)
    assert len(A2DSentences(root, "train")) == 4


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    (root / "Release" / "videoset.csv").unlink()
    (root / "text_annotations" / "a2d_annotation.txt").unlink()
    with pytest.raises(
        RefvidError, match=r"no a2d_annotation.txt and no videoset.csv in it, nor in Release/"
    ) as caught:
        A2DSentences(root, "train")
    assert caught.value.exit_code == 1
    assert str(root) in str(caught.value)
    with pytest.raises(RefvidError, match="is not a folder"):
        find_parts(tmp_path / "nowhere", ["videoset.csv"])


def test_broken_files_are_sentences(root: Path) -> None:
    path = root / "text_annotations" / "a2d_annotation_with_instances" / "--xyz_45678" / "00014.h5"
    path.write_bytes(b"not hdf5")
    with pytest.raises(RefvidError, match=r"00014\.h5 is not an h5 file"):
        A2DSentences(root, "train")
    with h5py.File(path, "w") as file:
        file["instance"] = np.zeros(1)
    with pytest.raises(RefvidError, match=r"00014\.h5 is not an h5 file with `instance` and `reMask`"):
        read_masks(path)
    videos = root / "Release" / "videoset.csv"
    videos.write_text("a,18,0,0,48,64,14,3\n")
    with pytest.raises(RefvidError, match=r"videoset\.csv, line 1: expected nine columns"):
        read_splits(videos)


def test_h5py_missing_is_an_error_of_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        UnavailableError, match=r'h5py, which is not installed: pip install "refvid\[train\]"'
    ) as caught:
        A2DSentences(root, "train")
    assert caught.value.exit_code == 3


def _nearest(pixels: np.ndarray) -> int:
    """The frame of the clip that a picture is."""
    errors = [np.abs(frame_pixels(i, (WIDTH, HEIGHT)).astype(int) - pixels).mean() for i in range(FRAMES)]
    return int(np.argmin(errors))
