"""What cannot be measured says why and is never a pass: from a spec's text to its verdicts."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import torch

from benchmarks.planted.circuits import QUOTES, Planted, lookup, quotes
from circuitlang import __version__
from circuitlang.checking.job import Job, Options
from circuitlang.checking.run import check
from circuitlang.circuit.ablation import Ablation, means_over_text
from circuitlang.circuit.extract import extract
from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.load import load_text
from circuitlang.model.checkpoint import save
from circuitlang.prompts.encode import encode
from circuitlang.prompts.generate import Generator
from circuitlang.source.diagnostic import CommandError, ProgramError

PASS, FAIL, NOT_MEASURED = Outcome.PASS, Outcome.FAIL, Outcome.NOT_MEASURED
ROLES = """
  circuit {
    role detector = neuron in layer 0
    role kind = neuron in layer 0
    role copier = head in layer 1
    detector -> copier.key
    kind -> copier.value -> answer
  }
"""
METRICS = """
  claim a1: loss{given} <= 100          claim a2: loss{given} >= 0.001
  claim b1: accuracy{given} <= 99%      claim b2: accuracy{given} >= 1%
  claim c1: probability{given} <= 99%   claim c2: probability{given} >= 1%
  claim d1: mass{given} <= 99%          claim d2: mass{given} >= 1%
  claim e1: agreement{given} <= 99%     claim e2: agreement{given} >= 1%
  claim f1: flip{given} <= 99%          claim f2: flip{given} >= 1%
  claim g1: kl{given} <= 100            claim g2: kl{given} >= 0.001
  claim h1: rise{given} <= 100          claim h2: rise{given} >= -100
  claim i1: attention(copier, from=end, to=open){given} <= 99%
  claim i2: attention(copier, from=end, to=open){given} >= 1%
  claim j1: auroc(late, at=open){given} <= 99%
  claim j2: auroc(late, at=open){given} >= 1%
  claim k1: auroc(late, at=open, between=(double, single)){given} <= 99%
  claim k2: auroc(late, at=open, between=(double, single)){given} >= 1%
  claim l1: activation(late){given} <= 100
  claim l2: activation(late){given} >= -100
"""
LATE = ROLES.replace("role copier", "role late = attn_out in layer 1\n    role copier").replace(
    "kind -> copier.value -> answer", "kind -> copier.value -> answer\n    late -> answer"
)


LETTERS = QUOTES.replace('rule letter = "a"', 'rule letter = "~"')


def broken(planted: Planted) -> Planted:
    """The same model, but what it has for `~`, which its pretraining text has not, is not a number."""
    model = copy.deepcopy(planted.checkpoint.model)
    (token,) = planted.checkpoint.tokenizer.encode("~").ids
    model.embed[token] = torch.nan
    return replace(planted, checkpoint=replace(planted.checkpoint, model=model))


# --- not a number -----------------------------------------------------------------------------------


def test_a_value_that_overflows_is_not_measured_by_any_metric(judge_text) -> None:
    """Also where a comparison with NaN would count it as a wrong answer, as no flip or as no difference."""
    given = " given scale(kind -> copier.value = 1e38)"
    found = judge_text(quotes(), LATE + METRICS.format(given=given))
    inside = {
        "circuit",
        "i1",
        "i2",
    }  # the head's pattern does not depend on its values, which are what overflows
    assert {n: v.outcome for n, v in found.items() if v.outcome is not NOT_MEASURED and n not in inside} == {}
    assert all("not finite" in verdict.note for name, verdict in found.items() if name not in inside)


def test_one_edge_that_overflows_keeps_a_claim_on_each_from_passing(judge_text) -> None:
    found = judge_text(quotes(), LATE + METRICS.format(given=" given scale(each edge = 1e38)"))
    assert {name for name, verdict in found.items() if verdict.outcome is PASS} == {"circuit"}


def test_prompts_on_which_the_model_overflows_are_not_measured(judge_text) -> None:
    text = ROLES + "claim a: accuracy <= 99% claim b: auroc(kind, at=open) <= 99% claim c: loss <= 100"
    found = judge_text(broken(quotes()), text, LETTERS)
    assert {found[name].outcome for name in "abc"} == {NOT_MEASURED}
    assert all("not finite" in found[name].note for name in "abc")


def test_a_random_circuit_that_gives_no_number_is_among_those_that_are_judged(judge_text) -> None:
    found = judge_text(quotes(), "claim a: accuracy given scale(random = 1e38) <= 99%")
    assert found["a"].outcome is NOT_MEASURED
    assert "not finite" in found["a"].note


def test_a_circuit_whose_loss_is_no_number_is_refused() -> None:
    planted = broken(quotes())
    model, tokenizer = planted.checkpoint.model, planted.checkpoint.tokenizer
    mean = means_over_text(model, planted.checkpoint.reference)
    task = load_text(LETTERS).tasks["planted"]
    batch = encode(list(Generator(task, 0).datapoints("select", range(4))), tokenizer, 48)
    with pytest.raises(CommandError, match="not a finite"):
        extract(model, Ablation(mean), tuple(sorted(planted.nodes)), batch, tokenizer)


def test_means_that_are_not_finite_are_refused(judge_text) -> None:
    planted = broken(quotes())
    (token,) = planted.checkpoint.tokenizer.encode("~").ids
    reference = planted.checkpoint.reference.clone()
    reference[0, 1] = token
    with pytest.raises(CommandError, match="not finite"):
        means_over_text(planted.checkpoint.model, reference)
    planted = replace(planted, checkpoint=replace(planted.checkpoint, reference=reference))
    with pytest.raises(CommandError, match=r"0\.attn_in"):
        judge_text(planted, "claim a: loss <= 1")


SPEC = """
spec s {
  task = planted
  model = "model"
  prune { ablate = zero  steps = 2 }
  verdict { samples = 32..64 }
  claim low: accuracy <= 99%
}
"""


def test_a_model_whose_logits_are_no_numbers_is_neither_competent_nor_pruned(tmp_path: Path) -> None:
    planted = quotes()
    model = copy.deepcopy(planted.checkpoint.model)
    model.attention[0].out.bias.fill_(3e38)
    model.mlp[0].down.bias.fill_(3e38)  # each is a finite number; the residual stream is their sum
    save(tmp_path / "model", model, planted.checkpoint.tokenizer, planted.checkpoint.reference, {})
    spec = load_text(QUOTES + SPEC, str(tmp_path / "s.cir")).specs["s"]
    report = check(Job(spec, tmp_path, Options(fresh=True)))
    assert report.verdict is NOT_MEASURED
    assert report.exit_status == 3
    assert report.circuit is None
    assert "not finite" in report.note


def test_a_report_does_not_fail_where_a_package_has_no_metadata(tmp_path: Path, monkeypatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata.Distribution, "from_name", missing)
    planted = quotes()
    save(
        tmp_path / "model",
        planted.checkpoint.model,
        planted.checkpoint.tokenizer,
        planted.checkpoint.reference,
        {},
    )
    spec = load_text(QUOTES + SPEC, str(tmp_path / "s.cir")).specs["s"]
    made = check(Job(spec, tmp_path, Options(fresh=True))).provenance
    assert made.versions["circuitlang"] == __version__
    assert made.versions["torch"] == "unknown"


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    planted = quotes()
    model = copy.deepcopy(planted.checkpoint.model)
    model.embed[3, 3] = torch.nan
    save(tmp_path / "model", model, planted.checkpoint.tokenizer, planted.checkpoint.reference, {})
    spec = load_text(QUOTES + SPEC, str(tmp_path / "s.cir")).specs["s"]
    with pytest.raises(CommandError, match="not a finite"):
        check(Job(spec, tmp_path, Options(fresh=True)))


# --- roles and marks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim",
    [
        "flip given swap(kind) >= 90%",
        "flip given swap(kind -> copier.value) >= 90%",
        "loss given keep(kind) <= 1",
        "loss given scale(kind -> answer = 2) <= 1",
        "activation(kind, at=open) >= 1",
        "auroc(kind, at=open) >= 90%",
        "attention(copier, from=end, to=open) >= 50%",
        "accuracy >= accuracy given drop(kind)",
    ],
)
def test_a_role_that_nothing_plays_is_said(judge_text, claim: str) -> None:
    roles = ROLES.replace("kind -> copier.value", "kind -> copier.query")
    found = judge_text(quotes(), roles + f"claim a: {claim}")
    assert (found["circuit"].outcome, found["a"].outcome) == (FAIL, NOT_MEASURED)
    assert "no node of the circuit plays the role" in found["a"].note


def test_a_port_of_which_the_circuit_keeps_nothing_is_said(judge_text) -> None:
    found = judge_text(quotes(), ROLES + "claim a: loss given drop(copier.query) <= 9")
    assert found["a"].outcome is NOT_MEASURED
    assert found["a"].note == "the circuit keeps nothing of `copier.query`"


MARKS = """
task planted {
  rule letter = "a" | "b" | "c" | "d" | "e" | "f"
  draw first, second, third = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  rule twice = '"'
  rule maybe = "" | "o"
  hold out first 25%
  prompt "{first}{second}={open}{maybe}{letter}{letter}{third}"
  case double with open = twice answer '"'
  case single with open = "'" answer "'"
}
"""


def test_a_mark_that_a_prompt_lacks_is_said_with_the_case(judge_text) -> None:
    claims = """
  claim some: activation(kind, at=twice) >= 1
  claim one: activation(kind, at=twice) for case double >= 1
  claim now_and_then: auroc(kind, at=maybe) for case single >= 1%
  claim looks: attention(copier, from=end, to=maybe) <= 99%
  claim looks_there: attention(copier, from=end, to=twice) for case double >= 50%
"""
    found = judge_text(quotes(), ROLES + claims, MARKS)
    assert found["one"].outcome is PASS  # what other cases lack does not matter
    assert found["looks_there"].outcome is PASS
    for name, case, mark in (("some", "single", "twice"), ("now_and_then", "single", "maybe")):
        assert found[name].outcome is NOT_MEASURED
        assert found[name].note == f"a prompt of case `{case}` has no token at `{mark}`"
    assert found["looks"].outcome is NOT_MEASURED
    assert "has no token at `end` or `maybe`" in found["looks"].note


def test_a_mark_that_is_all_of_a_prompt_is_said(judge_text) -> None:
    task = """
task planted {
  rule letter = "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h"
  prompt "{all}"
  case double with all = '"' letter letter letter letter letter answer '"'
  case single with all = "'" letter letter letter letter letter answer "'"
}
"""
    found = judge_text(quotes(), ROLES + "claim a: auroc(kind, at=all) >= 1%", task)
    assert found["a"].note == "a prompt of case `double` has no other token than those at `all`"


# --- what is ablated is still there to be looked at -------------------------------------------------


def test_what_is_ablated_can_be_looked_at_and_changed(judge_text) -> None:
    """A site that the ablation makes constant is not computed, unless somebody asks."""
    found = judge_text(
        quotes(),
        ROLES
        + """
  claim looks: attention(copier, from=end, to=open) given keep(circuit) >= 80%
  claim still: activation(kind, at=open) given keep(copier) <= 100
  claim swapped: rise given keep(detector), swap(kind) >= -100
  claim cut: rise given keep(detector), drop(kind -> copier.value) >= -100
  claim turned: rise given keep(detector), scale(kind -> copier.value = 2) >= -100
  claim through: rise given keep(detector), swap(each edge) >= -100
""",
    )
    assert {name: v.note for name, v in found.items() if v.outcome is not PASS} == {}


def test_what_is_cut_shows_inside_the_model(judge_text) -> None:
    """Attention and activations are those under the claim's arrows, not those without them."""
    found = judge_text(
        quotes(),
        LATE
        + """
  claim looks: attention(copier, from=end, to=open) >= 80%
  claim blind: attention(copier, from=end, to=open) given drop(detector -> copier.key) <= 40%
  claim apart: activation(late) for case double >= activation(late) for case single
  claim turned: auroc(late, at=end, between=(double, single)) given swap(kind -> copier.value) <= 10%
  claim upright: auroc(late, at=end, between=(double, single)) >= 90%
""",
    )
    assert {name: v.note for name, v in found.items() if v.outcome is not PASS} == {}


# --- the program ------------------------------------------------------------------------------------


def test_a_swap_among_four_cases_that_names_none_is_refused(judge_text) -> None:
    for claim in ("flip given swap(circuit) >= 1%", "loss given swap(each edge) >= 1"):
        with pytest.raises(ProgramError) as error:
            judge_text(lookup(), f"claim a: {claim}")
        assert "CIR-126" in {d.code for d in error.value.diagnostics}


# --- packages ---------------------------------------------------------------------------------------

WORDS = """
import math
import numpy as np
import torch
from circuitlang.language.program.signature import InterventionKind, Metric, Parameter
from circuitlang.language.program.vocabulary import AT

FORMS = ("circuit", "random", "role", "port", "arrow", "each node", "each edge", "each ROLE")
NEGATED = InterventionKind("negated", "turn the sign", FORMS, options=(AT,), change="plugged_bad:negated")
BLURRED = InterventionKind("blurred", "raises", FORMS, change="plugged_bad:blurred")
SHORT = InterventionKind("short", "loses a unit", FORMS, change="plugged_bad:short")
VOIDED = InterventionKind("voided", "not a number", FORMS, value=(0, 1), change="plugged_bad:voided")
ABSENT = InterventionKind("absent", "is not there", FORMS, change="plugged_bad:nobody")
NAN = Metric("nan", "share", "not a number", low=None, measure="plugged_bad:nan")
LARGE = Metric("large", "share", "more than all", measure="plugged_bad:large")
WRONG = Metric("wrong", "nats", "raises", measure="plugged_bad:wrong")
FEW = Metric("few", "nats", "too few", measure="plugged_bad:few")


def negated(values, scene):
    return -values

def blurred(values, scene):
    return values[:, scene.site.nobody]

def short(values, scene):
    return values[..., :0]

def voided(values, scene):
    return values * scene.value * math.nan

def nan(view, n):
    return np.full(n, np.nan)

def large(view, n):
    return np.full(n, 1.5)

def wrong(view, n):
    return {}["nothing"]

def few(view, n):
    return np.zeros(n // 2)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "plugged_bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged-bad\nVersion: 1.0\n")
    acts = ("negated", "blurred", "short", "voided", "absent")
    entries = ["[circuitlang.interventions]", *(f"{name} = plugged_bad:{name.upper()}" for name in acts)]
    metrics = ("nan", "large", "wrong", "few")
    entries += ["[circuitlang.metrics]", *(f"{name} = plugged_bad:{name.upper()}" for name in metrics)]
    (info / "entry_points.txt").write_text("\n".join(entries))
    (tmp_path / "plugged_bad.py").write_text(WORDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "plugged_bad", raising=False)


@pytest.mark.usefixtures("package")
def test_an_intervention_of_a_package_acts_like_the_language_s_own(judge_text) -> None:
    """Turning the sign of the kind is multiplying it by -1, whatever it is done to."""
    pairs = [
        ("negated(kind)", "scale(kind = -1)"),
        ("negated(kind, at=open)", "scale(kind = -1, at=open)"),
        ("negated(copier.value)", "scale(copier.value = -1)"),
        ("negated(kind -> copier.value)", "scale(kind -> copier.value = -1)"),
        ("negated(circuit)", "scale(circuit = -1)"),
        ("negated(each edge)", "scale(each edge = -1)"),
        ("negated(each node)", "scale(each node = -1)"),
        ("negated(random)", "scale(random = -1)"),
    ]
    claims = "\n".join(
        f"claim p{i}: loss given {act} <= 1e6" for i, act in enumerate(act for pair in pairs for act in pair)
    )
    found = judge_text(quotes(), ROLES + claims)
    for i, (act, _) in enumerate(pairs):
        ours, theirs = found[f"p{2 * i + 1}"], found[f"p{2 * i}"]
        assert theirs.interval is not None, (act, theirs.note)
        assert ours.interval is not None
        assert theirs.interval.value == pytest.approx(ours.interval.value, abs=1e-6), act
        assert theirs.member == ours.member, act


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("loss given blurred(kind) <= 100", "`plugged_bad:blurred` does not work: AttributeError"),
        ("loss given blurred(each edge) <= 100", "`plugged_bad:blurred` does not work: AttributeError"),
        ("loss given blurred(kind -> copier.value) <= 100", "AttributeError"),
        ("loss given short(kind) <= 100", "gave shape"),
        ("loss given absent(kind) <= 100", "has no attribute 'nobody'"),
        ("accuracy given voided(kind = 1/2) <= 99%", "not finite"),
        ("agreement given voided(each edge = 1/2) <= 99%", "not finite"),
        ("loss given voided(random = 1/2) <= 100", "not finite"),
        ("nan <= 50%", "64 of 64 values are not finite"),
        ("nan >= 50%", "64 of 64 values are not finite"),
        ("accuracy >= nan", "64 of 64 values are not finite"),
        ("large >= 50%", "lie in [0, 1]"),
        ("wrong <= 100", "`plugged_bad:wrong` does not work: KeyError"),
        ("few <= 100", "gave numbers of shape (32,)"),
    ],
)
def test_what_a_package_does_wrong_is_not_measured(judge_text, claim: str, why: str) -> None:
    found = judge_text(quotes(), ROLES + f"claim a: {claim}")["a"]
    assert found.outcome is NOT_MEASURED
    assert why in found.note
