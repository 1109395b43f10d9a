"""The config of RefVOS: its sizes, its encoder of expressions, and the models of these sizes."""

from dataclasses import dataclass
from typing import Literal, get_args

from refvid.model.config import SMALL, TINY, BackboneName, InputShape, ModelConfig
from refvid.model.layers.bert import FIRST_PIECE, FRAME, LAST_PIECE, PAD_PIECE, UNKNOWN_PIECE

LanguageName = Literal["bert", "sentence"]


@dataclass(frozen=True)
class RefvosConfig(ModelConfig):
    """The settings needed to build and feed RefVOS.

    The released code tests on frames at their own size, 320 or 480 pixels high, and trains on crops of 480 pixels. Our
    input lies in between: it has the area of 480 x 480 pixels and no padding, which is 360 x 640 for most videos.

    Attributes:
        vocabulary: For language "sentence", words, as in every system. For "bert", all of BERT's word pieces in the
            order of their ids, [PAD] first; empty until they are known.
        embedding_channels: Width of the sentence vector; for "bert", BERT's own width.
        max_words: Length of the longest expression; for "bert", in word pieces and including [CLS] and [SEP]. The
            released code uses 20 for RefCOCO and 10 for A2D and DAVIS.
        language: Encoder of expressions: "bert", as in the paper, or "sentence", our own LSTM.
        bert_layers: Number of layers of BERT.
        bert_heads: Number of attention heads in each layer.
        bert_inner_channels: Width inside the perceptron of each layer.
        bert_positions: Length of the longest sequence for which BERT has weights.
        bert_taught_layers: Number of layers that are trained, counted from the first (see `BertSentence`).
        aspp_channels: Width of the pyramid's features, of the projected sentence vector and of the head.
        aspp_rates: Dilations of the pyramid's 3 x 3 convolutions.
        dropout: Dropout rate of the pyramid and the head.
        detail_channels: Width of the fine features for upsampling the logits to half their stride (`DetailUpsampling`,
            light and pretrained backbones only); 0 for bilinear upsampling, as in the paper.
    """

    embedding_channels: int = 768
    input_size: int = 480
    input_shape: InputShape = "area"
    language: LanguageName = "bert"
    bert_layers: int = 12
    bert_heads: int = 12
    bert_inner_channels: int = 3072
    bert_positions: int = 512
    bert_taught_layers: int = 10
    aspp_channels: int = 256
    aspp_rates: tuple[int, ...] = (12, 24, 36)
    dropout: float = 0.5
    detail_channels: int = 0
    architecture: str = "refvos"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("backbone", get_args(BackboneName))
        self.require("language", get_args(LanguageName))
        self.require("architecture", ("refvos",))
        if self.backbone == "resnet101" and self.detail_channels:
            raise ValueError(
                f"detail_channels are for the light and the pretrained backbones; leave them 0 for {self.backbone!r}"
            )
        if self.vector_channels and self.language == "bert":
            raise ValueError("vector_channels need language 'sentence'; leave them 0 for 'bert', with its word pieces")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not self.aspp_rates or min(self.aspp_rates) < 1:
            raise ValueError(f"aspp_rates must be dilations of at least 1, got {self.aspp_rates}")
        if self.language == "bert":
            self._check_bert()

    def _check_bert(self) -> None:
        """Raise a ValueError for settings that do not fit BERT."""
        if self.vocabulary and self.vocabulary[0] != PAD_PIECE:
            raise ValueError(
                f"the vocabulary of language 'bert' must be BERT's word pieces and start with {PAD_PIECE}, but starts "
                f"with {self.vocabulary[0]!r}"
            )
        frame = {UNKNOWN_PIECE, FIRST_PIECE, LAST_PIECE}
        if self.vocabulary and (missing := frame - set(self.vocabulary)):
            raise ValueError(f"the vocabulary of language 'bert' lacks {', '.join(sorted(missing))}")
        if not FRAME < self.max_words <= self.bert_positions:
            raise ValueError(
                f"max_words of language 'bert' must allow for {FIRST_PIECE}, {LAST_PIECE} and at least one word piece, "
                f"and be at most bert_positions, {self.bert_positions}; got {self.max_words}"
            )
        if self.embedding_channels % self.bert_heads:
            raise ValueError(
                f"embedding_channels must be a multiple of bert_heads, {self.bert_heads}, got {self.embedding_channels}"
            )


def refvos_full_config(vocabulary: tuple[str, ...]) -> RefvosConfig:
    """Return `refvos-deeplab101`: the network of the paper, whose vocabulary is BERT's word pieces."""
    return RefvosConfig(name="refvos-deeplab101", vocabulary=vocabulary)


def refvos_tiny_config(vocabulary: tuple[str, ...]) -> RefvosConfig:
    """Return `refvos-tiny`, sized for two CPU cores: the light trunk, an LSTM instead of BERT, and finer logits.

    The dilations cover the same share of the grid, 32 x 18 for a wide video, as in the paper. The dropout rate is lower
    than in the paper, because so small a network hardly overfits.
    """
    return RefvosConfig(
        name="refvos-tiny",
        vocabulary=vocabulary,
        **TINY,
        language="sentence",
        aspp_channels=64,
        aspp_rates=(3, 6, 9),
        dropout=0.1,
        detail_channels=24,
    )


def refvos_small_config(vocabulary: tuple[str, ...]) -> RefvosConfig:
    """Return `refvos-small`: `refvos-tiny` on a trunk pretrained on ImageNet, with embeddings from word vectors.

    Its grid has about half as many cells along each side as that of `refvos-tiny`, and its dilations are smaller too.
    """
    return RefvosConfig(
        name="refvos-small",
        vocabulary=vocabulary,
        **SMALL,
        language="sentence",
        aspp_channels=96,
        aspp_rates=(2, 4, 6),
        dropout=0.1,
        detail_channels=48,
    )
