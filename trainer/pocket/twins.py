"""Training on several cores as several one-threaded processes that average their gradients.

Small layers gain little from two threads, and threads that wait for each other at every layer suffer badly
when the machine is shared; processes meet once a step. Started by ``torchrun``; alone, everything is a no-op.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist


def join() -> tuple[int, int]:
    """This process's number and how many there are; joins the others if ``torchrun`` started them."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        torch.set_num_threads(1)
        if not dist.is_initialized():
            dist.init_process_group("gloo")
    return int(os.environ.get("RANK", "0")), world


def leave() -> None:
    """Part from the others once all are done: one that ends while another still listens makes that one abort."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def average(parameters: Iterable[torch.nn.Parameter], world: int) -> None:
    """Replace every gradient by its mean over the processes."""
    if world == 1:
        return
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    start = 0
    for g in grads:
        g.copy_(flat[start : start + g.numel()].view_as(g) / world)
        start += g.numel()


def agree(value: bool, world: int) -> bool:
    """True everywhere if true anywhere."""
    if world == 1:
        return value
    flag = torch.tensor([float(value)])
    dist.all_reduce(flag)
    return bool(flag > 0)
