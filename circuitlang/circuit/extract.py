"""Model + mask to the circuit's graph: its nodes, what each costs, and the nonzero weights between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import isfinite

import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.graph import CircuitGraph, GraphEdge, GraphNode, attention_edges, residual_edges
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.circuit.shared_prefix import Shared, in_order, trace
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import NO_FOIL, Batch
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.site import MATRICES, READS, WRITES, Node, Site
from circuitlang.source.diagnostic import CommandError


def extract(
    model: Transformer,
    ablation: Ablation,
    nodes: Sequence[Node],
    select: Batch,
    tokenizer: Tokenizer,
    unneeded: Collection[tuple[Node, Node]] = (),
) -> CircuitGraph:
    """The graph of the circuit that keeps `nodes`. Costs are rises of the mean loss on `select`, in nats. `unneeded`:
    as in circuit/unneeded.py. Raises CommandError where a cost is not finite."""
    costs = node_costs(model, ablation, nodes, select)
    if not all(map(isfinite, costs.values())):
        raise CommandError(
            "the circuit's loss on `select` is not a finite number, or becomes none without a node"
        )
    found = tuple(
        GraphNode(
            node, costs[node], float(ablation.mean[node.site][node.index]), *model.config.within_head(node)
        )
        for node in sorted(nodes)
    )
    edges = (
        *weight_edges(model, nodes, unneeded),
        *embedding_edges(model, nodes, select, tokenizer),
        *unembedding_edges(model, nodes, select, tokenizer),
        *attention_edges(found),
        *residual_edges(nodes, write_to_answer=False),
    )
    return CircuitGraph(found, edges, model.config.total_nodes)


def bare(model: Transformer, nodes: Sequence[Node]) -> CircuitGraph:
    """Nodes and weights alone, without costs, means, tokens and channels: enough to count and to intervene on."""
    found = tuple(GraphNode(node, 0.0, 0.0, *model.config.within_head(node)) for node in nodes)
    return CircuitGraph(found, weight_edges(model, nodes), model.config.total_nodes)


def node_costs(
    model: Transformer, ablation: Ablation, nodes: Sequence[Node], select: Batch
) -> dict[Node, float]:
    """What the loss on `select` rises by when one node alone is ablated inside the circuit, exactly."""
    keeps = [
        keeping([n for n in nodes if n != out], model.config, ablation.mean).keep for out in (None, *nodes)
    ]
    traces = [trace(model.config, keep) for keep in keeps]
    losses: list[list[Tensor]] = [[] for _ in keeps]
    for part in select.parts(score.PROMPTS_AT_ONCE):
        shared, values = Shared(part), ablation.of(part)
        for i in in_order(traces):
            mask = Mask(keeps[i], values)
            losses[i].append(score.loss(shared.logits(compact(model, mask), mask, traces[i]), part))
    whole, *others = (float(torch.cat(parts).double().mean()) for parts in losses)
    return {node: other - whole for node, other in zip(nodes, others, strict=True)}


def weight_edges(
    model: Transformer, nodes: Sequence[Node], unneeded: Collection[tuple[Node, Node]] = ()
) -> tuple[GraphEdge, ...]:
    """Nonzero weights between two kept nodes: what the paper counts (section 4.3 of its appendix's viewer). In the
    order of `nodes`, by target and then by source."""
    found: list[tuple[int, int, float]] = []
    for targets, sources, weights in _between(model, nodes):
        for row, column in weights.nonzero().tolist():
            found.append((targets[row], sources[column], float(weights[row, column])))
    ends = ((nodes[s], nodes[t], weight) for t, s, weight in sorted(found))
    return tuple(
        GraphEdge(s, t, weight, "unneeded" if (s, t) in unneeded else "weight") for s, t, weight in ends
    )


def weight_count(model: Transformer, nodes: Sequence[Node]) -> int:
    """How many `weight_edges` there are; between thousands of a dense model's nodes there are millions."""
    return sum(int(weights.count_nonzero()) for _, _, weights in _between(model, nodes))


def _between(model: Transformer, nodes: Sequence[Node]) -> Iterator[tuple[list[int], list[int], Tensor]]:
    """Matrix by matrix what connects the nodes: the numbers of targets and of sources, and (target, source) weights."""
    numbers: dict[Site, list[int]] = {}
    for number, node in enumerate(nodes):
        numbers.setdefault(node.site, []).append(number)
    for (source, target), name in MATRICES.items():
        for layer in range(model.config.layers):
            rows, columns = numbers.get(Site(layer, target), []), numbers.get(Site(layer, source), [])
            if rows and columns:
                weights = model.get_parameter(name.format(layer))
                read, written = ([nodes[i].index for i in some] for some in (columns, rows))
                yield rows, columns, weights[written][:, read]


def embedding_edges(
    model: Transformer, nodes: Sequence[Node], batch: Batch, tokenizer: Tokenizer
) -> tuple[GraphEdge, ...]:
    """Nonzero embedding entries, of the prompts' own tokens, in the channels that kept nodes read."""
    used = {int(t) for row, end in zip(batch.tokens, batch.end, strict=True) for t in row[: end + 1]}
    return tuple(
        GraphEdge(text, node, float(model.embed[token, node.index]), "embedding")
        for node in nodes
        if node.site.place in READS and node.index < model.config.width  # behind those are the positions'
        for token, text in _texts(used, tokenizer).items()
        if float(model.embed[token, node.index]) != 0
    )


def unembedding_edges(
    model: Transformer, nodes: Sequence[Node], batch: Batch, tokenizer: Tokenizer
) -> tuple[GraphEdge, ...]:
    """Nonzero unembedding entries of answers and foils in the channels that kept nodes write, times the norm's gain."""
    rows = model.unembed * model.norm.weight
    return tuple(
        GraphEdge(node, text, float(rows[token, node.index]), "unembedding")
        for node in nodes
        if node.site.place in WRITES
        for token, text in _texts(_answers(batch), tokenizer).items()
        if float(rows[token, node.index]) != 0
    )


def _answers(batch: Batch) -> set[int]:
    return {int(t) for t in batch.answer} | {int(t) for t in batch.foils.flatten() if t != NO_FOIL}


def _texts(tokens: set[int], tokenizer: Tokenizer) -> dict[int, str]:
    """Token -> its text; with its id where two tokens (parts of characters) look the same."""
    texts = {token: tokenizer.decode([token]) for token in sorted(tokens)}
    twice = {text for text in texts.values() if list(texts.values()).count(text) > 1}
    return {token: f"{text} #{token}" if text in twice else text for token, text in texts.items()}
