"""Nulls: what they are, what they reach, and what becomes of a claim that they reach."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from benchmarks.planted.circuits import QUOTES, Planted, quotes
from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import Finder, Found
from circuitlang.circuit.prune import Pruned
from circuitlang.claims.assess import Assessor
from circuitlang.claims.judge import HYPOTHESIS
from circuitlang.claims.measure import Meter
from circuitlang.claims.nulls import NULLS, Controls, about_a_circuit, make_nulls, shuffled, voided
from circuitlang.claims.verdict import Control, Outcome
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Spec
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.relabel import Nonsense, ShuffledAnswers, asked, nonsense_tokens, one_answer
from circuitlang.source.diagnostic import Unmeasurable
from circuitlang.storage.cache import Cache

SPEC = """
spec planted {
  task = planted
  model = "zoo:any"
  prune { loss = 0.07  ablate = mean  steps = 60 }
  verdict { samples = 128..256 }
  circuit {
    role kind = neuron in layer 0
    role copier = head in layer 1
    kind -> copier.value -> answer
  }
  claim sufficient: loss given keep(circuit) <= 0.2
  claim necessary: loss given drop(circuit) >= 0.6
  claim faithful: agreement given keep(circuit) >= 95%
  claim causal: flip given swap(kind) >= 90%
  claim small: nodes <= 11
  claim weak: loss given keep(circuit) <= 5
  claim harmless: rise given drop(circuit) >= -0.5
  claim able: accuracy >= 90%
}
"""


@lru_cache
def planted() -> Planted:
    return quotes()


def controls(text: str = SPEC) -> tuple[Spec, Controls]:
    """Of the known circuit, so that the real one needs no search."""
    spec = load_text(QUOTES + text, "planted.cir").specs["planted"]
    checkpoint = planted().checkpoint
    finder = Finder(checkpoint, Generator(spec.task, 0), Cache(None), "key")
    meter = Meter.of(finder, spec.prune)
    nodes = tuple(sorted(planted().nodes))
    graph = extract(
        checkpoint.model, meter.ablation, nodes, finder.prompts("select", 0, 16), checkpoint.tokenizer
    )
    found = Found(0, Pruned(nodes, 0.05, 0.0, True, 0.0, (), nodes), graph, False)
    return spec, Controls(finder, meter, spec, found, spec.claims)


@lru_cache
def run(name: str) -> Control:
    _, those = controls()
    if name == "random":
        return those.run_random()
    return search_and_run(those, name)


def search_and_run(those: Controls, name: str) -> Control:
    made = next(made for made in make_nulls(those.finder, 0) if made.null.name == name)
    assert made.finder is not None
    return those.run(made, made.finder.find(those.spec.prune, 0, fallback=False))


def test_the_true_circuit_is_told_from_every_null() -> None:
    """All that is true of the planted circuit and of it alone."""
    for name in ("shuffled_answers", "shuffled_weights", "random"):
        found = run(name)
        assert not {HYPOTHESIS, "sufficient", "necessary", "faithful", "causal", "small"} & set(
            found.reaches
        ), found


def test_a_bar_that_anything_clears_is_reached() -> None:
    for name in ("shuffled_answers", "shuffled_weights", "random"):
        assert "weak" in run(name).reaches, run(name)
    assert "harmless" in run("random").reaches


def test_a_claim_on_the_untouched_model_has_no_null() -> None:
    spec, _ = controls()
    assert [claim.name for claim in spec.claims if not about_a_circuit(claim)] == ["able"]
    assert all("able" not in run(null.name).reaches for null in NULLS)


def test_nothing_can_be_learnt_of_shuffled_answers() -> None:
    found = run("shuffled_answers")
    assert found.nodes is None
    assert found.ratio is None
    assert "the target is not reached" in found.note
    assert found.loss_at_size is not None
    assert found.loss_at_size > 0.6


def test_random_circuits_have_no_node_of_the_circuit_and_do_not_do_the_task() -> None:
    found = run("random")
    assert found.loss_at_size is not None
    assert found.loss_at_size > 0.3


def test_the_same_seed_gives_the_same_null() -> None:
    _, those = controls()
    assert search_and_run(those, "nonsense") == run("nonsense")


def test_a_null_that_cannot_be_built_says_why() -> None:
    task = (
        "task planted {"
        + """
  draw first, second, third = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  prompt "{first}{second}='ab{third}"
  case only answer "'" foil '"'
}
"""
    )
    _, those = controls()
    alone = load_text(task, "alone.task").tasks["planted"]
    finder = replace(those.finder, generator=Generator(alone, 0))
    notes = {
        made.null.name: those.run(made, None).note for made in make_nulls(finder, 0) if made.finder is None
    }
    assert set(notes) == {"nonsense", "shuffled_answers", "one_answer"}
    assert all(note.startswith("not built: the task has one case") for note in notes.values())


def test_only_what_passes_becomes_void() -> None:
    spec, those = controls()
    assessor = Assessor(those.meter, those.real, spec.verdict, 0, spec.circuit)
    verdicts = [assessor.judge(claim) for claim in spec.claims if claim.name in ("weak", "sufficient")]
    reached = Control("shuffled_weights", "", voids=True, reaches=("weak",))
    found = {verdict.name: verdict for verdict in voided(verdicts, [reached])}
    assert found["weak"].outcome is Outcome.VOID
    assert "shuffled_weights" in found["weak"].note
    assert found["sufficient"].outcome is Outcome.PASS
    failed = [replace(verdict, outcome=Outcome.FAIL) for verdict in verdicts]
    assert voided(failed, [reached]) == failed
    assert voided(verdicts, [replace(reached, voids=False)]) == verdicts


def test_permuted_weights_are_the_same_numbers_at_other_places() -> None:
    model = planted().checkpoint.model
    other, again = shuffled(model, 1), shuffled(model, 1)
    moved = 0
    for (name, before), (_, after), (_, same) in zip(
        model.named_parameters(), other.named_parameters(), again.named_parameters(), strict=True
    ):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values), name
        assert torch.equal(after, same), name
        assert before.ndim == 2 or torch.equal(before, after), name
        moved += int((before != after).any())
    assert moved > 5


def test_relabelled_datapoints_do_not_depend_on_their_batch() -> None:
    _, those = controls()
    batch = those.finder.prompts("select", 0, 64)
    tokens = nonsense_tokens(those.finder.checkpoint.tokenizer, asked(batch), batch.cases, 0)
    for relabel in (ShuffledAnswers(0), Nonsense(tokens), one_answer):
        whole = relabel(batch, "select", 0)
        parts = [
            relabel(part, "select", number * 8) for number, part in enumerate(batch.parts(8 * batch.cases))
        ]
        assert np.array_equal(whole.answer, np.concatenate([part.answer for part in parts]))
        assert np.array_equal(whole.foils, np.concatenate([part.foils for part in parts]))
        assert np.array_equal(whole.tokens, batch.tokens)


def test_what_the_relabelled_tasks_ask() -> None:
    _, those = controls()
    batch = those.finder.prompts("select", 0, 512)
    swapped = ShuffledAnswers(0)(batch, "select", 0)
    share = float((swapped.answer != batch.answer).mean())
    assert 0.4 < share < 0.6
    assert np.array_equal(swapped.answer[0::2], swapped.foils[1::2, 0])  # a pair still has its two answers
    same = one_answer(batch, "select", 0)
    assert len(set(same.answer.tolist())) == 1
    assert (same.answer[:, None] != same.foils).all()
    tokens = nonsense_tokens(those.finder.checkpoint.tokenizer, asked(batch), batch.cases, 0)
    assert len(set(tokens)) == batch.cases
    assert not set(tokens) & asked(batch)
    assert asked(Nonsense(tokens)(batch, "select", 0)) == set(tokens)


def test_a_vocabulary_too_small_for_nonsense_is_said_so() -> None:
    _, those = controls()
    tokenizer = those.finder.checkpoint.tokenizer
    with pytest.raises(Unmeasurable, match="the vocabulary has 0 tokens that the task does not use"):
        nonsense_tokens(tokenizer, range(tokenizer.size), 2, 0)


ONE_SIDED = """
task planted {
  rule letter = "a" | "b" | "c" | "d" | "e" | "f"
  draw first, second, third = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  prompt "{first}{second}={open}{letter}{letter}{third}"
  case double with open = '"' answer '"'
  case single with open = "'" answer not '"'
}
"""


def test_one_sided_tasks_have_nulls_too() -> None:
    task = load_text(ONE_SIDED, "one.task").tasks["planted"]
    finder = Finder(planted().checkpoint, Generator(task, 0), Cache(None), "")
    batch = finder.prompts("select", 0, 64)
    swapped = ShuffledAnswers(0)(batch, "select", 0)
    assert 0.2 < float((swapped.negated != batch.negated).mean()) < 0.8
    assert not one_answer(batch, "select", 0).negated.any()
    assert set(Nonsense((3, 4))(batch, "select", 0).answer.tolist()) == {3}
