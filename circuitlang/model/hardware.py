"""What a machine computes with: the processor's instructions, pinned so that numbers agree, and its memory.

torch, oneDNN and MKL each choose by the processor how a sum is made, and sums made in another order differ in their
last digits, by which a search may keep another node. All three read a variable of the environment when they are loaded.
MKL's results are bitwise equal on Intel's processors alone ("Conditional Numerical Reproducibility", oneMKL Developer
Guide); on others it chooses by itself, and the name of what is in use says so.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.source.diagnostic import CommandError

if TYPE_CHECKING:
    import torch

PINNED = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # a lower one would win over MKL_CBWR
}
"""AVX2: what practically every x86-64 processor in use has."""

_INTEL = "GenuineIntel"


def pin() -> None:
    """For this process and those that it starts, whatever its environment says; before torch is loaded, afterwards
    nothing. Where the processor has no AVX2, nothing either: torch would end in an illegal instruction."""
    if "torch" not in sys.modules and "avx2" in _processor()[1]:
        os.environ.update(PINNED)


def in_use() -> str:
    """The name of what torch computes with in this process: `avx2` where it is pinned on an Intel processor."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability().lower()
    if capability != "avx2" or any(os.environ.get(name) != value for name, value in PINNED.items()):
        return f"native, {capability}"
    maker = _processor()[0]
    return "avx2" if maker == _INTEL else f"avx2, {maker}"


def remarks() -> list[str]:
    """What a reader of numbers should know of this machine's."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if "avx2" in _processor()[1]:
        return []
    why = "its processor has no AVX2" if x86 and _processor()[0] else "its processor's kernels are not pinned"
    return [f"last digits may differ from those of other machines: {why}"]


@lru_cache(maxsize=1)
def _processor() -> tuple[str, frozenset[str]]:
    """Its maker and its instruction sets, as Linux names them; empty on other systems."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "", frozenset()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        return "", frozenset()
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return said.get("vendor_id", ""), frozenset(said.get("flags", "").split())


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
