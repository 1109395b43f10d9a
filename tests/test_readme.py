"""Every command and snippet of the README runs as it stands there."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

from refvid.cli.app import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"^    (refvid .*)$", README, re.MULTILINE)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an example, as a checkout has it; one for all commands, since some need what others made."""
    made = tmp_path_factory.mktemp("checkout")
    (made / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "park.mp4", made / "examples")
    return made


@pytest.fixture
def checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 12
    assert COMMANDS[0] == 'refvid segment examples/park.mp4 "man in yellow shirt" -o out.mp4'


@pytest.mark.parametrize("command", COMMANDS)
def test_command(checkout: Path, command: str) -> None:
    arguments = shlex.split(command)[1:]
    if "--refine" in arguments and not importlib.util.find_spec("pydensecrf"):
        pytest.skip("needs refvid[crf]")
    assert main(arguments) == 0
    for option in {"-o", "--out"} & set(arguments):
        output = checkout / arguments[arguments.index(option) + 1]
        assert output.exists(), f"{output.name} was promised"
        assert output.stat().st_size > 0


def test_python_snippet(checkout: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert getattr(names["masks"], "shape", None) == (3, 360, 640)
    assert (checkout / "python.mp4").stat().st_size > 0


def test_make_targets_do_what_the_readme_says() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert 'refvid segment examples/park.mp4 "man in yellow shirt" -o out.mp4' in makefile
    assert re.search(r"^test:.*\n\t\$\(BIN\)/pytest -n auto ", makefile, re.MULTILINE)
