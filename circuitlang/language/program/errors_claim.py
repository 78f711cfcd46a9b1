"""The checker's messages about what claims are of: one function each, CIR-118 to CIR-140.

Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from circuitlang.language.program.errors_circuit import a, listed
from circuitlang.source.diagnostic import Diagnostic, Span

# --- arguments ------------------------------------------------------------------------------------


def lacks_argument(span: Span, name: str, signature: str) -> Diagnostic:
    """A metric without an argument that it needs."""
    return Diagnostic("CIR-118", f"`{span.text}` lacks {name}", span, f"it is written `{signature}`")


def unnamed_argument(span: Span, signature: str) -> Diagnostic:
    """An argument without its name."""
    return Diagnostic("CIR-119", f"`{span.text}` needs a name", span, f"it is written `{signature}`")


def wrong_argument(span: Span, name: str, expected: str) -> Diagnostic:
    """An argument or option of another type than its parameter's."""
    return Diagnostic("CIR-120", f"`{name}` is {expected}, not {span.text}", span)


def unfit_role(span: Span, name: str, kind: str, what: str, kinds: Sequence[str]) -> Diagnostic:
    """A role of a kind that the metric or the intervention cannot be of."""
    message = f"`{what}` cannot be of {a(kind)}, and `{name}` is one"
    return Diagnostic("CIR-121", message, span, f"it can be of {listed(kinds)}")


def group_for_metric(span: Span, name: str, metric: str) -> Diagnostic:
    """A group where one node or head is meant."""
    message = f"`{metric}` is of one node or head, and `{name}` is a group"
    return Diagnostic("CIR-122", message, span, "declare a role without `+`")


def mark_elsewhere(span: Span, cases: Sequence[str], known: Iterable[str]) -> Diagnostic:
    """A mark that the task has, and the prompts that are measured do not."""
    noun = "case" if len(cases) == 1 else "cases"
    message = f"no prompt of {noun} {listed(cases)} has the mark `{span.text}`"
    return Diagnostic("CIR-123", message, span, f"it has {listed(sorted(known))}")


def looks_ahead(span: Span) -> Diagnostic:
    """Attention from the first token, or to the last."""
    message = "attention looks back: from the first token there is nothing but itself to look at"
    return Diagnostic("CIR-124", message, span, "write `from=end` and where it looks as `to=…`")


def over_text(span: Span, why: str, hint: str) -> Diagnostic:
    """What only prompts have, asked of pretraining text; or the other way round."""
    return Diagnostic("CIR-140", why, span, hint)


# --- cases ----------------------------------------------------------------------------------------


def needs_two_cases(span: Span, what: str, task: str) -> Diagnostic:
    """Something that speaks of the other case, in a task of one."""
    return Diagnostic("CIR-125", f"`{what}` needs a second case, and task `{task}` has one", span)


def which_case(span: Span, what: str, cases: Sequence[str]) -> Diagnostic:
    """The other case is not named, and the task has several."""
    message = f"`{what}` speaks of another case, and there are {len(cases)}"
    return Diagnostic("CIR-126", message, span, f"say which: `to={cases[0]}`; cases: {', '.join(cases)}")


def same_case(span: Span, why: str) -> Diagnostic:
    """A case that is to differ from itself."""
    return Diagnostic("CIR-127", why, span, "name two different cases")


def never_flips(span: Span, case: str, to: str) -> Diagnostic:
    """A choice that can never become the other case's answer."""
    message = f"in case `{case}` the answer of case `{to}` is no choice"
    return Diagnostic("CIR-128", message, span, "a choice is the answer or a foil; change the foil, or `to=`")


def case_besides_between(span: Span) -> Diagnostic:
    """`for case` beside `between`."""
    return Diagnostic("CIR-129", "`between` says already which cases are measured", span, "leave this out")


# --- interventions --------------------------------------------------------------------------------


def bad_target(span: Span, kind: str, what: str, forms: Sequence[str]) -> Diagnostic:
    """An intervention on something that it cannot be done to."""
    return Diagnostic("CIR-130", f"`{kind}` cannot be of {what}", span, f"it can be of {', '.join(forms)}")


def needs_value(span: Span, kind: str) -> Diagnostic:
    """An intervention without the value that it needs."""
    return Diagnostic("CIR-131", f"`{kind}` needs a value", span, f"write `{kind}({span.text} = 1.5)`")


def acted_on_twice(span: Span, first: str) -> Diagnostic:
    """Two interventions of which one undoes the other."""
    return Diagnostic("CIR-132", f"this and `{first}` undo each other", span, "leave out one of them")


def each_of_one(span: Span, name: str) -> Diagnostic:
    """`each` of a role that is no group."""
    hint = f"declare `role {name}+`, or leave out `each`"
    return Diagnostic("CIR-133", f"`{name}` is one node, not a group", span, hint)


def second_each(span: Span, first: str) -> Diagnostic:
    """Two `each` in one quantity."""
    return Diagnostic("CIR-134", f"one `each` at a time; the first is `{first}`", span)


def changes_nothing(span: Span) -> Diagnostic:
    """An intervention that leaves everything as it is (a warning)."""
    return Diagnostic("CIR-135", "this changes nothing", span, severity="warning")


# --- plug-ins and bridges -------------------------------------------------------------------------


def broken_plugin(span: Span, where: str, why: str) -> Diagnostic:
    """A plug-in that cannot be loaded, or that does not say what it adds."""
    return Diagnostic("CIR-136", f"the plug-in `{where}` does not work: {why}", span)


def wrong_block(span: Span, blocks: Sequence[str], here: str) -> Diagnostic:
    """A metric or an intervention in a block whose claims are of something else."""
    message = f"`{span.text}` is for claims of a {' or a '.join(blocks)}, not of a {here}"
    return Diagnostic("CIR-137", message, span)


def bridge_does_not_fit(span: Span, why: str, hint: str | None = None) -> Diagnostic:
    """Two models that no bridge can join, or a spec of another model."""
    return Diagnostic("CIR-138", why, span, hint)


def needs_spec(span: Span) -> Diagnostic:
    """A bridge's claim about prompts or roles, without the spec that has them."""
    hint = "write `spec = NAME`: a spec of the sparse model"
    return Diagnostic("CIR-139", f"`{span.text}` needs the task of a spec", span, hint)
