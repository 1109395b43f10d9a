"""The table of word vectors: directions, classes, and the file it is read from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from refvid.errors import WeightsError
from refvid.model.layers.word_vectors import WORDS, WordVectorTable, encode_words, load_table


def tensors() -> dict[str, torch.Tensor]:
    return {
        "vectors": torch.tensor([[127, 0], [-3, 4], [10, -127]], dtype=torch.int8),
        "class_starts": torch.tensor([0, 2, 2, 3], dtype=torch.int32),
        "class_indices": torch.tensor([151, 999, 0], dtype=torch.int16),
        "class_shares": torch.tensor([255, 51, 204], dtype=torch.uint8),
    }


def test_vectors_have_unit_length_and_unknown_words_none() -> None:
    found = WordVectorTable(**tensors())(torch.tensor([[0, 1, 2], [3, 4, 0]]))
    assert found.shape == (2, 3, 2)
    torch.testing.assert_close(found[0], torch.tensor([[0.0, 0], [0, 0], [1, 0]]))
    torch.testing.assert_close(found[1, 0], torch.tensor([-0.6, 0.8]))
    torch.testing.assert_close(found.norm(dim=-1), torch.tensor([[0.0, 0, 1], [1, 1, 0]]))


def test_classes_are_those_of_each_word() -> None:
    ids = torch.tensor([[0, 4, 2], [1, 3, 2]])
    found = WordVectorTable(**tensors()).class_weights(ids)
    expected = torch.zeros(2, 3, 1000)
    for place in ((0, 2), (1, 2)):
        expected[(*place, 151)], expected[(*place, 999)] = 1.0, 0.2
    expected[0, 1, 0] = 0.8
    torch.testing.assert_close(found, expected)


def test_a_table_travels_in_a_checkpoint_and_is_not_learnt() -> None:
    table, other = WordVectorTable(**tensors()), WordVectorTable.empty(3, 2, 3)
    assert not other(torch.tensor([2])).any()
    other.load_state_dict(table.state_dict())
    ids = torch.arange(5)
    assert torch.equal(other(ids), table(ids))
    assert torch.equal(other.class_weights(ids), table.class_weights(ids))
    assert not list(table.parameters())


def test_a_file_is_read_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_file(tensors() | {WORDS: encode_words(("dog", "café", "man"))}, path)
    words, table = load_table(path)
    assert words == ("dog", "café", "man")
    assert torch.equal(table.vectors, tensors()["vectors"])
    save_file(tensors() | {WORDS: encode_words(("dog", "man"))}, path)
    with pytest.raises(WeightsError, match="holds 2 words, but vectors of 3"):
        load_table(path)
    save_file(tensors(), path)
    with pytest.raises(WeightsError, match="is not a table of word vectors"):
        load_table(path)
    path.write_bytes(b"else")
    with pytest.raises(WeightsError, match="is not a table of word vectors"):
        load_table(path)
