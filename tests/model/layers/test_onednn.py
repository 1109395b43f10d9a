"""What PyTorch's private operators are asked, and what happens when they refuse, lie, warn or are not there."""

import platform
import threading
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from refvid.model.fast.convolution import PackedConvolution
from refvid.model.layers import onednn
from refvid.model.layers.products import multiply

OPERATORS = ("_linear_pointwise", "_convolution_pointwise", "_reorder_convolution_weight")


@pytest.fixture(autouse=True)
def _unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been asked yet, nothing that a test made believe is remembered, and no product is too small."""
    monkeypatch.setattr(onednn, "_answers", {})
    monkeypatch.setattr("refvid.model.layers.products.SMALL_PRODUCT", 0)


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def refuse(*_: object) -> Tensor:
    raise RuntimeError("bf16 path needs the cpu support avx_ne_convert or avx512bw, avx512vl and avx512dq")


def lie(*given: Any) -> Tensor:
    return F.linear(given[0], given[1]).add_(1)


def narrow(*given: Any) -> Tensor:
    return F.linear(*given[:3]).bfloat16()


def replaced(monkeypatch: pytest.MonkeyPatch, operator: Callable[..., Tensor]) -> None:
    """Put a function in the place of all three operators and their overloads."""
    operator.default = operator.binary = operator  # type: ignore[attr-defined]
    for name in OPERATORS:
        monkeypatch.setattr(torch.ops.mkldnn, name, operator)


def test_the_examples_are_exact_in_every_dtype_and_tell_things_apart() -> None:
    whole = onednn._integers(8, 72, dtype=torch.bfloat16)
    assert set(whole.unique().tolist()) == {-1.0, 0.0, 1.0}
    products = whole.double() @ whole.double().T
    assert products.unique().numel() > 4
    assert products.abs().max() + 2 < 2**8, "bfloat16 holds whole numbers up to here"


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available(),
    reason="oneDNN is there for x86; what it does on other CPUs is not known",
)
def test_float32_is_taken_on_every_x86_cpu() -> None:
    """Else a mistake in a trial would only make everything slow."""
    assert onednn.multiplies(torch.float32)
    assert onednn.convolves(torch.float32)
    assert onednn.clamps(torch.float32)


@pytest.mark.parametrize("operator", [refuse, lie, narrow, None])
@torch.no_grad()
def test_anything_but_the_right_answer_means_the_plain_path(
    operator: Callable[..., Tensor] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if operator is None:
        monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    else:
        replaced(monkeypatch, operator)
    assert not onednn.multiplies(torch.float32)
    assert not onednn.convolves(torch.float32)
    assert not onednn.clamps(torch.float32)
    rows, columns = numbers(150, 40), numbers(130, 40)
    assert torch.equal(multiply(rows, columns), F.linear(rows, columns))
    convolution, features = nn.Conv2d(8, 16, 3, padding=1), numbers(2, 8, 10, 14)
    packed = PackedConvolution(convolution, relu=True)
    assert torch.equal(packed(features), convolution(features).relu())
    other = numbers(2, 16, 10, 14)
    assert torch.equal(packed(features, other), (convolution(features) + other).relu())


@torch.no_grad()
def test_an_activation_that_is_wrong_is_noticed_and_taken_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is right but for ReLU6, which it takes for ReLU."""
    right, activations = onednn.convolves(torch.float32), dict(onednn._ACTIVATIONS)
    monkeypatch.setattr(onednn, "_ACTIVATIONS", activations | {"relu6": activations["relu"]})
    assert not onednn.clamps(torch.float32)
    assert onednn.convolves(torch.float32) == right
    convolution, features = nn.Conv2d(8, 16, 3, padding=1), 20 * numbers(2, 8, 10, 14)
    found = PackedConvolution(convolution, relu6=True)(features)
    assert found.max() == 6
    torch.testing.assert_close(found, F.relu6(convolution(features)), rtol=1e-5, atol=1e-4)


@torch.no_grad()
def test_bfloat16_without_the_operators_is_the_plain_convolution_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, refuse)
    convolution, features = nn.Conv2d(8, 16, 3, padding=1), numbers(2, 8, 10, 14)
    packed = PackedConvolution(convolution)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = packed(features), convolution(features)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    torch.testing.assert_close(found.float(), convolution(features), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_the_operators_may_do_they_do_right(dtype: torch.dtype) -> None:
    """On examples of another kind than those of the trial; a CPU may refuse either dtype."""
    rows, columns, bias = (values.to(dtype) for values in (numbers(30, 40), numbers(20, 40), numbers(20)))
    features, weight = numbers(1, 8, 9, 11).to(dtype), numbers(20, 4, 3, 3).to(dtype)
    geometry: onednn.Geometry = ([2, 2], [1, 1], [2, 2], 2)
    close: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-2}
    with torch.inference_mode():
        if onednn.multiplies(dtype):
            expected = F.linear(rows.double(), columns.double(), bias.double())
            torch.testing.assert_close(onednn.multiply(rows, columns, bias).double(), expected, **close)
        if onednn.convolves(dtype):
            packed = onednn.pack(weight, geometry, features.shape)
            found = onednn.convolve(features, None, packed, bias, geometry, "relu")
            expected = F.conv2d(features.double(), weight.double(), bias.double(), 1, 2, 2, 2).relu()
            torch.testing.assert_close(found.double(), expected, **close)


def test_each_is_asked_once_whichever_threads_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.dtype] = []

    def trial(dtype: torch.dtype) -> bool:
        asked.append(dtype)
        time.sleep(0.05)  # time for the others to ask too
        return dtype == torch.float32

    monkeypatch.setattr(onednn, "_try_products", trial)
    together, answers = threading.Barrier(4), []

    def ask() -> None:
        together.wait()
        answers.append((onednn.multiplies(torch.float32), onednn.multiplies(torch.bfloat16)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(True, False)] * 4
    assert sorted(asked, key=str) == [torch.bfloat16, torch.float32]


def test_no_warning_leaks_and_none_changes_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = torch.ops.mkldnn._linear_pointwise

    def warn(*given: object) -> Tensor:
        warnings.warn("this operator is not for you", stacklevel=1)
        return operator(*given)

    quiet = onednn.multiplies(torch.float32)
    monkeypatch.setattr(onednn, "_answers", {})
    replaced(monkeypatch, warn)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert onednn.multiplies(torch.float32) == quiet
    assert caught == []


def test_modes_of_the_caller_do_not_change_the_answer() -> None:
    """A benchmark counts operations with tensors that have no values."""
    plain = onednn.multiplies(torch.float32), onednn.convolves(torch.float32)
    onednn._answers.clear()
    with FakeTensorMode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert (onednn.multiplies(torch.float32), onednn.convolves(torch.float32)) == plain
    state = torch.get_rng_state()
    onednn._answers.clear()
    onednn.convolves(torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), state), "nor does a trial change anything of the caller's"
