"""Reading ReferIt: its places, phrases, MATLAB masks, and the counts of the real files."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
from PIL import Image

from refvid.data.referit import open_referit, read_queries
from refvid.data.referring import Expression, Scaled
from refvid.data.sets import open_set
from refvid.errors import RefvidError, UnavailableError, UsageError, VideoError

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "referit"
WIDTH, HEIGHT = 48, 36
QUERIES = {"30993_2": ["tallest  bldng ", "the tower"], "77_10": ["sky"], "30993_1": ["people", " "], "77_9": ["sea"]}


def region(number: int) -> npt.NDArray[np.bool_]:
    """A region, bool [H, W]."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[number : number + 5, 2 * number : 2 * number + 20] = True
    return mask


def write_region(path: Path, mask: npt.NDArray[np.bool_], *, compressed: bool = True) -> None:
    """Write a mask as the data set has it: 0 where the region is."""
    scipy.io.savemat(path, {"segimg_t": np.where(mask, 0, 255).astype(np.int16)}, do_compression=compressed)


def write_data(folder: Path, *, texts: str = ".", split: str = "test") -> None:
    """Write a split in the layout that the data set's script unpacks."""
    for name in ("images", "mask", texts):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / texts / f"referit_query_{split}.json").write_text(json.dumps(QUERIES, separators=(",\n", ":\n")))
    (folder / texts / f"referit_{split}_imlist.txt").write_text("5\n77\n30993\n")
    for picture in ("77", "30993"):
        shade = 40 if picture == "77" else 200
        Image.new("RGB", (WIDTH, HEIGHT), (shade, 90, 0)).save(folder / "images" / f"{picture}.jpg", quality=95)
    for number, key in enumerate(QUERIES):
        write_region(folder / "mask" / f"{key}.mat", region(int(key.split("_")[1])), compressed=number % 2 == 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_data(tmp_path)
    return tmp_path


def test_pictures_carry_their_phrases(root: Path) -> None:
    opened = open_referit(root, "test", "cmsa")
    assert [video.name for video in opened.videos] == ["77", "30993"]  # the list's order
    first, second = opened.videos
    assert first.expressions == (Expression("9_0", "sea", 9), Expression("10_0", "sky", 10))
    assert second.expressions == (
        Expression("1_0", "people", 1),
        Expression("2_0", "tallest bldng", 2),
        Expression("2_1", "the tower", 2),
    )
    (target,) = second.targets
    assert (target.name, target.index, target.counting) == ("00000", 0, (0, 1, 2))
    assert (second.count_frames(), second.void(target)) == (1, None)
    assert opened.counts() == {"videos": 2, "expressions": 5, "samples": 5}
    assert opened.notes == (
        "1 phrase skipped: the text is empty.",
        "1 of the 3 pictures in the split's list have no phrase.",
    )
    assert (opened.title, opened.layout, opened.public) == ("ReferIt", "expressions", True)


def test_truth_is_where_the_mask_is_zero(root: Path) -> None:
    first, second = open_referit(root, "test", "cmsa").videos
    truth = second.truth(second.targets[0])
    assert truth is not None
    assert truth.dtype == np.bool_
    assert truth.shape == (3, HEIGHT, WIDTH)
    np.testing.assert_array_equal(truth, [region(1), region(2), region(2)])
    np.testing.assert_array_equal(first.truth(first.targets[0]), [region(9), region(10)])


def test_reading(root: Path) -> None:
    first, second = open_referit(root, "test", "cmsa").videos
    frames, there = second.read([0, 1])
    assert frames.dtype == np.uint8
    assert frames.shape == (2, HEIGHT, WIDTH, 3)
    assert there.tolist() == [True, False]
    np.testing.assert_allclose(frames[0, 0, 0], (200, 90, 0), atol=4)
    np.testing.assert_allclose(first.read([0])[0][0, 0, 0], (40, 90, 0), atol=4)
    Image.new("L", (2 * WIDTH, 2 * HEIGHT), 30).save(root / "images" / "77.jpg")
    assert first.read([0])[0].shape == (1, HEIGHT, WIDTH, 3)  # the truth's size decides
    write_region(root / "mask" / "77_9.mat", region(9).T)
    write_region(root / "mask" / "77_10.mat", region(10).T)
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "images" / "77.jpg")
    with pytest.raises(VideoError, match="has been rotated"):
        first.read([0])


def test_videos_can_be_pickled(root: Path) -> None:
    video = open_referit(root, "test", "cmsa").videos[1]
    copy = pickle.loads(pickle.dumps(video))
    assert copy == video
    np.testing.assert_array_equal(copy.truth(copy.targets[0]), video.truth(video.targets[0]))


@pytest.mark.parametrize(
    ("folder", "texts", "given"),
    [
        ("data/referit", ".", "."),
        ("referit", ".", "."),
        ("exp-referit/referit-dataset", "../data", "."),
        ("exp-referit/referit-dataset", "../data", "exp-referit"),
        ("exp-referit/referit-dataset", "../data", "exp-referit/data"),
        (".", "texts", "texts"),
    ],
)
def test_places(tmp_path: Path, folder: str, texts: str, given: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    write_data(tmp_path / folder, texts=texts, split="trainval")
    opened = open_set("referit", tmp_path / given, "trainval")
    assert opened.counts()["samples"] == 5
    assert opened.videos[0].read([0])[0].shape == (1, HEIGHT, WIDTH, 3)


def test_without_the_list_the_queries_give_the_order(root: Path) -> None:
    (root / "referit_test_imlist.txt").unlink()
    opened = open_referit(root, "test", "cmsa")
    assert [video.name for video in opened.videos] == ["30993", "77"]
    assert len(opened.notes) == 1


def test_sizes_of_picture_and_masks(root: Path) -> None:
    video = open_referit(root, "test", "cmsa").videos[0]
    assert isinstance(video, Scaled)
    assert video.sizes() == ((WIDTH, HEIGHT), (WIDTH, HEIGHT))
    Image.new("RGB", (30, 70)).save(root / "images" / "77.jpg")
    assert video.sizes() == ((30, 70), (WIDTH, HEIGHT))


def test_all_that_is_missing_is_named_at_once(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("alone") / "empty"
    empty.mkdir()
    with pytest.raises(RefvidError) as caught:
        open_referit(empty, "val", "cmsa")
    message = str(caught.value)
    for part in (
        f"{empty} does not hold ReferIt: no referit_query_val.json in {empty}, {empty / 'referit'}, ",
        f"; no images/ in {empty}, ",
        f"; no mask/ in {empty}, ",
        f"{empty.parent / 'referit-dataset'}; unpack",
    ):
        assert part in message
    with pytest.raises(RefvidError, match=r"no referit_query_val\.json in .* \(only referit_query_test\.json\)"):
        open_referit(root, "val", "cmsa")
    with pytest.raises(RefvidError, match="is not a folder"):
        open_referit(root / "nowhere", "val", "cmsa")
    with pytest.raises(
        UsageError, match=r"no split 'testA' \(did you mean 'test'\?\); expected one of trainval, train"
    ):
        open_referit(root, "testA", "cmsa")


def test_missing_files_are_counted_before_anything_runs(root: Path) -> None:
    (root / "mask" / "77_10.mat").unlink()
    with pytest.raises(RefvidError, match=r"mask lacks 1 of the split's 4 masks, first 77_10\.mat"):
        open_referit(root, "test", "cmsa")
    (root / "images" / "77.jpg").unlink()
    with pytest.raises(RefvidError, match=r"images lacks 1 of the split's 2 pictures, first 77\.jpg"):
        open_referit(root, "test", "cmsa")


def test_broken_files_are_sentences(root: Path) -> None:
    video = open_referit(root, "test", "cmsa").videos[1]
    path = root / "mask" / "30993_2.mat"
    for content in (b"", b"not a mat file " * 20, path.read_bytes()[:150]):
        path.write_bytes(content)
        with pytest.raises(RefvidError, match=r"30993_2\.mat is not a \.mat file with `segimg_t`"):
            video.truth(video.targets[0])
    for key, mask in (("mask", region(2)), ("segimg_t", np.zeros((2, HEIGHT, WIDTH)))):
        scipy.io.savemat(path, {key: mask})
        with pytest.raises(RefvidError, match=r"30993_2\.mat is not a \.mat file with `segimg_t`"):
            video.truth(video.targets[0])
    write_region(path, region(2).T)
    with pytest.raises(RefvidError, match=r"30993_\*\.mat differ in size"):
        video.truth(video.targets[0])
    queries = root / "referit_query_test.json"
    for text in (
        "{",
        "[]",
        '{"77": ["sky"]}',
        '{"77_a": ["sky"]}',
        '{"77_1": "sky"}',
        '{"../7_1": ["a"]}',
        '{"7_1": [1]}',
    ):
        queries.write_text(text)
        with pytest.raises(RefvidError, match=r"referit_query_test\.json is not the JSON of ReferIt's phrases"):
            open_referit(root, "test", "cmsa")
    queries.write_text('{"77_1": [""]}')
    with pytest.raises(RefvidError, match="contains no phrase"):
        open_referit(root, "test", "cmsa")


def test_scipy_missing_is_an_error_of_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(UnavailableError, match="reading the masks of ReferIt needs scipy"):
        open_referit(root, "test", "cmsa")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real annotation files are not here")
@pytest.mark.parametrize(
    ("split", "listed", "pictures", "regions", "phrases"),
    [("test", 10_000, 9_994, 49_730, 60_105), ("val", 1_000, 1_000, 4_866, 5_842)],
)
def test_counts_of_the_real_files(split: str, listed: int, pictures: int, regions: int, phrases: int) -> None:
    by_picture, empty = read_queries(REAL / f"referit_query_{split}.json")
    spoken = [(name, said) for name, of_name in by_picture.items() for said in of_name]
    assert (len(by_picture), len(spoken), empty) == (pictures, phrases, 0)
    assert len({(name, said.instance) for name, said in spoken}) == regions
    assert len({(name, said.key) for name, said in spoken}) == phrases
    names = (REAL / f"referit_{split}_imlist.txt").read_text().split()
    assert len(names) == listed
    assert set(by_picture) <= set(names)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real annotation files are not here")
def test_real_files_open_as_a_whole(tmp_path: Path) -> None:
    for name in ("referit_query_val.json", "referit_val_imlist.txt"):
        (tmp_path / name).symlink_to(REAL / name)
    for name in ("images", "mask"):
        (tmp_path / name).mkdir()
    keys = json.loads((REAL / "referit_query_val.json").read_text()).keys()
    for name in [f"mask/{key}.mat" for key in keys] + [
        f"images/{name}.jpg" for name in {k.split("_")[0] for k in keys}
    ]:
        (tmp_path / name).touch()
    opened = open_referit(tmp_path, "val", "cmsa")
    assert opened.counts() == {"videos": 1_000, "expressions": 5_842, "samples": 5_842}
    assert opened.notes == ()
    assert opened.videos[0].name == "26953"
