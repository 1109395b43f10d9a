"""`refvid doctor`: what is installed, what is missing, and what to type."""

import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from refvid.cli import doctor
from refvid.video import capabilities
from tests.cli.conftest import FakeSegmenting, Refvid


def test_names_versions_devices_encoders_and_models(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    outcome = refvid("doctor")
    assert outcome.code == 0, outcome.stderr
    lines = {line.split("  ")[0].strip(): line for line in outcome.stdout.splitlines()}
    assert version("torch") in lines["torch"]
    assert version("av") in lines["av"]
    assert "cores" in lines["cpu"]
    assert "available" in lines["encoder libx264"]
    assert "refvid-tiny" in lines["embedded models"]


def test_missing_optional_package_says_what_to_type(
    refvid: Refvid, segmenting: FakeSegmenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> str:
        if name == "pydensecrf2":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", find)
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    outcome = refvid("doctor")
    assert outcome.code == 0
    line = next(line for line in outcome.stdout.splitlines() if line.startswith("pydensecrf2"))
    assert "missing" in line
    assert "pip install pydensecrf2" in line


def test_missing_needed_package_exits_3(
    refvid: Refvid, segmenting: FakeSegmenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise ImportError("no av")

    monkeypatch.setattr(capabilities, "describe_pyav", fail)
    outcome = refvid("doctor")
    assert outcome.code == 3
    assert "pip install 'av>=18,<20'" in outcome.stdout
    assert outcome.stderr == "refvid: error: av missing; the lines above say what to type\n"


def test_no_embedded_model_exits_3(refvid: Refvid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.embedded.EMBEDDED_FOLDERS", ())
    outcome = refvid("doctor")
    assert outcome.code == 3
    assert "embedded models missing" in outcome.stderr


def test_missing_encoders_are_found() -> None:
    assert capabilities.missing_encoders() == []
    import av

    assert not capabilities._has_encoder(av.Codec, "no-such-encoder")
    assert not capabilities._has_encoder(av.Codec, "h264_cuvid")
