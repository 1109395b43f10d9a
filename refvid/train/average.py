"""A moving average of a network's parameters, which segments better than the last parameters do."""

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of a network's parameters; buffers are copied from the network.

    Attributes:
        decay: Share of the old average that is kept at each step.
        values: State dictionary of the averaged network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._parameters = {name for name, _ in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the network after a step; faster in the first steps, to forget the initial one."""
        weight = 1 - min(self.decay, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            if name in self._parameters:
                self.values[name].lerp_(value, weight)
            else:
                self.values[name].copy_(value)

    @torch.no_grad()
    def restore(self, values: dict[str, Tensor]) -> None:
        """Restore saved values."""
        for name, value in self.values.items():
            value.copy_(values[name])
