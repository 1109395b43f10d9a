"""Flow between pictures with known motion, and its form as input of the network."""

import sys
import urllib.error
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.optical_flow import raft_small

from refvid.errors import UnavailableError
from refvid.model.hinet.config import hinet_tiny_config
from refvid.model.hinet.network import build_hinet
from refvid.model.hinet.optical_flow import RaftFlow, dis_flow, grey, measure_motion, no_motion

MARGIN = 20  # pixels at the edges, where a picture that moves shows what was not seen before


def texture(height: int, width: int, *, grain: int = 6, seed: int = 0) -> Tensor:
    """A random smooth picture [1, 1, H, W], with spots of about `grain` pixels."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, height // grain + 2, width // grain + 2, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def shifted(picture: Tensor, right: float, down: float) -> Tensor:
    """The picture moved by so many pixels, its edges repeated."""
    height, width = picture.shape[-2:]
    rows, columns = torch.arange(height) - down, torch.arange(width) - right
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)
    scaled = (grid * 2 + 1) / torch.tensor([width, height]) - 1
    return F.grid_sample(picture, scaled[None], mode="bicubic", padding_mode="border", align_corners=False)


def inner(values: Tensor) -> Tensor:
    return values[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.mark.parametrize(("right", "down"), [(1.5, -0.75), (4.0, 3.0), (-9.0, 6.0), (0.0, 0.0)])
def test_dis_finds_how_far_a_picture_has_moved(right: float, down: float) -> None:
    before = texture(144, 256)
    flow = dis_flow(shifted(before, right, down), before)
    assert flow.shape == (1, 2, 144, 256)
    assert flow.dtype == torch.float32
    error = inner(flow - torch.tensor([right, down])[:, None, None]).norm(dim=1)
    assert error.mean() < 0.15
    assert error.max() < 0.6


def test_flow_lies_on_the_pixels_of_the_current_frame() -> None:
    """Of a square of 32 pixels, too: OpenCV's preset FAST finds half of its motion."""
    still, square = texture(96, 128, grain=8), texture(32, 32, grain=5, seed=50)
    before, now = still.clone(), still.clone()
    before[..., 32:64, 40:72] = square
    now[..., 32:64, 44:76] = square  # 4 pixels to the right
    right = dis_flow(now, before)[0, 0]
    assert (right[36:60, 48:72] - 4).abs().mean() < 0.4
    assert right[36:60, 100:].abs().mean() < 0.1
    assert right[:20].abs().mean() < 0.1


def test_the_pictures_of_a_batch_do_not_meet() -> None:
    before = torch.cat([texture(64, 104), texture(64, 104, seed=3)])
    now = torch.cat([shifted(before[:1], 3, 0), shifted(before[1:], 0, -2)])
    together = dis_flow(now, before)
    for row in range(2):
        torch.testing.assert_close(together[row : row + 1], dis_flow(now[row : row + 1], before[row : row + 1]))


@pytest.mark.parametrize("size", [(8, 8), (16, 128), (8, 400), (400, 8), (24, 40), (64, 64)])
def test_small_and_narrow_pictures_do_no_harm(size: tuple[int, int]) -> None:
    """OpenCV's DIS raises an error for some of these, and ends the program for others."""
    before = texture(*size)
    flow = dis_flow(shifted(before, 1, 0), before)
    assert flow.shape == (1, 2, *size)
    assert flow.isfinite().all()


def test_motion_is_the_same_at_any_resolution() -> None:
    small = texture(96, 160, grain=8)
    large = F.interpolate(small, scale_factor=2.0, mode="bicubic").clamp(0, 1)
    coarse = measure_motion(dis_flow, shifted(small, 4, -2), small)
    fine = measure_motion(dis_flow, shifted(large, 8, -4), large)
    assert (coarse.shape, fine.shape) == ((1, 3, 24, 40), (1, 3, 48, 80))
    torch.testing.assert_close(
        coarse[0, :, 8:-8, 8:-8].mean((1, 2)), torch.tensor([4, -2, 160]) / 160, atol=2e-3, rtol=0
    )
    torch.testing.assert_close(F.avg_pool2d(fine, 2)[..., 8:-8, 8:-8], coarse[..., 8:-8, 8:-8], atol=3e-3, rtol=0)


def test_motion_is_that_of_one_frame() -> None:
    before = texture(96, 160)
    now = shifted(before, 6, 0)
    whole = measure_motion(dis_flow, now, before)
    third = measure_motion(dis_flow, now, before, interval=3)
    torch.testing.assert_close(third[:, :2] * 3, whole[:, :2])
    assert torch.equal(third[:, 2], torch.ones(1, 24, 40))


def test_where_nothing_came_before_there_is_no_motion() -> None:
    before = texture(48, 64).expand(3, -1, -1, -1)
    now = shifted(before[:1], 2, 0).expand(3, -1, -1, -1)
    motion = measure_motion(dis_flow, now, before, present=torch.tensor([True, False, True]))
    assert torch.equal(motion[1:2], no_motion(now[:1]))
    assert not no_motion(now).any()
    assert torch.equal(motion[::2, 2], torch.ones(2, 12, 16))
    torch.testing.assert_close(motion[:1], measure_motion(dis_flow, now[:1], before[:1]))
    nobody = measure_motion(_must_not_be_called, now, before, present=torch.zeros(3, dtype=torch.bool))
    assert torch.equal(nobody, no_motion(now))


def _must_not_be_called(current: Tensor, previous: Tensor) -> Tensor:
    raise AssertionError("there is nothing to estimate")


def test_grey_weighs_colours_as_the_eye_does() -> None:
    colours = torch.eye(3)[:, :, None, None]  # red, green, blue
    torch.testing.assert_close(grey(colours).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    assert grey(torch.ones(2, 3, 4, 5)).shape == (2, 1, 4, 5)


def test_without_opencv_the_user_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UnavailableError, match=r'pip install "refvid\[flow\]"'):
        dis_flow(texture(32, 32), texture(32, 32))


class Found(nn.Module):
    """A RAFT that always finds the same flow, and remembers what it was shown."""

    def __init__(self, right: float, down: float) -> None:
        super().__init__()
        self.flow = torch.tensor([right, down])[:, None, None]

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        self.shown = first, second
        final = self.flow.expand(len(first), 2, *first.shape[-2:])
        return [final * 0, final]


def test_raft_s_flow_is_turned_round_and_in_pixels_of_the_frame() -> None:
    network = Found(-8.0, 4.0)
    now, before = texture(64, 100), texture(64, 100, seed=1)
    flow = RaftFlow(network)(now, before)
    first, second = network.shown
    assert first.shape == second.shape == (1, 3, 128, 128)  # the least RAFT takes
    assert float(first.min()) < -0.5
    torch.testing.assert_close(first[:, 0], first[:, 2])
    assert (F.interpolate(first[:, :1], (64, 100), mode="bilinear") - (now * 2 - 1)).abs().mean() < 0.1
    expected = torch.tensor([8.0 * 100 / 128, -4.0 * 64 / 128])[:, None, None].expand(1, 2, 64, 100)
    torch.testing.assert_close(flow, expected)


def test_a_random_raft_gives_a_flow_of_the_right_shape() -> None:
    torch.manual_seed(0)
    network = raft_small(weights=None)
    flow = RaftFlow(network)(texture(24, 136), texture(24, 136, seed=1))
    assert flow.shape == (1, 2, 24, 136)
    assert flow.isfinite().all()
    assert not flow.requires_grad
    assert not network.training


def test_raft_s_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_args: object, **_more: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(UnavailableError, match=r"weights of RAFT could not be fetched .*no route.* 'dis'"):
        RaftFlow()(texture(32, 32), texture(32, 32))


def test_raft_is_no_part_of_the_network_that_uses_it() -> None:
    config = hinet_tiny_config(("dog",))
    plain, with_raft = build_hinet(config), build_hinet(config.replace(flow="raft"))
    assert isinstance(with_raft.flow, RaftFlow)
    with_raft.flow = RaftFlow(raft_small(weights=None))
    assert with_raft.state_dict().keys() == plain.state_dict().keys()
    assert len(list(with_raft.parameters())) == len(list(plain.parameters()))
