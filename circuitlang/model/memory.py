"""How much memory there is to be had: of the machine, and of a GPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.source.diagnostic import CommandError

if TYPE_CHECKING:
    import torch


def available_memory() -> int | None:
    """Bytes that can be had without swapping; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def memory_of(device: torch.device) -> int | None:
    """Bytes that can be had where a model on `device` lies: a GPU's own memory, else the machine's."""
    if device.type != "cuda":
        return available_memory()
    import torch

    return torch.cuda.mem_get_info(device)[0]


ADDRESSES = 1_500_000_000
"""Bytes of address space below which torch and scipy do not load: an allocator that they bring tries without end."""


def require_address_space() -> None:
    """CommandError where a limit of this process leaves less; before torch is loaded."""
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < ADDRESSES:
        raise CommandError(
            f"address space is limited to {limit / 1e9:.1f} GB (ulimit -v), and running a model takes at least "
            f"{ADDRESSES / 1e9:.1f} GB"
        )
