"""A planted model and a spec -> what judges the spec on the circuit that is known, without a search."""

from __future__ import annotations

from benchmarks.planted.circuits import Planted
from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import Finder
from circuitlang.claims.assess import Assessor
from circuitlang.claims.measure import Meter
from circuitlang.language.program.spec import Spec
from circuitlang.prompts.generate import Generator
from circuitlang.storage.cache import Cache

SHOWN = 16  # datapoints that the graph's costs are measured on


def finder_of(planted: Planted, spec: Spec) -> Finder:
    """It keeps nothing."""
    return Finder(planted.checkpoint, Generator(spec.task, 0), Cache(None), "")


def assessor_of(planted: Planted, spec: Spec) -> Assessor:
    finder, own = finder_of(planted, spec), Generator(planted.program.tasks["planted"], 0)
    shown = Finder(planted.checkpoint, own, Cache(None), "").prompts("select", 0, SHOWN)
    meter, nodes = Meter.of(finder, spec.prune), tuple(sorted(planted.nodes))
    graph = extract(planted.checkpoint.model, meter.ablation, nodes, shown, planted.checkpoint.tokenizer)
    return Assessor(meter, graph, spec.verdict, 0, spec.circuit)
