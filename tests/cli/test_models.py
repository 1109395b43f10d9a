"""`refvid models list`."""

import sys

from tests.cli.conftest import FakeSegmenting, Refvid


def test_lists_the_embedded_models(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    sys.modules["refvid.weights"].__dict__["embedded_models"] = lambda: ["cmsa-large", "cmsa-tiny"]
    outcome = refvid("models", "list")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "cmsa-large\ncmsa-tiny\n", "")
