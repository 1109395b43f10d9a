"""Both ways of evaluating in the throughput benchmark give the same scores."""

from dataclasses import replace

import pytest

from benchmarks.evaluation_throughput import compare, largest_difference, show
from refvid.data.referring import Target
from refvid.evaluation.model_masks import ModelMasks
from refvid.inference.segmenter import Segmenter
from refvid.weights import LoadedModel
from tests.evaluation.small_set import small_set, small_video


def test_both_ways_score_the_same_samples(model: LoadedModel, capsys: pytest.CaptureFixture[str]) -> None:
    partly = replace(
        small_video("partly", ("man", "the dog", "red shirt")), targets=(Target("a", 1, (2, 0)), Target("b", 8, (1,)))
    )
    videos = [small_video("whole", ("the man in red", "dog")), partly]
    referring_set = small_set(*videos)
    with ModelMasks(Segmenter(model)) as source:
        tallies = compare(referring_set, source)
    assert [len(one.rows) for one in tallies.values()] == [9, 9]
    assert show(tallies, referring_set) < 1e-3
    assert "ratio" in capsys.readouterr().out
    # The frames are read once for all sentences, and once for each: the first video is read twice to warm up.
    reads = [len(video.asked) for video in videos]
    assert reads == [2 * (2 + 2 * 2), 2 + 3]
    tallies["one by one"].rows.pop()
    with pytest.raises(RuntimeError, match="different samples"):
        largest_difference(tallies, referring_set)
