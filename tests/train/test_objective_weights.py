"""What counts in the losses: pixels that nobody knows and words that may or may not be true do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from refvid.data.sample import Batch, collate
from refvid.model.cmsa.config import CmsaConfig, tiny_config
from refvid.model.layers.language import Vocabulary
from refvid.model.refvid.config import RefvidConfig, refvid_tiny_config
from refvid.model.registry import build_network
from refvid.train.objective import Objective, ObjectiveSettings, attribute_truth, mask_losses
from refvid.world.source import VOCABULARY, WorldSource


def _batch(rng: np.random.Generator) -> Batch:
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0, :2], maps[0, 1, 2:, :2] = 1, 0.5
    words = torch.zeros(1, 2, 6, dtype=torch.bool)
    words[0, 0, 2] = words[0, 1, 3] = True
    unsure = torch.zeros_like(words)
    unsure[0, 0, 4] = unsure[0, 1, 2] = True
    return Batch(
        clips=torch.zeros(1, 1, 3, 32, 32, dtype=torch.uint8),
        frame_mask=torch.ones(1, 1, dtype=torch.bool),
        word_ids=torch.ones(1, 1, 1, dtype=torch.long),
        masks=torch.from_numpy(rng.random((1, 1, 32, 32)) > 0.5).float(),
        known=torch.ones(1, 1, dtype=torch.bool),
        region_maps=maps,
        region_words=words,
        region_unsure=unsure,
        taught=torch.tensor([2, 3, 4]),
    )


def test_pixels_that_do_not_count_change_no_loss() -> None:
    rng = np.random.default_rng(0)
    masks, logits = _batch(rng).masks, torch.from_numpy(rng.standard_normal((1, 1, 32, 32))).float()
    known, weights = torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 32, 32)
    weights[:, 8:16] = 0
    losses = mask_losses(logits, masks, known, weights=weights)
    other, moved = masks.clone(), logits.clone()
    other[..., 8:16, :], moved[..., 8:16, :] = 1 - other[..., 8:16, :], 9.0
    for one, two in zip(losses, mask_losses(moved, other, known, weights=weights), strict=True):
        torch.testing.assert_close(one, two)
    for one, two in zip(mask_losses(logits, masks, known), mask_losses(moved, other, known), strict=True):
        assert abs(float(one - two)) > 0.01


def test_the_entropy_is_the_mean_over_what_counts() -> None:
    rng = np.random.default_rng(1)
    masks, logits = _batch(rng).masks, torch.from_numpy(rng.standard_normal((1, 1, 32, 32))).float()
    known, weights = torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 32, 32)
    torch.testing.assert_close(
        mask_losses(logits, masks, known, weights=weights)[0], mask_losses(logits, masks, known)[0]
    )
    weights[..., 16:] = 0
    half = mask_losses(logits[..., :16], masks[..., :16], known)[0]
    torch.testing.assert_close(mask_losses(logits, masks, known, weights=weights)[0], half)


def _literal_truth(batch: Batch, column: int, row: int, word: int) -> tuple[float, float]:
    maps, words, unsure = batch.region_maps, batch.region_words, batch.region_unsure
    assert maps is not None
    assert words is not None
    assert unsure is not None
    true = sum(float(maps[0, r, row, column]) for r in range(2) if words[0, r, word])
    doubt = sum(float(maps[0, r, row, column]) for r in range(2) if unsure[0, r, word])
    return min(true, 1.0), max(1 - min(doubt, 1.0), min(true, 1.0))


def test_words_that_may_be_true_do_not_count_where_they_may() -> None:
    batch = _batch(np.random.default_rng(2))
    assert batch.region_maps is not None
    truth, counts = attribute_truth(batch, batch.region_maps)
    assert counts is not None
    assert truth.shape == counts.shape == (1, 3, 4, 4)
    for place, word in enumerate((2, 3, 4)):
        for row in range(4):
            for column in range(4):
                expected = _literal_truth(batch, column, row, word)
                assert (float(truth[0, place, row, column]), float(counts[0, place, row, column])) == expected
    weights: Tensor = torch.ones(1, 32, 32)
    weights[:, :8] = 0
    weighed = attribute_truth(replace(batch, weights=weights), batch.region_maps)[1]
    assert weighed is not None
    assert not weighed[0, :, 0].any()
    torch.testing.assert_close(weighed[0, :, 1:], counts[0, :, 1:])


def test_without_doubt_everything_counts() -> None:
    batch = replace(_batch(np.random.default_rng(3)), region_unsure=None, taught=None)
    assert batch.region_maps is not None
    truth, counts = attribute_truth(batch, batch.region_maps)
    assert truth.shape == (1, 6, 4, 4)
    assert counts is None


@pytest.mark.parametrize("config", [refvid_tiny_config(VOCABULARY), tiny_config(VOCABULARY)], ids=["refvid", "cmsa"])
def test_only_words_that_are_taught_are_learnt(config: RefvidConfig | CmsaConfig) -> None:
    narrow = {"embedding_channels": 8, "attention_channels": 8, "fusion_channels": 8}
    config = config.replace(backbone_channels=(4, 8, 8, 8, 8), **narrow)
    torch.manual_seed(0)
    network, vocabulary = build_network(config), Vocabulary(VOCABULARY)
    objective = Objective(network, vocabulary, ObjectiveSettings())
    sample = WorldSource(size=64, expressions=3, shares={"mixed": 1.0}).draw(np.random.default_rng(1))
    few = ("dog", "man", "red")
    losses = {}
    for name, taught in (("all", None), ("every", VOCABULARY), ("few", few)):
        _, parts = objective(network, collate([sample], vocabulary, (48, 64), taught))
        losses[name] = float(parts["attributes"])
    # Without a list of words, the ids of padding and of unknown words are judged, too.
    assert losses["every"] == pytest.approx(losses["all"], rel=0.05)
    assert losses["few"] < 0.2 * losses["all"]
