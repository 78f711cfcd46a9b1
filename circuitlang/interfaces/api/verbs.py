"""The verbs of the command line as functions: load, check, prune, train, and a model by name."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking.bench import choose_device
from circuitlang.checking.job import Options
from circuitlang.checking.run import check_file
from circuitlang.checking.static import check_text
from circuitlang.interfaces.progress import bar, in_notebook
from circuitlang.language.files import choose
from circuitlang.language.program.load import project_root
from circuitlang.language.program.program import Program
from circuitlang.model.locate import locate
from circuitlang.source.progress import Told, quiet
from circuitlang.studies.prune_spec import prune as prune_spec
from circuitlang.studies.training import train as train_model

if TYPE_CHECKING:
    from circuitlang.interfaces.api.model import Model
    from circuitlang.report.circuit import Circuit
    from circuitlang.report.report import Report


def load(path: Path | str) -> Program:
    """A checked program: `tasks`, `specs`, `recipes` and `bridges` by name. All that can be found without computing is
    checked, as by `circuitlang check --no-run`; `warnings` are what is no mistake.

    Raises ProgramError, whose text and `diagnostics` are all mistakes of the file and of those that it uses, or
    CommandError where the file cannot be read.
    """
    path = Path(path)
    return check_text([path])[0][0]


def check(path: Path | str, name: str | None = None, options: Options | None = None) -> Report:
    """The report of one spec of a file, `name` where there are several. Writes no files but the cache's. Takes minutes,
    or seconds where it ran before; `Options(controls=False, battery=False)` looks at the claims alone. In a notebook or
    a terminal with a progress bar, unless the options say who is told; in a notebook the report shows the mechanism
    with what each part responds to.

    Raises ProgramError with every mistake of the file, or CommandError.
    """
    options = options or Options()
    with bar() if options.told is quiet else nullcontext(options.told) as told:
        return check_file(path, name, replace(options, told=told), inspect=in_notebook())


def prune(
    path: Path | str,
    name: str | None = None,
    *,
    budget: int | None = None,
    options: Options | None = None,
) -> list[Circuit]:
    """The circuits of one spec of a file, one per seed of its `prune` section; nothing is judged. `budget`: keep so
    many nodes, instead of as few as reach the target. Losses are those on `select`.

    Raises ProgramError with every mistake of the file, or CommandError.
    """
    from circuitlang.report.circuit import Circuit

    path, options = Path(path), options or Options()
    programs, _ = check_text([path], measure=True, model=options.model)
    spec = choose(programs[0].specs, name, "spec", path)
    found = prune_spec(spec, project_root(path), replace(options, budget=budget))
    return [
        Circuit(
            each.graph,
            spec.name,
            spec.model,
            each.seed,
            each.pruned.loss,
            spec.prune.loss,
            each.pruned.reached,
        )
        for each in found
    ]


def train(
    path: Path | str,
    model: str | None = None,
    *,
    out: Path | str | None = None,
    device: str = "auto",
    told: Told = quiet,
) -> Model:
    """Trains a `model` block of a file, `model` where there are several, and continues where an earlier run stopped.
    The model lies in `out`, by default models/NAME of the project. `told(stage, share done)`.

    Raises ProgramError or CommandError.
    """
    from circuitlang.interfaces.api.model import Model

    path = Path(path)
    return Model(train_model(path, model, None if out is None else Path(out), device, told))


def load_model(name: str, root: Path | str = ".", device: str = "cpu") -> Model:
    """A trained model: `zoo:NAME` of those that ship, or a folder, relative to `root`.

    Raises CommandError, saying what is known, where there is none.
    """
    from circuitlang.interfaces.api.model import Model
    from circuitlang.model.checkpoint import load as load_checkpoint

    return Model(load_checkpoint(locate(name, Path(root)), name, choose_device(device)))
