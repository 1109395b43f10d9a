"""RefVOS (Bellver et al., "RefVOS: A Closer Look at Referring Expressions for Video Object Segmentation", 2020).

The features of DeepLabv3 on single frames are multiplied by one vector for the whole expression. Numbers that the paper
does not give come from its released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from torch import Tensor, nn

from refvid.errors import UsageError
from refvid.model.config import SMALL, TINY, BackboneName, InputShape, ModelConfig
from refvid.model.interface import LEVELS, FrameFeatures, ReferringNetwork
from refvid.model.layers.bert import FIRST_PIECE, FRAME, LAST_PIECE, PAD_PIECE, UNKNOWN_PIECE, BertSentence, WordPieces
from refvid.model.layers.language import Vocabulary
from refvid.model.layers.open_vocabulary import build_word_vocabulary
from refvid.model.layers.sentence import SentenceEmbedding
from refvid.model.layers.trunks import Backbone, build_backbone
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.layers.vector_embedding import build_word_embedding
from refvid.model.refvos.aspp import PatientBatchNorm1d, atrous_pyramid

LanguageName = Literal["bert", "sentence"]
CLASSES = 2  # background and object


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


class MaskHead(nn.Module):
    """A head that maps the multiplied features to the scores of background and object."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.score = nn.Conv2d(channels, CLASSES, 1)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Map [N, C, h, w] to the scores of both classes, [N, 2, h, w], and the features before them, [N, C, h, w]."""
        features = self.features(fused)
        return self.score(features), features


class RefvosNetwork(ReferringNetwork):
    """The network of RefVOS, which segments the referent of an expression in each frame by itself.

    The paper's loss is the cross-entropy of two classes. It equals the binary cross-entropy of the difference of their
    scores, which `segment` therefore returns. The paper's mask, where the object has the larger score, is where this
    difference exceeds 0.

    In training, the sentence vectors of all B * E expressions of a batch are normalised together, and a single one by
    the running statistics (`PatientBatchNorm1d`).
    """

    backbone: Backbone
    embedding: BertSentence | SentenceEmbedding

    def __init__(
        self,
        *,
        backbone: Backbone,
        embedding: BertSentence | SentenceEmbedding,
        pyramid: nn.Module,
        projection: nn.Module,
        head: MaskHead,
        detail: DetailUpsampling | None,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(pixel_mean, pixel_std)
        self.backbone, self.embedding = backbone, embedding
        self.pyramid, self.projection, self.head, self.detail = pyramid, projection, head, detail

    def encoded_frames(self, target: int, times: Sequence[int]) -> list[int]:
        """Return the indices of the frames of a clip that `enhance` encodes: the target alone."""
        return [target]

    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> FrameFeatures:
        """Encode the target frames of clips [B, T, 3, H, W] alone and return their features."""
        return self.encode(clips[:, target])

    def scores(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of both classes and the features before them.

        Args:
            features: Features of the trunk, of which only Res5, [B, C, h, w], is used.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            Scores of background and object, [B * E, 2, h, w], and features [B * E, C, h, w].
        """
        visual = self.pyramid(features.levels[LEVELS - 1])  # [B, C, h, w]
        sentences, _ = self.embedding(word_ids)  # [B, E, 1, C_l]
        vectors = self.projection(sentences.flatten(0, 2)).view(*word_ids.shape[:2], -1)  # [B, E, C]
        fused = visual[:, None] * vectors[..., None, None]  # [B, E, C, h, w]
        return cast(tuple[Tensor, Tensor], self.head(fused.flatten(0, 1)))

    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: Features from `enhance` or the stream.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            The score of the object minus that of the background, [B, E, h, w], or [B, E, 2 h, 2 w] with fine features,
            and an empty list, since there is no attention over words.
        """
        scores, scored = self.scores(features, word_ids)
        logits = scores[:, 1:] - scores[:, :1]
        if self.detail is not None and features.fine is not None:
            logits = self.detail(logits, scored, features.fine)
        return logits.view(*word_ids.shape[:2], *logits.shape[-2:]), []


def build_refvos(config: RefvosConfig) -> RefvosNetwork:
    """Build the network described by a config, with random weights.

    Raises:
        UsageError: The config has language "bert", but its vocabulary is empty.
        UnavailableError: The config has language "bert", but `transformers` is not installed.
    """
    backbone = build_backbone(config, config.detail_channels)
    channels = config.aspp_channels
    return RefvosNetwork(
        backbone=backbone,
        embedding=_build_embedding(config),
        pyramid=atrous_pyramid(backbone.channels[LEVELS - 1], channels, config.aspp_rates, config.dropout),
        projection=nn.Sequential(nn.Linear(config.embedding_channels, channels), PatientBatchNorm1d(channels)),
        head=MaskHead(channels, config.dropout),
        detail=DetailUpsampling(config.detail_channels, channels) if config.detail_channels else None,
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    )


def _build_embedding(config: RefvosConfig) -> BertSentence | SentenceEmbedding:
    if config.language == "sentence":
        return SentenceEmbedding(build_word_embedding(config), config.embedding_channels)
    if not config.vocabulary:
        raise UsageError(
            f"the model '{config.name}' reads with BERT and has no vocabulary; it must be BERT's word pieces"
        )
    return BertSentence(
        pieces=len(config.vocabulary),
        channels=config.embedding_channels,
        layers=config.bert_layers,
        heads=config.bert_heads,
        inner_channels=config.bert_inner_channels,
        positions=config.bert_positions,
        taught_layers=config.bert_taught_layers,
    )


def vocabulary_of(config: RefvosConfig) -> Vocabulary | WordPieces:
    """Build the tokenizer or vocabulary with which the network described by a config reads expressions."""
    if config.language == "bert":
        return WordPieces(config.vocabulary, config.max_words)
    return build_word_vocabulary(config)
