"""Reading Ref-YouTube-VOS: its lists, which hide test in valid, its frames, and the palettes of train."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refvid.data.referring import ReferringSet, Rules
from refvid.data.refytvos import open_refytvos
from refvid.data.sets import open_set
from refvid.errors import RefvidError, UsageError
from refvid.evaluation.check import check_set

WIDTH, HEIGHT = 40, 24
REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "ref_youtube_vos"
NAMES = ("00000", "00005", "00015")  # a frame is missing in some of the original's videos


def entry(*texts: str, objects: tuple[str, ...] = (), frames: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """A video of a list in the published form."""
    expressions: dict[str, dict[str, str]] = {str(key): {"exp": text} for key, text in enumerate(texts)}
    for key, number in enumerate(objects):
        expressions[str(key)]["obj_id"] = number
    return {"expressions": expressions, "frames": list(frames)}


def write_list(root: Path, split: str, videos: dict[str, Any]) -> Path:
    path = root / "meta_expressions" / split / "meta_expressions.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"videos": videos}))
    return path


def write_frames(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (WIDTH, HEIGHT), (10 * int(name), 0, 200)).save(folder / f"{name}.jpg")


def mask(shift: int, *objects: int) -> np.ndarray:
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place, number in enumerate(objects):
        numbers[2:20, 8 * place + shift : 8 * place + shift + 5] = number
    return numbers


def write_mask(path: Path, numbers: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(numbers)
    image.putpalette([255 - value // 3 for value in range(768)])
    image.save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos of train, one of valid, one of test, the latter two in valid/."""
    train = {
        "1f1f": entry("a  dog ", "a cat on the left", "the dog", objects=("2", "1", "2")),
        "0e0e": entry("a bird", objects=("1",)),
    }
    write_list(tmp_path, "train", train)
    write_list(tmp_path, "valid", {"aaaa": entry("a man", "the man"), "bbbb": entry("a horse")})
    write_list(tmp_path, "test", {"bbbb": entry("a horse")})
    for name in train:
        write_frames(tmp_path / "train" / "JPEGImages" / name)
        for shift, frame in enumerate(NAMES):
            write_mask(tmp_path / "train" / "Annotations" / name / f"{frame}.png", mask(shift, 1, 2))
    for name in ("aaaa", "bbbb"):
        write_frames(tmp_path / "valid" / "JPEGImages" / name)
    write_mask(tmp_path / "train" / "Annotations" / "1f1f" / "00015.png", mask(0, 1))
    return tmp_path


def told(opened: ReferringSet) -> list[tuple[str, str, str, int | None]]:
    return [(v.name, e.key, e.text, e.instance) for v in opened.videos for e in v.expressions]


def test_train_has_truth(root: Path) -> None:
    opened = open_refytvos(root, "train", "server")
    assert told(opened) == [
        ("1f1f", "0", "a dog", 2),
        ("1f1f", "1", "a cat on the left", 1),
        ("1f1f", "2", "the dog", 2),
        ("0e0e", "0", "a bird", 1),
    ]
    assert opened.counts() == {"videos": 2, "expressions": 4, "samples": 3 * 3 + 3}
    assert (opened.public, opened.layout, opened.submission, opened.notes) == (True, "expressions", "Annotations", ())
    assert (opened.title, opened.rules) == ("Ref-YouTube-VOS", Rules(measure="contour"))
    video = opened.videos[0]
    assert [(target.name, target.index) for target in video.targets] == [(name, i) for i, name in enumerate(NAMES)]
    truth = video.truth(video.targets[1])
    assert truth is not None
    expected = mask(1, 1, 2)
    np.testing.assert_array_equal(truth, np.stack([expected == 2, expected == 1, expected == 2]))
    gone = video.truth(video.targets[2])
    assert gone is not None
    assert gone.any(axis=(1, 2)).tolist() == [False, True, False]
    assert video.void(video.targets[0]) is None
    assert pickle.loads(pickle.dumps(video)) == video


def test_indices_count_the_listed_frames(root: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "train" / "JPEGImages" / "1f1f" / "00010.jpg")  # not in the list
    video = open_refytvos(root, "train", "server").videos[0]
    assert video.count_frames() == 3
    pixels, present = video.read([2, 1, 3])
    assert pixels.shape == (3, HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(pixels[:, 3, 3, 0], [150, 50, 150], atol=4)
    assert present.tolist() == [True, True, False]


def test_valid_is_the_list_less_test(root: Path) -> None:
    opened = open_set("refytvos", root)
    assert told(opened) == [("aaaa", "0", "a man", None), ("aaaa", "1", "the man", None)]
    assert opened.notes == ("2 videos in the list, 1 of the split test: left out.",)
    assert not opened.public
    video = opened.videos[0]
    assert [target.counting for target in video.targets] == [(0, 1)] * 3
    assert video.truth(video.targets[0]) is None
    test = open_refytvos(root, "test", "server")
    assert told(test) == [("bbbb", "0", "a horse", None)]
    assert (test.public, test.notes) == (False, ())
    assert test.videos[0].read([0])[0].shape == (1, HEIGHT, WIDTH, 3)


def test_valid_without_the_list_of_test_is_taken_whole(root: Path) -> None:
    path = root / "meta_expressions" / "test" / "meta_expressions.json"
    path.write_text("[]")
    with pytest.raises(RefvidError, match="is not a list of expressions"):
        open_refytvos(root, "valid", "server")
    path.unlink()
    opened = open_refytvos(root, "valid", "server")
    assert [video.name for video in opened.videos] == ["aaaa", "bbbb"]
    (note,) = opened.notes
    assert note.startswith(f"{path} is missing: all 2 videos of the list are taken")


def test_frames_of_test_may_lie_in_their_own_folder(root: Path) -> None:
    folder = root / "test" / "JPEGImages"
    folder.mkdir(parents=True)
    (root / "valid" / "JPEGImages" / "bbbb").rename(folder / "bbbb")
    assert open_refytvos(root, "test", "server").videos[0].read([1])[1].all()
    (root / "meta_expressions" / "test" / "meta_expressions.json").unlink()
    with pytest.raises(RefvidError, match=r"lack frames of 1 of 2 videos \(bbbb\)"):
        open_refytvos(root, "valid", "server")


def test_frames_without_a_mask_do_not_count(root: Path) -> None:
    folder = root / "train" / "Annotations"
    (folder / "1f1f" / "00005.png").unlink()
    opened = open_refytvos(root, "train", "server")
    assert [(target.name, target.index) for target in opened.videos[0].targets] == [("00000", 0), ("00015", 2)]
    assert opened.notes == ("1 listed frame of 6 without a mask: not counted.",)
    for name in NAMES:
        (folder / "0e0e" / f"{name}.png").unlink()
    opened = open_refytvos(root, "train", "server")
    assert [video.name for video in opened.videos] == ["1f1f"]
    assert opened.notes == (
        "4 listed frames of 6 without a mask: not counted.",
        "1 video without an expression or a mask: left out.",
    )
    for name in ("00000", "00015"):
        (folder / "1f1f" / f"{name}.png").unlink()
    with pytest.raises(RefvidError, match="leaves no video to evaluate"):
        open_refytvos(root, "train", "server")


def test_a_check_finds_files_that_hold_nothing(root: Path) -> None:
    train, valid = (open_refytvos(root, split, "server") for split in ("train", "valid"))
    assert check_set(train).faults == check_set(valid).faults == ()
    (root / "train" / "Annotations" / "0e0e" / "00015.png").write_bytes(b"")
    (root / "valid" / "JPEGImages" / "aaaa" / "00005.jpg").write_bytes(b"")
    for opened, name in ((train, "00015.png"), (valid, "00005.jpg")):
        (fault,) = check_set(opened).faults
        assert f"1 file missing or empty, first {root}" in fault
        assert name in fault


def test_empty_expressions_are_dropped_where_no_server_asks_for_them(root: Path) -> None:
    write_list(root, "train", {"1f1f": entry(" ", "a cat", objects=("2", "1")), "0e0e": entry()})
    opened = open_refytvos(root, "train", "server")
    assert told(opened) == [("1f1f", "1", "a cat", 1)]
    assert opened.videos[0].targets[0].counting == (0,)
    assert opened.notes == ("1 video without an expression or a mask: left out.",)
    write_list(root, "test", {"bbbb": entry("", "a horse")})
    assert [row[1] for row in told(open_refytvos(root, "test", "server"))] == ["0", "1"]


def test_mask_of_another_size_is_an_error(root: Path) -> None:
    video = open_refytvos(root, "train", "server").videos[0]
    write_mask(root / "train" / "Annotations" / "1f1f" / "00005.png", mask(1, 1, 2).T)
    with pytest.raises(RefvidError, match=r"00005\.png is 24x40, but its frame is 40x24"):
        video.truth(video.targets[1])


def test_old_form_of_the_list_is_refused(root: Path) -> None:
    nested = {"1f1f": {"objects": {"1": {"expressions": ["a cat"], "frames": ["00000"]}}, "frames": ["00000"]}}
    path = write_list(root, "train", nested)
    with pytest.raises(RefvidError, match=r"is not a list in the published form, .*KeyError: 'expressions'"):
        open_refytvos(root, "train", "server")
    write_list(root, "train", {"1f1f": entry("a cat")})
    with pytest.raises(RefvidError, match=r"exp and obj_id.*KeyError: 'obj_id'"):
        open_refytvos(root, "train", "server")
    path.write_text("{")
    with pytest.raises(RefvidError, match="is not a list in the published form"):
        open_refytvos(root, "train", "server")


def test_all_that_is_missing_is_named_at_once(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RefvidError,
        match=r"no meta_expressions/train/meta_expressions\.json and no train/JPEGImages and no train/Annotations in "
        r"it, nor in ref-youtube-vos/ or refer_youtube_vos/ below it",
    ):
        open_refytvos(root / "valid", "train", "server")
    with pytest.raises(RefvidError, match="is not a folder"):
        open_refytvos(tmp_path / "nowhere", "train", "server")
    with pytest.raises(
        UsageError, match=r"no split 'val' \(did you mean 'valid'\?\); expected one of train, valid, test"
    ):
        open_refytvos(root, "val", "server")
    (root / "valid" / "JPEGImages" / "aaaa" / "00005.jpg").unlink()
    with pytest.raises(RefvidError, match=r"lack frames of 1 of 1 video \(aaaa\)"):
        open_refytvos(root, "valid", "server")


def test_folder_above_will_do(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    above = tmp_path_factory.mktemp("data")
    (above / "refer_youtube_vos").symlink_to(root)
    assert told(open_refytvos(above, "train", "server")) == told(open_refytvos(root, "train", "server"))


@pytest.mark.skipif(not (REAL / "meta_expressions.json").is_file(), reason="the real lists are not here")
def test_real_lists(tmp_path: Path) -> None:
    listed = json.loads((REAL / "meta_expressions.json").read_text())["videos"]
    rows = json.loads((REAL / "soc_valid_samples_metadata.json").read_text())
    valid = {row[0] for row in rows}
    for video in listed.values():
        video["frames"] = video["frames"][:1]  # all of them would be 13,710 files
    write_list(tmp_path, "valid", listed)
    write_list(tmp_path, "test", {name: video for name, video in listed.items() if name not in valid})
    for name, video in listed.items():
        folder = tmp_path / "valid" / "JPEGImages" / name
        folder.mkdir(parents=True)
        (folder / f"{video['frames'][0]}.jpg").touch()
    opened = open_refytvos(tmp_path, "valid", "server")
    assert (opened.counts()["videos"], opened.counts()["expressions"]) == (202, 834)
    assert opened.notes == ("507 videos in the list, 305 of the split test: left out.",)
    assert {(video.name, e.key, e.text) for video in opened.videos for e in video.expressions} == {
        (name, said["exp_id"], " ".join(said["exp"].split())) for name, _, said in rows
    }
    assert open_refytvos(tmp_path, "test", "server").counts()["videos"] == 305
    (tmp_path / "meta_expressions" / "test" / "meta_expressions.json").unlink()
    opened = open_refytvos(tmp_path, "valid", "server")
    assert (opened.counts()["videos"], opened.counts()["expressions"]) == (507, 2096)
