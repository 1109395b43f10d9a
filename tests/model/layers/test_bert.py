"""BERT's word pieces and sentence vector, and where its first weights come from, against `transformers` itself."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertForPreTraining, BertModel, BertTokenizerFast  # type: ignore[attr-defined]  # made lazily

from refvid.data.sample import Sample, collate
from refvid.errors import RefvidError, UnavailableError, UsageError, WeightsError
from refvid.model.layers.bert import BertSentence, WordPieces
from refvid.model.refvos.config import RefvosConfig, refvos_tiny_config
from refvid.model.refvos.network import build_refvos
from refvid.train.bert_weights import DEFAULT_BERT, load_bert, read_pieces

PIECES = (
    *("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "dog", "in", "man", "red", "the", "um"),
    *("##brella", "##s", "s", ",", "'", "with", "yellow"),
)


def bert_config(pieces: tuple[str, ...] = PIECES, **changes: object) -> RefvosConfig:
    """The tiny network in miniature, with a BERT of three layers."""
    small = dict(backbone_channels=(4, 4, 8, 8, 8), aspp_channels=8, aspp_rates=(1, 2), input_size=64)
    bert = dict(embedding_channels=8, bert_layers=3, bert_heads=2, bert_inner_channels=16, bert_positions=24)
    config = refvos_tiny_config(pieces).replace(name="bert", language="bert", bert_taught_layers=2, **small, **bert)
    return config.replace(**changes)


def encoder(taught_layers: int = 2) -> BertSentence:
    torch.manual_seed(2)
    return BertSentence(
        pieces=len(PIECES), channels=8, layers=3, heads=2, inner_channels=16, positions=24, taught_layers=taught_layers
    )


def spelt(ids: Tensor) -> list[list[str]]:
    return [[PIECES[index] for index in row] for row in ids]


def test_words_come_apart_into_pieces_between_first_and_last() -> None:
    ids = WordPieces(PIECES).encode(["Red dogs, the UMBRELLA", "a dög"])
    assert ids.dtype == torch.int64
    assert spelt(ids) == [
        ["[CLS]", "red", "dog", "##s", ",", "the", "um", "##brella", "[SEP]"],
        ["[CLS]", "a", "dog", "[SEP]", *["[PAD]"] * 5],
    ]
    assert (ids[1] == 0).tolist() == [False] * 4 + [True] * 5
    assert WordPieces(PIECES).ids["##brella"] == PIECES.index("##brella")


@pytest.mark.parametrize("most", [20, 6])
def test_they_are_those_of_transformers(most: int) -> None:
    expressions = [
        "the man's  dog, with a red umbrella in the yellow umbrellas",
        "Mañ in the\tRED, red",
        "zebra with 猫 dogs",
        "man-dog",
        "a",
    ]
    judge = BertTokenizerFast(vocab={piece: index for index, piece in enumerate(PIECES)})
    expected = judge(expressions, truncation=True, max_length=most, padding=True, return_tensors="pt")["input_ids"]
    assert torch.equal(WordPieces(PIECES, most).encode(expressions), expected)


def test_the_cut_drops_the_tail_and_says_what() -> None:
    pieces = WordPieces(PIECES, 6)
    assert pieces.max_words == 4
    long = "Red dog, the UMBRELLA in a dog"
    assert spelt(pieces.encode([long])) == [["[CLS]", "red", "dog", ",", "the", "[SEP]"]]
    assert pieces.dropped_words(long) == ("umbrella", "in", "a", "dog")
    in_two = "red dog the umbrella"
    assert spelt(pieces.encode([in_two])) == [["[CLS]", "red", "dog", "the", "um", "[SEP]"]]
    assert pieces.dropped_words(in_two) == ("umbrella",)
    assert pieces.dropped_words("red dogs ,") == ()
    assert pieces.dropped_words("red dog the man ,") == ()


def test_words_that_no_pieces_make_up_are_unknown() -> None:
    pieces = WordPieces(PIECES)
    assert pieces.unknown_words("the zebra, a man's dogs with the zebra in dogged red") == ("zebra", "dogged")
    assert spelt(pieces.encode(["zebra dog"])) == [["[CLS]", "[UNK]", "dog", "[SEP]"]]


def test_marks_in_an_expression_mean_nothing() -> None:
    """Who writes [SEP] does not end the sentence there."""
    assert spelt(WordPieces(PIECES).encode(["a [SEP]"]))[0].count("[SEP]") == 1


@pytest.mark.parametrize("expression", ["", " ,", "!?"])
def test_an_expression_without_words_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="has no words; name an object"):
        WordPieces(PIECES).encode(["dog", expression])


def test_a_batch_is_encoded_and_knows_the_true_words_by_their_ids() -> None:
    regions = np.zeros((1, 16, 24), dtype=np.bool_)
    regions[:, :8] = True
    sample = Sample(
        frames=np.zeros((1, 16, 24, 3), dtype=np.uint8),
        frame_mask=np.ones(1, dtype=np.bool_),
        expressions=("red dog", "the dogs in red"),
        masks=np.concatenate([regions, regions]),
        regions=regions,
        region_words=(frozenset({"red", "dog", "zebra"}),),
    )
    batch = collate([sample], WordPieces(PIECES), (16, 24))
    assert batch.word_ids.shape == (1, 2, 7)
    assert batch.region_words is not None
    assert batch.region_words[0, 0].nonzero().flatten().tolist() == [PIECES.index("dog"), PIECES.index("red")]


def test_the_vector_is_the_last_state_of_the_first_piece() -> None:
    module = encoder().double()
    ids = WordPieces(PIECES).encode(["red dogs", "a man", "umbrella", "the dog in the red"]).view(2, 2, -1)
    sentences, mask = module(ids)
    assert sentences.shape == (2, 2, 1, 8)
    assert mask.shape == (2, 2, 1)
    assert mask.dtype == torch.bool
    assert mask.all()
    for row, expected in zip(ids.flatten(0, 1), sentences.flatten(0, 2), strict=True):
        alone = module.bert(row[row != 0][None]).last_hidden_state[0, 0]
        torch.testing.assert_close(expected, alone, rtol=1e-10, atol=1e-12)
    longer, _ = module(torch.nn.functional.pad(ids, (0, 7)))
    torch.testing.assert_close(longer, sentences, rtol=1e-10, atol=1e-12)


def test_nothing_is_dropped_in_training_and_only_the_first_layers_learn() -> None:
    module = torch.nn.Sequential(encoder(taught_layers=2)).train()
    assert not any(part.training for part in module[0].bert.modules())
    assert module[0].training
    ids = WordPieces(PIECES).encode(["red dog"])[None]
    first, second = module(ids)[0], module(ids)[0]
    assert torch.equal(first, second)
    first.square().sum().backward()
    taught = {name for name, parameter in module[0].bert.named_parameters() if parameter.grad is not None}
    every = {name for name, _ in module[0].bert.named_parameters()}
    assert taught == {name for name in every if name.startswith(("encoder.layer.0.", "encoder.layer.1."))}
    assert len(taught) == 32


def test_without_the_packages_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnavailableError, match=r'needs the package transformers; pip install "refvid\[bert\]"'):
        encoder()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    unread = WordPieces((*PIECES, "not read so far"))
    with pytest.raises(UnavailableError, match=r'needs the package tokenizers; pip install "refvid\[bert\]"'):
        unread.encode(["dog"])


def write_bert(folder: Path, *, older: bool = False) -> BertModel:
    """Save a random BERT as `transformers` does, or as the first release lies on the Hub; return its bare part."""
    torch.manual_seed(6)
    config = encoder().bert.config
    if not older:
        bare = BertModel(config).eval()
        bare.save_pretrained(folder)
    else:
        whole = BertForPreTraining(config).eval()
        bare = whole.bert
        weights = {}
        for name, value in whole.state_dict().items():
            if "LayerNorm" in name:
                name = name.replace("weight", "gamma").replace("bias", "beta")
            weights[name] = value.clone()
        weights["bert.embeddings.position_ids"] = torch.arange(24)[None]
        folder.mkdir(exist_ok=True)
        save_file(weights, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    return bare


@pytest.mark.parametrize("older", [False, True])
def test_first_weights_are_those_of_transformers(tmp_path: Path, older: bool) -> None:
    bare = write_bert(tmp_path, older=older)
    assert read_pieces(str(tmp_path)) == PIECES
    network = build_refvos(bert_config())
    load_bert(network, str(tmp_path))
    ids = WordPieces(PIECES).encode(["red dog", "umbrellas"])
    expected = bare(ids, attention_mask=(ids != 0).long()).last_hidden_state[:, 0]
    torch.testing.assert_close(network.embedding(ids)[0][:, 0], expected)
    taught = {name.split(".")[3] for name, value in network.embedding.named_parameters() if value.requires_grad}
    assert taught == {"0", "1"}, "the layers that learn are still the same"


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_bert(tmp_path)
    where = str(tmp_path)
    with pytest.raises(
        WeightsError, match=r"has 20 word pieces, but the model has 21; its vocabulary must be the vocab"
    ):
        load_bert(build_refvos(bert_config((*PIECES, "more"))), where)
    with pytest.raises(WeightsError, match=r"not a BERT of 2 layers: 16 are unknown \(encoder\.layer\.2"):
        load_bert(build_refvos(bert_config(bert_layers=2)), where)
    with pytest.raises(
        WeightsError, match=r"a BERT of other sizes: encoder\.layer\.0\.intermediate\.dense\.(bias|weight) has"
    ):
        load_bert(build_refvos(bert_config(bert_inner_channels=12)), where)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"1 parameters are missing \(encoder\.layer\.1\.output\.dense\.bias\)"):
        load_bert(build_refvos(bert_config()), where)
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="is damaged"):
        load_bert(build_refvos(bert_config()), where)
    sentence = build_refvos(bert_config().replace(language="sentence"))
    with pytest.raises(UsageError, match="this model has no BERT"):
        load_bert(sentence, where)


def refused(content: bytes, folder: Path) -> str:
    folder.joinpath("vocab.txt").write_bytes(content)
    with pytest.raises(RefvidError) as caught:
        read_pieces(str(folder))
    return str(caught.value)


def test_lists_of_pieces_that_are_none_are_refused(tmp_path: Path) -> None:
    def lines(pieces: Sequence[str]) -> bytes:
        return "\n".join(pieces).encode()

    assert "does not contain the word pieces of a BERT; expected [PAD] first" in refused(lines(PIECES[1:]), tmp_path)
    assert "does not contain the word pieces of a BERT" in refused(lines(["[PAD]", "dog"]), tmp_path)
    assert "lists a word piece twice" in refused(lines([*PIECES, "dog"]), tmp_path)
    assert "cannot be read as a list of word pieces" in refused(b"[PAD]\n\xff", tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(WeightsError, match=r"contains no vocab\.txt; expected a BERT"):
        read_pieces(str(tmp_path))
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(PIECES).encode())
    assert read_pieces(str(tmp_path)) == PIECES


def test_without_a_connection_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"vocab\.txt of the BERT 'google-bert/bert-base-uncased' is not in the"):
        read_pieces(DEFAULT_BERT)
    with pytest.raises(UnavailableError, match=r"give a folder that contains model\.safetensors and vocab\.txt"):
        load_bert(build_refvos(bert_config()), DEFAULT_BERT)
    with pytest.raises(UsageError, match="there is no folder 'gone' with BERT's weights"):
        read_pieces("gone")
