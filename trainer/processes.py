"""Several processes that train one network: each its own pictures, one all-reduce a step, the first one writes.

`torchrun` and `accelerate launch` say in the environment who is who (RANK, WORLD_SIZE, LOCAL_RANK).  The network is
not wrapped: the gradients of all parameters, the loss and the wish to stop travel in one flat tensor, once an optimizer
step, so that accumulation, unused sizes and hooks need no care and every process decides alike.
(`accelerate launch --cpu` starts one process only unless it has MPI; on CPUs launch with torchrun, or with
`accelerate launch --multi_gpu`, which asks for no GPU.)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from trainer.errors import TrainerError, first_line

PATIENCE = timedelta(hours=2)  # the others wait so long while the first draws previews and validates (guess)
CHECK_EVERY = 100  # steps between two comparisons of the weights; each costs two sums and one small message (guess)


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is.  `Processes()` is a process alone, for which everything here is free."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def reduce(self, parameters: Sequence[Tensor], extra: Tensor) -> Tensor:
        """Put the mean over all processes in place of every gradient; gives the mean of `extra` (a vector) too."""
        if self.world == 1:
            return extra
        held = [parameter for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([*(p.grad.flatten() for p in held if p.grad is not None), extra.to(torch.float32)])
        distributed.all_reduce(flat)
        flat /= self.world
        start = 0
        for parameter in held:
            parameter.grad = flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        return flat[start:]

    def share(self, parameters: Sequence[Tensor]) -> None:
        """Give everyone the first process's weights."""
        for parameter in parameters if self.world > 1 else ():
            distributed.broadcast(parameter.detach(), 0)

    def check_equal(self, parameters: Sequence[Tensor], step: int) -> None:
        """Raise `TrainerError` if the weights of the processes have come apart."""
        if self.world == 1:
            return
        doubles = [parameter.detach().double() for parameter in parameters]
        own = torch.stack([one for p in doubles for one in (p.sum(), p.abs().sum())])
        least, most = own.clone(), own.clone()
        distributed.all_reduce(least, distributed.ReduceOp.MIN)
        distributed.all_reduce(most, distributed.ReduceOp.MAX)
        if not torch.equal(least.nan_to_num(), most.nan_to_num()):
            raise TrainerError(
                f"step {step}: the weights of the {self.world} processes have come apart; resume the last checkpoint, "
                "with the same torch and the same kind of device in every process"
            )

    def wait(self) -> None:
        """Until everyone is here."""
        if self.world > 1:
            distributed.barrier()


ALONE = Processes()


def expected() -> int:
    """How many processes a launcher says there are."""
    world = os.environ.get("WORLD_SIZE", "1")
    return max(1, int(world)) if world.isdigit() and "RANK" in os.environ else 1


def fewer_than_asked() -> str | None:
    """A warning where `accelerate launch --cpu` was told several processes and, lacking MPI, started this one alone."""
    if expected() > 1 or not os.environ.get("ACCELERATE_USE_CPU") or "MASTER_ADDR" not in os.environ:
        return None
    return (
        "accelerate launch --cpu has started only one process (several would need MPI): for more take "
        "torchrun --nproc_per_node 2 -m hndoctor train …, or accelerate launch --multi_gpu, which needs no GPU"
    )


def join(device: torch.device) -> Processes:
    """The processes that a launcher started with this one; `ALONE` if none did.  Raises `TrainerError`."""
    if expected() == 1:
        return ALONE
    if not distributed.is_available():
        raise TrainerError("several processes: this torch has no torch.distributed; start one process")
    if not distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        try:
            distributed.init_process_group(backend, timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            first = first_line(error)
            raise TrainerError(f"several processes: they cannot find each other: {first}; use torchrun") from None
    return Processes(distributed.get_rank(), distributed.get_world_size())


def leave() -> None:
    """End the conversation with the other processes."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def local(name: str) -> str:
    """The device of this process: with several, "auto" and "cuda" mean the one of its own number."""
    number = os.environ.get("LOCAL_RANK", "")
    own = expected() > 1 and number and name in ("auto", "cuda") and torch.cuda.is_available()
    return f"cuda:{number}" if own else name
