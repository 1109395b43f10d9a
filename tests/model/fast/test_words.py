"""What is kept of the words from frame to frame, against the same network that keeps nothing, in float64."""

from collections.abc import Iterator

import pytest
import torch

from refvid.model.fast.folding import fold
from refvid.model.fast.pretrained import FoldedPretrainedBackbone
from refvid.model.fast.words import FoldedVectorEvidence, KeptVectorEmbedding
from refvid.model.interface import FrameFeatures
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.refvid.vectors import VectorEvidence
from tests.model import small

SAID = small.EXPRESSIONS  # "the red square" and "dog"
OTHERS = torch.tensor([[[8, 0, 0], [3, 5, 1]]])  # "camel" and "square green", and a word that nobody knows


@pytest.fixture(scope="module", params=[True, False], ids=["told", "not told"])
def networks(request: pytest.FixtureRequest) -> tuple[RefvidNetwork, RefvidNetwork]:
    network = small.build_refvid(class_opinion=request.param).double()
    return network, fold(network)


@pytest.fixture(scope="module")
def pictures(networks: tuple[RefvidNetwork, RefvidNetwork]) -> list[FrameFeatures]:
    with torch.no_grad():
        return [networks[0].encode(picture[None]) for picture in small.frames(2, dtype=torch.float64)]


def test_the_parts_are_folded(networks: tuple[RefvidNetwork, RefvidNetwork]) -> None:
    folded: RefvidNetwork = networks[1]
    assert isinstance(folded.embedding, KeptVectorEmbedding)
    assert isinstance(folded.evidence, FoldedVectorEvidence)
    assert isinstance(folded.backbone, FoldedPretrainedBackbone)
    assert not any(part.training for part in folded.modules())


@torch.no_grad()
def test_every_frame_and_every_expression_has_its_own_terms(
    networks: tuple[RefvidNetwork, RefvidNetwork], pictures: list[FrameFeatures]
) -> None:
    """Each differs from the one before in its picture, its words, or both."""
    network, folded = networks
    one, other = pictures
    order = ((one, SAID), (other, SAID), (other, OTHERS), (one, SAID), (one, SAID.clone()), (other, SAID[:, :1]))
    for features, word_ids in order:
        expected, found = (each.segment(features, word_ids)[0] for each in (network, folded))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    words = torch.arange(1, 2 + len(small.WORDS))
    expected_truth, truth = (each.word_truth_logits(one, words) for each in (network, folded))
    assert truth is not None
    torch.testing.assert_close(truth, expected_truth, rtol=1e-9, atol=1e-10)


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Iterator[int]:
    """Count the calls of a method; yield their number since the last time."""
    inner, calls = getattr(owner, name), [0]

    def call(*given: object) -> object:
        calls[0] += 1
        return inner(*given)

    monkeypatch.setattr(owner, name, call)
    while True:
        since, calls[0] = calls[0], 0
        yield since


@torch.no_grad()
def test_words_are_read_once_and_a_frame_is_judged_once(
    networks: tuple[RefvidNetwork, RefvidNetwork], pictures: list[FrameFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = fold(networks[0])
    counts = [
        counted(monkeypatch, owner, name)
        for owner, name in ((VectorEmbedding, "forward"), (VectorEvidence, "word_terms"), (VectorEvidence, "opinions"))
    ]
    assert [next(count) for count in counts] == [0, 0, 0]
    for features, word_ids, expected in (
        (pictures[0], SAID, [1, 1, 1]),
        (pictures[1], SAID, [0, 0, 1]),
        (pictures[1], SAID.clone(), [0, 0, 0]),
        (pictures[1], OTHERS, [1, 1, 1]),
    ):
        folded.segment(features, word_ids)
        assert [next(count) for count in counts] == expected


@torch.no_grad()
def test_what_bfloat16_left_is_not_taken_for_exact() -> None:
    network = small.build_refvid()
    folded = fold(network)
    features = network.encode(small.frames(1))
    expected = network.segment(features, SAID)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = folded.segment(features, SAID)[0]
    assert not torch.equal(rounded, expected)
    torch.testing.assert_close(folded.segment(features, SAID)[0], expected, rtol=1e-4, atol=1e-4)
