"""Reading J-HMDB Sentences: its places, MTTR's list, masks that end early, and names that look like patterns."""

import json
import pickle
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from refvid.data.jhmdb import JHMDBVideo, open_jhmdb
from refvid.data.jhmdb_files import LIST, MTTR_DRAW, SOC_DRAW, parse_sentences, read_draw, read_masks, video_folders
from refvid.data.referring import Expression, Rules, Scaled, Target
from refvid.data.sets import open_set
from refvid.errors import RefvidError, UnavailableError, UsageError
from refvid.world.output.make import WorldPlan, make_world
from tests.clips import frame_pixels
from tests.world import drawn

WIDTH, HEIGHT = 64, 48
ODD = "@[x]_(nr)!_*kick_f_cm"
PLAIN = "100_pullups_f"
LONE = "7_one_frame"
TEXT = f"""video_id,query
{PLAIN},  man in  black, pulling up
{ODD},girl catching the ball
{LONE},a child
no_query,
"""
LENGTHS = {PLAIN: (9, 9), ODD: (8, 6), LONE: (1, 1)}  # pictures and masks
ACTIONS = {PLAIN: "pullup", ODD: "catch", LONE: "catch"}
REAL = Path(__file__).parents[3] / "shared" / "real"
needs_real = pytest.mark.skipif(not (REAL / "jhmdb_sentences").is_dir(), reason="the real annotations are not here")


def masks_of(video: str, frames: int) -> np.ndarray:
    """Random masks, bool [T, H, W]."""
    return np.random.default_rng(sorted(LENGTHS).index(video)).random((frames, HEIGHT, WIDTH)) > 0.6


def write_masks(path: Path, masks: np.ndarray) -> None:
    """Write masks [T, H, W] as MATLAB does, which drops the last axis of a single one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = masks.transpose(1, 2, 0).astype(np.uint8)
    scipy.io.savemat(path, {"part_mask": stored[..., 0] if len(masks) == 1 else stored, "other": np.zeros(3)})


def write_list(path: Path, frames: Mapping[str, Sequence[int]], prefix: str = "./jhmdb_sentences/") -> None:
    rows = [
        [
            video,
            f"{prefix}Rename_Images/{ACTIONS.get(video, 'run')}/{video}/{number:05d}.png",
            f"{prefix}puppet_mask/{ACTIONS.get(video, 'run')}/{video}/puppet_mask.mat",
            40,
            "a query",
        ]
        for video, numbers in frames.items()
        for number in numbers
    ]
    path.write_text(json.dumps(rows))


def test_an_unclosed_quote_ends_with_its_line() -> None:
    lines = ["video_id,query\n", 'a,"man in red\n', "b,the dog\n", f"c,{'x' * 200_000}\n", 'd,"a, b"\n']
    spoken, bad = parse_sentences(lines)
    assert (list(spoken.items()), bad) == ([("a", ["man in red"]), ("b", ["the dog"]), ("d", ["a, b"])], 1)


def test_sizes_of_pictures_and_masks(root: Path) -> None:
    video = open_jhmdb(root, "test", "all").videos[0]
    assert isinstance(video, Scaled)
    assert video.sizes() == ((WIDTH, HEIGHT), (WIDTH, HEIGHT))
    Image.new("RGB", (30, 70)).save(video.pictures / "00001.png")  # type: ignore[attr-defined]
    assert video.sizes() == ((30, 70), (WIDTH, HEIGHT))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "jhmdb_annotation.txt").write_text(TEXT)
    for video, (pictures, masks) in LENGTHS.items():
        folder = tmp_path / "Rename_Images" / ACTIONS[video] / video
        folder.mkdir(parents=True)
        for index in range(pictures):
            Image.fromarray(frame_pixels(index, (WIDTH, HEIGHT))).save(folder / f"{index + 1:05d}.png")
        (folder / "Thumbs.db").touch()
        write_masks(tmp_path / "puppet_mask" / ACTIONS[video] / video / "puppet_mask.mat", masks_of(video, masks))
    (tmp_path / "puppet_mask" / "README").touch()
    write_list(tmp_path / LIST, {PLAIN: (9, 2, 5), ODD: (1, 6, 3), LONE: (1,)})
    return tmp_path


def test_list_of_frames(root: Path) -> None:
    opened = open_jhmdb(root, "test", "mttr")
    assert (opened.title, opened.split, opened.protocol) == ("J-HMDB Sentences", "test", "mttr")
    assert opened.rules == Rules()
    assert [video.name for video in opened.videos] == [PLAIN, ODD, LONE]
    plain = opened.videos[0]
    assert plain.expressions == (Expression("0", "man in black, pulling up", 1),)
    assert plain.targets == (Target("00002", 1, (0,)), Target("00005", 4, (0,)), Target("00009", 8, (0,)))
    assert opened.counts() == {"videos": 3, "expressions": 3, "samples": 7}
    assert opened.notes == (
        f"{LIST} is not MTTR's draw of frames but an unknown one: results are not those of MTTR's frames",
        "1 row of jhmdb_annotation.txt cannot be read: left out",
        "2 pictures of 1 video behind the last mask: left out",
    )
    assert pickle.loads(pickle.dumps(plain)) == plain
    assert open_set("jhmdb", root).videos == opened.videos


def test_masks_are_upright_and_frames_agree_with_them(root: Path) -> None:
    for video in open_jhmdb(root, "test", "all").videos:
        masks = masks_of(video.name, LENGTHS[video.name][1])
        for target in video.targets:
            np.testing.assert_array_equal(video.truth(target), masks[target.index][None])
            assert video.void(target) is None
            pixels, present = video.read([target.index])
            assert present.tolist() == [True]
            np.testing.assert_array_equal(pixels[0], frame_pixels(target.index, (WIDTH, HEIGHT)))


def test_frames_end_with_the_masks_or_with_the_pictures(root: Path) -> None:
    plain, odd, lone = open_jhmdb(root, "test", "all").videos
    assert [video.count_frames() for video in (plain, odd, lone)] == [9, 6, 1]
    assert [target.index for target in odd.targets] == [0, 1, 2, 3, 4, 5]
    pixels, present = odd.read([-2, 5, 6, 2])
    assert present.tolist() == [False, True, False, True]
    for frame, index in zip(pixels, (0, 5, 5, 2), strict=True):
        np.testing.assert_array_equal(frame, frame_pixels(index, (WIDTH, HEIGHT)))
    assert isinstance(plain, JHMDBVideo)
    (plain.pictures / "00009.png").unlink()
    (plain.pictures / "00004.png").unlink()
    opened = open_jhmdb(root, "test", "all")
    assert opened.videos[0].count_frames() == 8
    assert [target.index for target in opened.videos[0].targets] == [0, 1, 2, 4, 5, 6, 7]
    assert opened.notes[-1] == "1 video with pictures missing: the nearest ones stand in"
    assert opened.videos[0].read([3, 7])[1].tolist() == [False, True]


def test_frames_are_scaled_to_the_masks(root: Path) -> None:
    folder = root / "Rename_Images" / "catch" / LONE
    Image.fromarray(frame_pixels(0, (2 * WIDTH, 2 * HEIGHT))).save(folder / "00001.png")
    pixels, _ = open_jhmdb(root, "test", "all").videos[2].read([0])
    assert pixels.shape == (1, HEIGHT, WIDTH, 3)
    assert np.abs(pixels[0].astype(int) - frame_pixels(0, (WIDTH, HEIGHT))).mean() < 5


def test_three_frames_evenly_spread(root: Path) -> None:
    opened = open_jhmdb(root, "test", "uniform3")
    assert opened.rules == Rules(inclusive=True)
    plain, odd, lone = opened.videos
    assert [target.index for target in plain.targets] == [1, 4, 7]  # of nine
    assert [target.index for target in odd.targets] == [1, 3, 5]  # of six
    assert [target.index for target in lone.targets] == [0]
    write_masks(root / "puppet_mask" / "pullup" / PLAIN / "puppet_mask.mat", masks_of(PLAIN, 4))
    assert [target.index for target in open_jhmdb(root, "test", "uniform3").videos[0].targets] == [0, 2, 3]


def test_list_of_another_machine(root: Path) -> None:
    frames = {PLAIN: (9, 2, 5), ODD: (1, 6, 3), LONE: (1,)}
    expected = open_jhmdb(root, "test", "mttr").videos
    write_list(root / LIST, frames, prefix="/mnt/data/somebody's/jhmdb_sentences/")
    assert open_jhmdb(root, "test", "mttr").videos == expected
    text = (root / LIST).read_text().replace("/Rename_Images/", "\\\\Rename_Images\\\\")
    (root / LIST).write_text(text.replace(f"/{PLAIN}/0", f"\\\\{PLAIN}\\\\0"))
    assert open_jhmdb(root, "test", "mttr").videos == expected


def test_list_that_does_not_fit(root: Path) -> None:
    write_list(root / LIST, {PLAIN: (9, 2, 10), ODD: (7, 3), "unheard_of": (1, 2, 3)})
    opened = open_jhmdb(root, "test", "mttr")
    assert opened.counts() == {"videos": 2, "expressions": 2, "samples": 3}
    for note in (
        f"1 video of jhmdb_annotation.txt not in {LIST}: left out",
        f"1 video of {LIST} not in jhmdb_annotation.txt: left out",
        f"2 frames of {LIST} without a picture or a mask: left out",
    ):
        assert note in opened.notes
    write_list(root / LIST, {PLAIN: (9, 2), ODD: (7, 8)})
    opened = open_jhmdb(root, "test", "mttr")
    assert [video.name for video in opened.videos] == [PLAIN]
    assert opened.notes[-1] == "1 video without a frame that counts: left out"
    write_list(root / LIST, {ODD: (7, 8)})
    with pytest.raises(
        RefvidError, match="contains no frame of J-HMDB Sentences that has a mask and belongs to the protocol mttr"
    ):
        open_jhmdb(root, "test", "mttr")


@pytest.mark.parametrize("content", ["{", "[3]", '["ab"]', '[["v", "a/x.png"]]', '[["v", 3]]', "3", '[["v"]]'])
def test_list_that_is_none(root: Path, content: str) -> None:
    (root / LIST).write_text(content)
    with pytest.raises(RefvidError, match="is not MTTR's list of frames"):
        open_jhmdb(root, "test", "mttr")


def test_several_sentences_of_a_video(root: Path) -> None:
    with (root / "jhmdb_annotation.txt").open("a") as text:
        text.write(f"{PLAIN},the athlete\n")
    video = open_jhmdb(root, "test", "mttr").videos[0]
    assert [(e.key, e.text) for e in video.expressions] == [("0", "man in black, pulling up"), ("1", "the athlete")]
    assert video.targets[0].counting == (0, 1)
    np.testing.assert_array_equal(video.truth(video.targets[0]), np.stack([masks_of(PLAIN, 9)[1]] * 2))


def test_parts_are_found_below_the_root_too(root: Path) -> None:
    expected = open_jhmdb(root, "test", "mttr").counts()
    below = root / "jhmdb_sentences"
    below.mkdir()
    for name in ("Rename_Images", "jhmdb_annotation.txt"):
        (root / name).rename(below / name)
    (root / LIST).rename(below / f"mttr_{LIST}")
    assert open_jhmdb(root, "test", "mttr").counts() == expected


def test_list_missing_says_what_else_there_is(root: Path) -> None:
    (root / LIST).unlink()
    told = rf"no {LIST} \(MTTR's list of frames, mttr_{LIST} would do\) in it, nor in jhmdb_sentences/ below it; "
    with pytest.raises(RefvidError, match=told + "put the list there, or give --protocol uniform3 or --protocol all$"):
        open_jhmdb(root, "test", "mttr")
    assert open_jhmdb(root, "test", "all").counts()["samples"] == 9 + 6 + 1


def test_missing_parts_are_named_together(root: Path) -> None:
    shutil.rmtree(root / "puppet_mask")
    (root / "jhmdb_annotation.txt").unlink()
    with pytest.raises(
        RefvidError, match=r"no jhmdb_annotation\.txt and no puppet_mask in it, nor in jhmdb_sent"
    ) as all_:
        open_jhmdb(root, "test", "all")
    assert LIST not in str(all_.value)
    (root / LIST).unlink()
    with pytest.raises(RefvidError, match=rf"and no puppet_mask and no {LIST} .*unpack the archives .*, and put the"):
        open_jhmdb(root, "test", "mttr")
    with pytest.raises(RefvidError, match="is not a folder"):
        open_jhmdb(root / "nowhere", "test", "mttr")


def test_videos_that_are_not_whole(root: Path) -> None:
    shutil.rmtree(root / "Rename_Images" / "pullup")
    (root / "puppet_mask" / "catch" / LONE / "puppet_mask.mat").unlink()
    with pytest.raises(RefvidError) as caught:
        open_jhmdb(root, "test", "uniform3")
    message = str(caught.value)
    assert f"no pictures in {root / 'Rename_Images'}/<action>/ for 1 video ({PLAIN})" in message
    assert f"no puppet_mask.mat in {root / 'puppet_mask'}/<action>/ for 1 video ({LONE})" in message


def test_broken_masks_are_sentences(root: Path) -> None:
    video = open_jhmdb(root, "test", "all").videos[0]
    assert isinstance(video, JHMDBVideo)
    content = video.masks.read_bytes()
    for broken in (
        b"",
        b"not a MATLAB file",
        content[: len(content) // 2],
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM",
    ):
        video.masks.write_bytes(broken)
        with pytest.raises(RefvidError, match=r"puppet_mask\.mat"):
            video.truth(video.targets[0])
    scipy.io.savemat(video.masks, {"something": np.zeros((HEIGHT, WIDTH, 3))})
    with pytest.raises(RefvidError, match=r"puppet_mask\.mat has no `part_mask` \[height, width, frames\] but"):
        open_jhmdb(root, "test", "all")
    write_masks(video.masks, masks_of(PLAIN, 2))
    with pytest.raises(RefvidError, match=r"has 2 masks but none for frame 00009"):
        video.truth(video.targets[-1])
    video.masks.unlink()
    with pytest.raises(RefvidError, match=r"puppet_mask\.mat cannot be read"):
        video.truth(video.targets[0])


def test_broken_pictures_are_sentences(root: Path) -> None:
    video = open_jhmdb(root, "test", "all").videos[0]
    assert isinstance(video, JHMDBVideo)
    (video.pictures / "00003.png").write_bytes(b"no picture")
    with pytest.raises(RefvidError, match=r"00003\.png cannot be read as a picture"):
        video.read([2])
    shutil.rmtree(video.pictures)
    with pytest.raises(RefvidError, match="contains no frame such as"):
        video.read([0])


def test_masks_that_are_written_anew_are_read_anew(root: Path) -> None:
    path = root / "puppet_mask" / "catch" / ODD / "puppet_mask.mat"
    np.testing.assert_array_equal(read_masks(path), masks_of(ODD, 6))
    assert read_masks(path) is read_masks(path)
    write_masks(path, ~masks_of(ODD, 5))
    np.testing.assert_array_equal(read_masks(path), ~masks_of(ODD, 5))


def test_what_the_data_set_does_not_have(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no split 'train'"):
        open_jhmdb(root, "train", "mttr")
    with pytest.raises(UsageError, match="no protocol 'random'; expected one of mttr, uniform3, all"):
        open_jhmdb(root, "test", "random")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(UnavailableError, match=r'scipy, which is not installed: pip install "refvid\[train\]"'):
        open_jhmdb(root, "test", "mttr")


def test_world_is_read_as_it_was_drawn(tmp_path: Path) -> None:
    make_world(tmp_path / "w", WorldPlan("jhmdb", 2, 3, drawn.FRAMES, (drawn.WIDTH, drawn.HEIGHT)), draw=drawn.draw)
    opened = open_jhmdb(tmp_path / "w", "test", "all")
    assert opened.counts() == {"videos": 2, "expressions": 2, "samples": 2 * drawn.FRAMES}
    assert opened.notes == ()
    for index, video in enumerate(opened.videos):
        scene = drawn.draw(np.random.default_rng((3, index)))
        assert video.expressions[0].text == "ball on the right"
        np.testing.assert_array_equal(video.read(range(drawn.FRAMES))[0], scene.frames)
        found = np.concatenate([video.truth(target) for target in video.targets])
        np.testing.assert_array_equal(found, scene.mask(2))


def test_world_of_figures(tmp_path: Path) -> None:
    make_world(tmp_path / "w", WorldPlan("jhmdb", 2, 1, 6, (96, 64)))
    opened = open_jhmdb(tmp_path / "w", "test", "uniform3")
    assert opened.counts() == {"videos": 2, "expressions": 2, "samples": 6}
    for video in opened.videos:
        assert [target.name for target in video.targets] == ["00002", "00004", "00006"]
        truths = [video.truth(target) for target in video.targets]
        assert any(truth is not None and truth.any() for truth in truths)


@needs_real
@pytest.mark.parametrize(("owner", "digest"), [("mttr", MTTR_DRAW), ("soc", SOC_DRAW)])
def test_real_lists(tmp_path: Path, owner: str, digest: str) -> None:
    source = REAL / "jhmdb_sentences" / f"{owner}_{LIST}"
    shutil.copy(source, tmp_path / LIST)
    shutil.copy(REAL / "jhmdb_sentences" / "jhmdb_annotation.txt", tmp_path)
    rows = json.loads(source.read_text())
    write_masks(tmp_path / "every_mask" / "puppet_mask.mat", np.ones((40, 2, 3), bool))
    (tmp_path / "every_picture").mkdir()
    for number in range(1, 41):
        (tmp_path / "every_picture" / f"{number:05d}.png").touch()  # opening must not read it
    for action, video in {tuple(row[1].split("/")[-3:-1]) for row in rows}:
        for part, content in (("Rename_Images", "every_picture"), ("puppet_mask", "every_mask")):
            (tmp_path / part / action).mkdir(parents=True, exist_ok=True)
            (tmp_path / part / action / video).symlink_to(tmp_path / content)
    opened = open_jhmdb(tmp_path, "test", "mttr")
    assert read_draw(source).digest == digest
    assert opened.counts() == {"videos": 928, "expressions": 928, "samples": 2784}
    listed = {(row[0], row[1].rpartition("/")[2][:5]) for row in rows}
    assert {(video.name, target.name) for video in opened.videos for target in video.targets} == listed
    assert {(v.name, v.expressions[0].text) for v in opened.videos} == {
        (row[0], " ".join(row[4].split())) for row in rows
    }
    soc = f"{LIST} is not MTTR's draw of frames but SOC's: results are not those of MTTR's frames"
    assert opened.notes == ((soc,) if owner == "soc" else ())
    spread = open_jhmdb(tmp_path, "test", "uniform3")
    assert spread.counts()["samples"] == 2784
    assert {tuple(target.index for target in video.targets) for video in spread.videos} == {(6, 20, 33)}
    assert len(video_folders(tmp_path / "Rename_Images")) == 928


@needs_real
def test_real_pictures(tmp_path: Path) -> None:
    video = "Goal_Keeping_Tips_catch_f_cm_np1_fr_med_2"
    shutil.copytree(REAL / "jhmdb_video" / "Rename_Images", tmp_path / "Rename_Images")
    text = (REAL / "jhmdb_sentences" / "jhmdb_annotation.txt").read_text().splitlines()
    (tmp_path / "jhmdb_annotation.txt").write_text("\n".join([text[0], *(row for row in text if video in row)]))
    masks = np.zeros((38, 240, 320), bool)
    masks[19, 30:50, 200:260] = True
    write_masks(tmp_path / "puppet_mask" / "catch" / video / "puppet_mask.mat", masks)
    opened = open_jhmdb(tmp_path, "test", "all")
    (read,) = opened.videos
    assert [e.text for e in read.expressions] == ["girl catching the football"]
    numbers = [1, 5, 10, *range(15, 23), 25, 30, 35]  # of the fifteen that are there, number 40 has no mask
    assert [target.index + 1 for target in read.targets] == numbers
    target = next(target for target in read.targets if target.name == "00020")
    np.testing.assert_array_equal(read.truth(target), masks[19][None])
    pixels, present = read.read([19, 22])
    assert present.tolist() == [True, False]
    picture = tmp_path / "Rename_Images" / "catch" / video / "00020.png"
    np.testing.assert_array_equal(pixels[0], np.asarray(Image.open(picture).convert("RGB")))
