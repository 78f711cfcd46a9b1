"""The judging step again and again: the same verdicts and numbers, to the last digit; and no other verdict with other
counts of threads or datapoints at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from benchmarks.judge.circuits import MUTATED
from benchmarks.judge.subject import AT_ONCE, Subject, assess, meter_of
from benchmarks.planted.circuits import CIRCUITS
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.claims.measure import CHUNK
from circuitlang.claims.verdict import Verdict
from circuitlang.language.program.spec import Quantity
from circuitlang.prompts.generate import Generator

SAMPLES = (8, 32)
"""Of each of many runs; the last look, for most claims are undecided before."""
OTHERS = ((1, 7), (1, CHUNK), (2, AT_ONCE))
"""(threads, datapoints at once), each compared with one thread and AT_ONCE."""


@dataclass(frozen=True)
class Same:
    """`digests`: how many different ones there were of `runs`, each of one circuit's; should be the circuits' number.
    `flipped`: verdicts that other threads or sizes changed, of `compared`."""

    circuits: int
    runs: int
    digests: int
    compared: int
    flipped: tuple[str, ...]


def measure(runs: int, circuits: int = len(CIRCUITS)) -> Same:
    """`runs` runs, shared among the circuits."""
    variations = MUTATED[:circuits]
    each, digests, done, compared = -(-runs // len(variations)), set[tuple[str, str]](), 0, 0
    flipped: list[str] = []
    threads = torch.get_num_threads()
    for variation in variations:
        subject, name = Subject(variation), variation.circuit
        graph = subject.graph_of(sorted(subject.planted.nodes))
        for _ in range(each):
            digests.add((name, digest(_verdicts(subject, graph, SAMPLES[1], SAMPLES))))
            done += 1
        try:
            torch.set_num_threads(1)
            usual = _verdicts(subject, graph, AT_ONCE)
            for count, at_once in OTHERS:
                torch.set_num_threads(count)
                other = _verdicts(subject, graph, at_once)
                compared += len(usual)
                flipped += _flips(f"{name}, {count} threads, {at_once} at once", usual, other)
        finally:
            torch.set_num_threads(threads)
    return Same(len(variations), done, len(digests), compared, tuple(flipped))


def digest(verdicts: list[Verdict]) -> str:
    """Of everything that a verdict holds; numbers are spelled so that no digit is lost."""
    return hashlib.sha256(repr(verdicts).encode()).hexdigest()


def _verdicts(
    subject: Subject, graph: CircuitGraph, at_once: int, samples: tuple[int, int] | None = None
) -> list[Verdict]:
    """Fresh prompts and measurements, of all claims but those about many circuits at once."""
    spec = subject.spec
    claims = tuple(claim for claim in spec.claims if not _many(claim.left))
    settings = replace(spec.verdict, samples=samples or spec.verdict.samples)
    meter = meter_of(subject.planted.checkpoint, Generator(spec.task, 0), spec.prune, at_once)
    return assess(replace(spec, claims=claims, verdict=settings), meter, graph)


def _many(quantity: Quantity) -> bool:
    return any(act.each or act.target == "random" for act in quantity.interventions)


def _flips(where: str, usual: list[Verdict], other: list[Verdict]) -> Iterator[str]:
    for one, two in zip(usual, other, strict=True):
        if one.outcome is not two.outcome:
            yield f"{where}: {one.name}: {one.outcome} became {two.outcome}"
