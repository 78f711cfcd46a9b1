"""Machine: how a training uses the machine it runs on. Nothing of it belongs to the recipe."""

from __future__ import annotations

from dataclasses import dataclass

from circuitlang.source.diagnostic import CommandError

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Machine:
    """`precision` of the multiplications: auto is bfloat16 where the device multiplies it fast, float32 elsewhere;
    weights, gradients and moments are float32 always. `rows` of a batch that are in a process's memory at a time; None:
    all of its share. `compiled`: the forward pass by torch.compile. `sharded`: each process holds its share of the
    weights, gradients and moments, and not only of the rows."""

    precision: str = "auto"
    rows: int | None = None
    compiled: bool = False
    sharded: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise CommandError(f"precision is one of {', '.join(PRECISIONS)}, not `{self.precision}`")
        if self.rows is not None and self.rows < 1:
            raise CommandError(f"at least 1 row must be in memory at a time, not {self.rows}")
