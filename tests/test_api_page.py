"""The page about the Python interface: its code runs, and it names everything that is public."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refvid

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_public_name_is_on_the_page() -> None:
    missing = [name for name in refvid.__all__ if f"`{name}" not in PAGE and f"{name}`" not in PAGE]
    assert missing == ["__version__"]
    assert all(hasattr(refvid, name) for name in refvid.__all__)


def test_the_code_on_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    names: dict[str, Any] = {}
    exec(compile(code, "docs/api.md", "exec"), names)
    assert names["frames"].shape == (2, 360, 640, 3)
    assert names["man"].shape == names["dog"].shape == names["masks"].shape == (2, 360, 640)
    assert names["masks"].dtype == np.bool_
    assert names["probabilities"].dtype == np.float32
    np.testing.assert_array_equal(names["masks"], names["probabilities"] > names["segmenter"].threshold)
    assert names["stored"].masks.shape == (1, 3, 360, 640)
    assert names["mask"].sum() == 4
