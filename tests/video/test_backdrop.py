"""What lies behind a cutout: colours, pictures, videos at their own speed, and blurs."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from refvid.errors import UsageError, VideoError
from refvid.video.backdrop import MovingBackdrop, check_backdrop, open_backdrop
from refvid.video.frame import Frame
from refvid.video.read import read_video
from tests.clips import make_clip
from tests.video.written import describe, write

NOTHING = np.zeros((24, 32), np.bool_)


def at(seconds: Fraction, size: tuple[int, int] = (32, 24)) -> Frame:
    return Frame(0, seconds, Fraction(1, 25), np.full((size[1], size[0], 3), 90, np.uint8))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of a twenty-fifth of a second."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=5, size=(32, 24), rate=25)


def shown(backdrop: MovingBackdrop, times: list[Fraction]) -> NDArray[np.uint8]:
    return np.stack([backdrop.behind(at(time), NOTHING) for time in times])


def test_a_video_plays_at_its_own_speed_and_is_looped(clip: Path) -> None:
    frames = read_video(clip)
    backdrop = MovingBackdrop(clip)
    times = [Fraction(7) + Fraction(number, 50) for number in range(25)]  # twice as many frames a second
    found = shown(backdrop, times)
    backdrop.close()
    np.testing.assert_array_equal(found, frames[[number // 2 % 5 for number in range(25)]])
    assert backdrop.notes == [f"the background {clip} lasts 0.2 s and was looped: it began 3 times"]


def test_a_longer_video_is_cut(clip: Path) -> None:
    backdrop = MovingBackdrop(clip)
    np.testing.assert_array_equal(shown(backdrop, [Fraction(0), Fraction(1, 25)]), read_video(clip)[:2])
    backdrop.close()
    assert backdrop.notes == [f"the background {clip} is longer than the output and was cut"]


def test_one_of_the_same_length_needs_no_note(clip: Path) -> None:
    backdrop = MovingBackdrop(clip)
    shown(backdrop, [Fraction(number, 25) for number in range(5)])
    backdrop.close()
    assert backdrop.notes == []


def test_an_image_fills_the_frame(tmp_path: Path) -> None:
    halves = np.zeros((100, 400, 3), np.uint8)
    halves[:, :200], halves[:, 200:] = (250, 0, 0), (0, 0, 250)
    halves[:, :100] = halves[:, 300:] = (0, 250, 0)  # what stands out on both sides
    Image.fromarray(halves).save(tmp_path / "wide.png")
    backdrop = open_backdrop(str(tmp_path / "wide.png"))
    found = backdrop.behind(at(Fraction(0)), NOTHING)
    assert found.shape == (24, 32, 3)
    assert np.abs(found[:, :12].astype(int) - (250, 0, 0)).max() < 12
    assert np.abs(found[:, 20:].astype(int) - (0, 0, 250)).max() < 12
    assert backdrop.behind(at(Fraction(99), (10, 8)), NOTHING).shape == (8, 10, 3)
    backdrop.close()
    assert backdrop.notes == []


def test_colours_and_blurs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "red").write_text("a file of a colour's name")
    assert open_backdrop("red").behind(at(Fraction(0)), NOTHING).tolist() == [255, 0, 0]
    assert (open_backdrop("blur:3").behind(at(Fraction(0)), NOTHING) == 90).all()
    for text in ("transparent", "blur", "#abc", "./red"):
        check_backdrop(text)
    with pytest.raises(UsageError, match=r"'beach.jpg' is no colour and no file; give a name"):
        open_backdrop("beach.jpg")
    with pytest.raises(UsageError, match="in pixels, from 1"):
        check_backdrop("blur:0")
    with pytest.raises(VideoError):
        open_backdrop("./red")


def test_a_cutout_lies_on_the_backdrop_and_the_notes_say_how(clip: Path, tmp_path: Path) -> None:
    notes = write(tmp_path / "out.mp4", "cutout", describe(clip, "video"), total=8, background=str(clip))
    assert notes == [f"the background {clip} lasts 0.2 s and was looped: it began 2 times"]
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24] = 200
    Image.fromarray(pixels).save(tmp_path / "behind.png")
    write(tmp_path / "out.png", "cutout", describe(clip, "image"), total=1, background=str(tmp_path / "behind.png"))
    found = np.asarray(Image.open(tmp_path / "out.png"))
    assert found[20, 20].tolist() == [0, 0, 0]  # the object, black in the first frame
    assert found[5, 5].tolist() == [200, 200, 200]
    assert found[40, 50].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("invert", "object_colour", "rest"), [(False, 0, 255), (True, 255, 0)])
def test_inverted_cutouts_keep_the_rest(tmp_path: Path, invert: bool, object_colour: int, rest: int) -> None:
    info = describe(tmp_path / "in", "image")
    write(tmp_path / "out.png", "cutout", info, total=1, background="white", invert=invert)
    found = np.asarray(Image.open(tmp_path / "out.png"))
    assert (found[20, 20, 0], found[40, 50, 0]) == (object_colour, rest)
    write(tmp_path / "matte.png", "matte", info, total=1, invert=invert)
    assert (np.asarray(Image.open(tmp_path / "matte.png"))[20, 20, 0] == 255) != invert
