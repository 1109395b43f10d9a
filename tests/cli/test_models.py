"""`refvid models list`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from refvid.embedded import DEFAULT_MODEL, WEIGHTS_FILE, describe_embedded, embedded_folder, embedded_models
from tests.cli.conftest import Refvid


def test_each_model_has_a_line_with_sizes_and_what_it_is_good_for(refvid: Refvid) -> None:
    outcome = refvid("models", "list")
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == embedded_models()
    assert lines[0].startswith(f"{DEFAULT_MODEL} ")
    assert lines[0].endswith("(the default)")
    for line in lines:
        _, parameters, million, size, megabytes, *summary = line.split()
        assert (million, megabytes) == ("M", "MB")
        assert 1 < float(parameters) < float(size) < 30
        assert len(summary) >= 5


def test_the_sizes_are_those_of_the_files() -> None:
    for model in describe_embedded():
        folder = embedded_folder(model.name)
        assert folder is not None
        with safe_open(folder / WEIGHTS_FILE, framework="np") as file:
            sizes = [file.get_tensor(name).size for name in file.keys()]  # noqa: SIM118 - it is no dictionary
        assert model.parameters == sum(sizes)
        assert model.bytes > (folder / WEIGHTS_FILE).stat().st_size


def test_json(refvid: Refvid) -> None:
    listed = json.loads(refvid("models", "list", "--json").stdout)
    assert [entry["name"] for entry in listed] == [model.name for model in describe_embedded()]
    assert set(listed[0]) == {"name", "parameters", "bytes", "summary"}


def test_it_loads_no_heavy_library() -> None:
    script = (
        "import sys; from refvid.__main__ import main; code = main(['models', 'list']);"
        "heavy = {'torch', 'av', 'numpy', 'huggingface_hub', 'safetensors'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert DEFAULT_MODEL in done.stdout


def test_no_model_is_an_empty_list(refvid: Refvid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("refvid.embedded.EMBEDDED_FOLDERS", (tmp_path / "gone",))
    outcome = refvid("models", "list")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert embedded_folder("../refvid-tiny") is None
