"""From the text of a spec about a planted circuit to the verdicts of its claims."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.planted.circuits import INDUCTION, LOOKUP, QUOTES, Planted
from circuitlang.cache import Cache
from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import Finder
from circuitlang.claims.assess import Assessor
from circuitlang.claims.measure import Meter
from circuitlang.claims.verdict import Verdict
from circuitlang.program.load import load_text
from circuitlang.program.spec import PruneSettings
from circuitlang.prompts.generate import Generator

SPEC = """
spec planted {{
  task = planted
  model = "zoo:any"
  verdict {{ samples = 64..128 }}
{body}
}}
"""
TASKS = {"quotes": QUOTES, "lookup": LOOKUP, "induction": INDUCTION}


def judged(planted: Planted, body: str, task: str = "") -> dict[str, Verdict]:
    """Every claim's verdict, by name, and that on the circuit block. `task`: in place of the model's own task."""
    text = (task or TASKS[planted.name]) + SPEC.format(body=body)
    spec = load_text(text, "planted.cir").specs["planted"]
    generator = Generator(spec.task, 0)
    finder = Finder(planted.checkpoint, generator, Cache(None), "")
    mean = finder.mean(PruneSettings())
    model, tokenizer = planted.checkpoint.model, planted.checkpoint.tokenizer
    own = Finder(planted.checkpoint, Generator(planted.program.tasks["planted"], 0), Cache(None), "")
    graph = extract(model, mean, tuple(sorted(planted.nodes)), own.prompts("select", 0, 16), tokenizer)
    meter = Meter(planted.checkpoint, generator, mean, Cache(None), "")
    judge = Assessor(meter, graph, spec.verdict, 0, spec.circuit)
    fits = judge.judge_hypothesis()
    found = {claim.name: judge.judge(claim) for claim in spec.claims}
    return found | ({"circuit": fits} if fits else {})


@pytest.fixture(scope="session")
def judge_text() -> Callable[..., dict[str, Verdict]]:
    return judged
