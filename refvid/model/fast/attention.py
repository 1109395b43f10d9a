"""CMSA and CFSA for inference on the CPU: every linear map of one level's features taken at once, and only once.

A position's features enter all of them as [v, s] or [v / |v|, s], and s_p is the same in every frame:

    W [v / |v|, s] = (W_v v) / |v| + W_s s

so one product with v gives queries, keys and values, W_s s is kept, and v / |v| is never built. In CMSA the map to X^i
of gated fusion is linear too, so it is taken into the values, and what comes out is X^i itself. What depends on the
words alone is kept as long as they stay the same. Logits are in base 2 (see `products`).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_modal import (
    SMALLEST_NORMALISER,
    CrossModalSelfAttention,
    pool_positions_query_by_query,
)
from refvid.model.layers.products import LOG2_E, exponentials, longest, multiply, widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code


class PositionMap(nn.Module):
    """W [v / |v|, s] + bias, and U [v, s], at every position of a level.

    Args:
        unit: W [N, C + 8].
        raw: U [M, C + 8]; None: there is none.
        bias: Added to W [v / |v|, s], [N]; None: zero.
    """

    weight: Tensor
    code_weight: Tensor
    bias: Tensor

    def __init__(self, unit: Tensor, raw: Tensor | None = None, bias: Tensor | None = None) -> None:
        super().__init__()
        joint = (unit if raw is None else torch.cat([unit, raw])).detach()
        self.unit_channels = len(unit)
        everything = joint.new_zeros(len(joint))
        if bias is not None:
            everything[: len(unit)] = bias.detach()
        self.register_buffer("weight", joint[:, :-SPATIAL_CHANNELS].contiguous())
        self.register_buffer("code_weight", joint[:, -SPATIAL_CHANNELS:].contiguous())
        self.register_buffer("bias", everything)
        self._code: tuple[torch.Size, Tensor] | None = None  # W_s s + bias and U_s s, [N + M, P], of one grid

    def forward(self, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Map features [C, h, w] to [N, P] and [M, P], in float32 or wider."""
        tokens = visual.flatten(1).T  # C h w -> P C
        mapped = widen(multiply(self.weight.to(tokens.dtype), tokens))
        inverse = torch.linalg.vector_norm(widen(tokens), dim=-1).clamp_(min=1e-12).reciprocal_()  # as F.normalize
        kept = self._code
        if kept is None or kept[0] != visual.shape[1:]:
            kept = self._code = visual.shape[1:], self._map_code(*visual.shape[1:])
        unit, raw = torch.split(kept[1], [self.unit_channels, len(mapped) - self.unit_channels])
        return torch.addcmul(unit, mapped[: self.unit_channels], inverse), mapped[self.unit_channels :] + raw

    def _map_code(self, height: int, width: int) -> Tensor:
        """Return W_s s + bias and U_s s for a grid, [N + M, P]."""
        weight = self.code_weight
        with torch.autocast(weight.device.type, enabled=False):
            code = spatial_code(height, width, dtype=weight.dtype, device=weight.device).flatten(1)
            return self.bias[:, None] + weight @ code


class FoldedCrossFrame(CrossFrameSelfAttention):
    """A `CrossFrameSelfAttention` whose queries, keys and values are one product."""

    def __init__(self, attention: CrossFrameSelfAttention) -> None:
        super().__init__(attention.output.out_features, attention.output.in_features)
        self.attention, self.temperature = attention, attention.temperature
        for name in ("query", "key", "value", "output"):
            self.add_module(name, getattr(attention, name))
        query, key, value = (self._with_code(m) for m in (attention.query, attention.key, attention.value))
        self.map = PositionMap(torch.cat([query, key]), value)

    def _with_code(self, projection: nn.Linear) -> Tensor:
        """Return the weight of a projection for features and spatial code, [A, C + 8]."""
        missing = self.output.out_features + SPATIAL_CHANNELS - projection.in_features
        return F.pad(projection.weight, (0, missing))

    def time_terms(self, distances: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return what the attention that was folded returns."""
        return self.attention.time_terms(distances)

    def project(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map features [..., C, h, w] to queries, keys and values, each [..., P, A], in float32 or wider."""
        mapped = [self.map(picture) for picture in features.flatten(0, -4)]
        size = features.shape[:-3]
        queries_keys, values = (torch.stack(part).mT for part in zip(*mapped, strict=True))
        q, k = queries_keys.chunk(2, dim=-1)
        q, k, values = (x.reshape(*size, *x.shape[1:]) for x in (q, k, values))
        return q, k, values

    def update(self, features: Tensor, pooled: Tensor) -> Tensor:
        """Return V_T + W v^ for features [B, C, h, w] and pooled values v^ [B, P, A]."""
        change = multiply(pooled.to(features.dtype), self.output.weight).mT
        return features + change.reshape(features.shape)


@dataclass(frozen=True)
class ProjectedWords:
    """What the words of E expressions have to say, whatever the frame.

    Attributes:
        queries: b log2 e [E L, A].
        keys: d [E L, A].
        values: What their values add to X^i [E, L, X].
        own: What e / |e| itself adds to X^i [E, L, X].
        longest_key: The largest |d|.
        exponentials: beta of Eq. 3's softmax over words (see `attend_words`) [E, L, L'], 0 for padding L'.
        logits: b . d [E, L, L'], -inf for padding L'.
        mask: True for real words, bool [E, L].
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    own: Tensor
    longest_key: float
    exponentials: Tensor
    logits: Tensor
    mask: Tensor


@dataclass(frozen=True)
class MappedLevel:
    """Features of one level that fusion's linear map has been applied to already: X^i [B * E, X, h, w]."""

    features: Tensor

    def project(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the features as they are."""
        return self.features


class FoldedCrossModal(nn.Module):
    """A `CrossModalSelfAttention` and the map from its D channels to the X of gated fusion.

    Args:
        attention: Eq. 1 to 5 of a level.
        mapping: The 1 x 1 convolution of that level in gated fusion.
    """

    query_word: Tensor
    key_word: Tensor
    value_word: Tensor
    own_word: Tensor

    def __init__(self, attention: CrossModalSelfAttention, mapping: nn.Conv2d) -> None:
        super().__init__()
        self.attention = attention
        self.channels = attention.channels
        with torch.no_grad():
            output = mapping.weight.flatten(1).double()  # [X, D]
            sizes = [attention.visual_channels, attention.embedding_channels, SPATIAL_CHANNELS]
            visual, own, spatial = torch.split(output, sizes, dim=1)
            (query, query_word), (key, key_word), (value, value_word) = (
                [part.double() for part in attention.weights_of(projection)]
                for projection in (attention.query, attention.key, attention.value)
            )
            returned = output @ attention.output.weight.double()  # [X, A]
            seen = torch.cat([visual, spatial], 1)
            joint = torch.cat([query * LOG2_E, key, returned @ value, seen])
            bias = cast(Tensor, mapping.bias)
            biases = torch.cat([bias.new_zeros(len(joint) - len(bias)), bias])
            dtype = mapping.weight.dtype
            self.map = PositionMap(joint.to(dtype), bias=biases)
            self.sizes = [len(query), len(key), len(output), len(output)]
            words = {"query": query_word * LOG2_E, "key": key_word, "value": returned @ value_word, "own": own}
            for name, weight in words.items():
                self.register_buffer(f"{name}_word", weight.to(dtype).contiguous())
        self._told: tuple[Tensor, Tensor, list[ProjectedWords]] | None = None  # of these words and this mask

    def forward(
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple[MappedLevel, Tensor]:
        """Fuse visual features with the words of each expression, as `CrossModalSelfAttention` does, and map them.

        Args:
            visual: [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: Not needed.
            shared: Not needed.

        Returns:
            X^i, and the word attention [B, E, L] (Eq. 4; 0 for padding).
        """
        with torch.autocast(visual.device.type, enabled=False):
            told = self._words(words, word_mask)
            fused, attention = zip(*map(self._fuse, visual, told), strict=True)
        features = torch.cat(fused)  # [B * E, X, P]
        features = features.view(*features.shape[:2], *visual.shape[2:])
        return MappedLevel(features.to(visual.dtype)), torch.stack(attention)

    def _words(self, words: Tensor, word_mask: Tensor) -> list[ProjectedWords]:
        """Return what the words of each picture's expressions say; worked out anew only if they are others."""
        kept = self._told
        if kept is None or not (torch.equal(kept[0], words) and torch.equal(kept[1], word_mask)):
            kept = words, word_mask, [self._tell(*picture) for picture in zip(words, word_mask, strict=True)]
            self._told = kept
        return kept[2]

    def _tell(self, words: Tensor, mask: Tensor) -> ProjectedWords:
        """Map the words [E, L, C_l] of one picture."""
        unit = F.normalize(words.to(self.query_word.dtype), dim=-1)
        queries, keys = F.linear(unit, self.query_word), F.linear(unit, self.key_word)
        logits = (queries @ keys.mT).masked_fill(~mask[:, None], float("-inf"))  # [E, L, L']
        return ProjectedWords(
            queries=queries.flatten(0, 1),
            keys=keys.flatten(0, 1),
            values=F.linear(unit, self.value_word),
            own=F.linear(unit, self.own_word),
            longest_key=longest(keys.flatten(0, 1)),
            exponentials=torch.exp2(logits - logits.amax(-1, keepdim=True)),
            logits=logits / LOG2_E,
            mask=mask,
        )

    def _fuse(self, visual: Tensor, told: ProjectedWords) -> tuple[Tensor, Tensor]:
        """Return X^i [E, X, P] and the word attention [E, L] for one picture's features [C, h, w]."""
        a, c, g, seen = torch.split(self.map(visual)[0], self.sizes)  # [A, P], [A, P], [X, P], [X, P]
        a, c = a.T.contiguous(), c.T.contiguous()
        reach = longest(a)
        attention, word_weights = self._attend_words(a, told, reach * told.longest_key)
        fused = self._pool_positions(a, c, g, attention, told, reach * longest(c))
        own = torch.einsum("el,elx->ex", attention, told.own)
        fused += torch.baddbmm(own[..., None], told.values.mT, word_weights)
        fused += seen
        return fused, attention

    def _pool_positions(
        self, a: Tensor, c: Tensor, g: Tensor, attention: Tensor, told: ProjectedWords, reach: float
    ) -> Tensor:
        """Return what `pool_positions` of `cross_modal` does, for values that are mapped to X^i already: [E, X, P].

        Args:
            a: Visual part of the queries, times log2 e [P, A].
            c: Visual part of the keys [P, A].
            g: Visual part of the values [X, P].
            attention: Of Eq. 4 [E, L].
            told: What the words say.
            reach: What no |a . c| exceeds.
        """
        position_terms, largest = exponentials(c, a, reach)  # [P', P]
        word_terms, _ = exponentials(c, told.queries)  # [P', E L]
        normaliser = multiply(word_terms.T, position_terms.T)  # [E L, P]
        # Position terms that nothing was taken from are no smaller than 2^-90, nor is Z, which sums some of them.
        if largest is not None and bool(normaliser.amin() < SMALLEST_NORMALISER):
            logits = (a @ c.T)[None] / LOG2_E, (told.queries @ c.T).view(1, *attention.shape, -1) / LOG2_E
            return pool_positions_query_by_query(*logits, g.T[None], attention[None])[0].mT
        shares = attention[..., None] / normaliser.view(*attention.shape, -1)  # [E, L, P]
        pooled = []
        for terms, share in zip(torch.split(word_terms, attention.shape[1], dim=1), shares, strict=True):
            mixed = multiply(terms, share.T).mul_(position_terms)  # [P', P]
            pooled.append(multiply(g, mixed.T))
        return torch.stack(pooled)

    def _attend_words(self, a: Tensor, told: ProjectedWords, reach: float) -> tuple[Tensor, Tensor]:
        """Return the word attention [E, L] and sum_n a_n T_pn [E, L, P], as `CrossModalSelfAttention.attend_words`.

        Args:
            a: Visual part of the queries, times log2 e [P, A].
            told: What the words say.
            reach: What no |a . d| exceeds.
        """
        terms, largest = exponentials(told.keys, a, reach)
        alpha, beta = terms.view(*told.mask.shape, -1), told.exponentials  # [E, L', P], [E, L, L']
        normaliser = beta @ alpha  # [E, L, P]
        if largest is not None and bool(normaliser.amin() < SMALLEST_NORMALISER):
            visual = (multiply(told.keys, a) / LOG2_E).view(*told.mask.shape, -1).mT  # [E, P, L']
            visual = visual.masked_fill(~told.mask[:, None], float("-inf"))
            found = self.attention.attend_words_query_by_query(visual[None], told.logits[None], told.mask[None])
            return found[0][0], found[1][0].mT
        inverse = told.mask[..., None] / normaliser
        received = (alpha * (beta.mT @ inverse)).mean(-1)
        attention = self.attention.word_attention(received, told.mask)
        return attention, alpha * (beta.mT @ (attention[..., None] * inverse))
