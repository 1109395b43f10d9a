"""Adam, with parameters grouped by whether they belong to the trunk and whether weight decay applies to them."""

import torch
from torch import nn

from refvid.model.interface import ReferringNetwork
from refvid.train.settings import TrainSettings


def build_optimiser(learner: nn.Module, settings: TrainSettings, trunk_name: str = "backbone") -> torch.optim.Adam:
    """Return an Adam optimiser of the parameters that require gradients.

    Besides Adam's own keys, each group has `share`, its learning rate as a share of the scheduled one, and `names`, the
    names of its parameters.

    Args:
        learner: Module that contains the network as `network`, and the heads that only training needs.
        settings: Settings of the run.
        trunk_name: Name of the trunk in the network.
    """
    groups: dict[tuple[bool, bool], list[str]] = {}
    parameters = {name: value for name, value in learner.named_parameters() if value.requires_grad}
    for name, value in parameters.items():
        trunk = name.startswith(f"network.{trunk_name}.")
        groups.setdefault((trunk, _decays(trunk, value, settings)), []).append(name)
    return torch.optim.Adam(
        [
            {
                "params": [parameters[name] for name in names],
                "names": names,
                "share": settings.trunk_rate if trunk else 1.0,
                "weight_decay": settings.weight_decay if decayed else 0.0,
            }
            for (trunk, decayed), names in groups.items()
        ],
        lr=settings.learning_rate,
    )


def _decays(trunk: bool, parameter: nn.Parameter, settings: TrainSettings) -> bool:
    kernel = parameter.ndim >= 2
    return {"trunk": trunk and kernel, "kernels": kernel, "all": True}[settings.decay_scope]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group to its share of `rate`."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


TRUNK_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)  # of trunks for pictures and for clips


def freeze(network: ReferringNetwork, settings: TrainSettings) -> None:
    """Freeze the trunk, or only the parameters of its norms, according to the settings."""
    for module in network.get_submodule(network.trunk_name).modules():
        if settings.trunk_rate == 0 or (settings.freeze_norm and isinstance(module, TRUNK_NORMS)):
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)


def set_training(network: ReferringNetwork, settings: TrainSettings) -> None:
    """Put the network into training mode, except for those norms of the trunk whose statistics stay fixed."""
    network.train()
    if settings.freeze_norm or settings.trunk_rate == 0:
        for module in network.get_submodule(network.trunk_name).modules():
            if isinstance(module, TRUNK_NORMS):
                module.eval()


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimiser's state as tensors, by `parameter/key`."""
    tensors = {}
    for group in optimiser.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"{name}/{key}"] = value
    return tensors


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Restore the state that `optimiser_tensors` returned.

    Raises:
        KeyError: A parameter has no state although others have.
    """
    for group in optimiser.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{name}/{key}" in tensors]
            state = {key: tensors[f"{name}/{key}"] for key in keys}
            for key in ("exp_avg", "exp_avg_sq"):
                if key in state:  # with the memory layout of the parameter, which may be channels-last
                    state[key] = torch.empty_like(parameter, requires_grad=False).copy_(state[key])
            if state:
                optimiser.state[parameter] = state
