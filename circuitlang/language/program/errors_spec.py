"""The checker's messages about models, specs and claims: one function each, CIR-080 and up.

Nothing here decides anything.
"""

from __future__ import annotations

from typing import Literal

from circuitlang.source.diagnostic import Diagnostic, Span

# --- settings -------------------------------------------------------------------------------------


def missing(kind: str, name: str, span: Span, example: str) -> Diagnostic:
    """A setting or section that has no default."""
    return Diagnostic("CIR-080", f"`{span.text}` lacks the {kind} `{name}`", span, f"write `{example}`")


def wrong_type(span: Span, name: str, expected: str, meant: str | None = None) -> Diagnostic:
    """A value of another type than the setting's."""
    quoted = span.text[:1] in "\"'" and expected == "a name"
    hint = "a name has no quotes" if quoted else meant
    return Diagnostic("CIR-081", f"`{name}` is {expected}, not {span.text}", span, hint)


def out_of_range(span: Span, name: str, bounds: str, meant: str | None = None) -> Diagnostic:
    """A value outside the setting's range."""
    return Diagnostic("CIR-082", f"`{name}` must be {bounds}", span, meant)


def one_seed(span: Span, seed: int) -> Diagnostic:
    """One seed, where several searches may be meant (a warning)."""
    message = f"this is one search, with seed {seed}"
    hint = f"for {seed} searches, write 0..{seed - 1}; for this seed alone, {seed}..{seed}"
    return Diagnostic("CIR-085", message, span, hint, severity="warning")


def heads_do_not_divide(span: Span, width: int) -> Diagnostic:
    """The width is not a multiple of the number of heads."""
    fits = [n for n in range(1, min(width, 64) + 1) if width % n == 0]
    hint = f"heads divide the width: {', '.join(map(str, fits))}"
    return Diagnostic("CIR-083", f"a width of {width} cannot be divided into this many heads", span, hint)


def floor_too_high(span: Span, allowed: str) -> Diagnostic:
    """The floor asks for more nonzero weights than the share leaves."""
    hint = f"weights x width is {allowed} per row: lower `floor`, or raise `weights` or `width`"
    return Diagnostic("CIR-084", "the floor asks for more weights than the share leaves", span, hint)


# --- specs ---


def one_answer(span: Span, task: str) -> Diagnostic:
    """Ablated nodes would become what they are on another prompt of the task, and all prompts have one answer."""
    message = f"all prompts of `{task}` have one answer, so that values of another prompt leave it in place"
    hint = "write `ablate = resample(text)` or `ablate = mean`, or give the task a case with another answer"
    return Diagnostic("CIR-141", message, span, hint)


def no_claims(span: Span, block: str) -> Diagnostic:
    """A spec that claims nothing."""
    example = "loss given keep(circuit) <= 0.15" if block == "spec" else "encoder_error <= 0.2"
    return Diagnostic(
        "CIR-090", f"{block} `{span.text}` claims nothing", span, f"write `claim NAME: {example}`"
    )


def needs_intervention(span: Span) -> Diagnostic:
    """A metric that compares with the untouched model, measured on the untouched model."""
    hint = f"write `{span.text} given keep(circuit)` or another intervention"
    return Diagnostic("CIR-091", f"`{span.text}` needs an intervention", span, hint)


def takes_no_intervention(span: Span, metric: str) -> Diagnostic:
    """A count of the circuit under an intervention."""
    return Diagnostic("CIR-092", f"`{metric}` takes no `given`", span)


def takes_no_arguments(span: Span, metric: str) -> Diagnostic:
    """Arguments to a metric that has none."""
    of = f" given keep({span.text})" if span.text in ("circuit", "random") else ""
    return Diagnostic("CIR-093", f"`{metric}` takes no arguments", span, f"write `{metric}{of}`")


def bound_impossible(span: Span, metric: str, expected: str, hint: str | None = None) -> Diagnostic:
    """A number that the metric cannot be compared with."""
    return Diagnostic("CIR-094", f"`{metric}` is {expected}, and {span.text} is not", span, hint)


def units_differ(span: Span, left: str, right: str) -> Diagnostic:
    """Two quantities of different units are compared."""
    return Diagnostic("CIR-095", f"{left} cannot be compared with {right}", span)


def exact_relation(span: Span, metric: str) -> Diagnostic:
    """`==` for what is estimated."""
    hint = "only `nodes` and `edges` are exact; write `<=` or `>=`"
    return Diagnostic(
        "CIR-096", f"`{metric}` is estimated and never shown to be exactly a number", span, hint
    )


def each_on_right(span: Span) -> Diagnostic:
    """`each` on the right side of a comparison."""
    hint = "turn the comparison around"
    return Diagnostic("CIR-097", "`each` stands on the left side of a claim only", span, hint)


def says_nothing(span: Span, metric: str) -> Diagnostic:
    """A bound that holds or fails whatever is measured (a warning)."""
    message = f"whatever is measured, `{metric}` decides this in the same way"
    return Diagnostic("CIR-098", message, span, severity="warning")


def below_a_percent(span: Span, metric: str, share: float) -> Diagnostic:
    """A share that has to be at least less than 1 % (a warning)."""
    message = f"{span.text} is {share:g}, next to nothing as a lower bound of `{metric}`"
    hint = f"write {share * 100:g} or {share * 10_000:g}%"
    return Diagnostic("CIR-086", message, span, hint, severity="warning")


def not_built(span: Span, what: str, severity: Literal["error", "warning"]) -> Diagnostic:
    """A part of the language that is checked and that nothing measures yet."""
    hint = "this is checked, but not measured yet"
    return Diagnostic("CIR-099", f"not built yet: {what}", span, hint, severity)


def takes_no_value(span: Span, kind: str) -> Diagnostic:
    """A value for an intervention that has none."""
    return Diagnostic("CIR-100", f"`{kind}` takes no value", span)


def takes_no_condition(span: Span, metric: str) -> Diagnostic:
    """`where` or `for case` on a count of the circuit."""
    return Diagnostic("CIR-101", f"`{metric}` does not depend on prompts; leave this out", span)


def pinned_below_zero(span: Span, param: str) -> Diagnostic:
    """A param that counts repetitions, pinned below 0."""
    return Diagnostic("CIR-102", f"`{param}` counts repetitions and cannot be below 0", span)
