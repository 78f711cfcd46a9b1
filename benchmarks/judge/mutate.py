"""A true spec -> specs that are false by construction: one thing changed, by an operator that guarantees it.

What an operator changes of roles and arrows is false when no assignment of written parts meets it any more
(benchmarks/judge/wiring.py); what it changes of a claim is false when the true value lies past the bound by the margin
(benchmarks/judge/truth.py). Everything else that an operator makes is left out, for it may still be true. No verdict is
asked for either.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from benchmarks.judge.subject import Subject, spec_of
from benchmarks.judge.truth import Truth
from benchmarks.judge.wiring import Wiring
from circuitlang.language.program.hypothesis import ANSWER
from circuitlang.language.program.spec import Claim, Spec
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.site import MATRICES, Node
from circuitlang.source.diagnostic import ProgramError

KINDS = ("neuron", "head", "attn_in", "q", "k", "v", "attn_out", "mlp_in", "mlp_out")
PORTS = ("query", "key", "value")
_ARROW = re.compile(r"^    (never )?(\w+) (->|~>) (\w+)(?:\.(\w+))?$")
_ROLE = re.compile(r"^    role (\w+) = (\w+) in layer (\d+)$")


@dataclass(frozen=True)
class Mutation:
    """A false spec. `spec` is None where the checker refuses the text. `nodes`: of another circuit than was found;
    `gone`: a weight that the model has lost."""

    operator: str
    detail: str
    spec: Spec | None
    nodes: tuple[Node, ...] | None = None
    gone: tuple[Node, Node] | None = None


@dataclass
class Mutator:
    """All mutations of one subject."""

    subject: Subject
    truth: Truth

    def all(self) -> Iterator[Mutation]:
        yield from self.of_circuit()
        yield from self.of_weights()
        yield from self.of_claims()

    @property
    def lines(self) -> list[str]:
        return self.subject.text.splitlines()

    def of_circuit(self) -> Iterator[Mutation]:
        """Changes of one line of the circuit, or one more; false when nothing written fits."""
        wiring = Wiring.of(self.subject.planted, self.subject.planted.nodes)
        seen = {self.subject.text}
        for operator, text, detail in self.changes():
            if text in seen:
                continue
            seen.add(text)
            try:
                spec = spec_of(self.subject.planted, text)
            except ProgramError:
                yield Mutation(operator, detail, None)
                continue
            if spec.circuit is not None and not wiring.fits(spec.circuit):
                yield Mutation(operator, detail, spec)

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """(operator, text, what changed)."""
        lines = self.lines
        roles = [m[1] for line in lines if (m := _ROLE.match(line))]
        last = max(number for number, line in enumerate(lines) if _ARROW.match(line))

        def put(number: int, line: str, more: bool = False) -> tuple[str, str]:
            changed = [*lines[: number + more], line, *lines[number + 1 :]]
            was = "added" if more else lines[number].strip() + " became"
            return "\n".join(changed) + "\n", f"{was}: {line.strip()}"

        for number, line in enumerate(lines):
            if role := _ROLE.match(line):
                name, kind, layer = role.groups()
                for other in range(self.subject.planted.checkpoint.model.config.layers):
                    if str(other) != layer:
                        yield "wrong layer", *put(number, f"    role {name} = {kind} in layer {other}")
                for other in KINDS:
                    if other != kind:
                        yield (
                            "role of another kind",
                            *put(number, f"    role {name} = {other} in layer {layer}"),
                        )
            elif arrow := _ARROW.match(line):
                never, source, wire, target, port = arrow.groups(default="")
                for other in PORTS:
                    if port and other != port:
                        text = f"    {never}{source} {wire} {target}.{other}"
                        yield "never on a path" if never else "swapped port", *put(number, text)
                if never:
                    yield "claimed where none is", *put(number, line.replace("never ", "", 1))
                    continue
                if target != ANSWER:
                    for side in ("", *(f".{p}" for p in PORTS)):
                        yield "arrow reversed", *put(number, f"    {target} -> {source}{side}")
                yield (
                    "never on a path",
                    *put(number, line.replace("    ", "    never ", 1).replace("->", "~>")),
                )
        for source in roles:
            yield "never on a path", *put(last, f"    never {source} ~> answer", more=True)
            for target in (*roles, ANSWER):
                for side in ("", *(f".{p}" for p in PORTS)) if target not in (ANSWER, source) else ("",):
                    if source != target:
                        for wire in ("->", "~>"):
                            text = f"    {source} {wire} {target}{side}"
                            if text not in lines:
                                yield "arrow added", *put(last, text, more=True)

    def of_weights(self) -> Iterator[Mutation]:
        """The true spec of a model that has lost a weight, and of a circuit with decoys in a part's place."""
        planted, spec = self.subject.planted, self.subject.spec
        assert spec.circuit is not None
        inside = sorted(e for e in planted.edges if e[0] in planted.nodes and e[1] in planted.nodes)
        for edge in inside:
            if not Wiring.of(planted, planted.nodes, edge).fits(spec.circuit):
                yield Mutation("weight zeroed", f"{edge[0]} -> {edge[1]}", spec, gone=edge)
        for role, part in planted.parts.items():
            nodes = (planted.nodes - set(part)) | planted.decoys
            if not Wiring.of(planted, nodes).fits(spec.circuit):
                yield Mutation("decoys in a part's place", role, spec, tuple(sorted(nodes)))

    def of_claims(self) -> Iterator[Mutation]:
        """Of the true spec only the changed claim is asked: the others pass."""
        for claim in self.subject.spec.claims:
            for operator, changed in self.claims(claim):
                yield Mutation(operator, changed.text, replace(self.subject.spec, claims=(changed,)))
        yield from self.words()

    def claims(self, claim: Claim) -> Iterator[tuple[str, Claim]]:
        """A bound past the true value; the relation turned around, with a bound before it."""
        value = self.truth.value(claim)
        if value is None:
            return
        for times in (1, 5):
            for operator in ("threshold past the truth", "relation turned around"):
                turned = operator == "relation turned around"
                up = (claim.relation in (">", ">=")) != turned
                if turned and any(act.each for act in claim.left.interventions):
                    continue  # the worst member is another one then
                relation = ">=" if up else "<="
                bound = value.mean + times * value.margin * (1 if up else -1)
                left = claim.text[: claim.text.index(claim.relation)].strip()
                text = self.one_claim(f"{left} {relation} {bound:.9f}")
                try:
                    (changed,) = spec_of(self.subject.planted, text).claims
                except ProgramError:
                    continue  # no such bound can be written: more than all, less than nothing
                if self.truth.refutes(changed):
                    yield operator, changed

    def one_claim(self, claim: str) -> str:
        kept = [line for line in self.lines if not line.startswith("  claim ")]
        return "\n".join([*kept[:-1], f"  claim changed: {claim}", "}"]) + "\n"

    def words(self) -> Iterator[Mutation]:
        """A role, a mark, a case or an intervention of a claim replaced by another; false when the truth says so."""
        spec, seen = self.subject.spec, {claim.text for claim in self.subject.spec.claims}
        assert spec.circuit is not None
        cases = [case.name for case in spec.task.cases]
        marks = sorted({*re.findall(r"\{(\w+)\}", spec.task.text), "end"})
        for operator, names in (
            ("role renamed", [role.name for role in spec.circuit.roles]),
            ("case renamed", cases),
            ("mark renamed", marks),
            ("keep and drop exchanged", ["keep", "drop"]),
        ):
            for claim in spec.claims:
                for name in names:
                    for other in names:
                        text = re.sub(rf"\b{name}\b", other, claim.text)
                        if text in seen:
                            continue
                        seen.add(text)
                        try:
                            (changed,) = spec_of(self.subject.planted, self.one_claim(text)).claims
                        except ProgramError:
                            yield Mutation(operator, text, None)
                            continue
                        if self.truth.refutes(changed):
                            yield Mutation(operator, text, replace(spec, claims=(changed,)))


def without_weight(checkpoint: Checkpoint, edge: tuple[Node, Node]) -> Checkpoint:
    """The model with one weight at 0."""
    source, target = edge
    model = copy.deepcopy(checkpoint.model)
    name = MATRICES[source.site.place, target.site.place].format(source.site.layer)
    with torch.no_grad():
        model.get_parameter(name)[target.index, source.index] = 0.0
    return replace(checkpoint, model=model, digest=f"{checkpoint.digest} without {source} -> {target}")
