"""The checker's messages about files, names, tasks and corpora: one function each, CIR-020 to CIR-071.

Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from circuitlang.language.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    ROLE_KINDS,
    SPEC_SECTIONS,
    SPEC_SETTINGS,
)
from circuitlang.source.diagnostic import Diagnostic, Span

_SAME = 0.85  # names so alike that no other meaning of the word is thought of, as `seed` and `seeds`
_MEANT = {
    (
        "intervention",
        "ablate",
    ): "write `drop(circuit)` to ablate it, `keep(circuit)` to ablate everything else",
}
_LISTED = 20  # names that a hint lists at most


def _near(name: str, known: Iterable[str], kind: str) -> str:
    """`did you mean`, or what there is. Only names of about the same length are compared, and not too many."""
    names = sorted(set(known))
    alike = [other for other in names if abs(len(other) - len(name)) <= 3][:500]
    near = get_close_matches(name, alike, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known {_plural(kind)}: {', '.join(names[:_LISTED]) or 'none'}{more}"


def _plural(noun: str) -> str:
    return {"corpus": "corpora"}.get(noun, noun + "s")


# --- files ----------------------------------------------------------------------------------------


def cannot_use(span: Span, why: str, place: Span | None = None) -> Diagnostic:
    """The used file is missing, a folder, or not text."""
    related = ((place, "here"),) if place else ()
    return Diagnostic("CIR-020", f"cannot use {span.text}: {why}", span, related=related)


def outside_project(span: Span, root: str, why: str = "this path leads out of the project") -> Diagnostic:
    """Paths lead to files of the project only."""
    hint = (
        f"the project is the folder {root!r}; copy the file there, and write its path from this file's folder"
    )
    return Diagnostic("CIR-021", why, span, hint)


def use_cycle(span: Span, names: Sequence[str], others: Iterable[Span]) -> Diagnostic:
    """Files use each other in a circle."""
    hint = "leave one of these out; what both files need can stand in a third"
    related = tuple((other, "uses the next") for other in others)
    message = f"files use each other in a circle: {' -> '.join(names)}"
    return Diagnostic("CIR-022", message, span, hint, related=related)


def use_too_deep(span: Span, limit: int) -> Diagnostic:
    """Files use files that use files, more than 8 deep."""
    return Diagnostic("CIR-023", f"files use files more than {limit} deep", span)


def unknown_version(span: Span) -> Diagnostic:
    """The file asks for a version of the language that this program does not know."""
    return Diagnostic("CIR-024", "this version of the language is not known", span, "write `circuitlang 1`")


# --- names ----------------------------------------------------------------------------------------


def unknown(kind: str, span: Span, known: Iterable[str]) -> Diagnostic:
    """A name that nothing declares."""
    names = list(known)
    hint = None
    if kind in ("metric", "intervention", "setting", "section"):
        close = get_close_matches(span.text, names, n=1, cutoff=_SAME)
        hint = (
            f"did you mean `{close[0]}`?"
            if close
            else _MEANT.get((kind, span.text)) or elsewhere(span.text, kind == "setting")
        )
    if kind == "model":
        shipped = 'a shipped model is written "zoo:NAME" (`circuitlang models`)'
        hint = f"{_near(span.text, names, '`model` block')}; {shipped}"
    return Diagnostic("CIR-030", f"unknown {kind} `{span.text}`", span, hint or _near(span.text, names, kind))


def declared_twice(kind: str, span: Span, first: Span) -> Diagnostic:
    """A second thing of the same name."""
    return Diagnostic(
        "CIR-031", f"{kind} `{span.text}` is declared twice", span, related=((first, "first declared here"),)
    )


def reserved_mark(span: Span) -> Diagnostic:
    """`start` and `end` are marks of every prompt."""
    hint = "`start` and `end` are the first and last token of every prompt; choose another name"
    return Diagnostic("CIR-032", f"`{span.text}` is the name of a mark", span, hint)


def unused(kind: str, span: Span) -> Diagnostic:
    """A name that is declared and has no effect (a warning)."""
    return Diagnostic("CIR-033", f"{kind} `{span.text}` is never used", span, severity="warning")


def drawn_later(span: Span, first: Span, needs: str | None) -> Diagnostic:
    """A draw that needs the value of a later draw."""
    message = f"rule `{span.text}` needs `{needs}`, which" if needs else f"`{span.text}`"
    hint = f"move this draw below line {first.line}"
    drawn = ((first, "drawn here"),)
    return Diagnostic("CIR-034", f"{message} is only drawn later", span, hint, related=drawn)


def shadows(span: Span, kind: str, first: Span | None) -> Diagnostic:
    """A binding named like a rule, draw or param."""
    message = f"`{span.text}` is already a {kind} of the task"
    related = ((first, "declared here"),) if first else ()
    return Diagnostic("CIR-035", message, span, "choose another name", related=related)


# --- expressions ----------------------------------------------------------------------------------


def empty_range(span: Span) -> Diagnostic:
    """A range whose first number is above its last."""
    return Diagnostic("CIR-040", f"the range {span.text} is empty", span, "the smaller number comes first")


def bad_weight(span: Span) -> Diagnostic:
    """A weight of 0 or less."""
    return Diagnostic("CIR-041", "a weight must be above 0", span)


def lone_weight(span: Span) -> Diagnostic:
    """A weight without alternatives to weigh against."""
    return Diagnostic("CIR-042", "a weight needs alternatives", span, "leave it out, or add `| …`")


def needs_depth(span: Span, names: Sequence[str]) -> Diagnostic:
    """A rule that reaches itself without a bound."""
    way = " -> ".join(names)
    return Diagnostic(
        "CIR-043", f"rule `{span.text}` recurses ({way})", span, f"write `rule {span.text} depth 3 = …`"
    )


def never_ends(span: Span) -> Diagnostic:
    """A rule all of whose alternatives recurse."""
    hint = "at the bound, alternatives that recurse are left out: one must remain"
    return Diagnostic("CIR-044", f"rule `{span.text}` never ends: all its alternatives recurse", span, hint)


def bad_depth(span: Span, limit: int) -> Diagnostic:
    """A depth below 1 or above the limit."""
    return Diagnostic("CIR-045", f"a depth is a number from 1 to {limit}", span)


def useless_depth(span: Span) -> Diagnostic:
    """A depth on a rule that does not recurse (a warning)."""
    return Diagnostic("CIR-046", "this rule does not recurse; `depth` does nothing", span, severity="warning")


def count_not_param(span: Span, kind: str) -> Diagnostic:
    """A repetition counted by a name that is no param."""
    hint = "a repetition is counted by a number, a range or a param"
    return Diagnostic("CIR-047", f"`{span.text}` is a {kind}, not a param", span, hint)


def bad_count(span: Span) -> Diagnostic:
    """A repetition of fewer than 0 times."""
    return Diagnostic("CIR-048", "nothing can be repeated fewer than 0 times", span)


def too_long(span: Span, limit: int) -> Diagnostic:
    """A text that could grow without a sensible bound."""
    hint = f"one expansion may have at most {limit:,} characters; lower a count or a depth"
    return Diagnostic("CIR-049", f"with `{span.text}`, texts can grow too long", span, hint)


def too_nested(span: Span, limit: int) -> Diagnostic:
    """Rules that use rules that use rules, more than 100 deep."""
    hint = f"rules may be used inside each other up to {limit} deep; lower a depth"
    return Diagnostic("CIR-036", f"`{span.text}` nests too deep", span, hint)


def too_many(span: Span, what: str, limit: int) -> Diagnostic:
    """A draw of more than 100 names, or a task of more than 100 params or cases."""
    return Diagnostic("CIR-037", f"more than {limit} {what}", span, "a prompt has room for a few")


# --- draws ----------------------------------------------------------------------------------------


def too_few_choices(span: Span, choices: int, needed: int) -> Diagnostic:
    """More names than choices."""
    return Diagnostic("CIR-050", f"{needed} different values are needed, and there are {choices}", span)


def not_drawn_before(span: Span, known: Iterable[str]) -> Diagnostic:
    """`except` a name that is not an earlier draw."""
    return Diagnostic(
        "CIR-051", f"`{span.text}` is not drawn before", span, _near(span.text, known, "earlier draw")
    )


def hold_out_not_draw(span: Span, known: Iterable[str], kind: str | None) -> Diagnostic:
    """`hold out` of something that is not a draw."""
    if kind is None:
        return Diagnostic("CIR-052", f"`{span.text}` is not a draw", span, _near(span.text, known, "draw"))
    message = f"`{span.text}` is a {kind}, and only a draw can be held out"
    hint = f"`draw {span.text} = …` picks one value for the whole datapoint, which can be kept for `test`"
    return Diagnostic("CIR-052", message, span, hint)


def hold_out_share(span: Span) -> Diagnostic:
    """A share outside (0 %, 100 %)."""
    return Diagnostic("CIR-053", "a share to hold out is above 0% and below 100%", span)


def hold_out_sides(span: Span, choices: int, held: int, names: int) -> Diagnostic:
    """A split that leaves one side without enough choices."""
    message = f"of {choices} choices {held} would be held out"
    return Diagnostic(
        "CIR-054", message, span, f"each side needs at least {names}; change the share or add choices"
    )


def not_enumerable(span: Span, why: str, limit: int) -> Diagnostic:
    """The choices of a draw must be listed, and there are too many or they are not fixed."""
    hint = f"alternatives of literals and ranges, at most {limit:,} in all"
    return Diagnostic(
        "CIR-055", f"the choices of `{span.text}` cannot be listed, which {why} needs", span, hint
    )


# --- cases ----------------------------------------------------------------------------------------


def no_cases(span: Span) -> Diagnostic:
    """A task without a case."""
    return Diagnostic("CIR-060", f"task `{span.text}` has no case", span, 'write `case NAME … answer "…"`')


def nothing_to_tell_apart(span: Span) -> Diagnostic:
    """One case, and nothing that it is told apart from."""
    hint = 'add a second case, or `foil "…"`, or `answer not "…"`'
    return Diagnostic("CIR-061", f"case `{span.text}` is told apart from nothing", span, hint)


def same_answers(span: Span, other: str, first: Span) -> Diagnostic:
    """Two cases with the same answer, and no foil."""
    hint = "the answers of a task's cases are each other's foils; say which with `foil`"
    related = ((first, f"the answer of `{other}`"),)
    return Diagnostic("CIR-062", f"this is also the answer of case `{other}`", span, hint, related=related)


def binding_missing(span: Span, cases: Sequence[str]) -> Diagnostic:
    """A hole that some cases do not bind."""
    lacking = ", ".join(f"`{case}`" for case in cases)
    noun = "cases" if len(cases) > 1 else "case"
    return Diagnostic(
        "CIR-063", f"{noun} {lacking} do{'es' * (len(cases) == 1)} not bind `{span.text}`", span
    )


def no_prompt(span: Span) -> Diagnostic:
    """Neither the task nor the case has a prompt."""
    return Diagnostic(
        "CIR-064", f"case `{span.text}` has no prompt", span, "give it one, or give the task one"
    )


def second_prompt(span: Span, first: Span) -> Diagnostic:
    """A task with two prompts."""
    hint = "a case may have a prompt of its own"
    return Diagnostic("CIR-065", "a task has one prompt", span, hint, related=((first, "the first one"),))


def one_sided(span: Span, why: str) -> Diagnostic:
    """A task with `answer not` speaks of one text only, and has no foils."""
    return Diagnostic(
        "CIR-066", why, span, "in a task with `answer not`, every case is about one and the same text"
    )


def empty_text(span: Span, what: str) -> Diagnostic:
    """A prompt, answer or foil without any character."""
    return Diagnostic("CIR-067", f"{what} cannot be empty", span)


def foil_is_answer(span: Span) -> Diagnostic:
    """A foil that is the answer itself."""
    return Diagnostic("CIR-068", "the foil is the answer itself", span)


# --- corpora --------------------------------------------------------------------------------------


def empty_corpus(span: Span) -> Diagnostic:
    """A corpus without a document and without files."""
    return Diagnostic("CIR-070", f"corpus `{span.text}` is empty", span, 'add `document RULE` or `files "…"`')


def bad_pattern(span: Span, of_package: bool = False) -> Diagnostic:
    """Files that another machine does not have: outside the project, or of a package whatever its version."""
    if of_package:
        message = "this pattern does not say which files of which package"
        hint = 'name and version, then a pattern: "package:networkx==3.6.1/**/*.py"'
    else:
        message = "this pattern leads out of the project"
        hint = 'a pattern inside the project, as "texts/*.txt", or of Python\'s library, as "stdlib:**/*.py"'
    return Diagnostic("CIR-071", message, span, hint)


# --- what is allowed and has no effect --------------------------------------------------------------


def no_blocks(span: Span) -> Diagnostic:
    """A file without any block (a warning)."""
    hint = "a block is written `task NAME { … }`; a line that begins with `#` is a comment"
    return Diagnostic("CIR-072", "there is nothing in this file", span, hint, severity="warning")


def same_alternative(span: Span, first: Span) -> Diagnostic:
    """An alternative that is there twice (a warning)."""
    hint = "leave it out; to have it chosen more often, write `weight 2`"
    related = ((first, "the first one"),)
    return Diagnostic("CIR-073", "this alternative is there twice", span, hint, "warning", related)


def never_chosen(span: Span, name: str) -> Diagnostic:
    """An alternative that the rule's depth leaves out at every use (a warning)."""
    message = f"this alternative uses `{name}` again, which `depth 1` never allows"
    return Diagnostic(
        "CIR-074", message, span, "write `depth 2` or more, or leave it out", severity="warning"
    )


def lost_blanks(span: Span) -> Diagnostic:
    """A last line of blanks in triple quotes, indented deeper than the text (a warning)."""
    message = "these blanks before the quotes are not part of the text"
    hint = r"where they count, write the last as \x20; otherwise indent this line as the text above"
    return Diagnostic("CIR-075", message, span, hint, severity="warning")


_BEFORE = {
    "robust": "say what ablated nodes become: `ablate = resample` (another prompt of the task, the default) or "
    "`ablate = resample(text)`",
}
"""Words that the language had, and what is written in their place."""


def elsewhere(word: str, assigned: bool = False) -> str | None:
    """What a word of models and specs is, and how it is written; None for other words. `assigned`: where a value is
    given to it."""
    if word in _BEFORE:
        return _BEFORE[word]
    owners = [
        f"`{section.name} {{ {word} = … }}` in a `{block}` block"
        for block, sections in (("model", MODEL_SECTIONS), ("spec", SPEC_SECTIONS))
        for section in sections.values()
        if any(setting.name == word for setting in section.settings)
    ]
    if owners and assigned:
        return f"write {' or '.join(owners)}"
    if word in METRICS:
        return f"`{word}` is a metric: it begins a claim, before `given`"
    if word in INTERVENTIONS:
        return f"`{word}` is an intervention: it stands behind `given`, as `loss given {word}(circuit)`"
    for block, sections in (("model", MODEL_SECTIONS), ("spec", SPEC_SECTIONS)):
        if word in sections:
            return f"`{word}` is a section of a `{block}` block, written `{word} {{ … }}`"
    if word in SPEC_SETTINGS:
        return f"`{word}` is a setting of a `spec` block itself, outside of its sections"
    if owners:
        return f"write {' or '.join(owners)}"
    return f"`{word}` is a kind of role, as `role NAME = {word} …`" if word in ROLE_KINDS else None
