"""Features of a frozen trunk, which are computed once for each cached scene and then read from disk."""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from refvid.data.sample import Batch
from refvid.files import whole_file
from refvid.model.fast.folding import fold_norms
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.efficientnet import PIXEL_MEAN, PIXEL_STD, EfficientNetLite
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.progress import Tell, tell_nobody

_FOLDER = "features"
_GIBIBYTE = 1 << 30


class FrozenFeatures:
    """A cache on disk for the features of a network's frozen trunk, in a folder beside the scenes.

    Features are stored in half precision, about 0.4 MB for a frame of 256 x 256 pixels. Reading them pays, because the
    depthwise convolutions of the trunk take several times as long as all layers that are trained. Features depend on
    the weights of the trunk, the scene and the canvas, and the path of a file names all three. Several processes, and
    networks of all systems, may share the folder. A file that was damaged by a crash is made again.

    Args:
        network: Network with a `PretrainedBackbone` whose trunk is frozen.
        cache: Folder of the scenes.
        limit: Maximum size of all features in GiB; beyond it, features are computed every time.
        processes: Number of processes that fill the folder together, each with an equal share of the remaining space.
        tell: Function that is called once with a message when the limit is reached.
    """

    def __init__(
        self,
        network: ReferringNetwork,
        cache: Path,
        limit: float,
        *,
        processes: int = 1,
        tell: Tell = tell_nobody,
    ) -> None:
        assert isinstance(network.backbone, PretrainedBackbone)
        self._network, self._backbone = network, network.backbone
        self._folder = cache / _FOLDER / _fingerprint(network, network.backbone.trunk)
        used = sum(file.stat().st_size for file in self._folder.rglob("*.safetensors"))
        self._left = max(0, int(limit * _GIBIBYTE) - used) // processes
        self._tell = tell
        self._trunk = copy.deepcopy(network.backbone.trunk).eval()
        fold_norms(self._trunk)

    @contextmanager
    def given(self, batch: Batch) -> Iterator[None]:
        """Let the backbone of the network use the features of a batch, on its device, inside the context.

        The context covers the frames that the network encodes in training in one pass (`encoded_frames`); for any other
        batch of frames, the backbone computes the features itself.
        """
        samples, frames = batch.clips.shape[:2]
        used = self._network.encoded_frames(frames // 2, batch.times)
        levels = (level.reshape(samples, frames, *level.shape[1:])[:, used].flatten(0, 1) for level in self.of(batch))
        with self._backbone.given([level.to(batch.clips.device) for level in levels]):
            yield

    def of(self, batch: Batch) -> list[Tensor]:
        """Return the features of all frames of a batch, float32 [B * T, C_i, H / s_i, W / s_i]."""
        keys = batch.keys or (None,) * len(batch.clips)
        samples = [self._sample(clip, key) for clip, key in zip(batch.clips, keys, strict=True)]
        return [torch.cat(level).float() for level in zip(*samples, strict=True)]

    def _sample(self, clip: Tensor, key: str | None) -> Sequence[Tensor]:
        """Return features float16 [T, C_i, H / s_i, W / s_i] of a clip uint8 [T, 3, H, W], from disk if possible."""
        if key is None:
            return self._compute(clip)
        height, width = clip.shape[-2:]
        path = self._folder / f"{height}x{width}" / f"{key}.safetensors"
        try:
            kept = load_file(path)
            features = [kept[str(stride)] for stride in EfficientNetLite.strides]
            grids = [(len(clip), height // stride, width // stride) for stride in EfficientNetLite.strides]
            if [(len(level), *level.shape[2:]) for level in features] != grids:
                raise ValueError("features of another clip")
            return features
        except (OSError, SafetensorError, KeyError, ValueError):
            features = self._compute(clip)
            self._keep(path, features)
            return features

    @torch.no_grad()
    def _compute(self, clip: Tensor) -> list[Tensor]:
        images = self._network.normalise(clip.to(self._network.pixel_mean.device).float() / 255)
        levels = self._trunk.to(images.device)(images.contiguous(memory_format=torch.channels_last))
        return [level.half().cpu().contiguous() for level in levels]

    def _keep(self, path: Path, features: Sequence[Tensor]) -> None:
        size = sum(level.nbytes for level in features)
        if self._left < size:
            if self._left >= 0:
                self._left = -1
                self._tell(f"the features in '{self._folder}' have reached --feature-cache; the rest are not kept")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            save_file({str(s): level for s, level in zip(EfficientNetLite.strides, features, strict=True)}, temporary)
        self._left -= size


def _fingerprint(network: ReferringNetwork, trunk: EfficientNetLite) -> str:
    """Return a short hash of a trunk's weights and, where they are not the trunk's own, of the norms of its pixels."""
    digest = hashlib.sha256()
    for value in trunk.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    pixels = torch.stack([network.pixel_mean.flatten(), network.pixel_std.flatten()]).cpu()
    if not torch.allclose(pixels, torch.tensor([PIXEL_MEAN, PIXEL_STD])):
        digest.update(pixels.numpy().tobytes())
    return f"{trunk.variant}-{digest.hexdigest()[:12]}"
