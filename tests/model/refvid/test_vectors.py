"""Evidence for words by their vectors and by the classes of ImageNet, against the formula in float64."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.refvid.evidence import MIN_TRUTH, WordEvidence
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.refvid.vectors import MIN_PROBABILITY, MIN_WEIGHT, OPINION_SCALE, RELIANCE_SCALE, VectorEvidence
from tests.model import small

DOG, CAMEL, RED, UNKNOWN = 7, 8, 4, 1
CLASSES_OF = {DOG: {151: 1.0, 207: 0.8}, CAMEL: {354: 1.0}}


@pytest.fixture(scope="module")
def network() -> RefvidNetwork:
    network = small.build_refvid().double()
    with torch.no_grad():  # so that the opinion still counts for every word, if not for each as much
        evidence_of(network).reliance.weight.mul_(0.004)
        evidence_of(network).told.weight.mul_(0.1)
    return network


@pytest.fixture(scope="module")
def features(network: RefvidNetwork) -> FrameFeatures:
    with torch.no_grad():
        found = network.encode(small.frames(1, dtype=torch.float64))
    generator = torch.Generator().manual_seed(1)
    chances = torch.rand(1, 1000, 2, 3, generator=generator, dtype=torch.float64) ** 30
    return replace(found, classes=chances / chances.sum(1, keepdim=True))


def evidence_of(network: RefvidNetwork) -> VectorEvidence:
    assert isinstance(network.evidence, VectorEvidence)
    return network.evidence


def literal_word_logits(network: RefvidNetwork, features: FrameFeatures, word: int) -> Tensor:
    """The logits of one word, [h, w]."""
    module = evidence_of(network)
    embedded = network.embedding(torch.tensor([word]))[0][0]
    row = module.row.weight @ embedded + module.row.bias
    seen = torch.cat(features.levels, 1)[0]
    logits = torch.einsum("c,chw->hw", row, seen) + module.rarity.weight[0] @ embedded + module.rarity.bias[0]
    if word not in CLASSES_OF:
        return logits
    assert features.classes is not None
    right = sum(weight * features.classes[0, index] for index, weight in CLASSES_OF[word].items())
    assert isinstance(right, Tensor)
    opinion = ((right.clamp(max=1) + MIN_PROBABILITY) / MIN_PROBABILITY).log()
    here = F.interpolate(opinion[None, None], logits.shape, mode="bilinear")[0, 0]
    own = RELIANCE_SCALE * (module.reliance.weight @ embedded + module.reliance.bias)
    gains = module.class_gain + own[:2]
    return logits + gains[0] * here + gains[1] * opinion.max() + module.class_offset + own[2]


@torch.no_grad()
def test_logits_of_words_are_those_of_the_formula(network: RefvidNetwork, features: FrameFeatures) -> None:
    words = torch.tensor([DOG, CAMEL, RED, UNKNOWN])
    found = network.word_truth_logits(features, words)
    assert found is not None
    assert found.shape == (1, 4, 4, 6)
    for logits, word in zip(found[0], words.tolist(), strict=True):
        assert logits.std() > 1e-4
        torch.testing.assert_close(logits, literal_word_logits(network, features, word), rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_evidence_of_an_expression_is_that_of_the_formula(network: RefvidNetwork, features: FrameFeatures) -> None:
    module, said = evidence_of(network), [RED, UNKNOWN, DOG]
    ids = torch.tensor([[[*said, 0, 0]]])
    embedded, mask = network.embedding(ids)
    found = module(features, embedded, mask, ids)[0, 0]
    words = network.embedding(torch.tensor(said))[0]
    context = F.relu(F.conv1d(words.mT, module.around.weight, module.around.bias, padding=2))
    context = F.conv1d(context, module.context_weight.weight, module.context_weight.bias, padding=2).mT
    expected = torch.zeros(4, 6, dtype=torch.float64)
    for place, word in enumerate(said):
        if word == UNKNOWN:
            continue
        own = module.own_weight.weight @ words[place] + module.own_weight.bias
        stated, denied = F.softplus(context[place] + own)
        truth = literal_word_logits(network, features, word).sigmoid()
        expected += stated * (truth + MIN_TRUTH).log() + denied * (1 - truth + MIN_TRUTH).log()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_a_class_raises_the_logits_of_the_words_that_name_it_and_of_no_others(
    network: RefvidNetwork, features: FrameFeatures
) -> None:
    every = torch.arange(1, 2 + len(small.WORDS))
    nothing = torch.zeros(1, 1000, 2, 3, dtype=torch.float64)
    camel = nothing.clone()
    camel[0, 354, 1, 0] = 0.9
    before, after = (
        network.word_truth_logits(replace(features, classes=chances), every) for chances in (nothing, camel)
    )
    assert before is not None
    assert after is not None
    raised = (after - before)[0]
    others = every != CAMEL
    assert torch.equal(raised[others], torch.zeros_like(raised[others]))
    of_camel = raised[~others][0]
    assert of_camel.min() > 0, "it is somewhere in the picture"
    assert of_camel.argmax() == 3 * 6, "in the lower left corner"
    silent = network.word_truth_logits(replace(features, classes=None), every)
    assert silent is not None
    named = torch.tensor([int(word) in CLASSES_OF for word in every])
    torch.testing.assert_close(silent[:, ~named], before[:, ~named])
    module = evidence_of(network)
    offsets = module.class_offset + RELIANCE_SCALE * module.reliance(network.embedding(every)[0])[:, 2]
    torch.testing.assert_close(before[:, named], silent[:, named] + offsets[named][None, :, None, None])


@torch.no_grad()
def test_the_fused_features_are_told_the_mean_opinion(network: RefvidNetwork, features: FrameFeatures) -> None:
    module, said = evidence_of(network), [RED, DOG, CAMEL]
    ids = torch.tensor([[[*said, 0], [RED, UNKNOWN, 0, 0]]])
    embedded, mask = network.embedding(ids)
    told = module.tell(features, embedded, mask, ids)
    assert told is not None
    stated, _ = module.weights(embedded, mask, ids)
    total, maps = torch.zeros((), dtype=torch.float64), torch.zeros(3, 4, 6, dtype=torch.float64)
    assert features.classes is not None
    for weight, word in zip(stated[0, 0], said, strict=False):
        if word not in CLASSES_OF:
            continue
        right = sum(share * features.classes[0, index] for index, share in CLASSES_OF[word].items())
        assert isinstance(right, Tensor)
        opinion = ((right.clamp(max=1) + MIN_PROBABILITY) / MIN_PROBABILITY).log()
        maps[0] += weight * F.interpolate(opinion[None, None], (4, 6), mode="bilinear")[0, 0] * OPINION_SCALE
        maps[1] += weight * opinion.max() * OPINION_SCALE
        maps[2] += weight
        total = total + weight
    expected = module.told(F.relu(module.opinion(maps[None] / (total + MIN_WEIGHT))))
    assert expected.std() > 1e-4
    torch.testing.assert_close(told[:1], expected, rtol=1e-6, atol=1e-6)
    silent = module.told(F.relu(module.opinion(torch.zeros(1, 3, 4, 6, dtype=torch.float64))))
    torch.testing.assert_close(told[1:], silent)


def test_in_training_only_words_with_classes_lose_their_learnt_term(
    network: RefvidNetwork, features: FrameFeatures
) -> None:
    module = evidence_of(network)
    ids = torch.tensor([DOG, RED, DOG]).expand(1, -1)
    words = network.embedding(ids)[0].detach()
    whole = module.word_logits(features, words, ids)
    module.train()
    torch.manual_seed(0)
    drawn = [module.word_logits(features, words, ids) for _ in range(40)]
    module.eval()
    same = torch.stack([torch.isclose(one, whole).all(-1)[0] for one in drawn])
    assert same[:, 1].all()
    assert torch.equal(same[:, 0], same[:, 2]), "equal words are treated alike"
    assert 0.5 < same[:, 0].float().mean() < 0.95


@torch.no_grad()
def test_a_class_that_is_seen_raises_the_mask_of_its_expression(network: RefvidNetwork) -> None:
    found = network.encode(small.frames(1, dtype=torch.float64))
    assert found.classes is not None
    sure = torch.zeros_like(found.classes)
    sure[:, 151] = 1
    ids = torch.tensor([[[DOG], [RED]]])
    (dog, red), (sure_dog, sure_red) = (
        network.score(replace(found, classes=classes), ids).logits for classes in (torch.zeros_like(sure), sure)
    )
    assert (sure_dog > dog).all()
    assert torch.equal(sure_red, red)


@torch.no_grad()
def test_the_table_belongs_to_the_embedding_alone(network: RefvidNetwork) -> None:
    """It is saved once, and what a copy of the network reads is its own."""
    names = [name for name in network.state_dict() if "class_indices" in name]
    assert names == ["embedding.vectors.class_indices"]
    assert isinstance(network.evidence, WordEvidence)


@torch.no_grad()
def test_a_stream_equals_whole_clips(network: RefvidNetwork) -> None:
    count, radius = 7, network.frame_radius
    pictures = small.frames(count, 32, 64, dtype=torch.float64)
    stream = network.stream()
    ready = [stream.push(network.encode(picture[None])) for picture in pictures]
    streamed = [one for one in ready if one is not None] + list(stream.flush())
    assert len(streamed) == count
    assert radius == 2
    for target, found in enumerate(streamed):
        around = torch.arange(target - radius, target + radius + 1)
        there = (around >= 0) & (around < count)
        clip = pictures[around.clamp(0, count - 1)][None]
        whole = network.enhance(clip, radius, there[None])
        for part in ("levels", "fine", "stem", "classes"):
            torch.testing.assert_close(getattr(found, part), getattr(whole, part), rtol=1e-8, atol=1e-9)
        logits = [network.segment(one, small.EXPRESSIONS)[0] for one in (found, whole)]
        assert logits[0].std() > 1e-3
        torch.testing.assert_close(*logits, rtol=1e-8, atol=1e-9)
