"""The loss: binary cross-entropy on masks (Eq. 8), and what was found to help a network trained from scratch.

Training masks alone teach the words slowly: an expression says which of several actors is meant only through all of
its words at once. Where a data set knows its actors and the words that are true of each, more terms help:
`contrast` asks the mean logit in the region that is meant to exceed those in the others, `attributes` asks every
position which words are true of what it shows (by linear heads that are thrown away after training, or by the word
evidence of a network that has it), and `words` asks the attention of each word (b_n . c_p of `cross_modal`) to look at
what it is true of. Networks without that attention, or with one vector for the whole sentence, are trained without
`words`. `choice`, `actors` and `edges` are for networks with codes of actors (`actor_objective`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.data.place_words import DIRECTION_OR_POSITION_WORDS
from refvid.data.sample import STRIDE, Batch
from refvid.model.interface import FrameFeatures, ReferringNetwork
from refvid.model.layers.language import FIRST_WORD_ID, Words
from refvid.train.actor_objective import MIN_REGION, actor_loss, edge_loss, intersection_over_union, on_grid

LOSS_STRIDE = 4  # masks are compared on a grid of this many pixels, a 16th of the work of full size
FINEST_LOSS_STRIDE = 2  # or on that of finer logits, down to this


@dataclass(frozen=True)
class ObjectiveSettings:
    """Weights of the parts of the loss.

    Attributes:
        entropy: Binary cross-entropy, Eq. 8; the paper has this alone, with weight 1.
        dice: 1 - Dice coefficient, so that small objects count as much as large ones.
        contrast: Cross-entropy over the regions of a scene, by the mean logit in each: which of them is meant.
        choice: The same by the logits before an actor is chosen, and with nothing, of logit 0, among what may be meant;
            where a network has codes of actors.
        words: Cross-entropy between each word's attention and the regions it is true of.
        attributes: Binary cross-entropy of the words true of each position, by each head that is asked.
        actors: How far affinities are from an even spread over each actor, where a network has codes of actors.
        edges: 1 - Dice coefficient of each actor as its fine codes find it, where a network has codes of actors.
        foreground: What a pixel of the object weighs in the cross-entropy, where one of the background weighs 1.
    """

    entropy: float = 4.0
    dice: float = 1.0
    contrast: float = 0.5
    choice: float = 0.5
    words: float = 0.2
    attributes: float = 0.5
    actors: float = 0.3
    edges: float = 0.5
    foreground: float = 1.0


PAPER_OBJECTIVE = ObjectiveSettings(
    entropy=1.0, dice=0.0, contrast=0.0, choice=0.0, words=0.0, attributes=0.0, actors=0.0, edges=0.0
)
# By ModelConfig.architecture, where a system's own paper weighs otherwise.
PAPER_OBJECTIVES = {
    "acga": replace(PAPER_OBJECTIVE, foreground=1.5),
    "hinet": replace(PAPER_OBJECTIVE, foreground=1.1 / 0.9),  # two-class weights 0.9 and 1.1, as LAVT has them
}


def paper_objective(architecture: str) -> ObjectiveSettings:
    """Return the loss that the paper of a system trains it with."""
    return PAPER_OBJECTIVES.get(architecture, PAPER_OBJECTIVE)


class Objective(nn.Module):
    """The loss of a network on a batch, with the heads that only training needs.

    Args:
        network: To be trained.
        vocabulary: What it reads.
        settings: Weights of the parts.
    """

    ambiguous: Tensor

    def __init__(self, network: ReferringNetwork, vocabulary: Words, settings: ObjectiveSettings) -> None:
        super().__init__()
        self.settings = settings
        # "Left" is true of an actor that goes there, and said of where one is: no word's attention is taught by it.
        ambiguous = sorted(vocabulary.ids[word] for word in DIRECTION_OR_POSITION_WORDS & vocabulary.ids.keys())
        self.register_buffer("ambiguous", torch.tensor(ambiguous, dtype=torch.long), persistent=False)
        self.attribute_heads = nn.ModuleList(
            nn.Conv2d(channels, FIRST_WORD_ID + len(vocabulary.words), 1)
            for channels in (network.attribute_channels if settings.attributes and not network.judges_words else ())
        )
        for head in self.attribute_heads:
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.constant_(head.bias, -4.0)  # most words are true of nothing: start there

    def forward(
        self, network: ReferringNetwork, batch: Batch, *, masks: bool = True, neighbour_gradients: bool = True
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and its parts, each a scalar, unweighted and detached.

        Args:
            network: In training mode or not.
            batch: On the network's device.
            masks: False to leave the masks, the contrast and the choice out, and with them most of the cost, where the
                batch knows its regions.
            neighbour_gradients: Whether the trunk learns from the frames around the target too.
        """
        settings = self.settings
        clips = batch.clips.float() / 255
        features = network.enhance(
            clips, clips.shape[1] // 2, batch.frame_mask, batch.times, neighbour_gradients=neighbour_gradients
        )
        parts: dict[str, Tensor] = {}
        if (masks or batch.region_maps is None) and (settings.entropy or settings.dice):
            parts = self._mask_parts(network, features, batch)
        if batch.region_maps is not None and batch.region_words is not None:
            if settings.words and (attention := network.word_attention_logits(features, batch.word_ids)):
                maps = on_grid(batch.region_maps, features.levels[0])
                parts["words"] = self._word_loss(attention, batch, maps, batch.region_words)
            if settings.attributes:
                parts["attributes"] = self._attribute_loss(network, features, batch)
        if batch.region_maps is not None and features.codes is not None:
            coarse, fine = features.codes
            if settings.actors:
                parts["actors"] = actor_loss(coarse, batch.region_maps)
            if settings.edges:
                parts["edges"] = edge_loss(coarse, fine, batch.region_maps, batch.masks)
        loss = torch.stack([getattr(settings, name) * value for name, value in parts.items()]).sum()
        return loss, {name: value.detach() for name, value in parts.items()}

    def _mask_parts(self, network: ReferringNetwork, features: FrameFeatures, batch: Batch) -> dict[str, Tensor]:
        settings, maps = self.settings, batch.region_maps
        logits = network.training_logits(features, batch.word_ids)
        final = logits.final.float()
        weigh: dict[str, Any] = {"foreground": settings.foreground, "weights": batch.weights}
        parts = dict(zip(("entropy", "dice"), mask_losses(final, batch.masks, batch.known, **weigh), strict=True))
        for earlier in logits.earlier:  # every scale learns from the masks
            parts["entropy"] = parts["entropy"] + mask_losses(earlier.float(), batch.masks, batch.known, **weigh)[0]
        if maps is not None and settings.contrast:
            parts["contrast"] = contrast_loss(final, batch.masks, batch.known, maps)
        if maps is not None and settings.choice and logits.choice is not None:
            parts["choice"] = contrast_loss(logits.choice.float(), batch.masks, batch.known, maps, nothing=True)
        return parts

    def _attribute_loss(self, network: ReferringNetwork, features: FrameFeatures, batch: Batch) -> Tensor:
        taught = taught_words(batch)
        judged = network.word_truth_logits(features, taught)
        levels = network.attribute_levels(features) if judged is None else ()
        heads = [head(level)[:, taught] for head, level in zip(self.attribute_heads, levels, strict=judged is None)]
        answers = heads if judged is None else [judged]
        truth, counts = attribute_truth(batch, answers[0])
        total = truth.new_zeros(())
        for logits in answers:
            entropy = F.binary_cross_entropy_with_logits(logits.float(), truth, counts, reduction="none")
            total = total + entropy.sum(1).mean()  # a sum over words, a mean over positions
        return 0.1 * total

    def _word_loss(self, attention: Sequence[Tensor], batch: Batch, maps: Tensor, region_words: Tensor) -> Tensor:
        settled = region_words.index_fill(-1, self.ambiguous, False)
        true = torch.stack([true_words[:, ids] for true_words, ids in zip(settled, batch.word_ids, strict=True)])
        word_maps = torch.einsum("brhw,brel->belhw", maps, true.to(maps.dtype)).clamp(max=1)
        area = word_maps.sum((-2, -1))
        sought = (area > 1) & batch.known[..., None]  # a word true of at least a cell of something
        shares = word_maps[sought].flatten(1) / area[sought][:, None]
        total = shares.new_zeros(())
        for logits in attention:
            total = total - (shares * logits[sought].float().log_softmax(-1)).sum(-1).mean()
        return total


def taught_words(batch: Batch) -> Tensor:
    """Return the ids of the words of which the regions of a batch tell whether they are true, int64 [K]."""
    assert batch.region_words is not None
    everything = torch.arange(batch.region_words.shape[-1], device=batch.region_words.device)
    return everything if batch.taught is None else batch.taught


def attribute_truth(batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return how far each word that is taught is true of each cell of logits [B, K, h, w], and how far that counts.

    A word counts less where it may be true of a region or may not, and where pixels are left out; None: all count.
    """
    maps, true = batch.region_maps, batch.region_words
    assert maps is not None
    assert true is not None
    maps = on_grid(maps, logits)
    tables = [table for table in (true, batch.region_unsure) if table is not None]
    told = [table if batch.taught is None else table[..., batch.taught] for table in tables]
    truth, *doubt = (torch.einsum("brhw,brv->bvhw", maps, table.to(maps.dtype)).clamp(max=1) for table in told)
    counts = torch.maximum(1 - doubt[0], truth) if doubt else None
    if batch.weights is not None:
        share = on_grid(batch.weights[:, None], logits)
        counts = share.expand_as(truth) if counts is None else counts * share
    return truth, counts


def mask_losses(
    logits: Tensor, masks: Tensor, known: Tensor, *, foreground: float = 1.0, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the mean binary cross-entropy and the mean Dice loss of the rows that are known.

    Args:
        logits: On any grid that covers the input, [B, E, h, w].
        masks: Shares of each pixel that are object, [B, E, H, W].
        known: Rows that count, bool [B, E].
        foreground: What a pixel of the object weighs in the cross-entropy.
        weights: The share of each pixel that counts, [B, H, W]; None: all of each.
    """
    stride = max(FINEST_LOSS_STRIDE, min(LOSS_STRIDE, masks.shape[-1] // logits.shape[-1]))
    truth = F.avg_pool2d(masks, stride)[known]
    fine = F.interpolate(logits, truth.shape[-2:], mode="bilinear")[known]
    weight = None if foreground == 1 else torch.tensor(foreground, device=fine.device)
    counts = None
    if weights is not None:
        counts = F.avg_pool2d(weights[:, None].expand_as(masks), stride)[known]
    entropy = F.binary_cross_entropy_with_logits(fine, truth, counts, pos_weight=weight)
    probability = fine.sigmoid()
    if counts is not None:
        entropy = entropy / counts.mean().clamp(min=1e-6)
        probability, truth = probability * counts, truth * counts
    overlap = (probability * truth).sum((1, 2))
    # A cell of stride 4, on either grid: it keeps an empty truth from asking for exactly nothing.
    smoothing = (LOSS_STRIDE / stride) ** 2
    dice = 1 - (2 * overlap + smoothing) / (probability.sum((1, 2)) + truth.sum((1, 2)) + smoothing)
    return entropy, dice.mean()


def contrast_loss(logits: Tensor, masks: Tensor, known: Tensor, maps: Tensor, *, nothing: bool = False) -> Tensor:
    """Return the mean cross-entropy of choosing, by mean logits, the region that each expression means.

    Expressions that mean more or less than one region are left out, and regions of less than a quarter of a cell; so
    are those that mean nothing, but for `nothing`.

    Args:
        logits: On the feature grid or a finer one, [B, E, h, w].
        masks: Shares of each pixel that are object, [B, E, H, W].
        known: Rows that count, bool [B, E].
        maps: Shares of each cell that are of a region, [B, R, h, w].
        nothing: Whether nothing can be chosen too, at a logit of 0.
    """
    cells = F.avg_pool2d(masks, STRIDE)
    area = maps.sum((2, 3))  # [B, R]
    best, meant = intersection_over_union(cells.flatten(2), maps.flatten(2)).max(-1)
    large = area >= MIN_REGION
    chosen = known & (best > 0.8) & large.gather(1, meant)
    logits = F.adaptive_avg_pool2d(logits, (maps.shape[2], maps.shape[3]))
    scores = torch.einsum("behw,brhw->ber", logits, maps) / area[:, None].clamp(min=1e-6)
    scores = scores.masked_fill(~large[:, None], float("-inf"))
    if nothing:
        absent = known & (cells.sum((2, 3)) == 0)
        scores = torch.cat([scores, torch.zeros_like(scores[..., :1])], -1)
        meant, chosen = meant.masked_fill(absent, maps.shape[1]), chosen | absent
    if not bool(chosen.any()):
        return logits.new_zeros(())
    return F.cross_entropy(scores[chosen], meant[chosen])
