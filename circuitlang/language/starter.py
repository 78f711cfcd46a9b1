"""A name -> a task and a spec to start from: files that pass `check --no-run` as they are and say how to go on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from circuitlang.language.program.load import find_project
from circuitlang.language.syntax.parse import keywords
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import create_whole

LONGEST = 64  # characters of a name
MODEL = "zoo:python-small"

_TASK = '''circuitlang 1

# A task asks a model what comes next, in prompts that differ in one respect.
# See them: circuitlang preview TASK_FILE
# See what else tells the cases apart, and might be used instead: add --cues

task NAME {
  "Close a string with the kind of quote that opened it."

  # `draw`: chosen once per datapoint and the same in all its cases; names of one draw differ.
  draw var, other = "total" | "label" | "price" | "limit" | "title" | "status"
  draw call = "print" | "load" | "find" | "check"
  draw word = "red" | "green" | "house" | "city" | "file" | "table"
  # `rule`: expanded afresh wherever it is used. A range is a number.
  rule number = 0..99
  # A quarter of the words occur in the test only, so that memory does not help.
  hold out word 25%

  # `{name}` is a hole. What a name wrote is also a mark: a claim can speak of the tokens at `open`.
  prompt """
    {other} = {number}
    {var} = {call}({open}{word}"""

  # A case fills the holes that are left. Its answer is one token; the other cases' answers are its foils.
  case double with open = '"' answer '")'
  case single with open = "'" answer "')"
}
'''

_SPEC = """circuitlang 1

use "USED"

# A spec says what is true of the smallest circuit that still does a task.
# Look for mistakes: circuitlang check --no-run SPEC_FILE
# Prune, measure and judge: circuitlang check SPEC_FILE

spec NAME {
  "A small part of the model closes a string as it was opened."

  task = NAME
  model = "MODEL"

  # The circuit is pruned until its loss is as large as this (nats per prompt; guessing costs 0.69).
  prune { loss = 0.15  seeds = 0 }

  # A claim compares a number with a bound: METRIC given INTERVENTION. It passes when all of its
  # confidence interval lies on the right side, on prompts that the pruning never saw.
  # `keep(circuit)` ablates everything else; `drop(circuit)` ablates the circuit.
  claim sufficient: loss given keep(circuit) <= 0.3
  claim right: accuracy given keep(circuit) >= 90%
  claim necessary: loss given drop(circuit) >= 0.5
  # Not a matter of size: circuits drawn at random, as large as this one, do worse.
  claim no_luck: loss given keep(circuit) < loss given keep(random)
}
"""


def start(name: str, tasks: Path, specs: Path, task_only: bool = False) -> list[Path]:
    """Writes NAME.task and NAME.cir into these folders, both or neither, over nothing. Their paths."""
    check_name(name)
    task, spec = tasks / f"{name}.task", specs / f"{name}.cir"
    above = os.path.commonpath([tasks.absolute(), specs.absolute()])  # where the commands are given
    words = {
        "NAME": name,
        "MODEL": MODEL,
        "TASK_FILE": _relative(task, above),
        "SPEC_FILE": _relative(spec, above),
        "USED": _relative(task, specs),
    }
    files = {task: _filled(_TASK, words)} | ({} if task_only else {spec: _filled(_SPEC, words)})
    there = [str(path) for path in files if path.exists() or path.is_symlink()]
    if there:
        verb = "exists" if len(there) == 1 else "exist"
        raise CommandError(f"{' and '.join(there)} {verb} already; nothing is ever overwritten")
    create_whole(files)
    return list(files)


def _relative(path: Path, folder: Path | str) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def check_name(name: str) -> None:
    """CommandError that says what is wrong with the name of a block and a file."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        near = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
        near = f"_{near}" if near[:1].isdigit() else near
        advice = f"; `{near}` would do" if near else ""
        raise CommandError(
            f"`{name}` is no name: a name has letters, digits and `_`, and does not begin with a digit{advice}"
        )
    if name in keywords():
        raise CommandError(f"`{name}` is a word of the language; choose another name, as `my_{name}`")
    if len(name) > LONGEST:
        raise CommandError(f"a name of {len(name)} characters is too long for a file; {LONGEST} are the most")


def _filled(template: str, words: Mapping[str, str]) -> str:
    return re.sub(rf"\b(?:{'|'.join(words)})\b", lambda match: words[match[0]], template)


def new(name: str, folder: Path | None, task_only: bool) -> list[Path]:
    """`new`: a task and a spec to start from. Their paths.

    In a project they go to its folders tasks and specs (or those of `folder`), elsewhere side by side.
    """
    from circuitlang.language.starter import start

    project = find_project(folder or Path())
    if project is None:
        return start(name, folder or Path(), folder or Path(), task_only)
    folder = folder or Path(os.path.relpath(project))
    return start(name, folder / "tasks", folder / "specs", task_only)
