"""Training samples from every data set of referring expressions, and the split they come from."""

import logging
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refvid.data.catalogue import SETS
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.errors import RefvidError, UsageError
from refvid.train import sources
from refvid.train.feed import generator_of
from refvid.train.settings import TrainSettings
from refvid.train.sources import DATASETS, DataChoice, OpenData, ReferringSource, open_data

WIDTH, HEIGHT = 40, 24


@dataclass(frozen=True)
class Numbered:
    """A video whose frames tell their number, and whose masks tell frame and expression: one row, one column."""

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    frames: int
    masks: bool = True

    def count_frames(self) -> int:
        return self.frames

    def read(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        assert any(0 <= index < self.frames for index in indices)
        nearest = np.clip(indices, 0, self.frames - 1)
        pixels = np.broadcast_to(nearest[:, None, None, None], (len(indices), HEIGHT, WIDTH, 3))
        return pixels.astype(np.uint8), nearest == np.array(indices)

    def truth(self, target: Target) -> np.ndarray | None:
        return np.stack([mark(target.index, index) for index in target.counting]) if self.masks else None

    def void(self, target: Target) -> None:
        return None


@dataclass(frozen=True)
class Lenient(Numbered):
    """A video that gives its last frame for annotated ones beyond it, and says that it has them."""

    def read(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        pixels, present = super().read(indices)
        annotated = {target.index for target in self.targets}
        return pixels, present | np.array([index in annotated for index in indices])


@dataclass(frozen=True)
class Picture(Numbered):
    """A picture: left and right half are two colours, and its expressions mean the one or the other in turn."""

    def read(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        assert list(indices) == [0]
        picture = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)
        picture[:, :, : WIDTH // 2] = 250
        return picture, np.array([True])

    def truth(self, target: Target) -> np.ndarray:
        halves = np.zeros((2, HEIGHT, WIDTH), np.bool_)
        halves[0, :, : WIDTH // 2] = True
        halves[1] = ~halves[0]
        return halves[[index % 2 for index in target.counting]]


def mark(frame: int, expression: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[frame, expression] = True
    return mask


def said(*texts: str) -> tuple[Expression, ...]:
    return tuple(Expression(str(index), text, index) for index, text in enumerate(texts))


def make_video(name: str = "v", frames: int = 12, targets: Sequence[int] = (0, 5, 11), count: int = 3) -> Numbered:
    expressions = said(*(f"{name} thing {index}" for index in range(count)))
    return Numbered(name, expressions, tuple(Target(f"{i:05d}", i, tuple(range(count))) for i in targets), frames)


def make_picture(name: str, count: int = 2) -> Picture:
    return Picture(
        name, said(*(f"{name} {index}" for index in range(count))), (Target("0", 0, tuple(range(count))),), 1
    )


def make_set(*videos: Numbered, **changes: object) -> ReferringSet:
    return replace(ReferringSet("Things", "train", "plain", Rules(), videos), **changes)  # type: ignore[arg-type]


def draws(source: ReferringSource, count: int) -> list[Any]:
    return [source.draw(np.random.default_rng(seed)) for seed in range(count)]


def test_the_clip_around_a_frame_with_what_counts_there() -> None:
    uneven = Numbered("v", said("one", "Two!", "three"), (Target("00005", 5, (2, 0)),), 12)
    source = ReferringSource(make_set(uneven), TrainSettings(frames=3, frame_stride=4))
    sample = source.draw(np.random.default_rng(0))
    assert sample.frames.shape == (3, HEIGHT, WIDTH, 3)
    assert sample.frames[:, 0, 0, 0].tolist() == [1, 5, 9]
    assert sample.frame_mask.tolist() == [True, True, True]
    assert sample.frame_stride == 4
    assert sample.expressions == ("three", "one")
    np.testing.assert_array_equal(sample.masks, np.stack([mark(5, 2), mark(5, 0)]))
    assert sample.regions is None
    assert source.spoken_words() == ("one", "three", "two")


def test_frames_beyond_the_ends_are_marked() -> None:
    source = ReferringSource(make_set(make_video(targets=(1, 11))), TrainSettings(frames=5, frame_stride=2))
    clips = {tuple(sample.frames[:, 0, 0, 0].tolist()): sample.frame_mask.tolist() for sample in draws(source, 12)}
    assert clips == {
        (0, 0, 1, 3, 5): [False, False, True, True, True],
        (7, 9, 11, 11, 11): [True, True, True, False, False],
    }


def test_masks_of_a_frame_that_the_decoder_loses_at_the_end_are_not_lost() -> None:
    source = ReferringSource(make_set(make_video(targets=(12,))), TrainSettings(frames=3))
    sample = source.draw(np.random.default_rng(0))
    assert sample.frames[:, 0, 0, 0].tolist() == [10, 11, 11]
    assert sample.frame_mask.tolist() == [True, True, False]
    assert sample.masks[:, 12].any()
    lenient = ReferringSource(make_set(Lenient(**vars(make_video(targets=(12,))))), TrainSettings(frames=3))
    assert lenient.draw(np.random.default_rng(0)).frame_mask.tolist() == [True, True, False]
    gone = ReferringSource(make_set(make_video("cut", targets=(14,))), TrainSettings(frames=7))
    with pytest.raises(RefvidError, match="frame 00014 of cut has masks and cannot be decoded"):
        gone.draw(np.random.default_rng(0))


def test_every_frame_with_masks_is_as_likely_as_any_other() -> None:
    videos = make_set(make_video("a", targets=(0,)), make_video("b", targets=tuple(range(1, 8))), make_video("c"))
    source = ReferringSource(videos, TrainSettings(frames=1))
    met = Counter((s.expressions[0].split()[0], int(s.frames[0, 0, 0, 0])) for s in draws(source, 2200))
    expected = {("a", 0), *(("b", index) for index in range(1, 8)), ("c", 0), ("c", 5), ("c", 11)}
    assert met.keys() == expected
    assert all(150 < count < 250 for count in met.values())


def test_a_sample_has_at_most_eight_expressions_and_all_come_up() -> None:
    source = ReferringSource(make_set(make_video(count=20)), TrainSettings(frames=1))
    samples = draws(source, 60)
    assert all(len(set(sample.expressions)) == 8 for sample in samples)
    assert len({text for sample in samples for text in sample.expressions}) == 20
    for sample in samples[:5]:
        columns = [int(text.split()[-1]) for text in sample.expressions]
        np.testing.assert_array_equal(sample.masks.any(1).argmax(1), columns)


def test_expressions_without_a_word_are_left_out() -> None:
    odd = Numbered("v", said("a cat", "?!", ""), (Target("0", 0, (0, 1, 2)), Target("1", 1, (1, 2))), 3)
    spoken = {sample.expressions for sample in draws(ReferringSource(make_set(odd), TrainSettings(frames=1)), 20)}
    assert spoken == {("a cat",)}, "a batch of samples without a word has no loss"
    with pytest.raises(UsageError, match="Things has no expressions under the protocol plain"):
        ReferringSource(make_set(replace(odd, targets=odd.targets[1:])), TrainSettings(frames=1))


def test_a_draw_depends_on_its_generator_alone_and_the_source_travels_to_workers() -> None:
    source = ReferringSource(make_set(make_video(count=20)), TrainSettings(frames=3))
    travelled = pickle.loads(pickle.dumps(source))
    source.draw(np.random.default_rng(7))
    one, other = (s.draw(generator_of(1, 0, 5, 2)) for s in (source, travelled))
    assert one.expressions == other.expressions
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.masks, other.masks)


def test_pictures_are_clips_of_one_frame() -> None:
    source = ReferringSource(make_set(make_picture("p"), make_picture("q")), TrainSettings(frames=1))
    sample = source.draw(np.random.default_rng(0))
    assert sample.frames.shape == (1, HEIGHT, WIDTH, 3)
    assert sample.frame_mask.tolist() == [True]
    assert sample.masks[0, :, : WIDTH // 2].all()


def test_pictures_become_clips_by_moving_crops() -> None:
    settings = TrainSettings(frames=5, frame_stride=3, pseudo_video=True)
    source = ReferringSource(make_set(make_picture("p", 4)), settings)
    moved = 0
    for sample in draws(source, 12):
        assert sample.frames.shape[0] == 5
        assert sample.frames.shape[1:3] == sample.masks.shape[1:]
        assert sample.frame_mask.all()
        assert sample.frame_stride == 3
        assert len(sample.expressions) == len(sample.masks) >= 1
        bright = sample.frames[2, ..., 0] > 125
        for text, mask in zip(sample.expressions, sample.masks, strict=True):
            right = int(text.split()[-1]) % 2
            assert (mask == (~bright if right else bright)).mean() > 0.95
        moved += not np.array_equal(sample.frames[0], sample.frames[-1])
    assert moved > 6


@dataclass(frozen=True)
class Corners(Picture):
    """A picture of which the first expression means the left upper corner and the second the right lower one."""

    def truth(self, target: Target) -> np.ndarray:
        corners = np.zeros((2, HEIGHT, WIDTH), np.bool_)
        corners[0, :4, :6] = corners[1, -4:, -6:] = True
        return corners


def test_what_a_moving_crop_leaves_out_is_not_spoken_of() -> None:
    corners = Corners(**vars(make_picture("p")))
    samples = draws(ReferringSource(make_set(corners), TrainSettings(frames=3, pseudo_video=True)), 40)
    assert {sample.expressions for sample in samples} >= {("p 0",), ("p 1",)}
    for sample in samples:
        assert len(sample.expressions) == len(sample.masks)
        for text, mask in zip(sample.expressions, sample.masks, strict=True):
            rows, columns = np.nonzero(mask)
            upper, left = rows.mean() < mask.shape[0] / 2, columns.mean() < mask.shape[1] / 2
            assert (upper, left) == ((True, True) if text == "p 0" else (False, False))


def test_clips_of_pictures_are_made_only_when_asked_for() -> None:
    pictures, videos = make_set(make_picture("p"), make_picture("q")), make_set(make_picture("p"), make_video())
    with pytest.raises(UsageError, match=r"Things holds pictures and --frames is 3; .* --pseudo-video"):
        ReferringSource(pictures, TrainSettings(frames=3))
    with pytest.raises(UsageError, match="Things holds videos; leave it out"):
        ReferringSource(videos, TrainSettings(frames=3, pseudo_video=True))
    with pytest.raises(UsageError, match="--pseudo-video is True; it must be left out with --frames 1"):
        TrainSettings(frames=1, pseudo_video=True)


def test_nothing_is_learnt_without_public_truth() -> None:
    with pytest.raises(RefvidError, match="masks of Things, split train, are not public"):
        ReferringSource(make_set(make_video(), public=False), TrainSettings())
    source = ReferringSource(make_set(replace(make_video("secret"), masks=False)), TrainSettings())
    with pytest.raises(RefvidError, match="masks of video secret are not public"):
        source.draw(np.random.default_rng(0))
    with pytest.raises(RefvidError, match="has no frames with masks"):
        ReferringSource(make_set(), TrainSettings())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, str | None, str | None]]:
    """What is opened, instead of opening it: that of refytvos valid is not public."""
    calls = []

    def open_fake(name: str, root: Path, split: str | None = None, protocol: str | None = None) -> ReferringSet:
        calls.append((name, root, split, protocol))
        public = (name, split) != ("refytvos", "valid")
        return make_set(make_video(f"{split}"), public=public, split=split, notes=("2 rows are bad",))

    monkeypatch.setattr(sources, "open_set", open_fake)
    return calls


def open_named(name: str, split: str = "train", **changes: object) -> OpenData:
    return open_data(DataChoice(name, Path("R")), TrainSettings(**changes), 64, split)  # type: ignore[arg-type]


def test_every_data_set_is_known() -> None:
    assert DATASETS.keys() == {"world", *SETS}


@pytest.mark.parametrize("name", SETS)
def test_a_training_split_is_learnt_from_and_the_evaluated_one_validates(
    name: str, asked: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    info = SETS[name]
    learnt = open_named(name)
    protocol = "all" if name == "jhmdb" else None
    assert asked == [(name, Path("R"), info.training or "test", protocol)]
    assert isinstance(learnt.source, ReferringSource)
    assert learnt.words == tuple(sorted({"thing", "0", "1", "2", (info.training or "test").lower()}))
    assert "2 rows are bad" in caplog.messages
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == (name == "jhmdb")
    assert all("is a test set, and all of it is used for training" in line for line in warned)
    asked.clear()
    caplog.clear()
    kept_back = open_named(name, "validation")
    splits = [call[2] for call in asked]
    assert splits == (["train"] if name == "refytvos" else [info.evaluated])
    assert isinstance(kept_back.source, ReferringSource)
    assert kept_back.source.dataset.split == splits[-1]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * (name == "refytvos")


def test_a_protocol_is_passed_on(asked: list[Any]) -> None:
    open_named("refcocog", protocol="google")
    open_named("jhmdb", "validation", protocol="uniform3")
    assert [call[2:] for call in asked] == [("train", "google"), ("test", "uniform3")]


def test_a_set_that_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mute = Numbered("v", said(""), (Target("0", 0, (0,)),), 3)
    monkeypatch.setattr(sources, "open_set", lambda *_: make_set(mute, protocol="semi-supervised"))
    with pytest.raises(UsageError, match="has no expressions under the protocol semi-supervised"):
        open_named("davis17")


@pytest.mark.parametrize(
    ("choice", "changes", "sentence"),
    [
        (DataChoice("refcoco+"), {}, r"--dataset refcoco\+ needs --root, the folder that holds RefCOCO\+ \(UNC\+\)"),
        (
            DataChoice("davis16", Path("R"), photos=(Path("P"),)),
            {},
            "go with --dataset world; leave them out for davis16",
        ),
        (DataChoice("jhmdb", Path("R"), cache=Path("C")), {}, "go with --dataset world; leave them out for jhmdb"),
        (DataChoice("world", Path("R")), {}, "has no --root"),
        (DataChoice("world"), {"protocol": "mttr"}, "go with data sets on disk"),
        (DataChoice("world"), {"pseudo_video": True}, "go with data sets on disk"),
        (DataChoice("a2d", Path("R")), {"protocol": "unc"}, "A2D Sentences has no protocol 'unc'"),
    ],
)
def test_options_that_do_not_go_together(choice: DataChoice, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        open_data(choice, TrainSettings(**changes), 64)
