"""What a page shows is what model and circuit have, to the byte that it is packed in; and nothing of `test`."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planted.circuits import INDUCTION, QUOTES, Planted, induction, quotes
from circuitlang.checking.inspection import inside
from circuitlang.checking.inspection.contexts import EXAMPLES, spelled
from circuitlang.checking.inspection.make import DATAPOINTS, exhibit, exhibit_or_why, looked_at
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import Finder, Found
from circuitlang.circuit.losses import loss_and_error
from circuitlang.circuit.mask import keeping
from circuitlang.circuit.prune import Pruned, Stopped
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Spec
from circuitlang.model.transformer import Attention, unchanged
from circuitlang.prompts.generate import Generator
from circuitlang.report.exhibit import Exhibit
from circuitlang.site import Node, Place, Site, parse_node
from circuitlang.storage.cache import Cache

SPEC = """
spec planted {
  task = planted
  model = "zoo:any"
  prune { ablate = mean }
  claim sufficient: loss given keep(circuit) <= 0.15
}
"""
Make = Callable[..., Planted]


class OnlySelect(Generator):
    """Whoever asks it for a prompt of another split is refused."""

    def datapoint(self, split, index, where=None):
        assert split == "select", split
        return super().datapoint(split, index, where)

    def datapoints(self, split, *rest):
        assert split == "select", split
        return super().datapoints(split, *rest)


def found_of(planted: Planted, text: str, cache: Path | None = None) -> tuple[Spec, Finder, Found]:
    spec = load_text(text + SPEC, "planted.cir").specs["planted"]
    finder = Finder(planted.checkpoint, OnlySelect(spec.task, 0), Cache(cache), "key")
    nodes = tuple(sorted(planted.nodes))
    mean = Ablation(finder.mean())
    graph = extract(
        planted.checkpoint.model, mean, nodes, finder.prompts("select", 0, 8), planted.checkpoint.tokenizer
    )
    order = (*nodes, *sorted(planted.decoys))
    return spec, finder, Found(0, Pruned(nodes, 0.1, 0.01, True, 0.0, (), order), graph, False)


@pytest.fixture(
    scope="module", params=[(quotes, QUOTES), (induction, INDUCTION)], ids=["quotes", "induction"]
)
def shown(request: pytest.FixtureRequest) -> tuple[Exhibit, Spec, Finder, Found]:
    make, text = request.param
    spec, finder, found = found_of(make(noise=0.02), text)
    made = exhibit(spec, finder, found, {"model": "m", "code": "c"})
    assert made is not None
    return made, spec, finder, found


def unpacked(packed: str, scale: float) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), np.int8) * scale / 127


def at_sites(
    finder: Finder, nodes: tuple[Node, ...] | None, mean, tokens: torch.Tensor
) -> dict[Site, torch.Tensor]:
    """By the whole model with the mask as its edit: no part of it is compacted."""
    model = finder.checkpoint.model
    edit = unchanged if nodes is None else keeping(nodes, model.config, mean)
    found = {}

    def look(site: Site, x: torch.Tensor) -> torch.Tensor:
        found[site] = edit(site, x)
        return found[site]

    with torch.no_grad():
        model(tokens, look)
    return found


def test_values_are_the_models_and_the_circuits(shown) -> None:
    made, _, finder, found = shown
    batch = finder.prompts("select", 0, len(made.prompts) // 2)
    mean = finder.mean()
    tokens = torch.from_numpy(batch.tokens)
    for side, nodes in (("model", None), ("circuit", found.pruned.nodes)):
        there = at_sites(finder, nodes, mean, tokens)
        for one in made.nodes:
            node = parse_node(one.node)
            wanted = np.concatenate(
                [there[node.site][row, : end + 1, node.index] for row, end in enumerate(batch.end)]
            )
            error = np.abs(unpacked(getattr(one, side), one.scale) - wanted).max()
            assert error <= one.scale / 254 + 1e-6
    assert [one.node for one in made.nodes] == [str(node) for node in found.pruned.nodes]


def test_prompts_are_said_as_they_are(shown) -> None:
    made, _, finder, _ = shown
    datapoints = finder.generator.datapoints("select", range(len(made.prompts) // 2))
    prompts = [prompt for datapoint in datapoints for prompt in datapoint.prompts]
    assert len(prompts) == len(made.prompts)
    for said, prompt in zip(made.prompts, prompts, strict=True):
        assert "".join(said.tokens[1:]) == prompt.text
        assert (said.case, said.answer, said.foils) == (prompt.case, prompt.answer, prompt.foils)
        assert said.model.right == (said.model.says == prompt.answer)
        other = next(o for o in made.prompts if (o.datapoint, o.case) == (said.datapoint, said.against))
        assert len(said.partners) == len(said.tokens)
        assert all(-1 <= place < len(other.tokens) for place in said.partners)


def test_where_two_prompts_are_alike_nothing_differs(shown) -> None:
    made, *_ = shown
    starts = np.cumsum([0, *(len(prompt.tokens) for prompt in made.prompts)])
    for row, prompt in enumerate(made.prompts):
        other = next(
            o
            for o, one in enumerate(made.prompts)
            if (one.datapoint, one.case) == (prompt.datapoint, prompt.against)
        )
        pairs = zip(prompt.tokens, made.prompts[other].tokens, strict=False)
        alike = next((i for i, (mine, its) in enumerate(pairs) if mine != its), len(prompt.tokens))
        assert prompt.partners[:alike] == tuple(range(alike))
        assert all(place == -1 or place >= alike for place in prompt.partners[alike:])
        for one in made.nodes:
            values = unpacked(one.circuit, one.scale)
            mine, its = (values[starts[i] : starts[i] + alike] for i in (row, other))
            assert (mine == its).all()


def test_attention_is_that_of_both_and_adds_up(shown) -> None:
    made, _, finder, found = shown
    batch = finder.prompts("select", 0, len(made.prompts) // 2)
    mean = finder.mean()
    tokens = torch.from_numpy(batch.tokens)
    kept = {
        (n.site.layer, n.index // 8)
        for n in found.pruned.nodes
        if n.site.place in (Place.Q, Place.K, Place.V)
    }
    assert {(head.layer, head.head) for head in made.heads} == kept
    for side, nodes in (("model", None), ("circuit", found.pruned.nodes)):
        there = at_sites(finder, nodes, mean, tokens)
        for head in made.heads:
            attention = finder.checkpoint.model.attention[head.layer]
            assert isinstance(attention, Attention)
            pattern = attention.pattern(there[Site(head.layer, Place.Q)], there[Site(head.layer, Place.K)])
            for row, packed in enumerate(getattr(head, side)):
                shares = np.frombuffer(base64.b64decode(packed), np.uint8) / 255
                for query in range(int(batch.end[row]) + 1):
                    start = query * (query + 1) // 2 + 2 * query
                    sink, cut, *rest = shares[start : start + query + 3]
                    wanted = pattern[row, head.head, query, : query + 1].numpy()
                    assert np.abs(rest - wanted).max() <= 0.5 / 255 + 1e-6
                    assert sink == pytest.approx(1 - wanted.sum(), abs=0.01)
                    assert cut == 0
                assert len(shares) == sum(range(3, int(batch.end[row]) + 4))
    assert all(0 <= head.distance <= 1 for head in made.heads)


def test_contexts_are_places_of_the_text_with_the_models_values(shown) -> None:
    made, _, finder, _ = shown
    checkpoint = finder.checkpoint
    there = at_sites(finder, None, None, checkpoint.reference)
    rows = [[spelled(checkpoint.tokenizer, int(t)) for t in row] for row in checkpoint.reference]
    numbers = np.frombuffer(base64.b64decode(made.text), "<u2")
    text = [made.words[number] for number in numbers]
    for one in made.nodes:
        node = parse_node(one.node)
        values = there[node.site][..., node.index].numpy()
        tops = [context.value for band in one.bands for context in band.contexts]
        assert (tops[0], tops[-1]) == (max(tops), min(tops))
        inner = values[checkpoint.reference.numpy() != checkpoint.tokenizer.end]
        assert tops[0] == pytest.approx(inner.max(), rel=1e-5)
        assert tops[-1] == pytest.approx(inner.min(), rel=1e-5) or len(one.bands) == 1
        assert one.silent == pytest.approx((values == 0).mean(), abs=1e-6)
        for band in one.bands:
            assert 1 <= len(band.contexts) <= EXAMPLES
            falling = [context.value for context in band.contexts]
            assert falling == sorted(falling, reverse=True)
            for context in band.contexts:
                window = unpacked(context.values, one.text_scale)
                texts = text[context.start : context.start + len(window)]
                assert "<|end|>" not in texts
                assert any(
                    row[i : i + len(texts)] == texts
                    and np.abs(values[r, i : i + len(texts)] - window).max() <= one.text_scale / 254 + 1e-6
                    and values[r, i + context.at] == pytest.approx(context.value, rel=1e-5, abs=1e-7)
                    for r, row in enumerate(rows)
                    for i in range(len(row) - len(texts) + 1)
                    if row[i] == texts[0]
                )


def test_sizes_are_prefixes_of_the_order(shown) -> None:
    made, _, finder, found = shown
    assert [size.nodes for size in made.sizes] == looked_at(len(found.pruned.nodes), len(found.pruned.order))
    batch = finder.prompts("select", 0, DATAPOINTS)
    mean = finder.mean()
    for size in made.sizes:
        loss, error = loss_and_error(
            finder.checkpoint.model, Ablation(mean), found.pruned.order[: size.nodes], batch
        )
        assert size.loss == pytest.approx(loss, rel=1e-6)
        assert size.error == pytest.approx(error, rel=1e-6)
    assert made.sizes[0].agreement <= max(size.agreement for size in made.sizes) <= 1
    assert made.order[: len(found.pruned.nodes)] == tuple(
        map(str, found.pruned.order[: len(found.pruned.nodes)])
    )
    assert made.sized_on == len(batch)
    assert made.hashes == {"model": "m"}


def test_a_layers_part_costs_what_its_nodes_cost_together(shown) -> None:
    made, _, finder, found = shown
    batch = finder.prompts("select", 0, DATAPOINTS)
    mean, nodes = finder.mean(), found.pruned.nodes
    whole, _ = loss_and_error(finder.checkpoint.model, Ablation(mean), nodes, batch)
    assert sum(part.nodes for part in made.parts) == len(nodes)
    for part in made.parts:
        rest = [n for n in nodes if (n.site.layer, part_of(n)) != (part.layer, part.part)]
        assert len(rest) == len(nodes) - part.nodes
        loss, _ = loss_and_error(finder.checkpoint.model, Ablation(mean), rest, batch)
        assert part.rise == pytest.approx(loss - whole, abs=1e-6)


def part_of(node: Node) -> str:
    return "mlp" if node.site.place.startswith(("mlp", "neuron")) else "attention"


def test_tokens_are_the_ends_of_the_column(shown) -> None:
    made, _, finder, _ = shown
    model = finder.checkpoint.model
    for one in made.nodes:
        node = parse_node(one.node)
        weights = [found.weight for found in one.tokens]
        assert weights == sorted(weights, reverse=True)
        if node.site.place.endswith("_in"):
            column = model.embed[:, node.index]
        elif node.site.place.endswith("_out"):
            column = model.unembed[:, node.index] * model.norm.weight[node.index]
        else:
            assert not weights
            continue
        there = column[column != 0]
        assert weights[:1] == pytest.approx([float(there.max())] if len(there) else [])
        assert weights[-1:] == pytest.approx([float(there.min())] if len(there) else [])


def test_it_reads_back_and_is_found_again(tmp_path: Path) -> None:
    spec, finder, found = found_of(quotes(), QUOTES, tmp_path)
    made = exhibit(spec, finder, found, {})
    again = exhibit(spec, replace(finder, checkpoint=None), found, {})  # type: ignore[arg-type]  nothing is computed
    assert made is not None
    assert again is not None
    assert again.to_json() == made.to_json() == Exhibit.from_json(made.to_json()).to_json()


def test_a_search_without_a_circuit_has_nothing_to_show() -> None:
    spec, finder, found = found_of(quotes(), QUOTES)
    stopped = replace(found.pruned, nodes=(), stopped=Stopped(1, 2, 0.7, 0.3))
    assert exhibit(spec, finder, replace(found, pruned=stopped), {}) is None


def test_values_that_are_no_numbers_cost_the_exhibit_and_nothing_else() -> None:
    spec, finder, found = found_of(quotes(), QUOTES)
    node = next(node for node in found.pruned.nodes if node.site.place is Place.ATTN_IN)
    with torch.no_grad():
        finder.checkpoint.model.embed[:, node.index] = math.inf
    shown, why = exhibit_or_why(spec, finder, found, {})
    assert shown is None
    assert "cannot be shown: " in why
    assert "not finite numbers" in why


def test_of_a_long_prompt_the_end_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "LONGEST", 4)
    spec, finder, found = found_of(quotes(), QUOTES)
    made = exhibit(spec, finder, found, {})
    assert made is not None
    for row, prompt in enumerate(made.prompts):
        whole = finder.prompts("select", 0, len(made.prompts) // 2)
        assert len(prompt.tokens) == 4
        assert prompt.cut == whole.end[row] + 1 - 4
        assert all(-1 <= place < 4 for place in prompt.partners)
        for head in made.heads:
            shares = np.frombuffer(base64.b64decode(head.circuit[row]), np.uint8) / 255
            assert len(shares) == 3 + 4 + 5 + 6
            assert shares[-6:].sum() == pytest.approx(1, abs=0.02)


@given(st.integers(1, 6000), st.integers(0, 6000))
def test_sizes_go_from_none_to_the_circuits_and_beyond(kept: int, more: int) -> None:
    sizes = looked_at(kept, kept + more)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 0
    assert kept in sizes
    assert sizes[-1] <= min(kept + more, 2 * kept)
    assert len(sizes) <= 31
    assert math.isfinite(sum(sizes))
