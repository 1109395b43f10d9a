"""Train one network with several processes, which torchrun starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from refvid.errors import UnavailableError, UsageError
from refvid.weights import pick_device

_MAX_WAIT = timedelta(hours=1)  # the other processes wait while the first one validates and saves


@dataclass(frozen=True)
class Team:
    """This process's view of the processes that train together.

    Attributes:
        rank: Number of this process, from 0.
        processes: Number of processes; 1 without torchrun.
        device: Device of this process.
    """

    rank: int
    processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process, the first one, writes files and messages."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Return this process's share of a batch.

        Raises:
            UsageError: The batch cannot be divided evenly.
        """
        if batch % self.processes:
            raise UsageError(
                f"--batch {batch} cannot be divided evenly among {self.processes} processes; give a multiple of "
                f"{self.processes}"
            )
        return batch // self.processes

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all processes get the same answer."""
        if self.processes == 1:
            return flag
        value = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return bool(value.item())

    def mean(self, values: list[float]) -> list[float]:
        """Return the mean of each number over all processes."""
        if self.processes == 1 or not values:
            return values
        total = torch.tensor(values, device=self.device)
        distributed.all_reduce(total)
        return [float(value) for value in total / self.processes]

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        if self.processes > 1:
            distributed.barrier()


@contextmanager
def join_team(device: str) -> Iterator[Team]:
    """Yield the team of the processes that torchrun started, or a team of one process.

    Args:
        device: Device as for `refvid.weights.pick_device`; `auto` and `cuda` give each process a device of its own.

    Raises:
        UnavailableError: There are fewer devices than processes, or the other processes cannot be reached.
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
        distributed.init_process_group(backend, timeout=_MAX_WAIT)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnavailableError(f"the processes of torchrun cannot connect over {backend}: {reason}") from error
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), where)
    finally:
        distributed.destroy_process_group()
