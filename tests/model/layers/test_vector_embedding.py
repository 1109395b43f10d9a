"""Embeddings by word vectors: against the formula, equal for equal vectors, with rows of their own for taught words."""

import pytest
import torch
from torch import Tensor

from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.sentence import SentenceEmbedding
from refvid.model.layers.vector_embedding import VectorEmbedding, build_word_embedding
from tests.model import small


def embedding(**changes: object) -> VectorEmbedding:
    """That of `small.WORDS`, in evaluation mode."""
    torch.manual_seed(2)
    made = build_word_embedding(small.small_config("cmsa-small", **changes))
    assert isinstance(made, VectorEmbedding)
    small.fill(made)
    return made.eval()


def ids(*words: str) -> Tensor:
    return torch.tensor([2 + small.WORDS.index(word) for word in words])


@torch.no_grad()
def test_embeddings_are_those_of_the_formula() -> None:
    module = embedding().double()
    vectors = small.table_tensors()["vectors"].double()
    words = ids("dog", "red", "camel", "the")
    found, mask = module(words)
    assert mask.all()
    for row, word in zip(found, words - 2, strict=True):
        vector = vectors[word] / vectors[word].square().sum().sqrt() * 6**0.5
        inner = (module.inner.weight @ vector + module.inner.bias).clamp(min=0)
        expected = module.outer.weight @ inner + module.outer.bias + module.direct.weight @ vector
        if small.WORDS[word] in small.TAUGHT:
            expected = expected + module.own.weight[1 + small.TAUGHT.index(small.WORDS[word])]
        torch.testing.assert_close(row, expected, rtol=1e-6, atol=1e-6)  # directions are kept in float32


@torch.no_grad()
def test_words_of_one_vector_are_read_alike_unless_one_is_taught() -> None:
    square, box = embedding()(ids("square", "box"))[0]
    assert (square - box).abs().max() > 0.1
    torch.testing.assert_close(square - embedding().own.weight[1 + small.TAUGHT.index("square")], box)
    untaught = embedding(taught_words=("red",))
    square, box, dog = untaught(ids("square", "box", "dog"))[0]
    torch.testing.assert_close(square, box)
    assert (square - dog).abs().max() > 0.1


@torch.no_grad()
def test_padding_is_masked_and_an_unknown_word_has_no_vector() -> None:
    module = embedding()
    found, mask = module(torch.tensor([[[2, 3, 0], [1, 0, 0]]]))
    assert found.shape == (1, 2, 3, 8)
    assert mask.tolist() == [[[True, True, False], [True, False, False]]]
    expected = module.outer(module.inner.bias.clamp(min=0))
    torch.testing.assert_close(found[0, 1, 0], expected)


def test_in_training_a_word_is_read_alike_wherever_it_stands_and_now_and_then_without_its_row() -> None:
    module = embedding().train()
    red, dog = (int(one) for one in ids("red", "dog"))
    own = module.own.weight[1 + small.TAUGHT.index("red")]
    without = module.eval()(torch.tensor([red]))[0][0] - own
    module.train()
    kept = 0
    for _ in range(200):
        words, _ = module(torch.tensor([[red, dog, red], [dog, red, red]]))
        torch.testing.assert_close(words[0, 0].expand(3, -1), torch.stack([words[0, 2], words[1, 1], words[1, 2]]))
        torch.testing.assert_close(words[0, 1], words[1, 0])
        with_row = bool((words[0, 0] - without).abs().max() > 1e-3)
        kept += with_row
        torch.testing.assert_close(words[0, 0], without + own * with_row)
    assert 110 < kept < 170, "seven in ten"


def test_a_row_of_its_own_is_learnt_by_its_word_alone() -> None:
    module = embedding()
    module(ids("red", "dog", "box"))[0].square().sum().backward()
    assert module.own.weight.grad is not None
    assert module.own.weight.grad.any(1).nonzero().flatten().tolist() == [1 + small.TAUGHT.index("red")]
    assert {name for name, _ in module.named_parameters()} == {
        "inner.weight", "inner.bias", "outer.weight", "outer.bias", "direct.weight", "own.weight",
    }  # fmt: skip


def test_without_vectors_each_word_has_an_embedding() -> None:
    config = small.small_config("cmsa-small", vector_channels=0, class_entries=0, taught_words=())
    assert type(build_word_embedding(config)) is WordEmbedding


@pytest.mark.parametrize("name", small.OWN_SIZES)
@torch.no_grad()
def test_every_system_reads_words_by_their_vectors(name: str) -> None:
    """Masks of words with one vector are equal, and those of an expression do not depend on its padding."""
    network = small.build(name, taught_words=("red",))
    kind = SentenceEmbedding if name == "refvos-small" else VectorEmbedding
    assert isinstance(network.embedding, kind)
    features = network.enhance(small.frames(3)[None], 1)
    expressions = torch.stack([ids("the", "square"), ids("the", "box"), ids("the", "dog")])[None]
    square, box, dog = network.segment(features, expressions)[0][0]
    torch.testing.assert_close(square, box)
    assert (square - dog).abs().max() > 1e-4
    padded = torch.nn.functional.pad(expressions, (0, 3))
    torch.testing.assert_close(network.segment(features, padded)[0][0, 2], dog, rtol=1e-4, atol=1e-5)
