"""`refvid world`: exit codes, arguments passed on, and lines on stderr; the scenes are stand-ins."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refvid.cli.world import parse_size
from refvid.errors import UsageError
from refvid.world.output.make import SIZES
from refvid.world.scene import Scene
from tests.cli.conftest import Refvid
from tests.world.drawn import draw
from tests.world.objects.made_up import write_objects


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Replace the generators by stand-ins, record how they are called, and change to an empty folder."""
    calls: list[dict[str, Any]] = []

    def draw_scene(rng: np.random.Generator, **settings: Any) -> Scene:
        calls.append(settings)
        return draw(rng)

    class PhotoWorld:
        def __init__(self, folder: Path, split: str, **settings: Any) -> None:
            self.folder, self.split = folder, split

        def draw_scene(self, rng: np.random.Generator, **settings: Any) -> Scene:
            calls.append({"folder": self.folder, "split": self.split, **settings})
            return draw(rng)

    for name, content in (("scenes.sampler", {"draw_scene": draw_scene}), ("photos.scene", {"PhotoWorld": PhotoWorld})):
        module = ModuleType(f"refvid.world.{name}")
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    return calls


def test_make_writes_the_layout_and_says_so(refvid: Refvid, drawn: list[dict[str, Any]]) -> None:
    outcome = refvid("world", "make", "--out", "w", "--videos", "6", "--seed", "3", "--frames", "12", "--size", "96x64")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "wrote w: 6 videos, 24 sentences" in outcome.stderr
    one = refvid(
        "world", "make", "--out", "1", "--videos", "1", "--frames", "5", "--size", "96x64", "--layout", "jhmdb"
    )
    assert "wrote 1: 1 video, 1 sentence, 12 frames with masks" in one.stderr
    drawn.pop()
    assert drawn == [{"frames": 12, "width": 96, "height": 64}] * 6
    assert len(list(Path("w/Release/clips320H").iterdir())) == 6


def test_make_has_the_sizes_of_the_real_data_sets(refvid: Refvid, drawn: list[dict[str, Any]]) -> None:
    assert refvid("world", "make", "--out", "a", "--videos", "1").code == 0
    assert refvid("world", "make", "--out", "j", "--videos", "1", "--layout", "jhmdb").code == 0
    assert [(call["width"], call["height"]) for call in drawn] == [SIZES["a2d"], SIZES["jhmdb"]]
    assert SIZES["a2d"][1] == 320
    assert SIZES["jhmdb"] == (320, 240)
    assert Path("j/jhmdb_annotation.txt").exists()


def test_make_cuts_test_videos_from_other_photos(refvid: Refvid, drawn: list[dict[str, Any]]) -> None:
    assert refvid("world", "make", "--out", "w", "--videos", "5", "--photos", "ccp").code == 0
    assert [call["split"] for call in drawn] == ["train"] * 4 + ["validation"]
    assert drawn[0]["folder"] == Path("ccp")
    drawn.clear()
    assert refvid("world", "make", "--out", "j", "--videos", "2", "--photos", "ccp", "--layout", "jhmdb").code == 0
    assert [call["split"] for call in drawn] == ["validation"] * 2


def test_make_refuses_an_existing_folder(refvid: Refvid, drawn: list[dict[str, Any]]) -> None:
    assert refvid("world", "make", "--out", "w", "--videos", "1").code == 0
    outcome = refvid("world", "make", "--out", "w", "--videos", "1")
    assert outcome.code == 6
    assert outcome.stderr.count("\n") == 1
    assert "w already exists" in outcome.stderr
    assert refvid("world", "make", "--out", "w", "--videos", "1", "--overwrite").code == 0
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    assert refvid("world", "make", "--out", "mine", "--videos", "1", "-y").code == 6
    assert Path("mine/thesis.txt").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["make", "--videos", "1"],
        ["make", "--out", "w"],
        ["make", "--out", "w", "--videos", "0"],
        ["make", "--out", "w", "--videos", "1", "--seed", "-1"],
        ["make", "--out", "w", "--videos", "1", "--layout", "davis"],
        ["make", "--out", "w", "--videos", "1", "--size", "big"],
        ["make", "--out", "w", "--videos", "1", "--frames", "4"],
        ["make", "--out", "no/such/w", "--videos", "1"],
        ["preview", "--out", "sheet.jpg"],
        ["preview", "--mode", "silly"],
        ["preview", "--columns", "0"],
        ["preview", "--mode", "motion", "--photos", "ccp"],
        ["preview", "--mode", "object-photo"],
    ],
)
def test_usage_errors(refvid: Refvid, drawn: list[dict[str, Any]], arguments: list[str]) -> None:
    outcome = refvid("world", *arguments)
    assert outcome.code == 2
    assert outcome.stderr.startswith("refvid: error: ")
    assert not drawn
    assert not list(Path().iterdir())


def test_missing_package_is_an_error_of_the_environment(
    refvid: Refvid, drawn: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    outcome = refvid("world", "make", "--out", "w", "--videos", "1")
    assert outcome.code == 3
    assert 'pip install "refvid[train]"' in outcome.stderr
    assert not list(Path().iterdir())


def test_preview(refvid: Refvid, drawn: list[dict[str, Any]]) -> None:
    outcome = refvid("world", "preview", "--mode", "motion", "--columns", "2", "--rows", "1")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "wrote refvid-world.png: 2 scenes" in outcome.stderr
    assert [call["mode"] for call in drawn] == ["motion"] * 2
    with Image.open("refvid-world.png") as sheet:
        assert sheet.width > sheet.height
    assert refvid("world", "preview").code == 6
    assert refvid("world", "preview", "-y", "--columns", "1", "--rows", "1", "--photos", "ccp").code == 0
    assert drawn[-1]["folder"] == Path("ccp")


@pytest.mark.parametrize("command", ["make", "preview"])
def test_help_loads_no_heavy_library(command: str) -> None:
    script = (
        "import sys; from refvid.__main__ import main; code = main(['world', sys.argv[1], '--help']);"
        "heavy = {'torch', 'av', 'decord', 'numpy', 'PIL', 'h5py', 'scipy'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script, command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--seed" in done.stdout


def test_size_as_typed() -> None:
    assert parse_size("568x320") == parse_size(" 568X320") == (568, 320)
    for text in ("568", "568x", "-568x320", "10x320", "568x9999"):
        with pytest.raises(UsageError, match="size"):
            parse_size(text)


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("cv2", ["world", "make", "--out", "world", "--videos", "1"]),
        ("cv2", ["train", "--dataset", "world", "--out", "run"]),
        ("h5py", ["world", "make", "--out", "world", "--videos", "1"]),
        ("scipy", ["world", "make", "--out", "world", "--videos", "1", "--layout", "jhmdb"]),
    ],
)
def test_a_missing_package_is_named_with_what_to_type(package: str, arguments: list[str], tmp_path: Path) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None; from refvid.cli.app import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 3, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("refvid: error: ")]
    assert line.endswith('which is not installed: pip install "refvid[train]"')
    assert not list(tmp_path.iterdir())


def test_preview_of_photos_of_objects(refvid: Refvid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_objects(tmp_path / "objects")
    options = ("--photos", "objects", "--columns", "1", "--rows", "1")
    assert refvid("world", "preview", *options, "--photo-source", "pets", "--mode", "object-photo").code == 0
    assert Path("refvid-world.png").is_file()
    refused = refvid("world", "make", "--out", "w", "--videos", "1", "--photos", "objects")
    assert refused.code == 2
    assert "which the layouts of A2D and J-HMDB have no names for" in refused.stderr
