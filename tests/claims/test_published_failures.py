"""Failures of the method, published or met in trials, rebuilt: each is caught, by name.

Two more stand in test_battery.py: a head kept with a value and no query or key (`uniform attention`), and a circuit
with less loss than its model (`below the model's loss`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.run import check
from circuitlang.claims.assess import competence, verdict_of_competence
from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Spec
from circuitlang.model import score

ROOT = Path(__file__).parents[2]
QUOTES = """
task nonsense {{
  param before = 1..2
  rule other = "left" | "right" | "total" | "size"
  rule line = other " = 0\\n"
  rule lines = line{{before}}
  rule word = "red" | "green" | "blue" | "gold" | "grey" | "pink"
  draw name = "rows" | "items" | "grid" | "names" | "text" | "cells" | "kind" | "mode" | "path" | "line"
  prompt "{{lines}}{{name}} = ({{open}}{{word}}"
  case double with open = '"' answer {double}
  case single with open = "'" answer {single}
}}
spec nonsense {{
  task = nonsense
  model = "zoo:python-small"
  verdict {{ samples = 256..512 }}
  claim sufficient: loss given keep(circuit) <= 0.15
}}
"""


def spec_of(double: str, single: str) -> Spec:
    text = QUOTES.format(double=double, single=single)
    return load_text(text, str(ROOT / "nonsense.cir"), ROOT).specs["nonsense"]


def test_a_map_from_cases_to_tokens_with_nothing_in_it_is_not_competent() -> None:
    """Gao et al.'s critics let pruning find a circuit for it; here nothing is pruned."""
    found = check(Job(spec_of('" in"', '" is"'), ROOT, Options(fresh=True)))
    assert found.verdict is Outcome.FAIL
    assert found.note.startswith("not competent")
    assert found.circuit is None


@pytest.fixture(scope="module")
def accident() -> tuple[str, str]:
    """Two tokens that the untouched model tells apart as the quotes do, and never says here. Searched on `train`."""
    finder = Bench.of(Job(spec_of("'\")'", '"\')"'), ROOT, Options(fresh=True))).finder
    batch = finder.prompts("train", 0, 128)
    with torch.no_grad():
        logits = score.answer_logits(finder.checkpoint.model, batch)
    double, single = logits[0::2], logits[1::2]
    quiet = logits.softmax(1).amax(0) < 1e-3
    tokenizer = finder.checkpoint.tokenizer
    texts = [tokenizer.decode([token]) for token in range(tokenizer.size)]
    words = [t for t, text in enumerate(texts) if quiet[t] and text[:1] == " " and text[1:].isalpha()]
    ordered = best_pair(double[:, words].numpy(), single[:, words].numpy(), words)
    first, second = ordered
    return tokenizer.decode([first]), tokenizer.decode([second])


def best_pair(double: np.ndarray, single: np.ndarray, words: list[int]) -> tuple[int, int]:
    best, pair = 0.0, (words[0], words[1])
    for i in range(len(words)):
        a = (double[:, [i]] > double).mean(0)
        b = (single > single[:, [i]]).mean(0)
        both = np.minimum(a, b)
        if both.max() > best:
            best, pair = float(both.max()), (words[i], words[int(both.argmax())])
    return pair


def test_two_tokens_told_apart_by_accident_are_not_what_the_model_says(accident: tuple[str, str]) -> None:
    """The trap: "right" on nearly all prompts, at next to no probability. Accuracy alone would let it pass."""
    double, single = (f'"{text}"' for text in accident)
    spec = spec_of(double, single)
    found = check(Job(spec, ROOT, Options(fresh=True)))
    assert found.task.accuracy is not None
    assert found.task.accuracy > spec.verdict.competence
    assert found.verdict is Outcome.FAIL
    assert found.note.startswith("not competent: mass")
    assert found.circuit is None
    meter = Bench.of(Job(spec, ROOT, Options(fresh=True))).meter
    blind = competence(meter, replace(spec.verdict, mass=0.0), spec.span)
    assert verdict_of_competence(blind) is Outcome.PASS  # what would have happened without a bar on the mass
