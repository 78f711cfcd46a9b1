"""The checker's messages about circuits: one function each, CIR-103 to CIR-117.

Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from circuitlang.language.program.hypothesis import ANSWER, Arrow, Role
from circuitlang.source.diagnostic import Diagnostic, Span

_AN = "aeiou"


def second_circuit(span: Span, first: Span) -> Diagnostic:
    """A spec with two circuits."""
    return Diagnostic("CIR-103", "a spec has one circuit", span, related=((first, "the first one"),))


def reserved_role(span: Span) -> Diagnostic:
    """A role named like something else that a claim can speak of."""
    hint = "a claim could not tell it from `circuit`, `random`, `node` or `edge`; choose another name"
    return Diagnostic("CIR-104", f"`{span.text}` is no name for a role", span, hint)


def outside_model(span: Span, role: str, layers: int | None) -> Diagnostic:
    """A layer that the model does not have."""
    if layers is None:
        return Diagnostic("CIR-105", "layers count from 0", span)
    hint = "its one layer is 0" if layers == 1 else f"its layers are 0 to {layers - 1}"
    message = f"`{role}` may lie in layer {span.text}, which the model does not have"
    return Diagnostic("CIR-105", message, span, hint)


def no_ports(span: Span, name: str, kind: str) -> Diagnostic:
    """A port of something that is no head."""
    what = f"`{name}` is {a(kind)}, which" if kind else f"`{name}`"
    return Diagnostic("CIR-106", f"{what} has no ports; heads have", span, f"write `{name}`")


def leaves_by_entrance(span: Span, name: str) -> Diagnostic:
    """An arrow that begins where a head is entered."""
    message = "arrows enter a head by query, key and value, and leave it by out"
    return Diagnostic("CIR-107", message, span, f"write `{name} -> …`")


def enters_by_exit(span: Span, name: str) -> Diagnostic:
    """An arrow that ends where a head is left."""
    hint = f"write `{name}.query`, `{name}.key` or `{name}.value`, or `{name}` for any of them"
    return Diagnostic("CIR-108", "nothing enters a head by out", span, hint)


def leaves_answer(span: Span) -> Diagnostic:
    """An arrow that begins at the answer."""
    return Diagnostic("CIR-109", "nothing leaves `answer`: it is the end of every circuit", span)


def to_itself(span: Span, name: str) -> Diagnostic:
    """An arrow from a role to itself."""
    return Diagnostic("CIR-110", f"`{name}` cannot lead to itself: nothing is computed before itself", span)


def not_connected(arrow: Arrow, source: str, target: str, ends: Sequence[str]) -> Diagnostic:
    """A direct arrow between two kinds that no weights and no residual channel join."""
    assert arrow.span is not None
    end = "the answer" if target == ANSWER else a(target)
    message = f"{a(source)} has no direct connection to {end}: another head or neuron lies between"
    where = ", ".join(f"`{name}`" for name in ends)
    whole = "" if arrow.never else f"; `{arrow.source.role} ~> {arrow.target}` is any path"
    hint = f"`->` from {a(source)} ends at {where}{whole}"
    return Diagnostic("CIR-111", message, arrow.span, hint)


def not_before(arrow: Arrow, roles: Mapping[str, Role], needs: str) -> Diagnostic:
    """An arrow whose source is not computed before its target, wherever the two may lie."""
    assert arrow.span is not None
    source, target = (roles[port.role] for port in (arrow.source, arrow.target))
    message = f"{_placed(source)} does not come before {_placed(target)}"
    if "one layer" in needs:
        message = f"{_placed(source)} and {_placed(target)} are in different layers"
    return Diagnostic("CIR-112", message, arrow.span, needs)


def not_together(arrows: Sequence[Arrow], limit: tuple[str, int, int] | None) -> Diagnostic:
    """Arrows that cannot all be, wherever the roles may lie."""
    span = arrows[-1].span
    assert span is not None
    others = ", ".join(f"`{arrow}`" for arrow in arrows[:-1])
    if limit is None:
        return Diagnostic("CIR-113", f"with {others} this goes round in a circle", span)
    role, needed, last = limit
    hint = f"`{role}` would have to reach layer {needed}, and can lie in layer {last} at most"
    return Diagnostic("CIR-113", f"there are too few layers for this together with {others}", span, hint)


def contradicts_never(span: Span, never: Arrow, claimed: Sequence[Arrow]) -> Diagnostic:
    """Something is claimed to be and never to be."""
    said = ", ".join(f"`{arrow}`" for arrow in claimed)
    if not said:
        return Diagnostic("CIR-114", f"the circuit says `{never}`, and so there is nothing to act on", span)
    verb = "says" if len(claimed) == 1 else "say"
    return Diagnostic("CIR-114", f"{said} {verb} that there is such a path", span, "leave out one of them")


def said_already(span: Span, arrow: Arrow) -> Diagnostic:
    """An arrow that another arrow already says (a warning)."""
    return Diagnostic("CIR-115", f"`{arrow}` says this already", span, severity="warning")


def never_anyway(arrow: Arrow) -> Diagnostic:
    """A `never` of what cannot be in any model (a warning)."""
    assert arrow.span is not None
    message = "there can be no such path, whatever circuit is found"
    return Diagnostic("CIR-116", message, arrow.span, severity="warning")


def one_arrow(span: Span, where: str, example: str) -> Diagnostic:
    """A chain of arrows where one arrow is meant."""
    return Diagnostic("CIR-117", f"{where} one arrow at a time", span, example)


def a(kind: str) -> str:
    """The kind of a role with its article."""
    return f"{'an' if kind[0] in _AN else 'a'} `{kind}`"


def _placed(role: Role) -> str:
    """`kind`, a `neuron` in layer 0."""
    if role.layers is None:
        return f"`{role.name}` (a `{role.kind}`)".replace("(a `a", "(an `a")
    low, high = role.layers
    where = f"{low}" if low == high else f"{low}..{high}"
    return f"`{role.name}` ({a(role.kind)} in layer {where})"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(f"`{name}`" for name in names)
