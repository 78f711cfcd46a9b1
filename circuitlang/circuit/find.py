"""Model + task to a circuit: means, pruning and extraction, each found in the cache where it was done before."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.ablation import (
    Ablation,
    FromTask,
    FromText,
    means_over_task,
    means_over_text,
    pool_of_values,
    zeros,
)
from circuitlang.circuit.donors import Cases, Donors
from circuitlang.circuit.eliminate import RANKED
from circuitlang.circuit.extract import bare, extract
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.losses import loss_and_error
from circuitlang.circuit.prune import MARGIN, Pruned, Stopped, prune
from circuitlang.circuit.unneeded import Edge, Edges, unneeded_edges
from circuitlang.language.program.spec import Ablate, PruneSettings
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Split
from circuitlang.prompts.relabel import Relabel, as_written
from circuitlang.site import Node, Site, parse_node
from circuitlang.storage.cache import Cache, key_of

SELECTED = 512
"""Datapoints of `select` on which circuits are compared."""
AVERAGED = 256
"""Datapoints of `select` that a mean over the task is taken over."""
COSTED = 64
"""Datapoints of `select` behind each node's cost, which colours the diagram and decides nothing."""
COSTS = 8192
"""Runs of a datapoint for the costs of all nodes together: fewer datapoints where there are very many nodes."""


@contextmanager
def one_thread() -> Iterator[None]:
    """The number of threads decides the last bits of sums, and so, rarely, which of two nodes goes first. With these
    sizes two threads are hardly faster than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Found:
    """One seed's circuit. `seed`: of the pruning; `cached`: read, not searched for."""

    seed: int
    pruned: Pruned
    graph: CircuitGraph
    cached: bool


@dataclass(frozen=True)
class Finder:
    """Finds circuits of one model for one task. `key` names all that decides a result but the settings and seed.
    `relabel`: gives the prompts other answers than the task's. `model_key` names the model and what computes with it,
    for what it has in common with other tasks; None: nothing."""

    checkpoint: Checkpoint
    generator: Generator
    cache: Cache
    key: str
    relabel: Relabel = as_written
    model_key: str | None = None

    def prompts(self, split: Split, start: int, count: int) -> Batch:
        """Datapoints [start, start + count) of a split."""
        datapoints = list(self.generator.datapoints(split, range(start, start + count)))
        batch = encode(datapoints, self.checkpoint.tokenizer, self.checkpoint.model.config.context)
        return self.relabel(batch, split, start)

    def mean(self, workers: int = 1) -> dict[Site, Tensor]:
        """site -> (unit), over pretraining text. `workers`: threads that take means at a time."""
        key = key_of("means over text", self.model_key or self.key)
        known = self.cache.found(key, self._read_mean)
        if known is not None:
            return known
        with one_thread():
            mean = means_over_text(self.checkpoint.model, self.checkpoint.reference, workers)
        buffer = io.BytesIO()
        arrays = {str(site): value.cpu().numpy() for site, value in mean.items()}
        np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
        self.cache.put(key, buffer.getvalue())
        return mean

    def _read_mean(self, stored: bytes) -> dict[Site, Tensor]:
        with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
            device = self.checkpoint.model.embed.device
            sites = self.checkpoint.model.config.sites()
            return {site: torch.from_numpy(arrays[str(site)]).to(device) for site in sites}

    def ablation(
        self, ablate: Ablate, mean: Mapping[Site, Tensor] | None = None, workers: int = 1
    ) -> Ablation:
        """What an ablated node becomes. `mean`: over text, where it is known, which without a cache saves seconds."""
        model, checkpoint = self.checkpoint.model, self.checkpoint
        if ablate == "zero":
            return Ablation(zeros(model))
        if ablate == "mean(task)":
            batches = (
                self.prompts("select", start, AVERAGED // 4) for start in range(0, AVERAGED, AVERAGED // 4)
            )
            with one_thread():
                return Ablation(means_over_task(model, batches))
        mean = self.mean(workers) if mean is None else mean
        match ablate:
            case "mean":
                return Ablation(mean)
            case "resample(text)":
                with one_thread():
                    return FromText(mean, pool_of_values(model, checkpoint.reference))
            case "resample":
                return FromTask(mean, model, self.donors())

    def donors(self, seed: int = 0, cases: Cases = "any") -> Donors:
        """What draws the other prompts of a resample ablation. `seed`: besides the generator's own."""
        context = self.checkpoint.model.config.context
        return Donors(self.generator, self.checkpoint.tokenizer, context, seed, cases)

    def shown(self, nodes: int) -> Batch:
        """The prompts behind each node's cost in a circuit of so many nodes."""
        return self.prompts("select", 0, min(COSTED, max(1, COSTS // max(1, nodes))))

    def find(
        self,
        settings: PruneSettings,
        seed: int,
        budget: int | None = None,
        report: Callable[[str, float], None] = lambda stage, share: None,
        without: Sequence[Node] = (),
        fallback: bool = True,
        costs: bool = True,
    ) -> Found:
        """The smallest circuit that the search finds; with `budget`, its `budget` most needed nodes instead. `without`
        and `fallback` as in `prune`. `costs` no: the graph has nodes and weights alone."""
        known = self.known(settings, seed, budget, without, fallback, costs)
        if known is not None:
            return known
        with one_thread():
            return self._search(settings, seed, budget, report, without, fallback, costs)

    def known(
        self,
        settings: PruneSettings,
        seed: int,
        budget: int | None = None,
        without: Sequence[Node] = (),
        fallback: bool = True,
        costs: bool = True,
    ) -> Found | None:
        """What `find` found before with the same arguments."""
        key = self._key(settings, seed, budget, without, fallback, costs)
        return self.cache.found(key, lambda stored: _read(stored, seed))

    def _key(
        self,
        settings: PruneSettings,
        seed: int,
        budget: int | None,
        without: Sequence[Node],
        fallback: bool,
        costs: bool,
    ) -> str:
        asked = repr((asdict(settings), seed, budget, fallback, costs))
        return key_of("circuit", self.key, asked, sorted(map(str, set(without))))

    def _search(
        self,
        settings: PruneSettings,
        seed: int,
        budget: int | None,
        report: Callable[[str, float], None],
        without: Sequence[Node],
        fallback: bool,
        costs: bool,
    ) -> Found:
        ablation = self.ablation(settings.ablate)
        select = self.prompts("select", 0, SELECTED)
        model = self.checkpoint.model

        def draw(start: int, count: int) -> Batch:
            return self.prompts("train", start, count)

        pruned = prune(model, ablation, draw, select, settings, seed, report, without, fallback)
        if budget is not None:
            pruned = _cut(pruned, budget, self, ablation, select)
        if costs:
            shown = self.shown(len(pruned.nodes))
            unneeded: set[Edge] = set()
            if pruned.reached:
                edges = bare(model, pruned.nodes).weights
                train = draw(settings.steps * settings.batch, RANKED)
                report("leaving out edges", 1.0)
                unneeded = unneeded_edges(
                    Edges(model, ablation, pruned.nodes), edges, train, select, settings.loss, MARGIN
                )
            graph = extract(model, ablation, pruned.nodes, shown, self.checkpoint.tokenizer, unneeded)
        else:
            graph = bare(model, pruned.nodes)
        key = self._key(settings, seed, budget, without, fallback, costs)
        self.cache.put(key, _write(pruned, graph))
        return Found(seed, pruned, graph, False)


def _cut(pruned: Pruned, budget: int, finder: Finder, ablation: Ablation, select: Batch) -> Pruned:
    """The search's result, with its `budget` most needed nodes instead."""
    nodes = pruned.order[:budget]
    loss, error = loss_and_error(finder.checkpoint.model, ablation, nodes, select)
    return replace(pruned, nodes=tuple(sorted(nodes)), loss=loss, error=error, reached=len(nodes) == budget)


def _write(pruned: Pruned, graph: CircuitGraph) -> bytes:
    def names(nodes: tuple[Node, ...]) -> list[str]:
        return [str(node) for node in nodes]

    facts = asdict(pruned) | {"nodes": names(pruned.nodes), "order": names(pruned.order)}
    return json.dumps({"pruned": facts, "graph": graph.to_data()}).encode()


def _read(data: bytes, seed: int) -> Found:
    facts = json.loads(data)
    stored = facts["pruned"]
    pruned = Pruned(
        nodes=tuple(map(parse_node, stored["nodes"])),
        loss=stored["loss"],
        error=stored["error"],
        reached=stored["reached"],
        penalty=stored["penalty"],
        curve=tuple((int(k), float(loss)) for k, loss in stored["curve"]),
        order=tuple(map(parse_node, stored["order"])),
        stopped=Stopped(**stored["stopped"]) if stored["stopped"] else None,
    )
    return Found(seed, pruned, CircuitGraph.from_data(facts["graph"]), True)
