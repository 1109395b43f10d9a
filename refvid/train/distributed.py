"""Several processes that train one network, started by torchrun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from refvid.errors import UnavailableError, UsageError
from refvid.weights import pick_device

_LONGEST_WAIT = timedelta(hours=1)  # the others wait while the first validates and saves


@dataclass(frozen=True)
class Team:
    """This process among those that train together.

    Attributes:
        rank: Its number; 0 writes files and speaks.
        processes: How many there are; 1 when there is no team.
        device: Where it computes.
    """

    rank: int
    processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Returns this process's share of a batch.

        Raises:
            UsageError: It cannot be shared out evenly.
        """
        if batch % self.processes:
            raise UsageError(
                f"--batch {batch} cannot be shared out evenly over {self.processes} processes; give a multiple of it"
            )
        return batch // self.processes

    def any(self, flag: bool) -> bool:
        """Tells whether the flag is up in any process; all get the same answer."""
        if self.processes == 1:
            return flag
        value = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return bool(value.item())

    def mean(self, values: list[float]) -> list[float]:
        """Returns the mean of numbers over all processes."""
        if self.processes == 1 or not values:
            return values
        total = torch.tensor(values, device=self.device)
        distributed.all_reduce(total)
        return [float(value) for value in total / self.processes]

    def wait(self) -> None:
        """Waits until all have come here."""
        if self.processes > 1:
            distributed.barrier()


@contextmanager
def join_team(device: str) -> Iterator[Team]:
    """Joins the processes that torchrun started, or makes a team of one.

    Args:
        device: As for `refvid.weights.pick_device`; `auto` and `cuda` give each process its own.

    Raises:
        UnavailableError: There are fewer devices than processes, or the others cannot be reached.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Team(0, 1, pick_device(device))
        return
    where = pick_device(device)
    if where.type == "cuda" and where.index is None:
        where = pick_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(where)
    backend = "nccl" if where.type == "cuda" else "gloo"
    try:
        distributed.init_process_group(backend, timeout=_LONGEST_WAIT)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnavailableError(f"the processes of torchrun cannot meet over {backend}: {reason}") from error
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), where)
    finally:
        distributed.destroy_process_group()
