"""Options: how a check runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from circuitlang.source.progress import Told, quiet


@dataclass(frozen=True)
class Options:
    """How a check runs. `cache` None: the user's cache folder; `fresh`: use none. `told(stage, share done)`.
    `controls`: whether the nulls are run, without which no claim can be void; `battery`: whether the circuits go
    through it. `jobs`: how many searches run at a time, each in a process of its own; more than 1 only from a main
    module that can be imported without doing anything. `model`: in place of the spec's own (as `with_model` takes it).
    """

    device: str = "auto"
    seed: int = 0
    fresh: bool = False
    budget: int | None = None
    cache: Path | None = None
    battery: bool = True
    command: tuple[str, ...] = ()
    controls: bool = True
    jobs: int = 1
    model: str | None = None
    told: Told = field(default=quiet, compare=False)
