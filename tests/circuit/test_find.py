"""Finding circuits: what was found once is read back the same, and a budget takes the most needed nodes."""

import math
from dataclasses import replace

import pytest
import torch

from circuitlang.circuit import find as module
from circuitlang.circuit.ablation import means_over_text
from circuitlang.circuit.find import Finder
from circuitlang.circuit.losses import per_prompt_loss
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place, Site
from circuitlang.storage.cache import Cache

TASK = """task brackets {
  draw a, b = "rows" | "grid" | "items" | "x" | "y" | "z" | "left" | "right" | "names" | "n"
  prompt "{a} = {open}{b}"
  case square with open = "[" answer "]"
  case round with open = "(" answer ")"
}
"""
SETTINGS = PruneSettings(ablate="mean", steps=4, batch=4, penalty=(1e-2,))


@pytest.fixture
def finder(make_model, tokenizer, tmp_path, monkeypatch) -> Finder:
    monkeypatch.setattr(module, "SELECTED", 16)
    monkeypatch.setattr(module, "COSTED", 4)
    model = make_model(layers=1, width=4, heads=2, hidden=4, vocabulary=tokenizer.size, context=32)
    reference = torch.randint(0, tokenizer.size, (4, 12), generator=torch.Generator().manual_seed(0))
    checkpoint = Checkpoint("tiny", model, tokenizer, reference, "digest", {})
    task = load_text(TASK).tasks["brackets"]
    return Finder(checkpoint, Generator(task, 0), Cache(tmp_path / "cache"), "key")


def test_what_was_found_is_read_back_the_same(finder, monkeypatch):
    first = finder.find(SETTINGS, 0)
    assert not first.cached
    monkeypatch.setattr(module, "prune", None)
    monkeypatch.setattr(module, "means_over_text", None)
    again = finder.find(SETTINGS, 0)
    assert again.cached
    assert (again.pruned, again.graph, again.seed) == (first.pruned, first.graph, 0)
    stored = finder.mean()
    monkeypatch.undo()
    mean = means_over_text(finder.checkpoint.model, finder.checkpoint.reference)
    assert all(torch.equal(stored[site], mean[site]) for site in mean)


def test_other_settings_seeds_and_budgets_are_searched_for(finder):
    finder.find(SETTINGS, 0)
    others = [(SETTINGS, 1, None), (SETTINGS, 0, 3), (replace(SETTINGS, steps=3), 0, None)]
    others.append((replace(SETTINGS, ablate="zero"), 0, None))
    assert not any(finder.find(settings, seed, budget).cached for settings, seed, budget in others)
    banned = finder.find(SETTINGS, 0, without=(Node(Site(0, Place.V), 0), Node(Site(0, Place.Q), 1)))
    assert not banned.cached
    assert finder.find(SETTINGS, 0, without=(Node(Site(0, Place.Q), 1), Node(Site(0, Place.V), 0))).cached
    assert not finder.find(SETTINGS, 0, fallback=False).cached
    assert not replace(finder, key="another model").find(SETTINGS, 0).cached
    assert not replace(finder, cache=Cache(None)).find(SETTINGS, 0).cached


def test_an_early_stop_is_read_back_too(finder):
    settings = replace(SETTINGS, loss=1e-6, steps=30)
    first, again = finder.find(settings, 0), finder.find(settings, 0)
    assert first.pruned.stopped is not None
    assert not first.graph.nodes
    assert again.cached
    assert (again.pruned, again.graph) == (first.pruned, first.graph)
    assert len(finder.find(settings, 0, budget=3).pruned.nodes) == 3


def test_a_budget_takes_the_most_needed(finder):
    found = finder.find(SETTINGS, 0)
    cut = finder.find(SETTINGS, 0, budget=3)
    assert cut.pruned.order == found.pruned.order
    assert cut.pruned.nodes == tuple(sorted(found.pruned.order[:3]))
    assert [n.node for n in cut.graph.nodes] == list(cut.pruned.nodes)
    model, rest = finder.checkpoint.model, finder.ablation(SETTINGS.ablate)
    losses = per_prompt_loss(model, rest, cut.pruned.nodes, finder.prompts("select", 0, 16))
    assert math.isclose(cut.pruned.loss, float(losses.mean()), abs_tol=1e-6)
    assert not finder.find(SETTINGS, 0, budget=10**6).pruned.reached


def test_the_graph_is_of_the_circuit(finder):
    found = finder.find(SETTINGS, 0)
    assert [n.node for n in found.graph.nodes] == list(found.pruned.nodes)
    assert found.graph.total_nodes == finder.checkpoint.model.config.total_nodes


def test_prompts_of_a_split_are_those_of_its_numbers(finder):
    whole, part = finder.prompts("select", 0, 6), finder.prompts("select", 2, 3)
    width = part.tokens.shape[1]
    assert (part.tokens == whole.tokens[4:10, :width]).all()
    assert (part.answer == whole.answer[4:10]).all()
