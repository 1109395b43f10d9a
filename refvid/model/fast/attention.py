"""CMSA and CFSA for inference on the CPU, with all linear maps of a level's features in a single product.

The features of a position enter these maps as [v, s] or [v / |v|, s], and s_p is the same in every frame:

    W [v / |v|, s] = (W_v v) / |v| + W_s s

So one product with v gives queries, keys and values, W_s s is cached, and v / |v| is never built. In CMSA the map to
X^i of gated fusion is linear too, so it is merged into the map to the values, and the attention returns X^i itself.
Whatever depends on the words alone is cached until the words change. Logits are in base 2 (see `products`).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.cmsa.position_attention import SMALLEST_NORMALISER, pool_positions_query_by_query
from refvid.model.layers.products import LOG2_E, exponentials, longest, multiply, widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code


class PositionMap(nn.Module):
    """The linear maps W [v / |v|, s] + bias and U [v, s] at every position of a level, in one product.

    Args:
        unit: Weight W of the features of unit length, [N, C + 8].
        raw: Weight U of the unscaled features, [M, C + 8]; None for M = 0.
        bias: Bias of the first map, [N]; None for zero.
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
        # Cache: W_s s + bias and U_s s, [N + M, P], for the size of the last grid; all frames of a video have the same.
        self._code: tuple[torch.Size, Tensor] | None = None

    def forward(self, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Map features [C, h, w] to both results, [N, P] and [M, P], in float32 or wider."""
        tokens = visual.flatten(1).T  # C h w -> P C
        mapped = widen(multiply(self.weight.to(tokens.dtype), tokens))
        # Only the results of W are divided by |v|, since U needs v unscaled. The clamp is that of F.normalize.
        inverse = torch.linalg.vector_norm(widen(tokens), dim=-1).clamp_(min=1e-12).reciprocal_()
        kept = self._code
        if kept is None or kept[0] != visual.shape[1:]:
            kept = self._code = visual.shape[1:], self._map_code(*visual.shape[1:])
        if self.unit_channels == len(mapped):
            return torch.addcmul(kept[1], mapped, inverse), mapped[:0]
        unit, raw = torch.split(kept[1], [self.unit_channels, len(mapped) - self.unit_channels])
        return torch.addcmul(unit, mapped[: self.unit_channels], inverse), mapped[self.unit_channels :] + raw

    def _map_code(self, height: int, width: int) -> Tensor:
        """Return W_s s + bias and U_s s for a grid of the given size, [N + M, P]."""
        weight = self.code_weight
        with torch.autocast(weight.device.type, enabled=False):
            code = spatial_code(height, width, dtype=weight.dtype, device=weight.device).flatten(1)
            return self.bias[:, None] + weight @ code


class FoldedCrossFrame(CrossFrameSelfAttention):
    """A `CrossFrameSelfAttention` that computes queries, keys and values in one product."""

    def __init__(self, attention: CrossFrameSelfAttention) -> None:
        super().__init__(attention.output.out_features, attention.output.in_features)
        self.attention, self.temperature = attention, attention.temperature
        for name in ("query", "key", "value", "output"):
            self.add_module(name, getattr(attention, name))
        query, key, value = (self._with_code(m) for m in (attention.query, attention.key, attention.value))
        self.map = PositionMap(torch.cat([query, key]), value)

    def _with_code(self, projection: nn.Linear) -> Tensor:
        """Pad the weight of a projection to features and spatial code, [A, C + 8]; the paper's tokens have no code."""
        missing = self.output.out_features + SPATIAL_CHANNELS - projection.in_features
        return F.pad(projection.weight, (0, missing))

    def time_terms(self, distances: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the time terms of the attention that was folded."""
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
    """The projections of the words of E expressions, which are the same for every frame.

    Attributes:
        queries: Word part of the queries times log2 e, b log2 e [E L, A].
        keys: Word part of the keys, d [E L, A].
        values: Word part of the values, mapped to X^i [E, L, X].
        own: Word part e / |e| of the residual f, mapped to X^i [E, L, X].
        longest_key: Largest length |d| of the keys.
        exponentials: beta in the softmax over words of Eq. 3 (see `attend_words`), [E, L, L'], 0 for padding L'.
        logits: Logits b . d among words, [E, L, L'], -inf for padding L'.
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
    """Features of one level to which the linear map of the fusion has already been applied: X^i [B * E, X, h, w]."""

    features: Tensor

    def project(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the features unchanged, since they are mapped already."""
        return self.features


class FoldedCrossModal(nn.Module):
    """A `CrossModalSelfAttention` merged with the map from its D channels to the X channels of gated fusion.

    Args:
        attention: CMSA of a level (Eq. 1 to 5).
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
            # Weights are merged in float64, so that each is rounded only once.
            output = mapping.weight.flatten(1).double()  # [X, D]
            sizes = [attention.visual_channels, attention.embedding_channels, SPATIAL_CHANNELS]
            visual, own, spatial = torch.split(output, sizes, dim=1)
            (query, query_word), (key, key_word), (value, value_word) = (
                [part.double() for part in attention.weights_of(projection)]
                for projection in (attention.query, attention.key, attention.value)
            )
            # X^i = output F^ + bias, and F^ = W v^ + f (Eq. 5). So a value v^ reaches X^i through `returned`, the
            # visual and spatial part of f through `seen`, and its word part through `own`.
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
        # Cache: the last words and their mask, and the projections of each picture's words.
        self._projected: tuple[Tensor, Tensor, list[ProjectedWords]] | None = None

    def forward(
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple[MappedLevel, Tensor]:
        """Fuse visual features with the words of each expression, as `CrossModalSelfAttention` does, and map them.

        Args:
            visual: Visual features [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: Not needed.
            shared: Not needed.

        Returns:
            X^i, and the word attention [B, E, L] (Eq. 4; 0 for padding).
        """
        with torch.autocast(visual.device.type, enabled=False):
            projected = self._project_words(words, word_mask)
            fused, attention = zip(*map(self._fuse, visual, projected), strict=True)
        features = torch.cat(fused)  # [B * E, X, P]
        features = features.view(*features.shape[:2], *visual.shape[2:])
        return MappedLevel(features.to(visual.dtype)), torch.stack(attention)

    def _project_words(self, words: Tensor, word_mask: Tensor) -> list[ProjectedWords]:
        """Return the projected words of each picture, computed again only if the words have changed."""
        kept = self._projected
        same = kept is not None and (
            (kept[0] is words and kept[1] is word_mask)
            or (torch.equal(kept[0], words) and torch.equal(kept[1], word_mask))
        )
        if kept is None or not same:
            kept = words, word_mask, [self._project(*picture) for picture in zip(words, word_mask, strict=True)]
            self._projected = kept
        return kept[2]

    def _project(self, words: Tensor, mask: Tensor) -> ProjectedWords:
        """Project the words [E, L, C_l] of one picture."""
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

    def _fuse(self, visual: Tensor, projected: ProjectedWords) -> tuple[Tensor, Tensor]:
        """Return X^i [E, X, P] and the word attention [E, L] for the features [C, h, w] of one picture."""
        a, c, g, seen = torch.split(self.map(visual)[0], self.sizes)  # [A, P], [A, P], [X, P], [X, P]
        a, c = a.T.contiguous(), c.T.contiguous()
        # |a . d| <= |a| |d| (Cauchy-Schwarz). This bound costs P + L lengths instead of a pass over all logits, and if
        # it is small, no exponential can overflow and no maximum has to be found and subtracted.
        reach = longest(a)
        attention, word_weights = self._attend_words(a, projected, reach * projected.longest_key)
        fused = self._pool_positions(a, c, g, attention, projected, reach * longest(c))
        own = projected.own.mT @ attention[..., None]  # [E, X, 1]
        fused += torch.baddbmm(own, projected.values.mT, word_weights)
        fused += seen
        return fused, attention

    def _pool_positions(
        self, a: Tensor, c: Tensor, g: Tensor, attention: Tensor, projected: ProjectedWords, reach: float
    ) -> Tensor:
        """Return the result of `position_attention.pool_positions` for values mapped to X^i already, [E, X, P].

        Args:
            a: Visual part of the queries times log2 e [P, A].
            c: Visual part of the keys [P, A].
            g: Visual part of the values, mapped to X^i [X, P].
            attention: Word attention of Eq. 4 [E, L].
            projected: Projections of the words.
            reach: Upper bound of all |a . c|.
        """
        position_terms, largest = exponentials(c, a, reach)  # [P', P]
        word_terms, _ = exponentials(c, projected.queries)  # [P', E L]
        normaliser = multiply(word_terms.T, position_terms.T)  # [E L, P]
        # Without a maximum subtracted, position terms are at least 2^-90, and so is Z: it is their sum weighted by the
        # word terms, the largest of which is 1 for each word. Only otherwise can Z underflow.
        if largest is not None and bool(normaliser.amin() < SMALLEST_NORMALISER):
            logits = (a @ c.T)[None] / LOG2_E, (projected.queries @ c.T).view(1, *attention.shape, -1) / LOG2_E
            return pool_positions_query_by_query(*logits, g.T[None], attention[None])[0].mT
        shares = attention[..., None] / normaliser.view(*attention.shape, -1)  # [E, L, P]
        pooled = []
        for terms, share in zip(torch.split(word_terms, attention.shape[1], dim=1), shares, strict=True):
            mixed = multiply(terms, share.T).mul_(position_terms)  # [P', P]
            pooled.append(multiply(g, mixed.T))
        return torch.stack(pooled)

    def _attend_words(self, a: Tensor, projected: ProjectedWords, reach: float) -> tuple[Tensor, Tensor]:
        """Return the word attention [E, L] and sum_n a_n T_pn [E, L, P], like `CrossModalSelfAttention.attend_words`.

        Args:
            a: Visual part of the queries times log2 e [P, A].
            projected: Projections of the words.
            reach: Upper bound of all |a . d|.
        """
        # The keys of all expressions are in one product. Its maximum per position may belong to another expression or
        # to padding; any number may be subtracted, unless the normaliser underflows.
        terms, largest = exponentials(projected.keys, a, reach)
        alpha, beta = terms.view(*projected.mask.shape, -1), projected.exponentials  # [E, L', P], [E, L, L']
        normaliser = beta @ alpha  # [E, L, P]
        if largest is not None and bool(normaliser.amin() < SMALLEST_NORMALISER):
            visual = (multiply(projected.keys, a) / LOG2_E).view(*projected.mask.shape, -1).mT  # [E, P, L']
            visual = visual.masked_fill(~projected.mask[:, None], float("-inf"))
            exact = self.attention.attend_words_query_by_query
            weights, sums = exact(visual[None], projected.logits[None], projected.mask[None])
            return weights[0], sums[0].mT
        inverse = projected.mask[..., None] / normaliser
        received = (alpha * (beta.mT @ inverse)).mean(-1)
        attention = self.attention.word_attention(received, projected.mask)
        return attention, alpha * (beta.mT @ (attention[..., None] * inverse))
