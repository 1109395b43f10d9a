"""The journal of an evaluation: finished videos survive a crash, and truncated lines are ignored."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from refvid.data.referring import ReferringSet, Rules
from refvid.evaluation.footage import FootageIssue
from refvid.evaluation.journal import Finished, Journal, evaluation_key, journal_path, model_digest
from refvid.evaluation.scoring import score_video
from refvid.weights import LoadedModel, load_model
from tests.evaluation.small_set import Source, one_pixel_right, small_set, small_video

CONTOUR = Rules(measure="contour")


def finished(name: str = "clip") -> Finished:
    """Rows with every kind of value: fractions without an end, None, and text in another script."""
    video = small_video(name, ("man", "чёрный пёс"), runs=("", "2"))
    rows = score_video(video, CONTOUR, Source(one_pixel_right).masks(video))
    rows[0] = replace(rows[0], confidence=1 / 3, j=2 / 7)
    rows[1] = replace(rows[1], confidence=None, f=None, instance=None)
    return Finished(name, tuple(rows), {f"{name}/1/00001": 0.1 + 0.2}, 1 / 7, FootageIssue(2, ((90, 64), (80, 46))))


def test_rows_are_read_back_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "x.jsonl"
    journal = Journal(path)
    assert journal.finished == {}
    journal.add(3, finished())
    journal.add(0, finished("other"))
    assert Journal(path).finished == journal.finished == {3: finished(), 0: finished("other")}
    journal.remove()
    assert not path.exists()
    journal.remove()  # twice does no harm
    assert Journal(path).finished == {}


def test_a_line_that_is_cut_off_is_left_out_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for number in (0, 1):
        Journal(path).add(number, finished())
    whole = path.read_bytes()
    second = len(whole) // 2
    for length in (second + 1, second + 40, len(whole) - 1):
        path.write_bytes(whole[:length])
        journal = Journal(path)
        assert list(journal.finished) == [0]
        journal.add(1, finished())
        assert path.read_bytes() == whole


@pytest.mark.parametrize("line", [b"\xff\xfe\x00\n", b"[]\n", b"{}\n", b'{"index": 1, "video": "a", "rows": [{}]}\n'])
def test_what_is_no_line_of_a_journal_ends_it(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.jsonl"
    Journal(path).add(0, finished())
    good = path.read_bytes()
    path.write_bytes(good + line + good)
    assert list(Journal(path).finished) == [0]
    assert path.read_bytes() == good


def test_fresh_forgets(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    Journal(path).add(0, finished())
    assert Journal(path, fresh=True).finished == {}
    assert not path.exists()


def test_a_cache_that_cannot_be_used_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    gone = Journal(tmp_path / "folder" / "x.jsonl")
    (tmp_path / "folder").rmdir()
    assert gone.usable
    locked = tmp_path / "locked" / "x.jsonl"
    Journal(locked).add(0, finished())
    monkeypatch.setattr("os.access", lambda path, mode: tmp_path / "locked" not in (path, path.parent))
    for path in (tmp_path / "file" / "x.jsonl", locked, None, gone):
        caplog.clear()
        journal = path if isinstance(path, Journal) else Journal(path)
        assert journal.finished == {}
        for number in (0, 1):
            journal.add(number, finished())
        assert list(journal.finished) == [0, 1]
        assert not journal.usable
        (message,) = caplog.messages
        assert message.startswith("an interrupted evaluation cannot go on later; ")
        assert message.endswith("set XDG_CACHE_HOME")
        journal.remove()


def test_what_is_forgotten_is_written_down_again(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for number in (0, 1):
        Journal(path).add(number, finished())
    journal = Journal(path)
    journal.forget([0])
    assert list(journal.finished) == [1]
    journal.add(0, finished("again"))
    assert Journal(path).finished == {0: finished("again"), 1: finished()}


def test_the_journal_lies_in_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert journal_path("abc") == tmp_path / "refvid" / "eval" / "abc.jsonl"
    for relative in ("", "cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert journal_path("abc") == Path.home() / ".cache" / "refvid" / "eval" / "abc.jsonl"

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert journal_path("abc") is None


def test_all_that_the_rows_depend_on_is_in_the_key() -> None:
    base = small_set()
    settings = {"model": "abc", "threshold": 0.5, "limit": None}
    key = evaluation_key(base, settings)
    assert key == evaluation_key(small_set(), dict(reversed(settings.items())))
    assert key == evaluation_key(replace(base, notes=("a",), rules=Rules(inclusive=True, empty="zero")), settings)
    other_text = small_set(small_video("first", ("man", "the cat")), base.videos[1])
    other_frames = small_set(small_video("first", at=(1, 5)), base.videos[1])
    others: list[ReferringSet] = [
        replace(base, split="train"),
        replace(base, protocol="other"),
        replace(base, videos=base.videos[:1]),
        replace(base, rules=Rules(measure="contour")),
        replace(base, rules=Rules(exclusive=True)),
        other_text,
        other_frames,
    ]
    keys = [evaluation_key(one, settings) for one in others]
    keys += [evaluation_key(base, {**settings, name: 0.25}) for name in settings]
    assert len({key, *keys}) == len(keys) + 1


def test_models_are_told_apart_by_weights_and_config(model: LoadedModel, checkpoint: Path) -> None:
    digest = model_digest(model)
    assert digest == model_digest(load_model(checkpoint, device="cpu"))
    assert digest != model_digest(replace(model, config=replace(model.config, threshold=0.4)))
    changed = load_model(checkpoint, device="cpu")
    next(changed.network.parameters()).data.view(-1)[0] += 1e-3
    assert digest != model_digest(changed)


def test_a_journal_is_plain_text(tmp_path: Path) -> None:
    Journal(tmp_path / "x.jsonl").add(2, finished())
    (line,) = (tmp_path / "x.jsonl").read_text(encoding="ascii").splitlines()
    entry = json.loads(line)
    assert (entry["index"], entry["video"], len(entry["rows"])) == (2, "clip", 12)
