"""Reading A2D Sentences: its places, its bad rows and broken masks, its pairs, and clips at the ends of a video."""

import csv
import pickle
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from refvid.data.a2d import open_a2d
from refvid.data.a2d_files import Held, Sentence, find_parts, parse_sentences, read_held, read_masks, read_splits
from refvid.data.a2d_video import A2DVideo
from refvid.data.referring import Expression, Rules, Scaled, Target
from refvid.data.sets import open_set
from refvid.errors import RefvidError, UnavailableError, UsageError
from refvid.world.output.make import WorldPlan, make_world
from tests.clips import frame_pixels, make_clip
from tests.world import drawn

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
REAL = Path(__file__).parents[3] / "shared" / "real"
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


def test_an_unclosed_quote_ends_with_its_line(root: Path) -> None:
    """Else it would swallow the rows behind it, up to the parser's limit."""
    lines = ["video_id,instance_id,query\n", 'a,0,"man in red\n', "b,1,dog\n", f"c,1,{'x' * 200_000}\n", 'd,2,"a, b"\n']
    sentences, bad = parse_sentences(lines)
    assert sentences == [Sentence("a", 0, "man in red"), Sentence("b", 1, "dog"), Sentence("d", 2, "a, b")]
    assert bad == 1
    listed = root / "Release" / "videoset.csv"
    listed.write_text(listed.read_text() + f'late_______,"{"x" * 200_000}\n')
    with pytest.raises(RefvidError, match=r"videoset\.csv, line 5: expected nine columns"):
        read_splits(listed)


def test_sizes_of_footage_and_masks(root: Path) -> None:
    video = open_a2d(root, "train", "mttr").videos[0]
    assert isinstance(video, Scaled)
    assert video.sizes() == ((WIDTH, HEIGHT), (WIDTH, HEIGHT))
    clip = root / "Release" / "clips320H" / f"{video.name}.mp4"
    make_clip(clip, frames=FRAMES, size=(96, 36))
    assert video.sizes() == ((96, 36), (WIDTH, HEIGHT))
    clip.unlink()
    pictures = root / "Release" / "pngs320H" / video.name
    pictures.mkdir(parents=True)
    Image.new("RGB", (30, 70)).save(pictures / "00001.png")
    video = open_a2d(root, "train", "mttr").videos[0]
    assert isinstance(video, Scaled)
    assert video.sizes() == ((30, 70), (WIDTH, HEIGHT))


def test_clip_around_an_annotated_frame_and_at_the_ends_of_the_video(root: Path) -> None:
    video = open_a2d(root, "train", "mttr").videos[0]
    pixels, present = video.read(range(1, 12))  # number 7 is frame 6, five before and five after
    assert pixels.shape == (11, HEIGHT, WIDTH, 3)
    assert present.all()
    assert [_nearest(frame) for frame in pixels] == list(range(1, 12))
    pixels, present = video.read([-2, -1, 0, 1, 2])
    assert present.tolist() == [False, False, True, True, True]
    assert [_nearest(frame) for frame in pixels] == [0, 0, 0, 1, 2]
    pixels, present = video.read([0, 6, 15])
    assert present.tolist() == [True, True, False]
    assert [_nearest(frame) for frame in pixels] == [0, 6, 6]


def test_more_masks_than_instances_and_one_twice(root: Path) -> None:
    opened = open_a2d(root, "test", "mttr")
    assert opened.counts()["samples"] == 1
    (video,) = opened.videos
    np.testing.assert_array_equal(video.truth(video.targets[0]), mask(7)[None])
    path = root / "text_annotations" / "a2d_annotation_with_instances" / "test_video_" / "00003.h5"
    instances, masks = read_masks(path)
    assert instances == [7, 7]
    assert masks.shape == (2, HEIGHT, WIDTH)
    write_masks(path, [1.0, 2.0, 7.0], [mask(1)])  # fewer masks than instances
    assert read_held(path) == Held((1,), -2)


def test_parts_are_found_in_the_root_too(root: Path) -> None:
    for name in ("clips320H", "videoset.csv"):
        (root / "Release" / name).rename(root / name)
    assert open_a2d(root, "train", "mttr").counts()["samples"] == 4


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    (root / "Release" / "videoset.csv").unlink()
    (root / "text_annotations" / "a2d_annotation.txt").unlink()
    with pytest.raises(
        RefvidError, match=r"no a2d_annotation.txt and no videoset.csv in it, nor in Release/"
    ) as caught:
        open_a2d(root, "train", "mttr")
    assert caught.value.exit_code == 1
    assert str(root) in str(caught.value)
    with pytest.raises(RefvidError, match="is not a folder"):
        find_parts(tmp_path / "nowhere")


def test_broken_files_are_sentences(root: Path) -> None:
    path = root / "text_annotations" / "a2d_annotation_with_instances" / "--xyz_45678" / "00014.h5"
    path.write_bytes(b"not hdf5")
    with pytest.raises(RefvidError, match=r"00014\.h5 is not an h5 file"):
        open_a2d(root, "train", "mttr")
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
        open_a2d(root, "train", "mttr")
    assert caught.value.exit_code == 3


def h5_of(root: Path, video: str, number: int) -> Path:
    return root / "text_annotations" / "a2d_annotation_with_instances" / video / f"{number:05d}.h5"


def test_opened_split(root: Path) -> None:
    opened = open_a2d(root, "train", "mttr")
    assert (opened.title, opened.split, opened.protocol, opened.rules) == ("A2D Sentences", "train", "mttr", Rules())
    assert (opened.layout, opened.public) == ("expressions", True)
    first, second = opened.videos
    assert (first.name, second.name) == ("-abc_0123-_", "--xyz_45678")
    assert first.expressions == (
        Expression("0", "Man in red walking on the left", 0),
        Expression("3", "the dog", 3),
    )
    assert first.targets == (Target("00001", 0, (1,)), Target("00007", 6, (0, 1)))
    assert second.targets == (Target("00014", 13, (0,)),)
    assert opened.counts() == {"videos": 2, "expressions": 3, "samples": 4}
    assert opened.notes == (
        "1 row of a2d_annotation.txt cannot be read: left out",
        "1 sentence of 1 video not in videoset.csv: left out",
        "1 sentence of 1 video without masks: left out",
    )
    np.testing.assert_array_equal(first.truth(first.targets[1]), np.stack([mask(2), mask(3)]))
    np.testing.assert_array_equal(second.truth(second.targets[0]), mask(6)[None])
    assert first.void(first.targets[0]) is None
    assert pickle.loads(pickle.dumps(first)) == first
    assert open_set("a2d", root, "train").videos == opened.videos


def test_refvos_counts_every_annotated_frame(root: Path) -> None:
    opened = open_a2d(root, "train", "refvos")
    assert opened.rules == Rules(inclusive=True, empty="zero")
    video = opened.videos[0]
    assert video.targets == tuple(Target(f"{number:05d}", number - 1, (0, 1)) for number in (1, 7, 14))
    assert opened.counts()["samples"] == 7
    truth = video.truth(video.targets[0])
    assert truth is not None
    assert truth.shape == (2, HEIGHT, WIDTH)
    assert not truth[0].any()
    np.testing.assert_array_equal(truth[1], mask(1))


def test_refvos_opens_no_mask_file(root: Path) -> None:
    h5_of(root, "-abc_0123-_", 7).write_bytes(b"not hdf5")
    video = open_a2d(root, "train", "refvos").videos[0]
    with pytest.raises(RefvidError, match=r"00007\.h5 is not an h5 file"):
        video.truth(video.targets[1])
    with pytest.raises(RefvidError, match=r"00007\.h5 is not an h5 file"):
        open_a2d(root, "train", "mttr")


def test_frames_of_a_video(root: Path) -> None:
    video = open_a2d(root, "train", "mttr").videos[0]
    assert video.count_frames() == FRAMES
    pixels, present = video.read([13, -1, 6, 14])
    assert pixels.shape == (4, HEIGHT, WIDTH, 3)
    assert present.tolist() == [True, False, True, False]
    assert [_nearest(frame) for frame in pixels] == [13, 6, 6, 13]


def test_annotated_frame_behind_the_end_is_the_last_one(root: Path) -> None:
    make_clip(root / "Release" / "clips320H" / "--xyz_45678.mp4", frames=FRAMES - 1, size=(WIDTH + 2, HEIGHT))
    video = open_a2d(root, "train", "mttr").videos[1]
    assert video.count_frames() == FRAMES - 1
    pixels, present = video.read([video.targets[0].index])
    assert pixels.shape == (1, HEIGHT, WIDTH, 3)
    assert present.tolist() == [True]
    assert _nearest(pixels[0]) == FRAMES - 2
    assert video.read([11, 13, 14])[1].tolist() == [True, True, False]


def test_extracted_frames_stand_in_for_a_clip(root: Path) -> None:
    (root / "Release" / "clips320H" / "-abc_0123-_.mp4").unlink()
    for video in ("-abc_0123-_", "--xyz_45678"):  # the second one has a clip, which counts
        folder = root / "Release" / "pngs320H" / video
        folder.mkdir(parents=True)
        for number in (1, 2, 7, 13):
            Image.fromarray(frame_pixels(number - 1)).save(folder / f"{number:05d}.png")
        (folder / "._00009.png").write_bytes(b"left by an archiver")
    first, second = open_a2d(root, "train", "mttr").videos
    assert isinstance(first, A2DVideo)
    assert isinstance(second, A2DVideo)
    assert second.footage.suffix == ".mp4"
    assert first.count_frames() == 13
    pixels, present = first.read([6, 0, 5, 20])
    assert present.tolist() == [True, True, False, False]
    for frame, index in zip(pixels, (6, 0, 6, 12), strict=True):
        np.testing.assert_array_equal(frame, frame_pixels(index))
    for path in first.footage.iterdir():
        path.unlink()
    with pytest.raises(RefvidError, match="contains no frame such as"):
        first.count_frames()


@pytest.mark.parametrize(
    ("place", "name"), [("", "CLIPS320"), ("Release", "CLIPS320"), ("text_annotations", "clips320H")]
)
def test_clips_have_two_names(root: Path, place: str, name: str) -> None:
    (root / "Release" / "clips320H").rename(root / place / name)
    assert open_a2d(root, "test", "mttr").counts() == {"videos": 1, "expressions": 1, "samples": 1}


def test_missing_footage_is_named(root: Path) -> None:
    (root / "Release" / "clips320H" / "--xyz_45678.mp4").unlink()
    with pytest.raises(RefvidError, match=r"1 video of the split train without footage \(--xyz_45678\), searched in"):
        open_a2d(root, "train", "mttr")
    assert open_a2d(root, "test", "mttr").counts()["samples"] == 1  # its clip is there
    shutil.rmtree(root / "Release" / "clips320H")
    with pytest.raises(RefvidError, match=r"no clips320H \(CLIPS320 or pngs320H would do\) in it, nor in Release/"):
        open_a2d(root, "test", "mttr")


def test_missing_parts_are_named_together(root: Path) -> None:
    shutil.rmtree(root / "Release")
    shutil.rmtree(root / "text_annotations" / "a2d_annotation_with_instances")
    with pytest.raises(RefvidError, match=r"no a2d_annotation_with_instances and no videoset.csv and no clips320H"):
        open_a2d(root, "train", "mttr")


def test_broken_mask_files_are_mended_and_counted(root: Path) -> None:
    write_masks(h5_of(root, "-abc_0123-_", 1), [0.0, 3.0, 3.0], [mask(1), mask(2), mask(3), mask(4)])
    write_masks(h5_of(root, "--xyz_45678", 14), [0.0, 4.0], [mask(6)])
    opened = open_a2d(root, "train", "mttr")
    assert opened.notes[-3:] == (
        "1 mask file with more masks than instances: the first taken",
        "1 mask file with fewer masks than instances: the first taken",
        "1 mask file with an instance twice: its first mask taken",
    )
    first, second = opened.videos
    assert first.targets[0].counting == (0, 1)
    np.testing.assert_array_equal(first.truth(first.targets[0]), np.stack([mask(1), mask(2)]))
    np.testing.assert_array_equal(second.truth(second.targets[0]), mask(6)[None])


def test_frame_without_any_instance(root: Path) -> None:
    path = h5_of(root, "test_video_", 5)
    with h5py.File(path, "w") as file:
        for name in ("instance", "reMask"):  # as MATLAB writes what is empty
            file[name] = np.array([0, 0], np.uint64)
            file[name].attrs["MATLAB_empty"] = np.uint8(1)
        file["reS_id"] = np.zeros((WIDTH, HEIGHT))
    assert [target.name for target in open_a2d(root, "test", "mttr").videos[0].targets] == ["00003"]
    video = open_a2d(root, "test", "refvos").videos[0]
    assert [target.name for target in video.targets] == ["00003", "00005"]
    truth = video.truth(video.targets[1])
    assert truth is not None
    assert truth.shape == (1, HEIGHT, WIDTH)
    assert not truth.any()


def test_sentence_that_no_frame_shows(root: Path) -> None:
    text = root / "text_annotations" / "a2d_annotation.txt"
    text.write_text(TEXT + "-abc_0123-_,9,a cat\n--xyz_45678,0,a round ball\n")
    opened = open_a2d(root, "train", "mttr")
    assert "1 sentence about what no annotated frame shows: never counted" in opened.notes
    assert [expression.key for expression in opened.videos[0].expressions] == ["0", "3", "9"]
    assert [expression.key for expression in opened.videos[1].expressions] == ["0", "0-2"]
    assert opened.videos[1].targets[0].counting == (0, 1)
    text.write_text("video_id,instance_id,query\n-abc_0123-_,9,a cat\n--xyz_45678,0,a ball\n")
    assert [video.name for video in open_a2d(root, "train", "mttr").videos] == ["--xyz_45678"]


def test_videos_without_a_sentence_are_compared_with_the_list(root: Path) -> None:
    with (root / "Release" / "videoset.csv").open("a") as rows:
        rows.write("silent_one_,18,0,1,48,64,14,3,0\nsilent_two_,18,0,1,48,64,14,3,0\n")
    assert "2 videos of the split train without a sentence" in open_a2d(root, "train", "mttr").notes
    (root / "text_annotations" / "a2d_missed_videos.txt").write_text("silent_one_")
    expected = "2 videos of the split train without a sentence, 1 of them not in a2d_missed_videos.txt"
    assert expected in open_a2d(root, "train", "mttr").notes


def test_frames_are_in_the_order_of_their_numbers(root: Path) -> None:
    folder = h5_of(root, "-abc_0123-_", 1).parent
    (folder / "00014.h5").rename(folder / "100000.h5")
    (folder / "._00007.h5").write_bytes(b"left by an archiver")
    targets = open_a2d(root, "train", "refvos").videos[0].targets
    assert [(target.name, target.index) for target in targets] == [("00001", 0), ("00007", 6), ("100000", 99_999)]


def test_what_the_data_set_does_not_have(root: Path) -> None:
    with pytest.raises(UsageError, match="no split 'val'; expected one of train, test"):
        open_a2d(root, "val", "mttr")
    with pytest.raises(UsageError, match="no protocol 'cmpc'; expected one of mttr, refvos"):
        open_a2d(root, "test", "cmpc")
    (root / "text_annotations" / "a2d_annotation.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RefvidError, match=r"a2d_annotation\.txt cannot be read as text"):
        open_a2d(root, "test", "mttr")


def test_world_is_read_as_it_was_drawn(tmp_path: Path) -> None:
    make_world(tmp_path / "w", WorldPlan("a2d", 5, 3, drawn.FRAMES, (drawn.WIDTH, drawn.HEIGHT)), draw=drawn.draw)
    opened = open_a2d(tmp_path / "w", "test", "mttr")
    assert opened.notes == ()
    (video,) = opened.videos
    scene = drawn.draw(np.random.default_rng((3, 4)))
    meant = [(r.expression, r.actor) for r in scene.references if r.actor is not None]
    assert [(e.text, e.instance) for e in video.expressions] == meant
    for target in video.targets:
        there = [e for e, (_, actor) in enumerate(meant) if scene.mask(actor)[target.index].any()]
        assert target.counting == tuple(there)
        expected = np.stack([scene.mask(meant[e][1])[target.index] for e in there])
        np.testing.assert_array_equal(video.truth(target), expected)
        pixels, _ = video.read([target.index])
        errors = np.abs(scene.frames.astype(int) - pixels).mean(axis=(1, 2, 3))
        assert np.argmin(errors) == target.index


@pytest.mark.skipif(not (REAL / "a2d_sentences").is_dir(), reason="the real annotations are not here")
def test_real_annotations(tmp_path: Path) -> None:
    text = (REAL / "a2d_sentences" / "a2d_annotation.txt").read_text(encoding="utf-8")
    sentences, bad = parse_sentences(text.splitlines(keepends=True))
    videos = dict.fromkeys(sentence.video for sentence in sentences)
    assert (len(sentences) + bad, bad, len(videos)) == (6655, 1, 3754)
    with (REAL / "refvos_re" / "A2D_RE_categorization.csv").open(encoding="utf-8", newline="") as rows:
        tested = {(row[0], int(row[1])) for row in list(csv.reader(rows, delimiter=";"))[1:]}
    test_videos = {video for video, _ in tested}
    missed = (REAL / "a2d_sentences" / "a2d_missed_videos.txt").read_text().split()

    for name in ("a2d_annotation.txt", "a2d_missed_videos.txt"):
        shutil.copy(REAL / "a2d_sentences" / name, tmp_path / name)
    listed = [f"{video},18,0,1,320,400,90,3,{int(video in test_videos)}\n" for video in (*videos, *missed)]
    (tmp_path / "videoset.csv").write_text("".join(listed))
    masks = tmp_path / "a2d_annotation_with_instances"
    masks.mkdir()
    (tmp_path / "pngs320H").symlink_to(masks)  # a folder for every video, which opening does not look into
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable" / "00015.h5").touch()
    instances = {video: tuple(sorted(i for v, i in tested if v == video)) for video in test_videos}
    for video in videos:
        folder = tmp_path / "_".join(map(str, instances.get(video, ["unreadable"])))
        if not folder.exists():
            write_masks(folder / "00015.h5", instances[video], [np.ones((4, 6), bool)] * len(instances[video]))
        (masks / video).symlink_to(folder)

    opened = open_a2d(tmp_path, "test", "mttr")
    assert opened.counts() == {"videos": 737, "expressions": 1295, "samples": 1295}
    assert {(v.name, e.instance) for v in opened.videos for e in v.expressions} == tested
    assert all(len({e.key for e in video.expressions}) == len(video.expressions) for video in opened.videos)
    assert opened.notes == ("1 row of a2d_annotation.txt cannot be read: left out",)
    train = open_a2d(tmp_path, "train", "refvos")
    # The bad row is one of the 5,360 sentences of training.
    assert train.counts() == {"videos": 3017, "expressions": 5359, "samples": 5359}
    assert "28 videos of the split train without a sentence, 0 of them not in a2d_missed_videos.txt" in train.notes


def _nearest(pixels: np.ndarray) -> int:
    """The frame of the clip that a picture is."""
    errors = [np.abs(frame_pixels(i, (WIDTH, HEIGHT)).astype(int) - pixels).mean() for i in range(FRAMES)]
    return int(np.argmin(errors))
