"""The attention and the fusion of the image model that was released with the preliminary version (CVPR 2019).

The released code of "Cross-Modal Self-Attention Network for Referring Image Segmentation" (lwye/CMSA-Net) differs from
the journal text, which `cross_modal` and `fusion` follow, in the details of Eq. 3 and Eq. 6. This is how it differs;
everything else is as in the journal:

- Res5 is first mapped to as many channels as a word vector has, without a nonlinearity, and then normalised.
- On Res4 and Res3, each f_pn is reduced to 256 and 128 channels with ReLU, and all later steps use these features.
  Queries, keys and values have 512, 128 and 64 channels on Res5, Res4 and Res3. We keep these proportions to
  `attention_channels`.
- The maps to query, key and value and the map back have biases, which start at 0, and are followed by ReLU.
- Keys and values are max-pooled by two over words, rows and columns, so that words are combined in pairs.
- The words are averaged without word attention.
- Gates have one value per channel (see `Cvpr19Fusion`).

With ReLU and pooled keys, the softmax does not factorise, so every logit is computed, for a chunk of queries at a time.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from refvid.model.cmsa.cross_modal import unit_features
from refvid.model.cmsa.fusion import Projectable, project_levels
from refvid.model.cmsa.multimodal import DenseMultimodal
from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS

CHUNK = 1 << 26  # logits, or elements of f_pn, that are built at a time: 256 MiB in float32


def glorot(channels: int, outputs: int) -> nn.Linear:
    """Return a linear map with uniform Glorot weights and zero biases, initialised as in the released code."""
    layer = nn.Linear(channels, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Cvpr19Attention(nn.Module):
    """Cross-modal self-attention of one level, as released in 2019.

    Args:
        visual_channels: Width C of the level.
        embedding_channels: Width C_l of a word embedding.
        attention_channels: Width of queries, keys and values on this level.
        visual_width: Width to which v is mapped before it is normalised; 0 to leave this map out.
        reduced_width: Width to which each f_pn is reduced; 0 to leave this map out.
    """

    def __init__(
        self,
        visual_channels: int,
        embedding_channels: int,
        attention_channels: int,
        *,
        visual_width: int = 0,
        reduced_width: int = 0,
    ) -> None:
        super().__init__()
        joint = (visual_width or visual_channels) + embedding_channels + SPATIAL_CHANNELS
        self.channels = reduced_width or joint
        self.visual_map = glorot(visual_channels, visual_width) if visual_width else None
        self.reduce = glorot(joint, reduced_width) if reduced_width else None
        self.query, self.key, self.value = (glorot(self.channels, attention_channels) for _ in range(3))
        self.output = glorot(attention_channels, self.channels)

    def forward(
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple[DenseMultimodal, Tensor]:
        """Fuse visual features with the words of each expression.

        Args:
            visual: Visual features [B, C, h, w].
            words: Word embeddings [B, E, L, C_l], padding last.
            word_mask: True for real words, bool [B, E, L].
            spatial: Spatial coordinates [8, h, w].
            shared: Not needed; accepted for the same signature as `CrossModalSelfAttention`.

        Returns:
            Multimodal features, which are the mean of f^_pn over the words, and the weight 1 / L of each real word,
            [B, E, L].
        """
        height, width = visual.shape[2:]
        if self.visual_map is not None:
            visual = self.visual_map(visual.movedim(1, -1)).movedim(-1, 1)
        unit_visual, code, unit_words = unit_features(visual, words, spatial)
        positions = torch.cat([unit_visual, code], dim=-1)  # [B, P, C + 8]
        weights = word_mask.to(words.dtype) / word_mask.sum(-1, keepdim=True)
        keys = -(-words.shape[2] // 2) * -(-height // 2) * -(-width // 2)
        step = max(1, CHUNK // (weights.numel() * max(keys, positions.shape[-1] + words.shape[-1])))
        parts = torch.split(positions, step, dim=1)
        pairs = [self._run(self._keys_values, len(parts), part, unit_words, word_mask) for part in parts]
        key, value = (pool_by_two(torch.cat(whole, 3), height, width) for whole in zip(*pairs, strict=True))
        allowed = word_mask[..., ::2].repeat_interleave(key.shape[2] // -(-words.shape[2] // 2), -1)  # [B, E, K]
        fused = [self._run(self._attend, len(parts), part, unit_words, weights, key, value, allowed) for part in parts]
        return DenseMultimodal(torch.cat([part for (part,) in fused], 2), (height, width)), weights

    @staticmethod
    def _run(step: Callable[..., tuple[Tensor, ...]], steps: int, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run one of several steps; with gradients, its intermediate results are recomputed instead of stored."""
        if steps == 1 or not torch.is_grad_enabled():
            return step(*inputs)
        return checkpoint(step, *inputs, use_reentrant=False, preserve_rng_state=False)

    def _features(self, positions: Tensor, words: Tensor) -> Tensor:
        """Return f_pn, possibly reduced, for positions [B, p, C + 8] and words [B, E, L, C_l]: [B, E, L, p, R]."""
        size = (*words.shape[:3], positions.shape[1], -1)
        visual, code = torch.split(positions, [positions.shape[-1] - SPATIAL_CHANNELS, SPATIAL_CHANNELS], -1)
        parts = (visual[:, None, None], words[:, :, :, None], code[:, None, None])
        joint = torch.cat([part.expand(size) for part in parts], -1)
        return joint if self.reduce is None else F.relu(self.reduce(joint))

    def _keys_values(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values of p of the positions, each [B, E, L, p, A], 0 for padding."""
        features = self._features(positions, words)
        real = word_mask[..., None, None]
        # After ReLU all values are at least 0, so that padding is never the larger one of a pair of words.
        return widen(F.relu(self.key(features))) * real, widen(F.relu(self.value(features))) * real

    def _attend(
        self, positions: Tensor, words: Tensor, weights: Tensor, key: Tensor, value: Tensor, allowed: Tensor
    ) -> tuple[Tensor]:
        """Return the fused features of p of the positions, averaged over the words.

        Args:
            positions: Visual and spatial part [v / |v|, s], [B, p, C + 8].
            words: Word part e / |e|, [B, E, L, C_l].
            weights: Weight 1 / L of each real word, 0 for padding, [B, E, L].
            key: Pooled keys [B, E, K, A].
            value: Pooled values [B, E, K, A].
            allowed: False for keys that were pooled from padding alone, bool [B, E, K].

        Returns:
            A tuple with only the features [B, E, p, R].
        """
        features = self._features(positions, words)
        query = widen(F.relu(self.query(features))).flatten(2, 3)  # [B, E, (L p), A]
        with torch.autocast(words.device.type, enabled=False):
            logits = (query @ key.transpose(2, 3)).masked_fill(~allowed[:, :, None], float("-inf"))
            attended = (logits.softmax(-1) @ value).view(*features.shape[:4], -1)
        fused = F.relu(self.output(attended.to(features.dtype))) + features
        return (torch.einsum("bel,belpr->bepr", weights.to(fused.dtype), fused),)


def pool_by_two(values: Tensor, height: int, width: int) -> Tensor:
    """Return the maxima over disjoint windows of 2 words, 2 rows and 2 columns; windows at the end may be smaller.

    Args:
        values: Keys or values of words and positions, [B, E, L, P, A].
        height: Rows h of the grid of positions.
        width: Columns w of the grid of positions.

    Returns:
        [B, E, K, A], where K = ceil(L / 2) ceil(h / 2) ceil(w / 2), in the order words, rows, columns.
    """
    batch, expressions, length, _, channels = values.shape
    volumes = values.reshape(-1, length, height, width, channels).movedim(-1, 1)  # (B E) A L h w
    pooled = F.max_pool3d(volumes, 2, 2, ceil_mode=True)
    return pooled.flatten(2).transpose(1, 2).reshape(batch, expressions, -1, channels)


def cvpr19_attention(
    level_channels: Sequence[int], embedding_channels: int, attention_channels: int
) -> list[Cvpr19Attention]:
    """Return the attention modules of Res3, Res4 and Res5; `attention_channels` of 512 gives the released widths."""

    def share(parts: int) -> int:
        return max(1, attention_channels // parts)

    res3, res4, res5 = level_channels
    return [
        Cvpr19Attention(res3, embedding_channels, share(8), reduced_width=share(4)),
        Cvpr19Attention(res4, embedding_channels, share(4), reduced_width=share(2)),
        Cvpr19Attention(res5, embedding_channels, attention_channels, visual_width=embedding_channels),
    ]


class Cvpr19Fusion(nn.Module):
    """Gated fusion as released in 2019: each level has gates of its own, with one value per channel.

    Each level is mapped to X^i, with ReLU. A 3 x 3 convolution of X^i gives a candidate i and the gates f and r, both
    sigmoid(. + 1). With X^j the deeper of the other two levels and X^k the shallower,

        c = f (a X^j + (1 - a) X^k) + (1 - f) i,    F_o^i = r tanh(c) + (1 - r) X^i

    where a, one number per level, is learnt and starts at 0.5. The differences from Eq. 6: the features of the other
    levels are gated by the level that receives them, and the candidate takes the place of X^i in the mixture.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        if len(level_channels) != 3:
            raise ValueError(f"fusion 'cvpr19' joins three levels, got {len(level_channels)}")
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.gates = nn.ModuleList(nn.Conv2d(channels, 3 * channels, 3, padding=1) for _ in level_channels)
        self.share = nn.Parameter(torch.full((len(level_channels),), 0.5))
        self.score = nn.Conv2d(channels, 1, 3, padding=1)
        for layer in (*self.project, *self.gates):
            layer = cast(nn.Conv2d, layer)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(cast(Tensor, layer.bias))

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of Res3, Res4 and Res5, D_i channels, to their gated sum [B * E, X, h, w]."""
        x = [F.relu(level) for level in project_levels(self.project, levels)]
        total = torch.zeros_like(x[0])
        for i, (own, gate) in enumerate(zip(x, self.gates, strict=True)):
            deeper, other = (x[j] for j in reversed(range(len(x))) if j != i)
            candidate, forget, reset = gate(own).chunk(3, dim=1)
            forget, reset = torch.sigmoid(forget + 1), torch.sigmoid(reset + 1)
            offered = self.share[i] * deeper + (1 - self.share[i]) * other
            mixture = forget * offered + (1 - forget) * candidate
            total = total + reset * torch.tanh(mixture) + (1 - reset) * own
        return total

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))
