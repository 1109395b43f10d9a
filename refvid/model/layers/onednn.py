"""Products and convolutions by oneDNN, through the private operators that PyTorch's own compiler uses.

No other file calls these operators. A release of PyTorch may change them, and not every CPU supports them: in bfloat16
they raise an error on an x86 CPU without AVX-512. So each is tried once per process and dtype on a tiny example.
Callers of `multiply` and `convolve` must first check `multiplies`, `convolves` or `clamps`; unless the trial gave the
right result, they use PyTorch's public functions instead.
"""

import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

# Padding, stride, dilation and groups of a convolution, in the order of the operators' arguments.
Geometry = tuple[list[int], list[int], list[int], int]

Activation = Literal["none", "relu", "relu6"]
# The operators' names of the activations, and the scalars that each takes.
_ACTIVATIONS: dict[Activation, tuple[str | None, list[float]]] = {
    "none": (None, []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}
_answers: dict[tuple[Callable[[torch.dtype], bool], torch.dtype], bool] = {}
_asking = threading.Lock()


def computing_dtype(values: Tensor) -> torch.dtype | None:
    """Return the dtype in which oneDNN should compute with these values: float32, or bfloat16 under autocast.

    Return None where oneDNN must not be used: off the CPU, for other dtypes, and wherever gradients may flow.
    """
    if values.device.type != "cpu" or torch.is_grad_enabled():
        return None
    mixed = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if mixed else torch.float32
    known = (torch.float32, torch.bfloat16) if mixed else (torch.float32,)
    return dtype if values.dtype in known and dtype in known else None


def multiply(rows: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    """Return rows columns^T + bias, [..., N].

    Args:
        rows: Contiguous, [..., K].
        columns: Contiguous or the transpose of a contiguous matrix, [N, K].
        bias: [N]; None for none.
    """
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise.default(rows, columns, bias, "none", [], ""))


def pack(weight: Tensor, geometry: Geometry, size: torch.Size) -> Tensor:
    """Reorder the weight [C', C, k, k] of a convolution as oneDNN prefers for features of the size [B, C, h, w]."""
    return cast(Tensor, torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry, list(size)))


def convolve(
    features: Tensor, other: Tensor | None, packed: Tensor, bias: Tensor | None, geometry: Geometry, after: Activation
) -> Tensor:
    """Convolve features, add another term if there is one, and apply an activation: [B, C', h', w'].

    Args:
        features: [B, C, h, w], in the dtype of the weight.
        other: Term added before the activation, [B, C', h', w'], in the same dtype; None for none.
        packed: Weight as reordered by `pack`.
        bias: [C']; None for none.
        geometry: Padding, stride, dilation and groups of the convolution.
        after: Name of the activation; "relu6" requires that `clamps` is true and `other` is None.
    """
    operator, (name, bounds) = torch.ops.mkldnn._convolution_pointwise, _ACTIVATIONS[after]
    # Named overloads: PyTorch takes longer to choose one by itself than oneDNN takes for a small convolution.
    if other is None:
        return cast(Tensor, operator.default(features, packed, bias, *geometry, name or "none", bounds, ""))
    return cast(Tensor, operator.binary(features, other, packed, bias, *geometry, "add", 1.0, name, bounds, ""))


def multiplies(dtype: torch.dtype) -> bool:
    """Return whether `multiply` gives the right products on this machine in this dtype."""
    return _ask(_try_products, dtype)


def convolves(dtype: torch.dtype) -> bool:
    """Return whether `pack` and `convolve` give the right convolutions on this machine in this dtype."""
    return _ask(_try_convolutions, dtype)


def clamps(dtype: torch.dtype) -> bool:
    """Return whether `convolve` also gives the right results with ReLU6 and no other term, in this dtype."""
    return _ask(_try_clamping, dtype)


def _ask(trial: Callable[[torch.dtype], bool], dtype: torch.dtype) -> bool:
    """Return the result of a trial, which runs only once per process and dtype, even if several threads call."""
    answer = _answers.get((trial, dtype))
    if answer is None:
        with _asking:
            answer = _answers.get((trial, dtype))
            if answer is None:
                answer = _answers[trial, dtype] = _succeeds(trial, dtype)
    return answer


def _succeeds(trial: Callable[[torch.dtype], bool], dtype: torch.dtype) -> bool:
    """Run a trial and return whether it succeeds; an exception counts as failure, and warnings are silenced.

    The trial runs in a new thread, where the caller's autocast, fake tensors and other modes are not active.
    """
    answers: list[bool] = []

    def run() -> None:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            # The operators are undocumented, so that any exception is possible.
            with suppress(Exception):
                answers.append(trial(dtype))

    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        thread = threading.Thread(target=run, name="refvid trial")
        thread.start()
        thread.join()
    return answers == [True]


def _try_products(dtype: torch.dtype) -> bool:
    rows, columns, bias = _integers(6, 16, dtype=dtype), _integers(8, 16, dtype=dtype), _integers(8, dtype=dtype)
    plain = F.linear(rows.double(), columns.double())
    for n, b in product((columns, columns.T.contiguous().T), (None, bias)):
        if not _same(multiply(rows, n, b), plain if b is None else plain + b.double(), dtype):
            return False
    return True


def _try_convolutions(dtype: torch.dtype) -> bool:
    return _try_activations(dtype, {"none": lambda summed: summed, "relu": F.relu}, sums=True)


def _try_clamping(dtype: torch.dtype) -> bool:
    return _try_activations(dtype, {"relu6": F.relu6}, sums=False)


def _try_activations(
    dtype: torch.dtype, activations: dict[Activation, Callable[[Tensor], Tensor]], *, sums: bool
) -> bool:
    features = _integers(1, 8, 7, 6, dtype=dtype).contiguous(memory_format=torch.channels_last)
    bias = _integers(8, dtype=dtype)
    for kernel, padding, stride, groups in ((3, 1, 2, 1), (1, 0, 1, 1), (3, 1, 1, 8)):
        weight = _integers(8, 8 // groups, kernel, kernel, dtype=dtype)
        geometry: Geometry = ([padding] * 2, [stride] * 2, [1, 1], groups)
        packed = pack(weight, geometry, features.shape)
        plain = F.conv2d(features.double(), weight.double(), bias.double(), stride, padding, 1, groups)
        others = (None, _integers(*plain.shape, dtype=dtype)) if sums else (None,)
        for (after, activate), other in product(activations.items(), others):
            expected = activate(plain if other is None else plain + other.double())
            if not _same(convolve(features, other, packed, bias, geometry, after), expected, dtype):
                return False
    return True


def _integers(*shape: int, dtype: torch.dtype) -> Tensor:
    """Return a tensor of -1, 0 and 1: its sums of products are integers below 2^8, which every dtype represents."""
    count = torch.Size(shape).numel()
    whole = torch.arange(count, dtype=torch.int64, device="cpu")
    return (whole.square().add_(whole // 7) % 3 - 1).to(dtype).view(shape)


def _same(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Return whether a result has the expected dtype and values; all are integers, so that an error is at least 1."""
    return found.dtype == dtype and found.shape == expected.shape and torch.allclose(found.double(), expected, atol=0.1)
