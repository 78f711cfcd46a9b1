"""Several runs over the same prompts that differ late: what comes before the first difference is computed once.

A run is told by its trace: per stage of the forward pass, what is done there. Two runs whose traces agree before a
stage have the same values at it, before its edit. To take a value from an earlier run instead of computing it again
gives the same bits: it went through the same kernels in the same shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from circuitlang.model import score
from circuitlang.model.config import Config
from circuitlang.model.transformer import Edit, Known, Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import STAGES, Site

Trace = tuple[str, ...]
"""Per stage of every layer: what is done there, as text that differs where it does. Empty: nothing."""


def stage(site: Site) -> int:
    """The number of a site's stage, in order of computation. Raises ValueError for a site that lies in no layer."""
    return STAGES * site.layer + site.place.stage


def trace(
    config: Config, keep: Mapping[Site, Tensor] | None, others: Iterable[tuple[int, str]] = ()
) -> Trace:
    """Of a mask (None: no mask, the same as one that keeps all) and of whatever else is done at a stage."""
    done = [""] * (STAGES * config.layers)
    for site, kept in (keep or {}).items():
        if not bool(kept.all()):
            done[stage(site)] += f"{site}:{kept.cpu().numpy().tobytes().hex()};"
    for number, what in others:
        done[number] += what
    return tuple(done)


def in_order(traces: Sequence[Trace]) -> list[int]:
    """The numbers of the runs, so that each comes after the one with which it shares most."""
    return sorted(range(len(traces)), key=lambda i: traces[i])


@dataclass
class Shared:
    """Runs over one batch, one after another, each with what it shares with those before it."""

    batch: Batch
    _known: Known = field(default_factory=dict)
    _last: Trace | None = None

    @torch.no_grad()
    def logits(self, model: Transformer, edit: Edit, done: Trace) -> Tensor:
        """(prompt, vocabulary) logits where the answer is predicted, bit for bit those of a run on its own. `done`: the
        edit's trace, and that of changes of the weights (at the stage before the one that they change)."""
        if self._last is not None:
            first = next((i for i, (a, b) in enumerate(zip(done, self._last, strict=True)) if a != b), None)
            if first is not None:
                # Held ever since: a value at a stage was computed by a run that agrees with the last before that stage.
                self._known = {s: value for s, value in self._known.items() if stage(s) <= first}
        self._last = done
        return score.answer_logits(model, self.batch, edit, self._known)
