"""Reading DAVIS-16: one object per sequence, whatever its masks look like, and lists of pairs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.data.davis import open_davis16
from tests.data.davis_folder import FRAMES, REAL, numbers, told, write_frames, write_palette, write_text


@pytest.fixture
def davis16(tmp_path: Path) -> Path:
    """DAVIS-16: pairs in its list, masks of 0 and 255."""
    write_frames(tmp_path / "JPEGImages" / "480p" / "swan")
    masks = tmp_path / "Annotations" / "480p" / "swan"
    masks.mkdir(parents=True)
    for index in range(FRAMES):
        Image.fromarray(numbers(255, shift=index)).save(masks / f"{index:05d}.png")
    lists = tmp_path / "ImageSets" / "2016"
    lists.mkdir(parents=True)
    pairs = [f"/JPEGImages/480p/swan/{i:05d}.jpg /Annotations/480p/swan/{i:05d}.png\n" for i in range(FRAMES)]
    (lists / "val.txt").write_text("".join(pairs))
    write_text(tmp_path, "16", "_full_video", {"annot1": 'swan 1 "a black swan"\n', "annot2": 'swan "the swan"\n'})
    return tmp_path


def test_davis16_is_one_object(davis16: Path) -> None:
    opened = open_davis16(davis16, "val", "full-video")
    assert told(opened) == [("swan", "annot1", "1", "a black swan", 1), ("swan", "annot2", "1", "the swan", 1)]
    assert (opened.title, opened.rules.exclusive, opened.notes) == ("DAVIS-16", False, ())
    video = opened.videos[0]
    truth = video.truth(video.targets[1])
    assert truth is not None
    np.testing.assert_array_equal(truth, np.stack([numbers(255, shift=1) > 0] * 2))
    assert truth.any()
    assert video.void(video.targets[1]) is None
    hungarian = open_davis16(davis16, "val", "full-video-hungarian")
    assert (hungarian.rules.matching, told(hungarian)) == ("hungarian", told(opened))


def test_davis16_takes_palettes_colours_and_its_own_archives_lists(davis16: Path) -> None:
    (davis16 / "ImageSets" / "2016").rename(davis16 / "ImageSets" / "480p")
    masks = davis16 / "Annotations" / "480p" / "swan"
    write_palette(masks / "00000.png", numbers(1, 2))
    Image.fromarray(np.repeat(numbers(255)[..., None], 3, axis=2)).save(masks / "00001.png")
    opened = open_davis16(davis16, "val", "semi-supervised")
    assert told(opened) == [("swan", "", "1", "", 1)]
    assert opened.notes[0] == "1 sequence with palettes as masks, as DAVIS-17's: all objects are one."
    video = opened.videos[0]
    for index, expected in enumerate((numbers(1, 2) > 0, numbers(255) > 0)):
        truth = video.truth(video.targets[index])
        assert truth is not None
        np.testing.assert_array_equal(truth, expected[None])


@pytest.mark.skipif(not (REAL / "davis16" / "Annotations").is_dir(), reason="the real files are not here")
def test_real_masks_of_davis16(tmp_path: Path) -> None:
    for name in ("JPEGImages", "Annotations"):
        (tmp_path / name).symlink_to(REAL / "davis16" / name)
    (tmp_path / "ImageSets" / "2016").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2016" / "val.txt").write_text("blackswan\ncar-shadow\n")
    opened = open_davis16(tmp_path, "val", "semi-supervised")
    assert sum(len(video.targets) for video in opened.videos) == 90
    # The first and the last frame of each do not count.
    assert opened.counts() == {"videos": 2, "expressions": 2, "samples": 86}
    swan = opened.videos[0]
    truth = swan.truth(swan.targets[10])
    assert truth is not None
    assert truth.shape == (1, 480, 854)
    assert 0.02 < truth.mean() < 0.5
    pixels, present = swan.read([10])
    assert pixels.shape == (1, 480, 854, 3)
    assert present.all()
    assert pixels[0][truth[0]].mean() < pixels[0][~truth[0]].mean()  # the swan is black
