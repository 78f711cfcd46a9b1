"""A model over the processes that train it: each with a copy and its share of the rows, or with a piece of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import Processes
from circuitlang.model.transformer import Transformer


def spread(
    model: Transformer, device: torch.device, machine: Machine, processes: Processes
) -> tuple[Transformer, nn.Module]:
    """The model on its device, whose parameters the optimizer steps, and what computes its logits and shares its
    gradients: their mean over the processes."""
    if processes.count > 1 and machine.sharded:
        return (pieces := _in_pieces(model, device, machine, processes)), pieces
    model.to(device)
    forward: nn.Module = model
    if processes.count > 1:
        from torch.nn.parallel import DistributedDataParallel

        own = [device.index] if device.type == "cuda" else None
        forward = DistributedDataParallel(model, device_ids=own, gradient_as_bucket_view=True)
    if machine.compiled:
        forward = cast(nn.Module, torch.compile(forward))
    return model, forward


def _in_pieces(
    model: Transformer, device: torch.device, machine: Machine, processes: Processes
) -> Transformer:
    """Weights, gradients and moments divided by rows among the processes; a sub-layer's are put together while it is
    computed. The whole model is in the machine's memory once per process before."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # It warns of changes in place to what a sub-layer returns; the residual stream is never changed in place.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module")
    mesh = init_device_mesh(device.type, (processes.count,))
    for part in (*model.attention, *model.mlp):
        if machine.compiled:
            part.compile()
        fully_shard(part, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


@contextmanager
def synchronised(forward: nn.Module, wanted: bool) -> Iterator[None]:
    """Within, gradients are summed over the processes, or only added up in each."""
    if hasattr(forward, "set_requires_gradient_sync"):
        cast(Any, forward).set_requires_gradient_sync(wanted)
    elif not wanted and hasattr(forward, "no_sync"):
        with cast(Any, forward).no_sync():
            yield
        return
    yield


def local(value: Tensor) -> Tensor:
    """This process's piece of a tensor; the tensor itself where it is whole. Both have the same memory."""
    return cast(Any, value).to_local() if hasattr(value, "to_local") else value


def gathered(value: Tensor) -> Tensor:
    """The whole of a tensor, in the machine's memory. All processes must call it."""
    whole = cast(Any, value).full_tensor() if hasattr(value, "full_tensor") else value
    return whole.detach().cpu().contiguous()


def laid_out(whole: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on the device of `like`, in pieces where that is: each process keeps its own."""
    whole = whole.to(like.device)
    if not hasattr(like, "full_tensor"):
        return whole
    from torch.distributed.tensor import DTensor, distribute_tensor

    pieces = cast(DTensor, like)
    return distribute_tensor(whole, pieces.device_mesh, pieces.placements, src_data_rank=None)
