"""From the text of a spec about a planted circuit to the verdicts of its claims."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.planted.circuits import INDUCTION, LOOKUP, QUOTES, Planted
from benchmarks.planted.known import assessor_of
from circuitlang.claims.verdict import Verdict
from circuitlang.language.program.load import load_text

SPEC = """
spec planted {{
  task = planted
  model = "zoo:any"
  prune {{ ablate = mean }}
  verdict {{ samples = 64..128 }}
{body}
}}
"""
TASKS = {"quotes": QUOTES, "lookup": LOOKUP, "induction": INDUCTION}


def judged(planted: Planted, body: str, task: str = "") -> dict[str, Verdict]:
    """Every claim's verdict, by name, and that on the circuit block. `task`: in place of the model's own task."""
    text = (task or TASKS[planted.name]) + SPEC.format(body=body)
    spec = load_text(text, "planted.cir").specs["planted"]
    judge = assessor_of(planted, spec)
    fits = judge.judge_hypothesis()
    found = {claim.name: judge.judge(claim) for claim in spec.claims}
    return found | ({"circuit": fits} if fits else {})


@pytest.fixture(scope="session")
def judge_text() -> Callable[..., dict[str, Verdict]]:
    return judged
