"""The world in the layouts of A2D and J-HMDB Sentences: same masks, same bytes, complete or absent."""

import csv
import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from refvid.data.a2d import open_a2d
from refvid.data.jhmdb import open_jhmdb
from refvid.data.sets import open_set
from refvid.data.world_record import RECORD
from refvid.errors import OutputExistsError, RefvidError, UnavailableError, UsageError
from refvid.world.output.a2d_layout import class_code, class_colour, is_test
from refvid.world.output.jhmdb_layout import best_reference
from refvid.world.output.make import WorldPlan, make_world
from refvid.world.scene import Scene
from tests.world.drawn import FRAMES, HEIGHT, WIDTH, draw, facts

SIZE = (WIDTH, HEIGHT)


def plan(layout: str = "a2d", videos: int = 6, seed: int = 3) -> WorldPlan:
    return WorldPlan(layout, videos, seed, FRAMES, SIZE)  # type: ignore[arg-type]


def scene_of(index: int, seed: int = 3) -> Scene:
    return draw(np.random.default_rng((seed, index)))


@pytest.fixture(scope="module")
def a2d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "a2d"
    make_world(folder, plan(), draw=draw)
    return folder


@pytest.fixture(scope="module")
def jhmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "jhmdb"
    make_world(folder, plan("jhmdb", 2), draw=draw)
    return folder


def annotations(folder: Path) -> dict[str, str]:
    """A digest of every file that is no video."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".mp4"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a2d_lists(a2d: Path) -> None:
    with (a2d / "Release" / "videoset.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == [f"world{index:06d}" for index in range(6)]
    assert {len(row) for row in rows} == {9}
    assert [row[8] for row in rows] == ["0", "0", "0", "0", "1", "0"]
    assert rows[0][1] == "77"  # a dog (7) that runs (7): most is said about it
    assert rows[0][4:7] == [str(HEIGHT), str(WIDTH), str(FRAMES)]
    for row in rows:
        frames = sorted((a2d / "text_annotations" / "a2d_annotation_with_instances" / row[0]).iterdir())
        assert 3 <= len(frames) == int(row[7]) <= 5
        assert f"{FRAMES // 2 + 1:05d}.h5" in {path.name for path in frames}
    text = (a2d / "text_annotations" / "a2d_annotation.txt").read_bytes().decode("ascii")
    assert text.startswith(
        'video_id,instance_id,query\nworld000000,0,"Man in red, walking"\nworld000000,1,the dog\n'
        "world000000,2,ball on the right\nworld000000,1,running dog\nworld000001,"
    )
    assert "green cat" not in text
    assert "\r" not in text
    assert (a2d / "text_annotations" / "a2d_missed_videos.txt").read_bytes() == b""


def test_a2d_reads_back_as_the_scenes(a2d: Path) -> None:
    for split, indices in (("train", (0, 1, 2, 3, 5)), ("test", (4,))):
        opened = open_a2d(a2d, split, "mttr")
        assert [video.name for video in opened.videos] == [f"world{index:06d}" for index in indices]
        assert opened.notes == ()
        for index, video in zip(indices, opened.videos, strict=True):
            scene = scene_of(index)
            for target in video.targets:
                time = target.index
                expected = [r for r in scene.references if r.actor is not None and scene.mask(r.actor)[time].any()]
                assert [video.expressions[e].text for e in target.counting] == [r.expression for r in expected]
                truth = np.stack([scene.mask(r.actor)[time] for r in expected])
                np.testing.assert_array_equal(video.truth(target), truth)
                steps = [time + step for step in (-2, 0, 2)]
                for at, frame, known in zip(steps, *video.read(steps), strict=True):
                    assert known == (0 <= at < FRAMES)
                    if known:
                        errors = np.abs(scene.frames.astype(int) - frame).mean(axis=(1, 2, 3))
                        assert np.argmin(errors) == at
                        assert errors.min() < 5


@pytest.mark.parametrize(("layout", "protocol"), [("a2d", "mttr"), ("jhmdb", "all")])
def test_a_world_is_not_taken_for_the_real_data_set(
    layout: str, protocol: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "world"
    shutil.copytree(request.getfixturevalue(layout), folder)
    original = {"a2d": open_a2d, "jhmdb": open_jhmdb}[layout](folder, "test", protocol)
    opened = open_set(layout, folder, "test", protocol)
    assert opened.title == f"World in the layout of {original.title}"
    assert opened.videos == original.videos
    note = " has made, {} videos from seed 3, in the layout of {}: its scores say nothing about the real data set"
    assert note.format(6 if layout == "a2d" else 2, original.title) in opened.notes[0]
    assert opened.notes[1:] == original.notes
    (folder / RECORD).write_text("[]")
    assert "a world that refvid has made, in the layout" in open_set(layout, folder, "test", protocol).notes[0]
    (folder / RECORD).unlink()
    assert open_set(layout, folder, "test", protocol) == original


def test_a2d_files_are_laid_out_as_matlab_does(a2d: Path) -> None:
    folder = a2d / "text_annotations" / "a2d_annotation_with_instances" / "world000002"
    scene = scene_of(2)
    for path in folder.iterdir():
        labels = scene.instances[int(path.stem) - 1]
        visible = [actor for actor in range(3) if (labels == actor + 1).any()]
        with h5py.File(path) as file:
            assert file["instance"][()].tolist() == visible
            assert file["reMask"].shape == (len(visible), WIDTH, HEIGHT)
            assert file["reMask"].dtype == np.uint8
            assert file["id"][()].tolist() == [[[19, 77, 36][actor] for actor in visible]]
            rows, columns = np.nonzero(labels == 1)
            box = [columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1]
            assert file["reBBox"].shape == (4, len(visible))
            assert file["reBBox"][:, 0].tolist() == box
            assert file["reS_id"].shape == (WIDTH, HEIGHT)
            assert file["reS_id"][columns[0], rows[0]] == 19
        picture = a2d / "Release" / "Annotations" / "col" / folder.name / f"{path.stem}.png"
        colours = np.asarray(Image.open(picture))
        assert colours.shape == (HEIGHT, WIDTH, 3)
        assert tuple(colours[labels == 2][0]) == class_colour(77)


def test_a2d_drops_the_dimension_of_a_single_instance(tmp_path: Path) -> None:
    def alone(rng: np.random.Generator, test: bool) -> Scene:
        scene = draw(rng)
        return replace(scene, instances=np.where(scene.instances == 2, scene.instances, 0))

    make_world(tmp_path / "world", plan(videos=1), draw=alone)
    [*files] = (tmp_path / "world" / "text_annotations" / "a2d_annotation_with_instances" / "world000000").iterdir()
    with h5py.File(files[0]) as file:
        assert file["reMask"].shape == (WIDTH, HEIGHT)
        assert file["reBBox"].shape == (4,)
        assert file["instance"].shape == (1,)
        assert file["id"].shape == (1, 1)
    (video,) = open_a2d(tmp_path / "world", "train", "mttr").videos
    scene = draw(np.random.default_rng((3, 0)))
    assert len(video.targets) == len(files)
    for target in video.targets:
        assert {video.expressions[e].instance for e in target.counting} == {1}
        truth = video.truth(target)
        assert truth is not None
        np.testing.assert_array_equal(truth[0], scene.mask(1)[target.index])


def test_a2d_lists_a_video_without_sentences_as_missed(tmp_path: Path) -> None:
    def silent(rng: np.random.Generator, test: bool) -> Scene:
        scene = draw(rng)
        return replace(scene, references=scene.references[2:3])

    make_world(tmp_path / "world", plan(videos=2), draw=silent)
    missed = tmp_path / "world" / "text_annotations" / "a2d_missed_videos.txt"
    assert missed.read_text() == "world000000\nworld000001"
    with pytest.raises(RefvidError, match="0 of its videos have sentences"):
        open_a2d(tmp_path / "world", "train", "mttr")


def test_class_codes_and_colours_are_the_originals() -> None:
    assert class_code(facts("adult", "walking", 1)) == 18
    assert class_code(facts("bird", "flying", 1)) == 44
    assert class_code(facts("dog", "none", 1)) == 79
    assert [class_colour(code) for code in (11, 18, 36, 57, 79)] == [
        (52, 1, 1), (255, 154, 154), (92, 255, 51), (103, 164, 255), (255, 205, 235),
    ]  # fmt: skip
    assert sum(is_test(index) for index in range(1000)) == 200


def test_jhmdb_reads_back_as_the_scenes(jhmdb: Path) -> None:
    text = (jhmdb / "jhmdb_annotation.txt").read_text()
    # The dog runs and the ball rolls, but the ball is larger; the man is largest and does nothing.
    assert text == "video_id,query\nworld000000_rolling,ball on the right\nworld000001_rolling,ball on the right\n"
    for index in range(2):
        scene, video = scene_of(index), f"world{index:06d}_rolling"
        masks = scipy.io.loadmat(jhmdb / "puppet_mask" / "rolling" / video / "puppet_mask.mat")["part_mask"]
        assert masks.dtype == np.uint8
        assert masks.shape == (HEIGHT, WIDTH, FRAMES)
        np.testing.assert_array_equal(masks.transpose(2, 0, 1).astype(bool), scene.mask(2))
        pictures = sorted((jhmdb / "Rename_Images" / "rolling" / video).iterdir())
        assert [path.name for path in pictures] == [f"{number:05d}.png" for number in range(1, FRAMES + 1)]
        np.testing.assert_array_equal(np.stack([np.asarray(Image.open(path)) for path in pictures]), scene.frames)


def test_jhmdb_draws_again_where_no_actor_is_described(tmp_path: Path) -> None:
    drawn: list[Scene] = []

    def shy(rng: np.random.Generator, test: bool) -> Scene:
        assert test  # J-HMDB Sentences is for testing only
        scene = draw(rng)
        drawn.append(scene if drawn else replace(scene, references=()))
        return drawn[-1]

    assert best_reference(replace(scene_of(0), references=())) is None
    make_world(tmp_path / "world", plan("jhmdb", 1), draw=shy)
    assert len(drawn) == 2
    with pytest.raises(RefvidError, match="describe no actor"):
        make_world(tmp_path / "other", plan("jhmdb", 1), draw=lambda rng, test: replace(draw(rng), references=()))
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize("layout", ["a2d", "jhmdb"])
def test_same_seed_same_bytes(layout: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    first: Path = request.getfixturevalue(layout)
    videos = 6 if layout == "a2d" else 2
    make_world(tmp_path / "again", plan(layout, videos), draw=draw)
    assert annotations(tmp_path / "again") == annotations(first)
    make_world(tmp_path / "other", plan(layout, videos, seed=4), draw=draw)
    other = annotations(tmp_path / "other")
    masks = [name for name in other if name.endswith((".h5", ".mat"))]
    assert masks
    assert all(other[name] != annotations(first).get(name) for name in masks)


def test_a_video_does_not_depend_on_how_many_there_are(a2d: Path, tmp_path: Path) -> None:
    make_world(tmp_path / "fewer", plan(videos=2), draw=draw)
    fewer, more = annotations(tmp_path / "fewer"), annotations(a2d)
    masks = [name for name in fewer if name.endswith(".h5")]
    assert masks
    assert all(fewer[name] == more[name] for name in masks)


def test_output_is_refused_replaced_or_left_whole(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    folder.mkdir()  # an empty folder is no loss
    make_world(folder, plan(videos=1), draw=draw)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        make_world(folder, plan(videos=2), draw=draw)

    def interrupted(rng: np.random.Generator, test: bool) -> Scene:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_world(folder, plan(videos=2), draw=interrupted, overwrite=True)
    assert json.loads((folder / RECORD).read_text())["videos"] == 1
    make_world(folder, plan(videos=2), draw=draw, overwrite=True)
    assert json.loads((folder / RECORD).read_text())["videos"] == 2
    assert len(list((folder / "Release" / "clips320H").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "a2d" / "Release"
    precious.mkdir(parents=True)
    with pytest.raises(OutputExistsError, match="not made by `refvid world make`"):
        make_world(tmp_path / "a2d", plan(), draw=draw, overwrite=True)
    assert precious.is_dir()


def test_progress_counts_frames(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    report = make_world(
        tmp_path / "world", plan(videos=2), draw=draw, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(FRAMES, 2 * FRAMES), (2 * FRAMES, 2 * FRAMES)]
    assert (report.videos, report.sentences) == (2, 8)
    assert report.frames == len(list((tmp_path / "world").rglob("*.h5")))


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (replace(plan(), videos=0), "0 videos"),
        (replace(plan(), frames=4), "4 frames"),
        (replace(plan(), seed=-1), "negative"),
    ],
)
def test_plans_that_cannot_be_carried_out(broken: WorldPlan, what: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=what):
        make_world(tmp_path / "world", broken, draw=draw)


@pytest.mark.parametrize(("layout", "package"), [("a2d", "h5py"), ("jhmdb", "scipy.io")])
def test_missing_package_is_named(layout: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnavailableError, match=r'pip install "refvid\[train\]"'):
        make_world(tmp_path / "world", plan(layout), draw=draw)
    assert not list(tmp_path.iterdir())
