"""Several processes as one run: torchrun starts them, DistributedDataParallel joins their gradients.

A process alone is rank 0 of 1, for which all of this is the identity. Nothing here is home-made: the
collectives are torch.distributed's, ``nccl`` between GPUs and ``gloo`` between CPUs.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from irncli.errors import TrainingError

PATIENCE = datetime.timedelta(minutes=30)
"""How long ranks wait for each other: the first one decodes, validates and saves alone."""


@dataclass(frozen=True)
class Ranks:
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """The one that speaks, judges and writes."""
        return self.rank == 0

    def part_of(self, batch: int) -> slice:
        """This rank's share of a batch. Raise TrainingError if it cannot be shared out evenly."""
        if batch % self.world:
            raise TrainingError(
                f"a batch of {batch} cannot be shared by {self.world} processes",
                "Give a recipe whose batches are multiples of their number.",
            )
        size = batch // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def all_agree(self, ok: Tensor) -> Tensor:
        """True where it is true on every rank; stays on the device."""
        if self.world == 1:
            return ok
        votes = ok.int()
        dist.all_reduce(votes, dist.ReduceOp.MIN)
        return votes.bool()

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks, in place."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def any(self, flag: bool, device: str) -> bool:
        """Whether any rank says so."""
        if self.world == 1:
            return flag
        votes = torch.tensor(int(flag), device=device)
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes)

    def as_first_has_it(self, value: float, device: str) -> float:
        """The first rank's value, on every rank: clocks differ."""
        if self.world == 1:
            return value
        told = torch.tensor(value, device=device, dtype=torch.float64)
        dist.broadcast(told, 0)
        return float(told)

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.world > 1:
            dist.barrier()


ALONE = Ranks()


def launched_by_torchrun() -> bool:
    """Whether this process is one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def own_device(word: str) -> str:
    """``auto`` and ``cuda`` of one process of several: its own GPU, by name. Any other word as it is."""
    if launched_by_torchrun() and word in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return word


def join(device: str) -> Ranks:
    """Meet the other processes that torchrun started, each on a device of its own; this one's rank."""
    if not launched_by_torchrun():
        return ALONE
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    return Ranks(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """Leave the other processes at the end of a run, also of a failed one."""
    if dist.is_initialized():
        dist.destroy_process_group()
