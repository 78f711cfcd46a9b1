"""A task's params and draws -> Python source that sets a variable for each, as `Drawer.values` does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from circuitlang.program.task import Param
from circuitlang.prompts.choice import Choices
from circuitlang.prompts.draw import REDRAWS, Drawer, Plan
from circuitlang.prompts.emit import Function
from circuitlang.prompts.stream import TRIES, WORDS, Stream, Word


def write_values(out: Function, params: tuple[Param, ...], drawer: Drawer) -> None:
    """Sets `n_length` for a param and `d_name` for a draw. `key`, `ranges` and `held_out` are set already.
    The lines return None where a draw finds every choice taken."""
    out.module.given |= {"pick": pick, "Stream": Stream, "FIRST": drawer.first, "TRIES": range(TRIES)}
    words = _words(len(params), drawer)
    if words:
        out.line(f"word = {out.module.source_of_words(words, 16)}(key)")
    for i, param in enumerate(params):
        out.line(f"low, count, limit = ranges[{i}]")
        out.line(f"n_{param.name} = low + {_below_count(out)}")
    if drawer.holds_out:
        out.line(f"first = -1 if held_out is None else {len(drawer.first)}")
        with out.inside("if held_out:"):
            out.line("first = Stream.of(word).weighted(FIRST)")
    for plan in drawer.plans:
        if plan.all is None:
            _write_expanded(out, plan)
        elif plan.held is None:
            _write_picked(out, plan, plan.all)
        else:
            _write_held_out(out, plan, (plan.shared, plan.held, plan.all))


def _words(params: int, drawer: Drawer) -> int:
    """How many words are drawn, when every name that has to differ from others is drawn again once."""
    words = params + drawer.holds_out
    for plan in drawer.plans:
        if plan.all is not None:
            words += 2 * len(plan.draw.names) - (not plan.draw.without)
    return words


def _write_expanded(out: Function, plan: Plan) -> None:
    """A body that cannot be listed, from a stream of its own."""
    body = out.module.outside(plan.draw.body)
    tag = out.module.literal(f"DRAW_{plan.draw.names[0]}", plan.tag)
    with out.drawing("own", f"key + {tag}", out.module.most(body) * len(plan.draw.names)):
        for name, others in _others(plan):
            _write_tries(out, name, others, f"range({REDRAWS})", lambda: out.value(out.text(body)))
            if others:
                with out.inside("else:"):
                    out.line("return None")


def _write_picked(out: Function, plan: Plan, listed: Choices) -> None:
    """One list of choices."""
    choices, table = _named(out, "CHOICES", listed), listed.table
    for name, others in _others(plan):
        if table:
            _write_tries(out, name, others, "TRIES", partial(_pick_one, out, table))
        _write_rest(out, name, others, choices, bool(table))


def _pick_one(out: Function, table: tuple[str, ...]) -> str:
    texts = out.module.table(table)
    return f"{texts}[{out.below(len(table))}]"


def _write_held_out(out: Function, plan: Plan, lists: tuple[Choices, Choices, Choices]) -> None:
    """Three lists of choices: for names before, at and after the first with a held-out choice."""
    short = all(listed.table for listed in lists)
    shared, held, every = (
        _named(out, name, (listed.table, len(listed.table or ()), _limit(len(listed.table or "1")), listed))
        for name, listed in zip(("SHARED", "HELD", "ALL"), lists, strict=True)
    )
    for number, (name, others) in enumerate(_others(plan), plan.number):
        pool = f"{shared} if {number} < first else {held} if {number} == first else {every}"
        out.line(f"texts, count, limit, choices = {pool}")
        if short:
            _write_tries(out, name, others, "TRIES", lambda: f"texts[{_below_count(out)}]")
        _write_rest(out, name, others, "choices", short)


def _others(plan: Plan) -> list[tuple[str, list[str]]]:
    """The names of a statement, each with those from which it has to differ."""
    names = plan.draw.names
    return [(name, [*plan.draw.without, *names[:place]]) for place, name in enumerate(names)]


def _write_tries(out: Function, name: str, others: list[str], tries: str, once: Callable[[], str]) -> None:
    """Draw a name until it differs from the others; what follows is for when it never does."""
    if not others:
        out.line(f"d_{name} = {once()}")
        return
    with out.inside(f"for _ in {tries}:"):
        out.line(f"d_{name} = {once()}")
        with out.inside(f"if {' and '.join(f'd_{name} != d_{other}' for other in others)}:"):
            out.line("break")


def _write_rest(out: Function, name: str, others: list[str], choices: str, tried: bool) -> None:
    """A pick from the choices that are left when all tries were in vain, or where there is no table to try."""
    if tried and not others:
        return
    taken = "".join(f"d_{other}, " for other in others)
    with out.inside("else:") if tried else nullcontext():
        out.line(f"d_{name} = pick({choices}, word, ({taken}), {0 if tried else TRIES})")
        with out.inside(f"if d_{name} is None:"):
            out.line("return None")


def _below_count(out: Function) -> str:
    """The same as `Function.below` for a count that is not known here."""
    out.line("value = word()")
    with out.inside("while value >= limit:"):
        out.line("value = word()")
    return "value % count"


def _limit(count: int) -> int:
    return WORDS - WORDS % count


def _named(out: Function, stem: str, value: object) -> str:
    """A constant that is no literal."""
    name = out.module.name(stem)
    out.module.given[name] = value
    return name


def pick(choices: Choices, word: Word, taken: tuple[str, ...], tries: int) -> str | None:
    """One of the choices that are not taken, after so many tries; None when all are."""
    picked = choices.pick(Stream.of(word), frozenset(taken), tries)
    return None if picked is None else picked[0]
