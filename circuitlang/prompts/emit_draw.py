"""A task's params and draws -> Python source that sets a variable `d_name` for each, as `Drawer.values` does."""

from __future__ import annotations

from circuitlang.program.task import Param
from circuitlang.prompts.choice import TRIES, Choices
from circuitlang.prompts.draw import REDRAWS, Drawer, Plan
from circuitlang.prompts.emit import Function
from circuitlang.prompts.stream import WORDS, Stream, Word

Pool = tuple[tuple[str, ...], int, int, Choices]  # texts, how many, the word to draw again from, and more


def write_values(out: Function, params: tuple[Param, ...], drawer: Drawer) -> None:
    """`word`, `ranges` and `held_out` are set. The lines return None where a draw finds every choice
    taken."""
    given = out.module.given
    given |= {"pick": pick, "Stream": Stream, "FIRST": drawer.first}
    for i, param in enumerate(params):
        out.line(f"low, count, limit = ranges[{i}]")
        out.line("value = word()")
        with out.inside("while value >= limit:"):
            out.line("value = word()")
        out.line(f"n_{param.name} = low + value % count")
        out.line(f"d_{param.name} = str(n_{param.name})")
    if drawer.holds_out:
        out.line(f"first = -1 if held_out is None else {len(drawer.first)}")
        with out.inside("if held_out:"):
            out.line("first = Stream.of(word).weighted(FIRST)")
    for plan in drawer.plans:
        if plan.all is None:
            _write_expanded(out, plan)
        else:
            _write_picked(out, plan, plan.all)


def _write_expanded(out: Function, plan: Plan) -> None:
    """A body that cannot be listed, drawn again until it is not taken."""
    body = out.module.outside(plan.draw.body)
    taken = [f"d_{name}" for name in plan.draw.without]
    tag = out.module.literal(f"DRAW_{plan.draw.names[0]}", plan.tag)
    out.line(f"own = words(key + {tag})")
    with out.drawing("own"):
        for name in plan.draw.names:
            if not taken:
                out.line(f"d_{name} = {out.value(out.text(body))}")
            else:
                with out.inside(f"for _ in range({REDRAWS}):"):
                    out.line(f"d_{name} = {out.value(out.text(body))}")
                    with out.inside(f"if d_{name} not in {_tuple(taken)}:"):
                        out.line("break")
                with out.inside("else:"):
                    out.line("return None")
            taken.append(f"d_{name}")


def _write_picked(out: Function, plan: Plan, listed: Choices) -> None:
    taken = [f"d_{name}" for name in plan.draw.without]
    for place, name in enumerate(plan.draw.names):
        target = f"d_{name}"
        if plan.held is None:
            _write_pick(out, target, listed, taken)
        else:
            _write_pick_held(out, target, plan, plan.number + place, taken)
        taken.append(target)


def _write_pick(out: Function, target: str, listed: Choices, taken: list[str]) -> None:
    table = listed.table
    choices = _named(out, "CHOICES", listed)
    if not table:
        return _write_any(out, target, choices, taken)
    out.line(f"{target} = {out.module.table(table)}[{out.below(len(table))}]")
    _write_again(out, target, choices, taken)
    return None


def _write_pick_held(out: Function, target: str, plan: Plan, number: int, taken: list[str]) -> None:
    """From one of three pools: before, at and after the first name with a held-out choice."""
    assert plan.held is not None and plan.all is not None
    choices = (plan.shared, plan.held, plan.all)
    tables = [pool.table for pool in choices]
    pools = [
        (table, len(table), WORDS - WORDS % len(table), pool) if table else (None, 0, 0, pool)
        for table, pool in zip(tables, choices, strict=True)
    ]
    shared, held, every = (
        _named(out, name, pool) for name, pool in zip(("SHARED", "HELD", "ALL"), pools, strict=True)
    )
    out.line(
        f"texts, count, limit, choices = "
        f"{shared} if {number} < first else {held} if {number} == first else {every}"
    )
    if not all(tables):
        return _write_any(out, target, "choices", taken)
    out.line("value = word()")
    with out.inside("while value >= limit:"):
        out.line("value = word()")
    out.line(f"{target} = texts[value % count]")
    _write_again(out, target, "choices", taken)
    return None


def _write_again(out: Function, target: str, choices: str, taken: list[str]) -> None:
    """What follows a first try that hit a taken choice."""
    if not taken:
        return
    with out.inside(f"if {target} in {_tuple(taken)}:"):
        out.line(f"{target} = pick({choices}, word, {_tuple(taken)}, {TRIES - 1})")
        with out.inside(f"if {target} is None:"):
            out.line("return None")


def _write_any(out: Function, target: str, choices: str, taken: list[str]) -> None:
    """A pick from choices without a table, or without anything."""
    out.line(f"{target} = pick({choices}, word, {_tuple(taken)}, {TRIES})")
    with out.inside(f"if {target} is None:"):
        out.line("return None")


def _named(out: Function, stem: str, value: object) -> str:
    """A constant that is no literal."""
    name = out.module.name(stem)
    out.module.given[name] = value
    return name


def _tuple(names: list[str]) -> str:
    return f"({', '.join(names)},)" if names else "()"


def pick(choices: Choices, word: Word, taken: tuple[str, ...], tries: int) -> str | None:
    picked = choices.pick(Stream.of(word), taken, tries)
    return None if picked is None else picked[0]
