"""Products, exponentials and the hyperbolic tangent against PyTorch's, in every order of the numbers in memory."""

import math
import time

import pytest
import torch
from torch.nn import functional as F

from refvid.model.layers import products
from refvid.model.layers.products import LARGEST_LOGIT, exponentials, longest, multiply, takes_onednn, tanh


def numbers(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))) * scale


ORDERS = {
    "in a row": lambda x: x,
    "transposed": lambda x: x.T.contiguous().T,
    "a part of rows": lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
    "every other row": lambda x: x.repeat_interleave(2, 0)[::2],
}


@pytest.mark.parametrize("rows", ORDERS)
@pytest.mark.parametrize("columns", ORDERS)
@torch.no_grad()
def test_products_are_those_of_linear(rows: str, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "SMALL_PRODUCT", 0)
    x, weight, bias = numbers(150, 40), numbers(130, 40), numbers(130)
    assert takes_onednn(x)
    began = time.process_time()
    found = multiply(ORDERS[rows](x), ORDERS[columns](weight), bias)
    assert time.process_time() - began < 1, "oneDNN's reference code would take seconds"
    torch.testing.assert_close(found, F.linear(x, weight, bias), rtol=1e-5, atol=1e-5)


def test_products_can_be_learnt_through() -> None:
    x, weight = numbers(150, 40).requires_grad_(), numbers(130, 40).requires_grad_()
    multiply(x, weight).square().sum().backward()
    assert x.grad is not None
    assert weight.grad is not None


@torch.no_grad()
def test_wider_and_narrower_numbers_keep_their_type() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        assert multiply(numbers(150, 40).to(dtype), numbers(130, 40).to(dtype)).dtype == dtype
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert multiply(numbers(150, 40), numbers(130, 40)).dtype == torch.bfloat16


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("known", [False, True])
@torch.no_grad()
def test_exponentials_are_exact_whatever_their_size(scale: float, known: bool) -> None:
    """Their products with s put back are those of float64, and nothing overflows or vanishes."""
    keys, queries = numbers(60, 16), numbers(50, 16, scale=scale)
    reach = longest(keys) * longest(queries)
    found, largest = exponentials(keys, queries, reach if known else None)
    assert (largest is None) == (known and reach < LARGEST_LOGIT)
    assert found.isfinite().all()
    truth = (keys.double() @ queries.double().T) * math.log(2)
    total = found.double().sum(0).log() + (0 if largest is None else largest.double() * math.log(2))
    torch.testing.assert_close(total, truth.logsumexp(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close((found / found.sum(0)).double(), truth.softmax(0), rtol=1e-3, atol=1e-6)


def test_the_longest_row_is_found() -> None:
    assert longest(torch.tensor([[3.0, 4.0], [1.0, 0.0]])) == pytest.approx(5)


def test_the_hyperbolic_tangent_is_exact_enough_and_can_be_learnt_through() -> None:
    values = torch.linspace(-20, 20, 4001)
    with torch.no_grad():
        torch.testing.assert_close(tanh(values), torch.tanh(values), rtol=0, atol=3e-7)
    values.requires_grad_()
    assert torch.equal(tanh(values), torch.tanh(values))
