"""Initial weights of a trunk: torchvision's ResNet-101 or S3D, EfficientNet-Lite, or another model's light trunk."""

from pathlib import Path

import torch
from huggingface_hub import errors, hf_hub_download
from safetensors.torch import load_file
from torch import Tensor, nn

from refvid.errors import UnavailableError, UsageError, WeightsError
from refvid.model.acga.video_backbone import S3DTrunk
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.layers.efficientnet import SCALES, EfficientNetLite
from refvid.model.layers.pyramid import PyramidBackbone
from refvid.train.efficientnet_weights import fill_efficientnet, locate_package
from refvid.weights import locate_checkpoint, read_weights

DEFAULT_BACKBONE = "timm/resnet101.tv_in1k"
_FILE = "model.safetensors"
# The names in the trunk, dilated or not, of the layers of torchvision's resnet101.
_PLACES = {"conv1": "stem.0", "bn1": "stem.1", "layer1": "res2", "layer2": "res3", "layer3": "res4", "layer4": "res5"}
_TRUNK = "backbone."  # prefix of the weight names of a network's trunk
_COUNTER = "num_batches_tracked"  # not needed after training, and missing in some files


def load_backbone(backbone: nn.Module, where: str) -> None:
    """Load trained weights into the trunk of a network.

    Args:
        backbone: Backbone of a network.
        where: For a ResNet-101 or an S3D, a Hub id `owner/name`, a .safetensors file, or a .pth file that contains only
            tensors. For an EfficientNet-Lite, the name of its variant if its package is installed, or a Hub id or such
            a file. For a light trunk, any model with a light trunk of the same widths, named as for
            `refvid.load_model`.

    Raises:
        UsageError: The trunk is of another kind, or the name is neither a file nor a Hub id.
        UnavailableError: The Hub cannot be reached or has no such repository, or a package is not installed.
        WeightsError: The file is damaged, or holds the weights of another network.
    """
    for part in backbone.modules():
        if isinstance(part, EfficientNetLite):
            path = locate_package(where) if where in SCALES else _find(where)
            return fill_efficientnet(part, _read(path), where)
    if isinstance(backbone, LightBackbone):
        return _take_over(backbone, where)
    if isinstance(backbone, S3DTrunk):
        return _cut_to_fit(backbone, where)
    if not isinstance(backbone, ResNetBackbone | PyramidBackbone):
        raise UsageError(f"there are no weights '{where}' for a trunk of this kind; leave --backbone-weights out")
    weights = map_weights(_read(_find(where)), where)
    backbone.load_state_dict(backbone.state_dict() | weights)


def _cut_to_fit(backbone: S3DTrunk, where: str) -> None:
    """Load torchvision's S3D into a trunk that consists of its first layers."""
    weights = _read(_find(where))
    own = backbone.state_dict()
    wrong = [name for name, value in own.items() if name not in weights or weights[name].shape != value.shape]
    if wrong := [name for name in wrong if not name.endswith(_COUNTER)]:
        raise WeightsError(f"'{where}' is not an S3D of torchvision: {wrong[0]} is missing or has another shape")
    backbone.load_state_dict(own | {name: weights[name] for name in own if name in weights})


def _take_over(backbone: LightBackbone, where: str) -> None:
    """Copy the light trunk of another model; parts that only this trunk has stay unchanged."""
    weights = read_weights(locate_checkpoint(where)[0])
    given = {name.removeprefix(_TRUNK): value for name, value in weights.items() if name.startswith(_TRUNK)}
    own = backbone.state_dict()
    taken = {name: value for name, value in given.items() if name in own}
    misfit = [name for name, value in taken.items() if value.shape != own[name].shape]
    if misfit or not taken:
        reason = f"its {misfit[0]} has other sizes" if misfit else "it has none"
        raise WeightsError(f"the trunk of '{where}' is not that of this network: {reason}")
    backbone.load_state_dict(own | taken)


def map_weights(weights: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """Rename the weights of torchvision's ResNet-101 for the trunk, and drop its classifier `fc`.

    Raises:
        WeightsError: A parameter is missing or unknown, or has another shape.
    """
    with torch.device("meta"):
        expected = ResNetBackbone().state_dict()
    mapped = {}
    for name, value in weights.items():
        layer, _, rest = name.partition(".")
        if layer == "fc":
            continue
        mapped[f"{_PLACES.get(layer, layer)}.{rest}"] = value.float() if value.is_floating_point() else value
    missing = sorted(name for name in set(expected) - set(mapped) if not name.endswith(_COUNTER))
    unknown = sorted(set(mapped) - set(expected))
    if missing or unknown:
        what = f"{len(missing)} parameters are missing ({', '.join(missing[:3])})" if missing else ""
        more = f"{len(unknown)} are unknown ({', '.join(unknown[:3])})" if unknown else ""
        reasons = " and ".join(part for part in (what, more) if part)
        raise WeightsError(f"'{where}' is not a ResNet-101 of torchvision: {reasons}")
    for name, value in mapped.items():
        if value.shape != expected[name].shape:
            raise WeightsError(
                f"'{where}' is not a ResNet-101 of torchvision: {name} has the shape {tuple(value.shape)}, "
                f"expected {tuple(expected[name].shape)}"
            )
    return mapped


def _find(where: str) -> Path:
    path = Path(where).expanduser()
    if path.is_file():
        return path
    if where.count("/") != 1 or where.startswith((".", "/", "~")) or path.suffix in (".pth", ".safetensors"):
        raise UsageError(f"there is no file '{where}' of backbone weights; give one, or a Hub id owner/name")
    try:
        return Path(hf_hub_download(where, _FILE))
    except errors.LocalEntryNotFoundError as error:
        raise UnavailableError(
            f"the backbone weights '{where}' are not in the cache and there is no connection to the Hub; fetch them "
            "once online, or give a file with --backbone-weights"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise UnavailableError(
            f"the backbone weights '{where}' could not be fetched: {str(error).splitlines()[0]}"
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        # weights_only accepts only tensors and plain containers, and runs no code from the file.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the restricted unpickler raise anything
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"'{path}' contains no weights that can be read safely ({reason})") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"'{path}' is not a dictionary of tensors; expected the state_dict of a trunk")
    return {str(name): value for name, value in loaded.items()}
