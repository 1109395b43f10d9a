"""What a batch finds under a folder, by content, and the reason for everything that it passes over."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.batch.plan import plan_folder
from refvid.batch.search import search_folder
from tests.clips import make_clip, make_sound


def _search(folder: Path, excluded: str = "out") -> tuple[dict[str, str], dict[str, str]]:
    """Return the kind of everything found and the reason for everything else, by relative path."""
    reasons: dict[str, str] = {}

    def pass_over(path: Path, reason: str) -> None:
        reasons[path.relative_to(folder).as_posix()] = reason

    found = search_folder(folder, folder / excluded, pass_over)
    assert len({source.path for source in found}) == len(found)
    return {source.path.relative_to(folder).as_posix(): source.kind for source in found}, reasons


def _picture(path: Path, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(path)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with one clip under names that say nothing about it."""
    folder = tmp_path / "clips"
    folder.mkdir()
    make_clip(folder / "a.mp4", frames=2)
    for name in ("b.f4v", "c.bin", "d", "E.MOVIE"):
        os.link(folder / "a.mp4", folder / name)
    return folder


def test_the_container_is_asked(clips: Path) -> None:
    found, reasons = _search(clips)
    assert found == dict.fromkeys(["a.mp4", "b.f4v", "c.bin", "d", "E.MOVIE"], "video")
    assert reasons == {}


def test_every_other_file_has_its_reason(clips: Path) -> None:
    make_sound(clips / "song.wav", seconds=1)
    (clips / "notes.txt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    (clips / "empty").touch()
    (clips / ".a.mp4").touch()
    (clips / "gone.mp4").symlink_to("nowhere")
    os.mkfifo(clips / "pipe.mp4")
    (clips / "out").mkdir()
    (clips / "out" / "a.mp4").touch()
    found, reasons = _search(clips)
    assert len(found) == 5
    assert reasons == {
        "song.wav": "sound without a picture",
        "notes.txt": "no video or picture",
        "empty": "empty",
        ".a.mp4": "hidden",
        "gone.mp4": "a link to nothing",
        "pipe.mp4": "neither a file nor a folder",
    }


def test_damaged_file_named_like_a_video_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_text("text")
    (tmp_path / "b.PNG").write_text("text")
    (tmp_path / "c.ts").write_text("export const a = 1")  # TypeScript
    found, reasons = _search(tmp_path)
    assert (found, reasons) == ({"a.mkv": "video", "b.PNG": "image"}, {"c.ts": "no video or picture"})


def test_links_are_followed_once(clips: Path) -> None:
    elsewhere = clips.parent / "elsewhere"
    elsewhere.mkdir()
    os.link(clips / "a.mp4", elsewhere / "x.mp4")
    (elsewhere / "back").symlink_to(elsewhere)
    (elsewhere / "home").symlink_to(clips)
    (clips / "link").symlink_to(elsewhere)
    (clips / "link2").symlink_to(elsewhere)
    (clips / "up").symlink_to("..")
    (clips / "self").symlink_to(".")
    (clips / "file.mp4").symlink_to(elsewhere / "x.mp4")
    found, reasons = _search(clips)
    assert {"link/x.mp4", "file.mp4"} < set(found)
    assert len(found) == 7
    assert reasons == {
        "link2": f"a link to {clips / 'link'}, which is searched already",
        "self": f"a link to {clips}, which is searched already",
        "up": "a link to a folder that contains it",
        "link/back": f"a link to {clips / 'link'}, which is searched already",
        "link/home": f"a link to {clips}, which is searched already",
    }


def test_link_to_the_output_folder_is_not_followed(clips: Path) -> None:
    (clips / "out").mkdir()
    os.link(clips / "a.mp4", clips / "out" / "a.mp4")
    (clips / "results").symlink_to("out")
    assert len(_search(clips)[0]) == 5


def test_pictures_and_folders_of_frames(tmp_path: Path) -> None:
    for number in range(3):
        _picture(tmp_path / "frames" / f"f{number + 9:03d}.png")
        _picture(tmp_path / "gap" / f"f{number * 2:03d}.png")
        _picture(tmp_path / "sizes" / f"f{number:03d}.png", (8 + number, 6))
        _picture(tmp_path / f"top{number}.png")
    _picture(tmp_path / "names" / "dog.jpg")
    (tmp_path / "frames" / "notes.md").write_text("text")
    found, reasons = _search(tmp_path)
    assert found.pop("frames") == "frames"
    assert set(found.values()) == {"image"}
    assert len(found) == 10
    assert reasons == {"frames/notes.md": "no video or picture"}
    jobs = plan_folder(tmp_path, ["dog"], tmp_path / "out", None)
    assert {job.output.relative_to(tmp_path / "out").as_posix() for job in jobs} >= {
        "frames.mp4",
        "gap/f000.png",
        "names/dog.jpg",
        "top1.png",
    }


def test_still_without_a_suffix_is_an_image(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "picture")
    assert _search(tmp_path)[0] == {"picture": "image"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_must_not_be_opened(clips: Path) -> None:
    (clips / "locked").mkdir(mode=0)
    (clips / "secret").touch(mode=0)
    (clips / "secret").chmod(0)
    _, reasons = _search(clips)
    assert reasons["locked"] == "a folder that cannot be opened (permission denied)"
    assert reasons["secret"] == "cannot be opened (permission denied)"
