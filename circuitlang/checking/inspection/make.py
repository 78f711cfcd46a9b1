"""Finder + a circuit that it found -> Exhibit, from the cache where it was made before.

Everything is of `select` or of pretraining text: whoever looks at a page and then changes a claim has not seen the
prompts that will judge it.
"""

from __future__ import annotations

from collections.abc import Mapping

from circuitlang.checking.inspection.contexts import Contexts
from circuitlang.checking.inspection.inside import Inside
from circuitlang.checking.inspection.parts import boxes, parts
from circuitlang.checking.inspection.sizes import ordered, sizes
from circuitlang.checking.inspection.vocabulary import weighted_tokens
from circuitlang.circuit.find import Finder, Found, one_thread
from circuitlang.claims.verdict import UNMEASURED
from circuitlang.language.program.spec import Spec
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.listing import card_lines
from circuitlang.report.mechanism import groups_of
from circuitlang.report.responses import Responses
from circuitlang.storage.cache import code_digest, key_of

Roles = Mapping[str, tuple[str, ...]]
SAME = ("model", "prune", "task")
"""Hashes of a report that say whether an exhibit is of the same circuit; claims and code may differ."""


def exhibit_or_why(
    spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str], roles: Roles | None = None
) -> tuple[Exhibit | None, str]:
    """Also why there is none, in one sentence without a full stop: a page never costs a verdict that took minutes."""
    try:
        return exhibit(spec, finder, found, hashes, roles), ""
    except UNMEASURED as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        return None, f"the page shows the report alone, as values of the circuit cannot be shown: {why}"


def exhibit(
    spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str], roles: Roles | None = None
) -> Exhibit | None:
    """None where the search ended without a circuit. `hashes`: of the report; `roles`: the nodes that play each."""
    if found.pruned.stopped is not None or not found.pruned.nodes:
        return None
    kept = [str(node) for node in found.pruned.nodes]
    about = (spec.name, repr(spec.prune), found.seed, kept, repr(roles))
    key = key_of("exhibit", finder.key, *about, code_digest(__name__))
    known = finder.cache.found(key, Exhibit.from_json)
    if known is not None:
        return known
    with one_thread():
        made = _make(spec, finder, found, hashes)
        seen = Responses(made) if made.prompts else None
        groups = [[n.node for n in group.nodes] for group in groups_of(found.graph, roles or {}, seen)]
        ablation = finder.ablation(spec.prune.ablate)
        made = made.model_copy(update={"boxes": boxes(finder, found.pruned.nodes, ablation, groups)})
    finder.cache.put(key, made.to_json().encode())
    return made


def _make(spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str]) -> Exhibit:
    ablation = finder.ablation(spec.prune.ablate)
    inside = Inside.of(finder, found.pruned.nodes, ablation)
    contexts = Contexts.of(finder.checkpoint, found.pruned.nodes)
    curve, model_loss, prompts = sizes(finder, found.pruned, ablation)
    return Exhibit(
        spec=spec.name,
        seed=found.seed,
        hashes={name: hashes[name] for name in SAME if name in hashes},
        prompts=inside.prompts(),
        nodes=tuple(
            inside.node(node).model_copy(
                update={**contexts.node(node), "tokens": weighted_tokens(finder.checkpoint, node)}
            )
            for node in found.pruned.nodes
        ),
        heads=inside.heads(),
        sink=finder.checkpoint.model.config.sink,
        parts=parts(finder, found.pruned.nodes, ablation),
        card=tuple(card_lines(finder.checkpoint.card)),
        words=contexts.words,
        text=contexts.text,
        order=tuple(map(str, ordered(found.pruned))),
        sizes=curve,
        model_loss=model_loss,
        sized_on=prompts,
    )
