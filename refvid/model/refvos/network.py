"""RefVOS (Bellver et al., "RefVOS: A Closer Look at Referring Expressions for Video Object Segmentation", 2020).

The features of DeepLabv3 on single frames are multiplied by one vector for the whole expression. Numbers that the paper
does not give come from its released code.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from refvid.errors import UsageError
from refvid.model.interface import LEVELS, FrameFeatures, ReferringNetwork
from refvid.model.layers.bert import BertSentence, WordPieces
from refvid.model.layers.language import Vocabulary
from refvid.model.layers.open_vocabulary import build_word_vocabulary
from refvid.model.layers.sentence import SentenceEmbedding
from refvid.model.layers.trunks import Backbone, build_backbone
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.layers.vector_embedding import build_word_embedding
from refvid.model.refvos.aspp import PatientBatchNorm1d, atrous_pyramid
from refvid.model.refvos.config import RefvosConfig  # also imported from here

CLASSES = 2  # background and object


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
