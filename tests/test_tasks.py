"""The tasks that ship: one file each, fair to ask, with enough prompts, and right about Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from circuitlang.language.files import programs
from circuitlang.language.program.load import load
from circuitlang.language.program.task import Task
from circuitlang.model.locate import TOKENS, locate, read_config
from circuitlang.prompts.admit import admit
from circuitlang.prompts.encode import encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint, Prompt
from circuitlang.prompts.support import support
from circuitlang.prompts.tokenizer import load_tokenizer
from circuitlang.report.listing import task_facts

ROOT = Path(__file__).parents[1]
ALL = ROOT / "tasks/python.task"
FILES = [path for path in programs([ROOT / "tasks"]) if path != ALL]
MODEL = "zoo:python-small"
SMALLEST = 10_000
LOOKED_AT = 150  # datapoints of each task

PAPER = {
    "single_double_quote",
    "final_kwarg",
    "set_or_string",
    "set_or_string_fixedvarname",
    "class_init",
    "with_as",
    "bracket_brace",
    "with_open",
    "bracket_counting",
    "for_while",
    "else_elif",
    "fstring_brace",
    "if_ternary",
    "var_swap",
    "indent_for",
    "lambda_func",
    "if_equals",
    "enumerate_range",
    "var_if",
    "while_return_true",
}
"""Table 1 of Gao et al. 2025."""

over_tasks = pytest.mark.parametrize("name", [path.stem for path in FILES])


@cache
def task(name: str) -> Task:
    return load(ROOT / f"tasks/{name}.task").tasks[name]


@cache
def datapoints(name: str) -> tuple[Datapoint, ...]:
    return tuple(Generator(task(name), 0).datapoints("test", range(LOOKED_AT)))


def test_the_papers_tasks_are_all_there_and_one_file_uses_every_task() -> None:
    assert {path.stem for path in FILES} >= PAPER
    assert set(list(load(ALL).tasks)[: len(PAPER)]) == PAPER
    assert sorted(load(ALL).tasks) == sorted(path.stem for path in FILES)


@over_tasks
def test_a_file_holds_one_task_of_its_name_that_says_what_it_is(name: str) -> None:
    path = ROOT / f"tasks/{name}.task"
    assert list(load(path).tasks) == [name]
    assert load(path).warnings == ()
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 25
    assert re.search(r"\.$", task(name).doc or "")


@over_tasks
def test_a_task_can_be_asked_of_the_model_that_ships(name: str) -> None:
    folder = locate(MODEL, ROOT)
    context = read_config(folder)[0].context
    tokenizer = load_tokenizer(folder / TOKENS)
    assert admit(task(name), tokenizer, context, MODEL) == []
    encode(datapoints(name), tokenizer, context)


@over_tasks
def test_a_task_has_many_prompts_and_holds_some_out(name: str) -> None:
    assert support(task(name)) >= SMALLEST
    assert task(name).hold_out
    # `support` is an upper bound; prompts that are drawn twice show how many there are in effect
    texts = [Generator(task(name), 0).unsplit(index)[0].text for index in range(LOOKED_AT)]
    expected = LOOKED_AT * (LOOKED_AT - 1) / 2 / SMALLEST
    assert len(texts) - len(set(texts)) <= expected
    assert sum(datapoint.held_out for datapoint in datapoints(name)) == LOOKED_AT // 2


@over_tasks
def test_cases_are_told_apart_and_each_answer_is_right_equally_often(name: str) -> None:
    for datapoint in datapoints(name):
        prompts = datapoint.prompts
        assert len({prompt.text for prompt in prompts}) == len(prompts)
        assert len({(prompt.answer, prompt.negated) for prompt in prompts}) == len(prompts)
        assert all(prompt.foils or any(p.negated for p in prompts) for prompt in prompts)
    shown: dict[str, set[str]] = {}
    for datapoint in datapoints(name):
        for prompt in datapoint.prompts:
            shown.setdefault(prompt.text, set()).add(prompt.answer + "not" * prompt.negated)
    assert all(len(answers) == 1 for answers in shown.values())  # no prompt has two right answers


# ---- what Python says to the answers. For each case: what may follow its answer (for a case that is `not x`: what may
# stand in place of x), with holes for the task's draws. The code is run where it ends in a call or an `assert`.

BODY = "        pass\n"
SAME_NAMES = """
made = {cls}('{a}', '{b}', '{c}', '{d}')
assert all(name == value for name, value in vars(made).items())
"""
ENDS: dict[str, dict[str, tuple[str, ...]]] = {
    "single_double_quote": {"double": ("\n",), "single": ("\n",)},
    "final_kwarg": {"keyword": ("):\n    pass\n", ", **rest):\n    pass\n"), "plain": ("    pass\n",)},
    "set_or_string": {
        "set": ("({item})\n{fn}([1, 2])\n",),
        "string": (" str({item})\n{fn}([1, 2])\n",),
    },
    "set_or_string_fixedvarname": {
        "set": ("({item})\n{fn}([1, 2])\n",),
        "string": (" str({item})\n{fn}([1, 2])\n",),
    },
    "class_init": dict.fromkeys(("first", "second"), (SAME_NAMES,)),
    "with_as": {"block": (" handle:\n" + BODY,), "assignment": ("\n", ".read()\n")},
    "bracket_brace": {"dict": (" 0}}\n",), "list": (" 0]\n", "]\n")},
    "with_open": {"read": ("') as file:\n" + BODY,), "write": ("') as file:\n" + BODY,)},
    "for_while": {"for_loop": (" {source}:\n" + BODY,), "while_loop": (BODY,)},
    "else_elif": {"else": (BODY,), "elif": (" {x}:\n" + BODY,)},
    "fstring_brace": {
        "fstring": ('{var}}}")\n{fn}(7)\nassert printed[-1].endswith(" 7")\n',),
        "plain": (' {var})\n{fn}(7)\nassert printed[-1].endswith(" 7")\n',),
    },
    "if_ternary": {"statement": (BODY,), "ternary": (" else 0\n",)},
    "var_swap": dict.fromkeys(
        ("forward", "backward"), ("\n    return {a}, {b}\nassert {fn}(1, 2) == (2, 1)\n",)
    ),
    "bracket_counting": {"flat": ("",), "nested": ("",)},
    "indent_for": {"shallow": (" pass\n",), "deep": (" pass\n",)},
    "lambda_func": {"lambda": (" 0\n",), "def": (BODY,)},
    "if_equals": {"condition": (" 0:\n" + BODY,), "assignment": (" 0\n",)},
    "enumerate_range": {
        "pair": ("({source}):\n" + BODY + "{fn}([1, 2])\n",),
        "single": ("(len({source})):\n" + BODY + "{fn}([1, 2])\n",),
    },
    "var_if": {"condition": (BODY,), "assignment": ("",)},
    "while_return_true": {"loop": (BODY,), "end": ("",)},
    "induction": {"first": ("]\n",), "third": ("]\n",)},
    "import_from": {"from": (" load\n",), "plain": ("",)},
    "dict_key": {"key": (" 0}}\n",), "value": ("}}\n", ' "k": 0}}\n')},
    "docstring_close": {"triple": (BODY.replace("        ", "    "),), "single": ("    pass\n",)},
    "decorator": {
        "property": ("):\n        return 1\nassert {cls}().{method} == 1\n",),
        "static": ("        return 1\nassert {cls}.{method}() == 1\n",),
    },
    "bracket_comment": {"flat": ("",), "nested": ("",)},
    "closing_bracket": {"list": ("",), "tuple": ("",), "set": ("",)},
}
REFUSED: dict[str, str] = {
    "single_double_quote": "double single",
    "final_kwarg": "keyword",  # after plain parameters a default is Python too
    "set_or_string": "set string",
    "set_or_string_fixedvarname": "set string",
    "class_init": "first second",
    "with_as": "assignment",
    "bracket_brace": "dict list",
    "with_open": "",  # any mode is Python; the name of the file says which is meant
    "for_while": "for_loop",  # `while x in y:` is Python
    "else_elif": "elif",
    "fstring_brace": "plain",  # an f-string without braces is Python
    "if_ternary": "ternary",
    "var_swap": "forward backward",
    "bracket_counting": "flat nested",
    "indent_for": "deep",  # a body may be indented as far as one likes
    "lambda_func": "lambda def",
    "if_equals": "condition",  # `x == 0` is a statement too
    "enumerate_range": "pair",
    "var_if": "condition assignment",
    "while_return_true": "loop end",
    "induction": "",  # any list is Python
    "import_from": "from plain",
    "dict_key": "key value",
    "docstring_close": "triple",  # after `"words."` comes `""`: two strings side by side
    "decorator": "property static",
    "bracket_comment": "flat nested",
    "closing_bracket": "list tuple set",
}
"""The cases in which the other cases' answers, whatever of ENDS follows, are no Python or go wrong when run. (Of a case
that is `not x`: in which x is.)"""


def works(code: str) -> bool:
    """Whether the code is Python, and runs where it ends in a call or an assertion."""
    try:
        tree = ast.parse(code)
        if isinstance(tree.body[-1], ast.Assert | ast.Expr):
            printed: list[str] = []
            own: dict[str, object] = {
                "printed": printed,
                "print": lambda *words: printed.append(" ".join(map(str, words))),
            }
            exec(compile(tree, "prompt", "exec"), own)
    except Exception:
        return False
    return True


def ends(prompt: Prompt, name: str, case: str | None = None) -> list[str]:
    """What may follow, of one case or of all."""
    texts = ENDS[name][case] if case else [end for ends in ENDS[name].values() for end in ends]
    return [text.format(**prompt.draws) for text in texts]


def test_every_task_is_tried_in_python() -> None:
    assert list(ENDS) == sorted(ENDS, key=list(REFUSED).index)
    assert set(ENDS) == set(REFUSED) == {path.stem for path in FILES}
    assert all(set(REFUSED[name].split()) <= set(ENDS[name]) for name in REFUSED)


@over_tasks
def test_python_takes_the_answer_and_refuses_the_others(name: str) -> None:
    for datapoint in datapoints(name)[:40]:
        for prompt in datapoint.prompts:
            answer = "" if prompt.negated else prompt.answer
            for end in ends(prompt, name, prompt.case):
                assert works(prompt.text + answer + end), prompt.text + answer + end
            if prompt.case in REFUSED[name].split():
                others = (prompt.answer,) if prompt.negated else prompt.foils
                wrong = [prompt.text + other + end for other in others for end in ends(prompt, name)]
                assert wrong
                assert not [code for code in wrong if works(code)]


def test_what_python_is_asked_can_fail() -> None:
    assert works("def f():\n    pass\nassert f() is None\n")
    assert not works("def f():\n    pass\nassert f()\n")
    assert not works("x = [1, 2\n")


def test_the_page_about_the_tasks_is_not_stale(golden: Callable[..., None]) -> None:
    page = ROOT / "docs/tasks.md"
    text = page.read_text(encoding="utf-8")
    table = ["| task | what is asked | answers | datapoints | held out |", "|---|---|---|---|---|"]
    for name, found in load(ALL).tasks.items():
        facts = " | ".join(task_facts(found))
        table.append(f"| [{name}](../tasks/{name}.task) | {found.doc} | {facts} |")
    rows = "\n".join(table)
    text, count = re.subn(
        r"(<!-- tasks -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{rows}\n{m[2]}", text, flags=re.S
    )
    assert count == 1
    golden(page, text)
