"""Report + exhibit -> the mechanism: a few boxes, what each reads and where, what it leads to, what happens without it.

Where a spec has roles they are the boxes, with what it claims of them; else, and for what plays no role, groups of
nodes (supernodes.py), named by what they respond to (responses.py), each name with its number. Plain data: a picture
(mechanism_svg.py) and lines of text (mechanism_lines.py) are made from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.claims.verdict import HYPOTHESIS, Outcome
from circuitlang.report import words
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.hypothesis import HypothesisResult, RoleResult
from circuitlang.report.responses import Found, Responses
from circuitlang.report.results import ClaimResult, ReportData
from circuitlang.report.supernodes import Group, computed, supernodes, title_of
from circuitlang.site import Node

TOKENS, ANSWER = "tokens", "answer"
"""Where arrows begin and end that do not do so at a box."""
_DIRECT = 0.05  # share of what is written straight to the answer, under which nothing is said of it
_TELLING = 0.9  # AUROC from which on a token or a case names a box
_READ, _READS = 0.2, 2  # share of the last token's attention from which on a token is marked; at most so many


@dataclass(frozen=True, slots=True)
class Said:
    """A line about a claim, with its verdict."""

    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """`key`: a letter. `title`: what it is; `name`: what it does, `number`: what that rests on. `facts`: further lines.
    `claims`: of a role. `effect`: what happens without it. `nodes`: none where a role's are gone."""

    key: str
    title: str
    name: str
    number: str
    facts: tuple[str, ...]
    claims: tuple[Said, ...]
    effect: str
    nodes: tuple[str, ...]
    is_role: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """From the key of a box, or TOKENS, to that of one, or ANSWER. Of the hypothesis (`claimed`): `claims` that speak
    of it; `label`: its ports, and whether it may pass other nodes. Else `weights`: how many edges it stands for."""

    source: str
    target: str
    label: str = ""
    claims: tuple[Said, ...] = ()
    claimed: bool = False
    never: bool = False
    weights: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """A box reads a token. `share`: of the last token's attention; None where it does not attend."""

    key: str
    token: int
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One case's example prompt, and how it is answered. `reads`: in order of boxes."""

    case: str
    tokens: tuple[str, ...]
    answer: str
    circuit: str
    model: str
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """`boxes`: in order of computation; `rest`: what is in none of them. `notes`: how to read it, a sentence each."""

    boxes: tuple[Box, ...]
    rest: Box | None
    arrows: tuple[Arrow, ...]
    cases: tuple[Shown, ...]
    notes: tuple[str, ...]


def mechanism(report: ReportData, exhibit: Exhibit | None = None) -> Mechanism | None:
    """Of the first seed's circuit; None where there is no circuit with a node. `exhibit`: one that `belongs` to the
    report; without one boxes are not named by what they respond to, and no prompt is shown."""
    first = report.per_seed[0] if report.per_seed else None
    if first is None or first.graph is None or not (first.graph.nodes or report.hypothesis):
        return None
    return _Making(report, first.graph, first.roles, exhibit).made()


def belongs(report: ReportData, exhibit: Exhibit) -> bool:
    """Whether it is of the first seed's circuit: the same nodes, of the same model, task and search."""
    if report.circuit is None or report.circuit.per_seed[0].graph is None:
        return False
    hashes = report.provenance.hashes
    return (
        exhibit.seed == report.circuit.seeds[0]
        and {one.node for one in exhibit.nodes} == set(map(str, report.circuit.plain_graph().kept))
        and all(hashes.get(name) == digest for name, digest in exhibit.hashes.items())
    )


def groups_of(
    graph: CircuitGraph, roles: Mapping[str, Sequence[str]], seen: Responses | None
) -> tuple[Group, ...]:
    """What the boxes are made of."""
    return supernodes(graph, roles, seen.alike) if seen else supernodes(graph, roles)


class _Making:
    def __init__(
        self,
        report: ReportData,
        graph: CircuitGraph,
        bound: Mapping[str, tuple[str, ...]],
        exhibit: Exhibit | None,
    ) -> None:
        self._report, self._graph, self._exhibit = report, graph, exhibit
        self._said = report.hypothesis or HypothesisResult(
            roles=tuple(RoleResult(name=n, kind="") for n in bound)
        )
        self._seen = Responses(exhibit) if exhibit is not None and exhibit.prompts else None
        self._direct = self._seen.direct(graph) if self._seen else {}
        roles = {role.name: bound.get(role.name, ()) for role in self._said.roles}
        groups = groups_of(graph, roles, self._seen)
        shown = computed(graph, [group for group in groups if group.kind != "rest"])
        self._keyed = [(_letter(i), group) for i, group in enumerate(shown)]
        self._rest = next((group for group in groups if group.kind == "rest"), None)
        self._roles = {group.name: key for key, group in self._keyed if group.kind == "role"}
        self._of = {n.node: key for key, group in self._keyed for n in group.nodes}

    def made(self) -> Mechanism:
        rest = None
        if self._rest is not None:
            count = len(self._rest.nodes)
            title = f"{count} node{'s' * (count > 1)} in no box"
            rest = Box("", title, "", "", (), (), self._effect(self._rest), _names(self._rest))
        return Mechanism(
            tuple(self._box(key, group) for key, group in self._keyed),
            rest,
            tuple(self._arrows()),
            tuple(self._shown()),
            tuple(self._notes()),
        )

    # --- boxes

    def _box(self, key: str, group: Group) -> Box:
        name, number, facts = self._response(group)
        claims = ()
        title = title_of(group)
        if group.kind == "role":
            role = next(r for r in self._said.roles if r.name == group.name)
            facts = [": ".join(filter(None, (name, number))), *facts] if name else facts
            name, number = role.doc or "", ""
            claims = tuple(self._claims_of(role.name))
        if abs(share := self._share(group)) >= _DIRECT:
            facts.append(f"writes {share:.0%} of what reaches the answer directly")
        return Box(
            key,
            title,
            name,
            number,
            tuple(facts),
            claims,
            self._effect(group),
            _names(group),
            group.kind == "role",
        )

    def _share(self, group: Group) -> float:
        return sum(self._direct.get(n.node, 0.0) for n in group.nodes)

    def _response(self, group: Group) -> tuple[str, str, list[str]]:
        """What it responds to, the number of that, and what else there is to say."""
        lead = group.lead
        if self._seen is None or lead is None:
            return "", "", []
        if lead.head is not None:
            heads = {(n.node.site.layer, n.head) for n in group.nodes if n.head is not None}
            attended = self._seen.attended((lead.node.site.layer, lead.head)) if len(heads) == 1 else {}
            if attended:
                said = [f"{case}: {_token(token)} {share:.0%}" for case, (token, share) in attended.items()]
                case = self._seen.case(lead.node)
                return "the last token attends to", "", [*said, *([_by_case(case)] if _telling(case) else [])]
        token, case = self._seen.token(lead.node), self._seen.case(lead.node)
        if token is None:
            return "silent on these prompts", "", []
        more = [_by_case(case)] if _telling(case) else []
        if _telling(token):
            sign = ", below 0" * token.negative
            return f"responds to {_token(token.what)}{sign}", f"AUROC {token.auroc:.2f}", more
        if more and case is not None:
            return more[0].partition(":")[0], f"AUROC {case.auroc:.2f}", []
        best = max(found.auroc for found in (token, case) if found is not None)
        return "neither a token nor a case stands out", f"AUROC at most {best:.2f}", []

    def _effect(self, group: Group) -> str:
        names = set(_names(group))
        measured = next(
            (b for b in (self._exhibit.boxes if self._exhibit else ()) if set(b.nodes) == names), None
        )
        if measured is not None:
            return f"without it: loss {measured.rise:+.2f} nats"
        lead = max(group.nodes, key=lambda n: n.cost, default=None)
        return (
            f"without {lead.node} alone: loss {lead.cost:+.2f} nats"
            if lead
            else "no node plays it in this circuit"
        )

    def _claims_of(self, role: str) -> Iterator[Said]:
        for claim in self._report.claims:
            if claim.name != HYPOTHESIS and role in self._said.about(claim.text)[1]:
                yield _claim(claim)

    # --- arrows

    def _arrows(self) -> Iterator[Arrow]:
        whole = next((c for c in self._report.claims if c.name == HYPOTHESIS), None)
        claimed: set[tuple[str, str]] = set()
        for arrow in self._said.arrows:
            (source, out), (target, port) = (end.partition(".")[::2] for end in (arrow.source, arrow.target))
            ends = self._roles.get(source, ""), self._roles.get(target, ANSWER)
            if not arrow.never:
                claimed.add(ends)
            found = [c for c in self._report.claims if arrow in self._said.about(c.text)[0]]
            label = " to ".join(filter(None, (f"its {out}" if out else "", f"the {port}" if port else "")))
            path = "" if arrow.direct else "any path"
            said = tuple(map(_claim, found)) or ((Said(whole.verdict, ""),) if whole is not None else ())
            yield Arrow(*ends, ", ".join(filter(None, (label, path))), said, True, arrow.never)
        counted: dict[tuple[str, str], int] = {}
        for edge in self._graph.drawn:
            ends = [self._of.get(e, "") if isinstance(e, Node) else None for e in (edge.source, edge.target)]
            pair = TOKENS if ends[0] is None else ends[0], ANSWER if ends[1] is None else ends[1]
            if all(pair) and pair[0] != pair[1]:
                counted[pair] = counted.get(pair, 0) + 1
        for pair in sorted(self._through_rest(set(counted) | claimed)):
            yield Arrow(*pair, label="through nodes in no box")
        shares = {key: self._share(group) for key, group in self._keyed}
        leads = {source for source, target in counted if target != ANSWER}
        for (source, target), count in sorted(counted.items()):
            small = target == ANSWER and self._direct and abs(shares.get(source, 0.0)) < _DIRECT
            if (source, target) not in claimed and not (small and source in leads):
                yield Arrow(source, target, weights=count)

    def _through_rest(self, known: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Arrows by way of nodes that are in no box: to the first box behind one that has none, or else the answer, and
        into boxes that have none."""
        after: dict[Node | str, set[Node | str]] = {}
        for edge in self._graph.drawn:
            if isinstance(edge.source, Node):
                to = self._of.get(edge.target, edge.target) if isinstance(edge.target, Node) else ANSWER
                after.setdefault(self._of.get(edge.source, edge.source), set()).add(to)
        found: set[tuple[str, str]] = set()
        order = {key: place for place, (key, _) in enumerate(self._keyed)}
        sources, targets = {one for one, _ in known}, {other for _, other in known}
        for key, _ in self._keyed:
            seen: set[Node | str] = set()
            waiting = [node for node in after.get(key, ()) if isinstance(node, Node)]
            while waiting:
                new = after.get(waiting.pop(), set()) - seen
                seen |= new
                waiting += [each for each in new if isinstance(each, Node)]
            ends = {end for end in seen if isinstance(end, str)} - {key}
            found |= {(key, end) for end in ends if end not in targets and end != ANSWER}
            if key not in sources:
                found |= {
                    (key, end) for end in sorted(ends, key=lambda end: (end == ANSWER, order.get(end, 0)))[:1]
                }
        return found - known

    # --- prompts

    def _shown(self) -> Iterator[Shown]:
        if self._seen is None:
            return
        for row in self._seen.example():
            prompt = self._seen.prompts[row]
            circuit, model = (
                f"{_token(one.says)} {'✓' if one.right else '✗'} {one.probability:.1%}"
                for one in (prompt.circuit, prompt.model)
            )
            reads = [read for key, group in self._keyed for read in self._reads(key, group, row)]
            yield Shown(prompt.case, prompt.tokens, prompt.answer, circuit, model, tuple(reads))

    def _reads(self, key: str, group: Group, row: int) -> Iterator[Read]:
        seen, lead = self._seen, group.lead
        if seen is None or lead is None:
            return
        found = seen.attention((lead.node.site.layer, lead.head), row) if lead.head is not None else None
        if found is not None:
            ordered = sorted(enumerate(found[1]), key=lambda item: (-item[1], item[0]))
            yield from (Read(key, at, share) for at, share in ordered[:_READS] if share >= _READ)
            return
        token, case = seen.token(lead.node), seen.case(lead.node)
        if token is not None and _telling(token):
            places = [at for at, text in enumerate(seen.prompts[row].tokens) if text == token.what]
            yield from (Read(key, at) for at in places[-_READS:])
        elif case is not None and _telling(case) and case.at_end:
            yield Read(key, len(seen.prompts[row].tokens) - 1)

    def _notes(self) -> Iterator[str]:
        if self._seen is None:
            yield "made without exhibit.json: no prompt is shown, and nothing is named by what it responds to"
        else:
            count, cases = len(self._seen.prompts), " and ".join(self._seen.cases)
            yield (
                f"named from {count} prompts of select, {cases}; "
                "AUROC: how often a value there is larger than elsewhere"
            )
            yield (
                "a letter under a token: that box reads it there; "
                "a share: of the last token's attention, in the circuit"
            )
        claimed = "; a wide arrow: the spec claims it" * bool(self._said.arrows)
        yield f"a dashed arrow: by way of nodes that are in no box{claimed}"
        circuit = self._report.circuit
        if circuit is not None and circuit.loss is not None:
            yield f"loss of the whole circuit {words.number(circuit.loss)} nats; even odds between two answers: 0.69"


def _claim(claim: ClaimResult) -> Said:
    value = words.measured(claim)[0]
    bound = "" if claim.bound is None else f", needs {claim.relation} {words.number(claim.bound)}"
    quantity = claim.text.rsplit(claim.relation, 1)[0].strip()
    return Said(claim.verdict, f"{claim.name}: {quantity} {value or claim.verdict.value}{bound}")


def _telling(found: Found | None) -> bool:
    return found is not None and found.auroc >= _TELLING


def _by_case(found: Found | None) -> str:
    assert found is not None
    return f"larger in {found.what}{' at the last token' if found.at_end else ''}: AUROC {found.auroc:.2f}"


def _token(text: str) -> str:
    """In quotes, with spaces that stay."""
    return f"‘{text.replace(chr(10), '⏎').replace(' ', chr(0xA0))}’" if text else "the sink"


def _names(group: Group) -> tuple[str, ...]:
    return tuple(str(n.node) for n in group.nodes)


def _letter(number: int) -> str:
    """A … Z, then A1 … Z1, and so on."""
    lap, place = divmod(number, len(ascii_uppercase))
    return f"{ascii_uppercase[place]}{lap or ''}"
