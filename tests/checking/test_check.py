"""The main job end to end on the shipped model, with a search short enough for a test."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

from circuitlang.checking.bench import Bench
from circuitlang.checking.constant_nodes import constant_nodes
from circuitlang.checking.job import Job, Options
from circuitlang.checking.run import check, check_and_write, check_file
from circuitlang.circuit.find import Finder
from circuitlang.circuit.graph import CircuitGraph, GraphNode
from circuitlang.claims.battery.checks import CHECKS
from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Claim, Quantity, Spec
from circuitlang.report import words
from circuitlang.report.markdown import markdown
from circuitlang.report.report import Report
from circuitlang.report.terminal import terminal
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError
from circuitlang.studies.prune_spec import _found

ROOT = Path(__file__).parents[2]
SPEC = """
use "tasks/python.task"

spec quick {
  task = single_double_quote
  model = "zoo:python-small"
  prune { loss = 0.5  ablate = mean  seeds = 0  steps = 40  batch = 4  learning_rate = 0.1  penalty = 0.03 }
  verdict { samples = 64..128 }
  claim sufficient: loss given keep(circuit) <= 0.65
  claim impossible: accuracy given drop(circuit) >= 100%
  claim counted:    nodes >= 1
}
"""


def quickly(**options) -> Options:
    """Without the battery and the nulls, which take longer than a test may."""
    return Options(battery=False, controls=False, **options)


def spec_of(text: str) -> Spec:
    return load_text(text, "quick.cir", ROOT).specs["quick"]


@pytest.fixture(scope="module")
def quick() -> Spec:
    return spec_of(SPEC)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole file: the search is what takes long."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def report(quick: Spec, cache: Path) -> Report:
    return check(Job(quick, ROOT, quickly(cache=cache)))


def test_the_report_says_what_happened(report: Report) -> None:
    assert report.task.accuracy is not None
    assert report.task.accuracy > 0.9
    assert report.circuit is not None
    assert report.circuit.seeds == (0,)
    assert all(circuit.nodes >= 1 for circuit in report.circuit.per_seed)
    assert [claim.name for claim in report.claims] == ["sufficient", "impossible", "counted"]
    assert [claim.verdict for claim in report.claims][2] is Outcome.PASS
    assert report.claims[1].verdict is not Outcome.PASS
    broken = report.claims[1].counterexample
    assert (broken is not None) == (report.claims[1].verdict is Outcome.FAIL)
    assert broken is None or broken.circuit_answer != broken.expected
    assert report.exit_status in (1, 3)
    assert set(report.per_seed[0].constant) < set(map(str, report.per_seed[0].graph.kept))


def test_nodes_that_say_nothing_of_a_prompt_are_named(quick: Spec, report: Report) -> None:
    """With all that a neuron reads ablated by zeros it is as its bias says, with one channel as the token is."""
    job = Job(quick, ROOT, quickly(fresh=True))
    finder = Bench.of(job).finder
    channel = Node(Site(0, Place.MLP_IN), 5)
    weights = finder.checkpoint.model.mlp[0].up.weight[:, 5]
    blind, seeing = (
        Node(Site(0, Place.NEURON), int(i)) for i in (weights.abs().argmin(), weights.abs().argmax())
    )
    zero = finder.ablation("zero")
    assert constant_nodes(finder, (channel, blind, seeing), zero) == (blind,)
    assert constant_nodes(finder, (blind, seeing), zero) == (blind, seeing)
    first = report.per_seed[0].model_copy(update={"constant": (str(blind),)})
    assert report.circuit is not None
    found = report.circuit.model_copy(update={"per_seed": (first,)})
    assert "1 of the " in words.constants(found)
    assert words.constants(found).endswith("as a bias has: " + str(blind))
    shown = report.model_copy(update={"circuit": found})
    for text in (markdown(shown), terminal(shown, 400)):
        assert words.constants(found) in text


@pytest.mark.parametrize("reached", [True, False])
def test_no_nodes_are_an_empty_circuit_or_none_at_all(report: Report, reached: bool) -> None:
    assert report.circuit is not None
    first = report.per_seed[0].model_copy(update={"nodes": 0, "edges": 0, "reached": reached})
    line = words.circuit_line(report.circuit.model_copy(update={"nodes": 0, "per_seed": (first,)}))
    said = (
        "none of 5,632 nodes is needed: the target is met with everything ablated; loss of that"
        if reached
        else "no circuit was found among 5,632 nodes; loss of that"
    )
    assert line.startswith(said)
    pruned = SimpleNamespace(loss=0.05 if reached else 0.7, reached=reached, stopped=None)
    graph = SimpleNamespace(node_count=0, edge_count=0, total_nodes=5632)
    found = SimpleNamespace(seed=0, pruned=pruned, graph=graph)
    assert _found(found, 0.1, None).startswith(f"seed 0: {said}")  # type: ignore[arg-type]


def test_the_same_check_gives_the_same_bytes_with_and_without_the_cache(
    quick: Spec, report: Report, cache: Path
) -> None:
    again = check(Job(quick, ROOT, quickly(cache=cache)))
    afresh = check(Job(quick, ROOT, quickly(fresh=True)))
    assert (report.cached, again.cached, afresh.cached) == (False, True, False)
    assert again.to_json(timings=False) == report.to_json(timings=False)
    assert afresh.to_json(timings=False) == report.to_json(timings=False)


def test_a_changed_claim_reuses_the_circuit_and_a_changed_search_does_not(
    quick: Spec, report: Report, cache: Path
) -> None:
    assert check(Job(replace(quick, claims=quick.claims[2:]), ROOT, quickly(cache=cache))).cached
    other = replace(quick, prune=replace(quick.prune, steps=41))
    assert not check(Job(other, ROOT, quickly(cache=cache))).cached


def test_a_model_that_cannot_do_the_task_is_not_pruned(quick: Spec) -> None:
    hard = replace(quick, verdict=replace(quick.verdict, mass=0.99))
    found = check(Job(hard, ROOT, quickly(fresh=True)))
    assert found.verdict is Outcome.FAIL
    assert found.circuit is None
    assert found.claims == ()
    assert found.note.startswith("not competent: mass")
    assert re.search(r"right by case: \w+ \d+%, \w+ \d+%; .*circuitlang predict zoo:python-small", found.note)


def test_the_files_are_written_and_fit_the_schema(
    quick: Spec, report: Report, cache: Path, tmp_path: Path
) -> None:
    program = load_text(SPEC, str(ROOT / "quick.cir"), ROOT)
    folder = tmp_path / "out"
    job = Job.of(program, quick, quickly(cache=cache), "look")
    _, written, notes, _ = check_and_write(replace(job, folder=folder))
    assert notes[0] == f"files in {folder}"
    names = {path.name for path in folder.iterdir()}
    assert {"report.json", "report.md", "report.html", "circuit.json", "circuit.dot", "exhibit.json"} <= names
    assert {"junit.xml", "badge.svg"} <= names
    assert "Made without" not in (folder / "report.html").read_text("utf-8")
    assert not [name for name in names if name.endswith(".part")]
    data = json.loads((folder / "report.json").read_text())
    jsonschema.validate(data, json.loads((ROOT / "docs/report.schema.json").read_text()))
    assert Report.from_json((folder / "report.json").read_text()).verdict is written.verdict


def test_from_python(report: Report, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "project" / "quick.cir"
    path.parent.mkdir()
    (path.parent / "pyproject.toml").write_text("")
    shutil.copytree(ROOT / "tasks", path.parent, dirs_exist_ok=True)
    path.write_text(SPEC.replace("tasks/python.task", "python.task"))
    found = check_file(path, options=quickly(cache=cache))
    assert found.cached
    assert found.circuit is not None
    assert found.circuit.graph().number_of_nodes() >= found.circuit.nodes


def test_a_search_that_stopped_early_leaves_nothing_that_could_pass(quick: Spec, cache: Path) -> None:
    """What speaks of the untouched model alone needs no circuit, and is judged."""
    own = [
        Claim(name, Quantity("accuracy"), relation, 1.0, f"accuracy {relation} 1", quick.span)
        for name, relation in (("more", ">"), ("less", "<="))
    ]
    hopeless = replace(quick, prune=replace(quick.prune, loss=1e-4), claims=(*quick.claims, *own))
    found = check(Job(hopeless, ROOT, quickly(cache=cache)))
    assert found.circuit is not None
    assert not any(circuit.reached for circuit in found.circuit.per_seed)
    *others, more, less = found.claims
    assert {claim.verdict for claim in others} == {Outcome.NOT_MEASURED}
    assert all("stopped after 16 of 40 steps" in claim.note for claim in others)
    assert (more.verdict, less.verdict, found.verdict) == (Outcome.FAIL, Outcome.PASS, Outcome.FAIL)


def test_a_given_circuit_is_judged_without_a_search(
    quick: Spec, report: Report, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one that was found, where it is that one: with its claims' numbers, and nothing searched for."""
    assert report.circuit is not None
    graph = report.circuit.per_seed[0].graph
    assert graph is not None
    monkeypatch.setattr(Finder, "_search", None)
    found = check(Job(quick, ROOT, quickly(fresh=True, circuit=graph)))
    assert found.circuit is not None
    assert [claim.value for claim in found.claims] == [claim.value for claim in report.claims]
    assert found.circuit.per_seed[0].nodes == report.circuit.per_seed[0].nodes
    assert "circuit" in found.provenance.hashes
    assert "circuit" not in report.provenance.hashes
    stranger = GraphNode(Node(Site(99, Place.ATTN_OUT), 0), 0.0, 0.0, None, None)
    with pytest.raises(CommandError, match=r"which has no 99\.attn_out\[0\]"):
        check(Job(quick, ROOT, quickly(circuit=CircuitGraph((stranger,), (), 9))))
    with pytest.raises(CommandError, match="the circuit is of a model with 9 nodes"):
        check(Job(quick, ROOT, quickly(circuit=CircuitGraph((), (), 9))))


@pytest.mark.parametrize(
    ("nodes", "loss", "reached", "budget", "said"),
    [
        (109, 0.0659, False, 300, ["fewer than 300: the search ranks no more of them"]),
        (5, 0.8841, True, 5, ["above the target of 0.1"]),
        (5, 0.05, True, 5, []),
        (5, 0.05, True, None, []),
        (5, 0.0999, False, None, ["within the error of the mean"]),
    ],
)
def test_what_prune_says_of_a_circuit_is_so(
    nodes: int, loss: float, reached: bool, budget: int | None, said: list[str]
) -> None:
    graph = SimpleNamespace(node_count=nodes, edge_count=3)
    found = SimpleNamespace(
        seed=0, graph=graph, pruned=SimpleNamespace(loss=loss, reached=reached, stopped=None)
    )
    size, *rest = _found(found, 0.1, budget).split("; ")  # type: ignore[arg-type]
    assert size == f"seed 0: {nodes} nodes, 3 edges, loss {loss:.4f} on select"
    assert len(rest) == len(said)
    assert all(part in text for part, text in zip(said, rest, strict=True))


def test_the_battery_is_in_the_report_and_can_be_left_out(quick: Spec, report: Report, cache: Path) -> None:
    assert report.battery == ()
    found = check(Job(quick, ROOT, Options(controls=False, cache=cache)))
    assert [one.name for one in found.battery] == list(CHECKS)
    gates = [one.verdict for one in found.battery if one.gates]
    assert all(verdict is not None for verdict in gates)
    assert found.verdict.severity >= max(verdict.severity for verdict in gates if verdict is not None)
    assert "battery" in found.seconds
    again = check(Job(quick, ROOT, Options(controls=False, cache=cache)))
    assert again.to_json(timings=False) == found.to_json(timings=False)
