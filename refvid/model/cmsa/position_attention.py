"""The attention to positions inside CMSA, pooled over words without a matrix of all pairs (see `cross_modal`)."""

import torch
from torch import Tensor

# The gradient contains 1 / Z^2, which must not overflow, so that Z must stay far above the smallest float32.
SMALLEST_NORMALISER = 1e-12


def pool_positions(a: Tensor, b: Tensor, c: Tensor, g: Tensor, word_weights: Tensor) -> Tensor:
    """Return sum_n w_n sum_p' softmax_p'((a_p + b_n) . c_p') g_p', computed with one P x P matrix for all words.

    Args:
        a: Visual part of the queries [B, P, A].
        b: Word part of the queries [B, E, L, A].
        c: Visual part of the keys [B, P, A].
        g: Visual part of the values [B, P, A].
        word_weights: w_n [B, E, L], zero for padding.

    Returns:
        [B, E, P, A], in float32 or wider.
    """
    position_logits = a @ c.transpose(1, 2)  # [B, P, P]
    word_logits = b @ c[:, None].transpose(2, 3)  # [B, E, L, P]
    # exp(q . c) = exp(a . c) exp(b . c). Either factor may be scaled by a constant per row, which cancels in the
    # softmax, so each row's maximum is subtracted before exp; it is detached because its gradient is zero.
    position_terms = torch.exp(position_logits - position_logits.detach().amax(-1, keepdim=True))
    word_terms = torch.exp(word_logits - word_logits.detach().amax(-1, keepdim=True))
    normaliser = position_terms[:, None] @ word_terms.transpose(2, 3)  # [B, E, P, L]
    if bool(normaliser.detach().amin() < SMALLEST_NORMALISER):
        return pool_positions_query_by_query(position_logits, word_logits, g, word_weights)
    # The sum over words comes first: it leaves one P x P matrix of position weights per expression.
    mixed = (word_weights[:, :, None] / normaliser) @ word_terms  # [B, E, P, P]
    return (mixed * position_terms[:, None]) @ g[:, None]


def pool_positions_word_by_word(
    a: Tensor, b: Tensor, c: Tensor, g: Tensor, word_weights: Tensor, dtype: torch.dtype
) -> Tensor | None:
    """Return the result of `pool_positions` for expressions that share their words.

    Args:
        a: Visual part of the queries [B, P, A].
        b: Word part of the queries for the U different words of a picture [B, U, A].
        c: Visual part of the keys [B, P, A].
        g: Visual part of the values [B, P, A].
        word_weights: Weight of each of the U words in each expression [B, E, U].
        dtype: Type of the two large products; smaller ones, like that for Z, keep the type of `a`.

    Returns:
        [B, E, P, A] in the type of `g`, or None if a normaliser underflows.
    """
    products = _sum_positions(a, b, c, g, dtype)
    if products is None:
        return None
    summed, normaliser = products
    shares = (word_weights[:, None] / normaliser[:, :, None]).to(dtype)  # [B, P, E, U]
    return (shares @ summed).transpose(1, 2).to(g.dtype)


def attend_positions(a: Tensor, b: Tensor, c: Tensor, g: Tensor) -> Tensor | None:
    """Return sum_p' softmax_p'((a_p + b_u) . c_p') g_p' for every word u.

    Args:
        a: Visual part of the queries [B, P, A].
        b: Word part of the queries for U words of a picture [B, U, A].
        c: Visual part of the keys [B, P, A].
        g: Visual part of the values [B, P, A].

    Returns:
        [B, U, P, A], or None if a normaliser underflows.
    """
    products = _sum_positions(a, b, c, g, g.dtype)
    if products is None:
        return None
    summed, normaliser = products
    return (summed / normaliser[..., None]).transpose(1, 2)


def _sum_positions(a: Tensor, b: Tensor, c: Tensor, g: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
    """Return A (X_u * g) for every position and word, [B, P, U, A] in `dtype`, and Z [B, P, U]; None on underflow.

    The arguments are those of `pool_positions_word_by_word`.
    """
    position_logits = a @ c.transpose(1, 2)  # [B, P, P]
    word_logits = b @ c.transpose(1, 2)  # [B, U, P]
    position_terms = torch.exp(position_logits - position_logits.detach().amax(-1, keepdim=True))
    word_terms = torch.exp(word_logits - word_logits.detach().amax(-1, keepdim=True)).transpose(1, 2)  # [B, P, U]
    normaliser = position_terms @ word_terms
    if bool(normaliser.detach().amin() < SMALLEST_NORMALISER):
        return None
    # The values of all words side by side, [P', U A], make the sums over positions a single product with A.
    weighted = word_terms.to(dtype)[..., None] * g.to(dtype)[:, :, None]
    return (position_terms.to(dtype) @ weighted.flatten(2)).view(weighted.shape), normaliser


def pool_positions_query_by_query(
    position_logits: Tensor, word_logits: Tensor, g: Tensor, word_weights: Tensor
) -> Tensor:
    """Return the result of `pool_positions` with one softmax per query, which is slower but safe for any logits.

    Args:
        position_logits: a c^T [B, P, P].
        word_logits: b c^T [B, E, L, P].
        g: Visual part of the values [B, P, A].
        word_weights: w_n [B, E, L], zero for padding.
    """
    pooled = torch.zeros_like(position_logits[:, None]).repeat(1, word_logits.shape[1], 1, 1)
    for word in range(word_logits.shape[2]):
        logits = position_logits[:, None] + word_logits[:, :, word, None]
        pooled = pooled + word_weights[:, :, word, None, None] * logits.softmax(-1)
    return pooled @ g[:, None]
