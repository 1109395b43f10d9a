"""The loss, against values worked out by hand and literal formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from refvid.data.place_words import DIRECTION_OR_POSITION_WORDS
from refvid.data.sample import Batch, collate
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.layers.language import FIRST_WORD_ID, Vocabulary
from refvid.model.layers.spatial import spatial_code
from refvid.model.refvid.config import refvid_tiny_config
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.registry import build_network
from refvid.train.objective import Objective, ObjectiveSettings, balance, contrast_loss, mask_losses
from refvid.world.source import VOCABULARY, WorldSource

CONFIG = refvid_tiny_config(VOCABULARY).replace(
    backbone_channels=(4, 8, 8, 8, 8), embedding_channels=8, attention_channels=8, fusion_channels=8
)


@pytest.fixture(scope="module")
def batch() -> Batch:
    source = WorldSource(size=64, expressions=3)
    samples = [source.draw(np.random.default_rng((2, number)), proportions=0.1) for number in range(3)]
    return collate(samples, Vocabulary(VOCABULARY), (48, 88))


@pytest.fixture
def network() -> RefvidNetwork:
    torch.manual_seed(0)
    built = build_network(CONFIG)
    assert isinstance(built, RefvidNetwork)
    return built


def test_mask_losses_of_known_logits() -> None:
    logits = torch.zeros(1, 2, 2, 2)  # p = 0.5 everywhere
    masks = torch.zeros(1, 2, 16, 16)
    masks[0, 0] = 1
    entropy, dice = mask_losses(logits, masks, torch.tensor([[True, True]]))
    assert entropy.item() == pytest.approx(math.log(2))
    whole, nothing = 1 - (2 * 8 + 1) / (8 + 16 + 1), 1 - 1 / (8 + 1)  # 16 cells of 4 x 4 pixels, half of each predicted
    assert dice.item() == pytest.approx((whole + nothing) / 2)
    _, first = mask_losses(logits, masks, torch.tensor([[True, False]]))
    assert first.item() == pytest.approx(whole), "rows that only fill up do not count"


def test_contrast_of_known_logits() -> None:
    """Two regions of 2 x 1 cells with mean logits 3 and 1; the third expression means nothing and does not count."""
    maps = torch.zeros(1, 2, 2, 2)
    maps[0, 0, :, 0] = maps[0, 1, :, 1] = 1
    masks = F.interpolate(torch.cat([maps, torch.zeros(1, 1, 2, 2)], 1), scale_factor=8)
    logits = torch.tensor([[[[2.0, 0.0], [4.0, 2.0]]]]).expand(1, 3, 2, 2)
    known = torch.ones(1, 3, dtype=torch.bool)
    first, second = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert contrast_loss(logits, masks, known, maps).item() == pytest.approx((first + second) / 2)
    nothing = contrast_loss(logits[:, 2:], masks[:, 2:], known[:, 2:], maps)
    assert nothing.item() == 0
    with_nothing = contrast_loss(logits, masks, known, maps, nothing=True)  # a third choice, of logit 0
    expected = [math.log(sum(math.exp(other - own) for other in (3, 1, 0))) for own in (3, 1, 0)]
    assert with_nothing.item() == pytest.approx(sum(expected) / 3)
    known[0, 2] = False  # a row that only fills up
    without = contrast_loss(logits, masks, known, maps, nothing=True)
    assert without.item() == pytest.approx(sum(expected[:2]) / 2)
    small = maps * torch.tensor([1.0, 0.1])[:, None, None]  # the second region is below a quarter of a cell
    alone = contrast_loss(logits, masks, torch.ones_like(known), small, nothing=True)
    between = [math.log(math.exp(3 - own) + math.exp(-own)) for own in (3, 0)]
    assert alone.item() == pytest.approx(sum(between) / 2)


def test_the_loss_is_the_weighted_sum_of_its_parts(network: RefvidNetwork, batch: Batch) -> None:
    settings = ObjectiveSettings(
        entropy=2.0, dice=3.0, contrast=0.7, choice=0.4, words=0.5, attributes=0.25, actors=0.1, edges=0.6
    )
    loss, parts = Objective(network, Vocabulary(VOCABULARY, 20), settings)(network, batch)
    assert set(parts) == {"entropy", "dice", "contrast", "choice", "words", "attributes", "actors", "edges"}
    expected = sum(getattr(settings, name) * value for name, value in parts.items())
    torch.testing.assert_close(loss.detach(), expected)


def test_without_regions_only_the_masks_teach(network: RefvidNetwork, batch: Batch) -> None:
    objective = Objective(network, Vocabulary(VOCABULARY, 20), ObjectiveSettings())
    _, parts = objective(network, replace(batch, region_maps=None, region_words=None))
    assert set(parts) == {"entropy", "dice"}


def test_steps_without_masks_teach_words(network: RefvidNetwork, batch: Batch) -> None:
    objective = Objective(network, Vocabulary(VOCABULARY, 20), ObjectiveSettings())
    _, parts = objective(network, batch, masks=False)
    assert set(parts) == {"words", "attributes", "actors", "edges"}
    _, unknown = objective(network, replace(batch, region_maps=None, region_words=None), masks=False)
    assert set(unknown) == {"entropy", "dice"}, "without regions there is nothing else to learn from"


def test_word_loss_equals_the_literal_formula(network: RefvidNetwork, batch: Batch) -> None:
    network.eval()
    objective = Objective(network, Vocabulary(VOCABULARY, 20), ObjectiveSettings(entropy=0, dice=0, attributes=0))
    _, parts = objective(network, batch)
    assert batch.region_maps is not None
    assert batch.region_words is not None
    features = network.enhance(batch.clips.float() / 255, 0, batch.frame_mask)
    spatial = spatial_code(6, 11, dtype=torch.float32, device=torch.device("cpu"))
    expected, skipped = 0.0, 0
    for module, level in list(zip(network.cross_modal, features.levels, strict=True))[1:]:
        assert isinstance(module, CrossModalSelfAttention)
        losses = []
        for b, e, position in torch.nonzero((batch.word_ids > 0) & batch.known[..., None]).tolist():
            word = int(batch.word_ids[b, e, position])
            if VOCABULARY[word - FIRST_WORD_ID] in DIRECTION_OR_POSITION_WORDS:  # said of places too
                skipped += 1
                continue
            shown = batch.region_maps[b][batch.region_words[b, :, word]].sum(0).clamp(max=1).flatten()
            if shown.sum() <= 1:
                continue
            visual = F.normalize(level[b].flatten(1).T, dim=-1)
            vector = F.normalize(network.embedding.table.weight[word], dim=0)
            query = F.linear(vector, module.query.weight[:, 8:16])
            keys = F.linear(
                torch.cat([visual, spatial.flatten(1).T], -1),
                torch.cat([module.key.weight[:, :8], module.key.weight[:, 16:]], 1),
            )
            losses.append(-(shown / shown.sum() * (keys @ query).log_softmax(0)).sum())
        assert len(losses) > 5
        expected += torch.stack(losses).mean().item()
    assert skipped
    assert parts["words"].item() == pytest.approx(expected, rel=1e-4)


def test_every_part_lowers_itself(network: RefvidNetwork, batch: Batch) -> None:
    objective = Objective(network, Vocabulary(VOCABULARY, 20), ObjectiveSettings(words=1.0))
    optimiser = torch.optim.Adam([*network.parameters(), *objective.parameters()], lr=5e-3)
    history = []
    for _ in range(40):
        loss, parts = objective(network, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append({name: value.item() for name, value in parts.items()})
    for name, first in history[0].items():
        assert history[-1][name] < 0.9 * first, name


def test_balanced_weights_hold_false_positions_to_a_multiple_of_true_ones() -> None:
    truth = torch.zeros(2, 3, 4, 5)
    truth[0, 0, 0, :2] = 1.0  # a word that is rarely true
    truth[:, 1] = 0.5  # one that is half true everywhere; the last one is never true
    counts = torch.ones_like(truth)
    counts[1, 0] = 0.5
    found = balance(truth, counts)
    assert torch.equal(found[0, 0, 0, :2], torch.ones(2)), "where it is true, nothing changes"
    for word in range(3):
        true = float((counts[:, word] * truth[:, word]).sum())
        false = float((counts[:, word] * (1 - truth[:, word])).sum())
        left = float((found[:, word] - counts[:, word] * truth[:, word]).sum())
        assert left == pytest.approx(min(false, 10 * true), rel=1e-5)
    assert torch.equal(balance(truth, None)[:, 1], torch.ones(2, 4, 5))
    assert not balance(truth, None)[:, 2].any(), "nothing is learnt about a word that is true of nothing"
