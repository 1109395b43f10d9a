"""The loss: binary cross-entropy on masks (Eq. 8), and further terms that help a network trained from scratch.

From masks alone, a network learns words slowly, because an expression tells which of several actors is meant only
through all of its words together. If a data set knows its actors and the words that are true of each, more terms help.
`contrast` makes the mean logit in the region that is meant exceed those in other regions. `attributes` classifies which
words are true of each position, by linear heads that are dropped after training or by the word evidence of a network
that has it. `words` makes the attention of each word (b_n . c_p of `cross_modal`) select the regions that the word is
true of; networks without this attention, or with one vector for the whole sentence, are trained without it. `choice`,
`actors` and `edges` are for networks with actor codes (`actor_objective`).
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

LOSS_STRIDE = 4  # stride of the grid on which masks are compared, which takes a 16th of the work at full size
FALSE_TO_TRUE = 10.0  # for `ObjectiveSettings.balanced`
FINEST_LOSS_STRIDE = 2  # minimum stride of this grid if the logits are finer


@dataclass(frozen=True)
class ObjectiveSettings:
    """The weights of the parts of the loss.

    Attributes:
        entropy: Weight of the binary cross-entropy of Eq. 8; the paper uses this part alone, with weight 1.
        dice: Weight of 1 - Dice coefficient, in which small objects count as much as large ones.
        contrast: Weight of the cross-entropy of choosing the region that is meant, with the mean logit in each region
            of the scene as its score.
        choice: Weight of the same term for the logits before an actor is chosen, where "no region" is one more choice
            with the score 0; for networks with actor codes.
        words: Weight of the cross-entropy between the attention of each word and the regions that it is true of.
        attributes: Weight of the binary cross-entropy of the words that are true of each position, for each head.
        actors: Weight of the divergence of the affinities from an even distribution over each actor; for networks with
            actor codes.
        edges: Weight of 1 - Dice coefficient of each actor as found by its fine codes; for networks with actor codes.
        balanced: Whether in `attributes` the positions where a word is false count less, so that all of them together
            weigh `FALSE_TO_TRUE` times as much as those where it is true. Otherwise a word that few photos show, or
            that is never surely true, is learnt to be false everywhere.
        foreground: Weight of a pixel of the object in the cross-entropy, relative to one of the background.
    """

    entropy: float = 4.0
    dice: float = 1.0
    contrast: float = 0.5
    choice: float = 0.5
    words: float = 0.2
    attributes: float = 0.5
    actors: float = 0.3
    edges: float = 0.5
    balanced: bool = False
    foreground: float = 1.0


PAPER_OBJECTIVE = ObjectiveSettings(
    entropy=1.0, dice=0.0, contrast=0.0, choice=0.0, words=0.0, attributes=0.0, actors=0.0, edges=0.0
)
# The losses of systems whose own papers weigh the parts differently, by ModelConfig.architecture.
PAPER_OBJECTIVES = {
    "acga": replace(PAPER_OBJECTIVE, foreground=1.5),
    "hinet": replace(PAPER_OBJECTIVE, foreground=1.1 / 0.9),  # the weights 0.9 and 1.1 of the two classes in LAVT
}


def paper_objective(architecture: str) -> ObjectiveSettings:
    """Return the weights of the loss with which the paper of a system trains it."""
    return PAPER_OBJECTIVES.get(architecture, PAPER_OBJECTIVE)


class Objective(nn.Module):
    """The loss of a network on a batch, with the heads that only training needs.

    Args:
        network: Network to be trained.
        vocabulary: Vocabulary or tokenizer of the network.
        settings: Weights of the parts.
    """

    ambiguous: Tensor

    def __init__(self, network: ReferringNetwork, vocabulary: Words, settings: ObjectiveSettings) -> None:
        super().__init__()
        self.settings = settings
        # "Left" may be true of an actor because it moves to the left or because it is on the left. The data knows only
        # the motion, so the attention of such words is not trained.
        ambiguous = sorted(vocabulary.ids[word] for word in DIRECTION_OR_POSITION_WORDS & vocabulary.ids.keys())
        self.register_buffer("ambiguous", torch.tensor(ambiguous, dtype=torch.long), persistent=False)
        self.attribute_heads = nn.ModuleList(
            nn.Conv2d(channels, FIRST_WORD_ID + len(vocabulary.words), 1)
            for channels in (network.attribute_channels if settings.attributes and not network.judges_words else ())
        )
        for head in self.attribute_heads:
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.constant_(head.bias, -4.0)  # most words are false at most positions

    def forward(
        self, network: ReferringNetwork, batch: Batch, *, masks: bool = True, neighbour_gradients: bool = True
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and its parts, each a scalar, unweighted and detached.

        Args:
            network: Network to be trained, in any mode.
            batch: Batch on the device of the network.
            masks: Whether to include the masks, the contrast and the choice, which make up most of the cost; they are
                included anyway if the batch has no regions.
            neighbour_gradients: Whether gradients also reach the trunk through the frames around the target.
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
        """Return the parts of the loss that need the logits of masks."""
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
        """Return the loss of classifying which words are true of each position."""
        taught = taught_words(batch)
        judged = network.word_truth_logits(features, taught)
        levels = network.attribute_levels(features) if judged is None else ()
        heads = [head(level)[:, taught] for head, level in zip(self.attribute_heads, levels, strict=judged is None)]
        answers = heads if judged is None else [judged]
        truth, counts = attribute_truth(batch, answers[0])
        if self.settings.balanced:
            counts = balance(truth, counts)
        total = truth.new_zeros(())
        for logits in answers:
            entropy = F.binary_cross_entropy_with_logits(logits.float(), truth, counts, reduction="none")
            total = total + entropy.sum(1).mean()  # a sum over words, a mean over positions
        return 0.1 * total

    def _word_loss(self, attention: Sequence[Tensor], batch: Batch, maps: Tensor, region_words: Tensor) -> Tensor:
        """Return the cross-entropy between the attention of words, logits [B, E, L, P], and what they are true of."""
        settled = region_words.index_fill(-1, self.ambiguous, False)
        true = torch.stack([true_words[:, ids] for true_words, ids in zip(settled, batch.word_ids, strict=True)])
        word_maps = torch.einsum("brhw,brel->belhw", maps, true.to(maps.dtype)).clamp(max=1)
        area = word_maps.sum((-2, -1))
        sought = (area > 1) & batch.known[..., None]  # words that are true of more than one cell
        shares = word_maps[sought].flatten(1) / area[sought][:, None]
        total = shares.new_zeros(())
        for logits in attention:
            total = total - (shares * logits[sought].float().log_softmax(-1)).sum(-1).mean()
        return total


def taught_words(batch: Batch) -> Tensor:
    """Return the ids of the words whose truth the regions of a batch record, int64 [K]."""
    assert batch.region_words is not None
    everything = torch.arange(batch.region_words.shape[-1], device=batch.region_words.device)
    return everything if batch.taught is None else batch.taught


def attribute_truth(batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the targets and the weights of the attribute loss.

    Args:
        batch: Batch with regions.
        logits: Logits on whose grid the targets are wanted, [B, K, h, w], for the words of `taught_words`.

    Returns:
        The share of each cell of which each word is true, [B, K, h, w], and its weight, which is lower where the truth
        of the word is uncertain or pixels are ignored, [B, K, h, w]; None if all weights are 1.
    """
    maps, true = batch.region_maps, batch.region_words
    assert maps is not None
    assert true is not None
    maps = on_grid(maps, logits)
    tables = [table for table in (true, batch.region_unsure) if table is not None]
    recorded = [table if batch.taught is None else table[..., batch.taught] for table in tables]
    truth, *doubt = (torch.einsum("brhw,brv->bvhw", maps, table.to(maps.dtype)).clamp(max=1) for table in recorded)
    counts = torch.maximum(1 - doubt[0], truth) if doubt else None
    if batch.weights is not None:
        share = on_grid(batch.weights[:, None], logits)
        counts = share.expand_as(truth) if counts is None else counts * share
    return truth, counts


def balance(truth: Tensor, counts: Tensor | None) -> Tensor:
    """Return weights of the attribute loss that are lower where a word is false (`ObjectiveSettings.balanced`).

    Args:
        truth: Share of each cell of which each word is true, [B, K, h, w].
        counts: Weights from `attribute_truth`, [B, K, h, w]; None if all are 1.

    Returns:
        New weights [B, K, h, w].
    """
    counts = torch.ones_like(truth) if counts is None else counts
    true, false = ((counts * share).sum((0, 2, 3), keepdim=True) for share in (truth, 1 - truth))  # [1, K, 1, 1]
    factor = (FALSE_TO_TRUE * true / false.clamp(min=1e-6)).clamp(max=1)
    return counts * (truth + (1 - truth) * factor)


def mask_losses(
    logits: Tensor, masks: Tensor, known: Tensor, *, foreground: float = 1.0, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the mean binary cross-entropy and the mean Dice loss of the known rows, two scalars.

    Args:
        logits: Logits on any grid that covers the input, [B, E, h, w].
        masks: Share of each pixel that the object covers, [B, E, H, W].
        known: False for rows of padding, bool [B, E].
        foreground: Weight of a pixel of the object in the cross-entropy.
        weights: Weight of each pixel, 0 to 1, [B, H, W]; None if all are 1.
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
    # The area of a cell of stride 4 on either grid: it keeps the loss of an empty mask from being 1 for any prediction.
    smoothing = (LOSS_STRIDE / stride) ** 2
    dice = 1 - (2 * overlap + smoothing) / (probability.sum((1, 2)) + truth.sum((1, 2)) + smoothing)
    return entropy, dice.mean()


def contrast_loss(logits: Tensor, masks: Tensor, known: Tensor, maps: Tensor, *, nothing: bool = False) -> Tensor:
    """Return the mean cross-entropy of choosing, by mean logits, the region that each expression means.

    Expressions that mean several regions or only a part of one are left out, and so are regions of less than a quarter
    of a cell. Expressions that mean nothing are left out unless `nothing` is true.

    Args:
        logits: Logits on the grid of the regions or a finer one, [B, E, h', w'].
        masks: Share of each pixel that the object covers, [B, E, H, W].
        known: False for rows of padding, bool [B, E].
        maps: Share of each cell that each region covers, [B, R, h, w].
        nothing: Whether "no region" is one more choice, with the score 0.
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
