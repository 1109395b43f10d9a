"""What every system has from the class that all are children of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refvid.model.interface import FrameFeatures, ReferringNetwork, SingleFrameStream, lay_channels_last


class Trunk(nn.Module):
    """Three levels of stride 2: the image, and one and two more."""

    channels = (3, 4, 5)

    def forward(self, images: Tensor) -> FrameFeatures:
        small = images[..., ::2, ::2]
        return FrameFeatures((small, small + 1, small + 2))


class Simplest(ReferringNetwork):
    """Says how red each position is, times the first word of each expression."""

    def __init__(self) -> None:
        super().__init__((0.5, 0.25, 0.0), (0.5, 2.0, 4.0))
        self.backbone = Trunk()

    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> FrameFeatures:
        assert frame_mask is not None
        assert times is not None
        return self.encode(clips[:, target])

    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        return features.levels[0][:, :1] * word_ids[:, :, :1, None], []


def test_images_are_normalised_by_channel() -> None:
    images = torch.tensor([1.0, 1.0, 1.0])[:, None, None].expand(2, 3, 4, 4)
    expected = torch.tensor([1.0, 0.375, 0.25])[:, None, None].expand(2, 3, 2, 2)
    assert torch.equal(Simplest().encode(images).levels[0], expected)


def test_a_call_segments_the_target_frame_in_the_size_of_the_input() -> None:
    clips = torch.zeros(1, 2, 3, 4, 4)
    clips[0, 1, 0] = 0.5
    clips[0, 1, 0, :, 2:] = 1
    logits = Simplest()(clips, torch.tensor([[[1, 0], [4, 0]]]), target=1, frame_mask=torch.ones(1, 2), times=[0, 1])
    row = torch.tensor([0, 0.25, 0.75, 1])  # half of 0 and 1, each a pixel of stride 2
    assert torch.equal(logits, torch.stack([row, 4 * row]).view(1, 2, 1, 4).expand(1, 2, 4, 4))


def test_words_are_asked_for_on_the_second_and_third_level() -> None:
    network = Simplest()
    features = network.encode(torch.rand(1, 3, 4, 4))
    assert network.attribute_channels == (4, 5)
    asked = network.attribute_levels(features)
    assert [level is other for level, other in zip(asked, features.levels[1:], strict=True)] == [True, True]


def test_training_compares_what_is_answered() -> None:
    network = Simplest()
    features, words = network.encode(torch.rand(1, 3, 4, 4)), torch.tensor([[[3]]])
    logits = network.training_logits(features, words)
    assert torch.equal(logits.final, network.segment(features, words)[0])
    assert (logits.earlier, logits.choice) == ((), None)


def test_frames_that_nothing_joins_go_straight_on() -> None:
    stream = Simplest().stream()
    assert isinstance(stream, SingleFrameStream)
    features = FrameFeatures((torch.zeros(1), torch.ones(1)))
    assert stream.push(features) is features
    assert not list(stream.flush())
    assert Simplest().frame_radius == 0


def test_only_kernels_of_pictures_are_laid_out_channels_last() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(3, 4))
    lay_channels_last(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert network[1].weight.is_contiguous()
    assert network[2].weight.is_contiguous()
