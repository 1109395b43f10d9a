"""Predictions on disk: written masks are read back unchanged, and missing or malformed ones are reported."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.evaluation.stored_masks import StoredMasks
from refvid.evaluation.submissions import CONFIDENCES, RECORD, UNFINISHED, Submission, confidences_of
from refvid.video.render import davis_palette
from tests.evaluation.small_set import HEIGHT, WIDTH, Masks, Source, small_set, small_video


def write(
    referring_set: ReferringSet, folder: Path, source: Source | None = None, *, ranked: bool | None = True
) -> Path:
    """Store masks as an evaluation does, with confidences or without; None: it does not come to its end."""
    submission = Submission(folder, referring_set)
    assert not submission.begin("key", going_on=False, overwrite=False)
    confidences = {}
    for video in referring_set.videos:
        for target, found in (source or Source()).masks(video):
            submission.add(video, target, found)
            confidences.update(confidences_of(video, target, found))
    if ranked is not None:
        submission.finish(confidences)
    if not ranked:
        (folder / CONFIDENCES).unlink(missing_ok=True)
    return folder


def pictures(folder: Path) -> dict[str, tuple[str, set[int]]]:
    """The mode and the values of every picture."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            assert image.size == (WIDTH, HEIGHT)
            found[str(path.relative_to(folder))] = (image.mode, set(np.unique(np.asarray(image)).tolist()))
    return found


def read(stored: StoredMasks, referring_set: ReferringSet) -> Iterator[tuple[Masks, list[float]]]:
    for video in referring_set.videos:
        for target, found in stored.masks(video):
            assert (stored.masks_at(video, target).masks == found.masks).all()
            yield found.masks, found.confidences.tolist()


def truths(referring_set: ReferringSet) -> list[Masks]:
    found = [video.truth(target) for video in referring_set.videos for target in video.targets]
    return [mask for mask in found if mask is not None]


def test_expressions_have_folders(tmp_path: Path) -> None:
    video = replace(small_video("a b/@1", at=(1,)), targets=(Target("00001", 1, (1, 0)), Target("x", 4, (1,))))
    referring_set = small_set(video, submission="Annotations")
    folder = write(referring_set, tmp_path / "out")
    assert pictures(folder) == {
        "Annotations/a b/@1/1/00001.png": ("L", {0, 255}),
        "Annotations/a b/@1/2/00001.png": ("L", {0, 255}),
        "Annotations/a b/@1/2/x.png": ("L", {0, 255}),
    }
    assert json.loads((folder / CONFIDENCES).read_text()) == {
        "a b/@1/1/00001": 0.75,
        "a b/@1/2/00001": 0.75,
        "a b/@1/2/x": 0.75,
    }
    for given in (folder, folder / "Annotations"):
        stored = StoredMasks(given, referring_set)
        assert (stored.missing, stored.ranked, stored.notes) == (0, True, ())
        for (masks, confidences), truth in zip(read(stored, referring_set), truths(referring_set), strict=True):
            np.testing.assert_array_equal(masks, truth)
            assert confidences == [0.75] * len(truth)


def test_runs_have_folders_of_palette_images(tmp_path: Path) -> None:
    rules = Rules(measure="contour", exclusive=True)
    referring_set = small_set(small_video(at=(1, 5), runs=("1", "2")), rules=rules, layout="palette")
    folder = write(referring_set, tmp_path / "out")
    assert pictures(folder) == {
        f"{run}/clip/{frame}.png": ("P", {0, 1, 2}) for run in "12" for frame in ("00001", "00005")
    }
    with Image.open(folder / "1" / "clip" / "00001.png") as image:
        assert image.getpalette() == davis_palette()
    assert "2/clip/1/00005" in json.loads((folder / CONFIDENCES).read_text())
    stored = StoredMasks(folder, referring_set)
    for (masks, _), truth in zip(read(stored, referring_set), truths(referring_set), strict=True):
        np.testing.assert_array_equal(masks, truth)
    # A peer's masks that know nothing of runs are scored in each of them.
    without_runs = StoredMasks(folder / "2", referring_set)
    assert not without_runs.ranked
    assert without_runs.notes == (), "J and F rank nothing"
    for (masks, confidences), truth in zip(read(without_runs, referring_set), truths(referring_set), strict=True):
        np.testing.assert_array_equal(masks, truth)
        assert confidences == [1.0] * 4


def test_a_single_object_may_be_any_number_in_a_palette_image(tmp_path: Path) -> None:
    referring_set = small_set(small_video(texts=("man",), at=(1,)), layout="palette")
    (truth,) = truths(referring_set)
    for value, mode in ((1, "L"), (255, "L"), (255, "1")):
        place = tmp_path / f"{value}{mode}" / "clip"
        place.mkdir(parents=True)
        Image.fromarray(truth[0].astype(np.uint8) * np.uint8(value)).convert(mode).save(place / "00001.png")
        ((masks, _),) = read(StoredMasks(place.parent, referring_set), referring_set)
        np.testing.assert_array_equal(masks, truth)


def test_several_objects_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    """The instances are 7 and, for an expression that means nothing, its own number 3."""
    video = small_video(at=(1,))
    video = replace(video, expressions=(Expression("1", "man", 7), Expression("3", "a thing", None)))
    referring_set = small_set(video, layout="palette")
    folder = write(referring_set, tmp_path / "out")
    assert pictures(folder) == {"clip/00001.png": ("P", {0, 3, 7})}
    ((masks, _),) = read(StoredMasks(folder, referring_set), referring_set)
    np.testing.assert_array_equal(masks, truths(referring_set)[0])


def test_coloured_masks(tmp_path: Path) -> None:
    referring_set = small_set(small_video(texts=("man", "dog"), at=(1,)))
    folder = write(referring_set, tmp_path / "out")
    path = folder / "clip" / "1" / "00001.png"
    red = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    red[..., 3] = 255  # of an opaque picture, which is no mask
    red[2:5, 3:9, 0] = 200
    Image.fromarray(red).save(path)
    ((masks, _),) = read(StoredMasks(folder, referring_set), referring_set)
    assert masks[0].sum() == 18
    Image.fromarray(red[..., [0, 3]]).save(path)  # grey with an opacity
    ((masks, _),) = read(StoredMasks(folder, referring_set), referring_set)
    assert masks[0].sum() == 18
    palette = small_set(small_video(at=(1,)), layout="palette")
    folder = write(palette, tmp_path / "palette")
    Image.fromarray(red).save(folder / "clip" / "00001.png")
    with pytest.raises(RefvidError, match="is a colour image; expected a palette image"):
        list(read(StoredMasks(folder, palette), palette))


def test_overlapping_masks_of_a_palette_image_go_to_the_first(tmp_path: Path) -> None:
    referring_set = small_set(small_video(at=(1,)), layout="palette")
    folder = write(referring_set, tmp_path / "out", Source(lambda masks: masks.any(0, keepdims=True) | masks))
    ((masks, confidences),) = read(StoredMasks(folder, referring_set), referring_set)
    assert masks[0].sum() == 2 * 108
    assert not masks[1].any()
    assert np.isnan(confidences[1]), "an empty mask has no confidence"


def test_missing_masks_are_counted(tmp_path: Path) -> None:
    referring_set = small_set()
    folder = write(referring_set, tmp_path / "out")
    for name in ("first/2/00005.png", "a/second/1/00001.png", "a/second/2/00001.png"):
        (folder / name).unlink()
    first = folder / "first" / "2" / "00005.png"
    with pytest.raises(RefvidError, match=rf"^3 of 12 masks missing in {folder}, the first is {first}; .*--missing"):
        StoredMasks(folder, referring_set)
    stored = StoredMasks(folder, referring_set, missing="empty")
    assert stored.notes == ("3 of 12 masks have no file and count as empty.",)
    areas = [masks.sum(axis=(1, 2)).tolist() for masks, _ in read(stored, referring_set)]
    assert areas == [[108, 108], [108, 0], [108, 108], [0, 0], [108, 108], [108, 108]]


def test_a_folder_without_any_mask_is_an_error_whatever_was_asked(tmp_path: Path) -> None:
    with pytest.raises(RefvidError, match="12 of 12 masks missing"):
        StoredMasks(tmp_path, small_set(), missing="empty")
    with pytest.raises(RefvidError, match="gone is not a folder"):
        StoredMasks(tmp_path / "gone", small_set())


def test_unfinished_predictions_are_not_scored(tmp_path: Path) -> None:
    """All files may be there of a part of the split that `--limit` makes."""
    referring_set = small_set(submission="Annotations")
    folder = write(referring_set, tmp_path / "out", ranked=None)
    for given in (folder, folder / "Annotations"):
        with pytest.raises(RefvidError, match=rf"the predictions in {given} are incomplete"):
            StoredMasks(given, referring_set)
    submission = Submission(folder, referring_set)
    assert submission.begin("key", going_on=True, overwrite=False)
    submission.finish({})
    assert StoredMasks(folder, referring_set).missing == 0
    assert submission.begin("key", going_on=True, overwrite=False)
    assert (folder / UNFINISHED).is_file(), "while it is gone on with, it is unfinished again"
    (tmp_path / "peer" / "unfinished").mkdir(parents=True)
    with pytest.raises(RefvidError, match="12 of 12 masks missing"):
        StoredMasks(tmp_path / "peer", referring_set)


@pytest.mark.parametrize("layout", ["expressions", "palette"])
def test_a_video_whose_masks_are_gone_is_known(tmp_path: Path, layout: str) -> None:
    referring_set = small_set(layout=layout)
    folder = write(referring_set, tmp_path / "out")
    submission = Submission(folder, referring_set)
    first, second = referring_set.videos
    assert submission.holds(first)
    assert submission.holds(second)
    next((folder / "a" / "second").rglob("00005.png")).unlink()
    assert submission.holds(first)
    assert not submission.holds(second)


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    """A JPEG under the name of a PNG and grey levels would else count wherever they are not 0."""
    referring_set = small_set(small_video(texts=("man",), at=(1,)))
    (truth,) = truths(referring_set)
    path = write(referring_set, tmp_path / "out") / "clip" / "1" / "00001.png"
    palette = small_set(small_video(texts=("man",), at=(1,)), layout="palette")
    numbered = write(palette, tmp_path / "palette") / "clip" / "00001.png"
    Image.fromarray(truth[0].astype(np.uint8) * np.uint8(255)).save(path, format="JPEG")
    with pytest.raises(RefvidError, match=rf"^{path} is a JPEG file despite its name, expected a PNG"):
        list(read(StoredMasks(tmp_path / "out", referring_set), referring_set))
    soft = Image.fromarray(np.linspace(0, 255, HEIGHT * WIDTH).astype(np.uint8).reshape(HEIGHT, WIDTH))
    for picture in (soft, soft.convert("RGB"), soft.convert("RGBA")):
        picture.save(path)
        with pytest.raises(RefvidError, match=rf"^{path} has more than two values"):
            list(read(StoredMasks(tmp_path / "out", referring_set), referring_set))
    soft.save(numbered)
    with pytest.raises(RefvidError, match=rf"^{numbered} has 255 values besides 0"):
        list(read(StoredMasks(tmp_path / "palette", palette), palette))


@pytest.mark.parametrize("values", [(1, 1), (255, 255), (1, 255), (7, 7), (0, 0)])
def test_masks_of_two_values(tmp_path: Path, values: tuple[int, int]) -> None:
    referring_set = small_set(small_video(texts=("man",), at=(1,)))
    path = write(referring_set, tmp_path / "out") / "clip" / "1" / "00001.png"
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[3:9, 4:20], pixels[20:22, 4:20] = values
    numbered = Image.fromarray(pixels)
    numbered.putpalette(davis_palette())
    for picture in (Image.fromarray(pixels), numbered):
        picture.save(path)
        ((masks, _),) = read(StoredMasks(tmp_path / "out", referring_set), referring_set)
        np.testing.assert_array_equal(masks[0], pixels > 0)


def test_masks_without_confidences_are_noted(tmp_path: Path) -> None:
    referring_set = small_set()
    stored = StoredMasks(write(referring_set, tmp_path / "out", ranked=False), referring_set)
    (note,) = stored.notes
    assert "ap_coco means little" in note
    assert all(confidences == [1.0, 1.0] for _, confidences in read(stored, referring_set))


def test_a_mask_that_the_confidences_leave_out_comes_last(tmp_path: Path) -> None:
    referring_set = small_set(small_video(at=(1,)))
    folder = write(referring_set, tmp_path / "out")
    (folder / CONFIDENCES).write_text('{"clip/1/00001": 0.5}')
    ((_, confidences),) = read(StoredMasks(folder, referring_set), referring_set)
    assert confidences == [0.5, 0.0]
    (folder / CONFIDENCES).write_text('{"clip/1/00001": ')
    with pytest.raises(RefvidError, match=r"confidences\.json does not hold a number for each mask"):
        StoredMasks(folder, referring_set)


def test_damaged_and_uneven_masks(tmp_path: Path) -> None:
    referring_set = small_set(small_video(at=(1,)))
    folder = write(referring_set, tmp_path / "out")
    path = folder / "clip" / "1" / "00001.png"
    Image.new("L", (WIDTH, HEIGHT + 2)).save(path)
    with pytest.raises(RefvidError, match=rf"^{path}, the mask of 'man', is 80x48, but the data set's are 80x46; "):
        list(read(StoredMasks(folder, referring_set), referring_set))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(RefvidError, match=r"1/00001\.png cannot be read as a picture"):
        list(read(StoredMasks(folder, referring_set), referring_set))


def test_a_folder_is_refused_continued_or_replaced(tmp_path: Path) -> None:
    referring_set = small_set(small_video(at=(1,)))
    folder = write(referring_set, tmp_path / "out")
    submission = Submission(folder, referring_set)
    with pytest.raises(OutputExistsError, match="out already exists; give --overwrite"):
        submission.begin("key", going_on=False, overwrite=False)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        submission.begin("another key", going_on=True, overwrite=False)
    assert submission.begin("key", going_on=True, overwrite=False)
    assert len(pictures(folder)) == 2
    assert not submission.begin("another key", going_on=True, overwrite=True)
    assert pictures(folder) == {}
    assert sorted(path.name for path in folder.iterdir()) == [RECORD, UNFINISHED]
    assert not Submission(tmp_path / "new", referring_set).begin("key", going_on=True, overwrite=False)


def test_what_the_same_evaluation_has_left_unfinished_is_replaced(tmp_path: Path) -> None:
    """It broke off in its first video, and is given again as it was."""
    folder = write(small_set(), tmp_path / "out", ranked=None)
    submission = Submission(folder, small_set())
    with pytest.raises(OutputExistsError, match="--overwrite"):
        submission.begin("another key", going_on=False, overwrite=False)
    assert len(pictures(folder)) == 12
    assert not submission.begin("key", going_on=False, overwrite=False)
    assert pictures(folder) == {}


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputExistsError, match="was not made by `refvid eval`"):
        Submission(tmp_path / "mine", small_set()).begin("key", going_on=True, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    folder = write(small_set(), tmp_path / "out")
    (folder / "first" / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputExistsError, match=r"holds more than predictions \(first/thesis\.txt\)"):
        Submission(folder, small_set()).begin("another key", going_on=False, overwrite=True)
    assert len(pictures(folder)) == 12
    with pytest.raises(UsageError, match="is not a folder"):
        Submission(tmp_path / "mine" / "thesis.txt", small_set()).begin("key", going_on=False, overwrite=True)
    with pytest.raises(UsageError, match="make it first"):
        Submission(tmp_path / "no" / "such", small_set()).begin("key", going_on=False, overwrite=True)


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("../../stolen", "/stolen"):
        with pytest.raises(RefvidError, match="points outside the folder"):
            write(small_set(small_video(name, at=(1,))), tmp_path / "out")
        for mark in (RECORD, UNFINISHED):
            (tmp_path / "out" / mark).unlink()
    assert not list(tmp_path.rglob("*.png"))


def test_instances_that_a_palette_image_cannot_hold(tmp_path: Path) -> None:
    video = replace(small_video(at=(1,)), expressions=(Expression("1", "man", 300), Expression("2", "dog", 2)))
    with pytest.raises(RefvidError, match="'man' has the number 300"):
        write(small_set(video, layout="palette"), tmp_path / "out")
