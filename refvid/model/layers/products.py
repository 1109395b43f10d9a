"""Products of matrices and exponentials as inference on the CPU does them fastest.

PyTorch has two libraries for a product in float32 on the CPU. `torch.matmul` takes MKL, which computes at less than
half of oneDNN's rate on processors that are not Intel's. The same holds for `torch.exp`, which is MKL's, and
`torch.exp2`, which is not (`benchmarks/profile_stages.py` measures all four).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.layers import onednn

LOG2_E = math.log2(math.e)
# Of base-2 logits whose exponentials are taken as they are. 2^90 times ten thousand positions times a value of a
# thousand is below the largest float32, 2^128, and 2^-90 is above the smallest.
LARGEST_LOGIT = 90.0
SMALL_PRODUCT = 500_000  # multiplications; a call of oneDNN costs as much


def takes_onednn(values: Tensor) -> bool:
    """Return whether products with these values go to oneDNN: in float32, on the CPU and in inference."""
    return onednn.computing_dtype(values) == torch.float32 and onednn.multiplies(torch.float32)


def multiply(rows: Tensor, columns: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows columns^T + bias, what `F.linear` returns.

    Args:
        rows: [..., K].
        columns: [N, K].
        bias: [N].

    Returns:
        [..., N].
    """
    if not takes_onednn(rows) or rows.numel() * len(columns) < SMALL_PRODUCT:
        return F.linear(rows, columns, bias)
    # oneDNN reads columns that are a transposed [K, N] too; anything else would cost a thousand times as much.
    rows = rows.contiguous()
    columns = columns if columns.T.is_contiguous() else columns.contiguous()
    return onednn.multiply(rows, columns, bias)


def exponentials(keys: Tensor, queries: Tensor, reach: float | None = None) -> tuple[Tensor, Tensor | None]:
    """Return 2^(k_m . q_n - s_n) of every key and query.

    Args:
        keys: [M, K].
        queries: [N, K].
        reach: What no |k_m . q_n| exceeds; None: not known.

    Returns:
        [M, N], and s [N], the largest logit of each query, or None for s = 0 where the reach allows it.
    """
    logits = multiply(keys, queries)
    largest = None
    if reach is None or not reach < LARGEST_LOGIT:
        largest = logits.amax(0)
        logits -= largest
    return logits.exp2_(), largest


def tanh(values: Tensor) -> Tensor:
    """Return the hyperbolic tangent; in inference to 2e-7, by the logistic function, which is the faster."""
    return torch.sigmoid(2 * values).mul_(2).sub_(1) if takes_onednn(values) else torch.tanh(values)


def longest(rows: Tensor) -> float:
    """Return the largest length |r_n| of rows [N, K]."""
    return math.sqrt(float(rows.square().sum(-1).amax()))


def widen(values: Tensor) -> Tensor:
    """Return values in float32 or wider, for a softmax."""
    return values if values.dtype == torch.float64 else values.float()
