"""Matrix products and exponentials by the functions that are fastest for inference on the CPU.

PyTorch has two libraries for float32 products on the CPU. `torch.matmul` calls MKL, which on some processors not made
by Intel runs at less than half the speed of oneDNN for large matrices. For the same reason `torch.exp`, which calls
MKL, is slower there than `torch.exp2`, which does not (`benchmarks/profile_stages.py` measures all four). A call of
oneDNN takes five times as long to begin and rearranges a matrix first, so that small products are left to MKL.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.layers import onednn

LOG2_E = math.log2(math.e)
# Base-2 logits up to this size are exponentiated without subtracting their maximum. A sum over ten thousand positions
# of 2^90 times a value of a thousand is below the largest float32, 2^128, and 2^-90 is above the smallest.
LARGEST_LOGIT = 90.0
# Multiplications below which MKL is faster: by a quarter to a third for 264 x 64 x 264 and 320 x 128 x 264 numbers.
SMALL_PRODUCT = 12_000_000


def takes_onednn(values: Tensor) -> bool:
    """Return whether oneDNN computes the products with these values: in inference, on the CPU and in float32."""
    return onednn.computing_dtype(values) == torch.float32 and onednn.multiplies(torch.float32)


def multiply(rows: Tensor, columns: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows columns^T + bias, like `F.linear`.

    Args:
        rows: [..., K].
        columns: [N, K].
        bias: [N]; None for none.

    Returns:
        [..., N].
    """
    if not takes_onednn(rows) or rows.numel() * len(columns) < SMALL_PRODUCT:
        return F.linear(rows, columns, bias)
    # oneDNN also reads the transpose of a contiguous [K, N]; any other layout would take a thousand times as long.
    rows = rows.contiguous()
    columns = columns if columns.T.is_contiguous() else columns.contiguous()
    return onednn.multiply(rows, columns, bias)


def exponentials(keys: Tensor, queries: Tensor, reach: float | None = None) -> tuple[Tensor, Tensor | None]:
    """Return 2^(k_m . q_n - s_n) for every key and query.

    Args:
        keys: [M, K].
        queries: [N, K].
        reach: Upper bound of all |k_m . q_n|; None if it is unknown.

    Returns:
        The exponentials [M, N], and s [N], the largest logit of each query; or None for s = 0, where the bound shows
        that the exponentials neither overflow nor underflow.
    """
    logits = multiply(keys, queries)
    largest = None
    if reach is None or not reach < LARGEST_LOGIT:
        largest = logits.amax(0)
        logits -= largest
    return logits.exp2_(), largest


def tanh(values: Tensor) -> Tensor:
    """Return the hyperbolic tangent; in inference from the logistic function, which is faster and accurate to 2e-7."""
    return torch.sigmoid(2 * values).mul_(2).sub_(1) if takes_onednn(values) else torch.tanh(values)


def longest(rows: Tensor) -> float:
    """Return the largest Euclidean length |r_n| of the rows [N, K]."""
    return math.sqrt(float(rows.square().sum(-1).amax()))


def widen(values: Tensor) -> Tensor:
    """Convert values to float32, unless they are float64, so that a softmax of them is accurate."""
    return values if values.dtype == torch.float64 else values.float()
