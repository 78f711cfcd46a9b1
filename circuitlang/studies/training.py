"""The verbs about models: train one, list those there are, show a card, ask one tasks, import and export."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitlang.checking.bench import choose_device
from circuitlang.language.files import choose, programs
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.spec import VerdictSettings
from circuitlang.language.program.task import Task
from circuitlang.model.locate import TRAINED, WEIGHTS, locate, read_card, zoo
from circuitlang.model.training.machine import Machine
from circuitlang.source.diagnostic import CommandError, Diagnostic
from circuitlang.source.progress import Told
from circuitlang.source.visible import visible
from circuitlang.storage.atomic import write_whole
from circuitlang.storage.cache import Cache

if TYPE_CHECKING:
    import torch

    from circuitlang.claims.look import Table
    from circuitlang.language.program.recipe import Recipe
    from circuitlang.model.checkpoint import Checkpoint
    from circuitlang.model.training.processes import Processes
    from circuitlang.model.training.train import Progress

JUDGED_PER_TASK = 1024
"""Datapoints of `test` behind a line of a card's table of competences."""


def train(
    path: Path,
    name: str | None,
    out: Path | None,
    device_name: str,
    told: Told,
    machine: Machine = Machine(),  # noqa: B008
    said: Callable[[Sequence[str]], object] | None = None,
) -> Checkpoint:
    """`train`: a model block to a model's folder; continues where an earlier run stopped. Working files lie in
    models/NAME/work of the project, the model in `out` (by default models/NAME). `said` is given lines about what it
    will cost, before it starts.

    Under torchrun by all its processes together, of which the first writes and tells.
    """
    from circuitlang.model import checkpoint
    from circuitlang.model.training import data
    from circuitlang.model.training.card import make_card, reference_text
    from circuitlang.model.training.processes import own_device, processes
    from circuitlang.model.training.train import train as run_training

    with processes() as group:
        recipes = load(path).recipes
        recipe = choose(recipes, name, "model", path)
        root = project_root(path)
        home = root / TRAINED / recipe.name
        out = out or home
        start = start_of(recipe, recipes, root, out)
        device = own_device(choose_device(device_name))
        if said is not None:
            _say_cost(recipe, device, machine, group, home, said)
        tokenizer = start.tokenizer if start else None
        stream = group.after_first(lambda: data.prepare(recipe, root, home / "work", told, tokenizer))
        state = home / "work" / "state.safetensors"
        run = run_training(recipe, stream, state, device, stepping(told), None, machine, group, start)
        if group.first:
            reference = reference_text(recipe, stream)
            checkpoint.save(out, run.model, stream.tokenizer, reference, {})
            able = competences(checkpoint.load(out, recipe.name, device), root, told)
            card = make_card(recipe, stream, run, device, able, machine, group.count, start)
            checkpoint.save(out, run.model, stream.tokenizer, reference, card)
        group.wait()
        return checkpoint.load(out, recipe.name, device)


def cost(
    path: Path, name: str | None, device_name: str, machine: Machine, said: Callable[[Sequence[str]], object]
) -> None:
    """`train --cost`: what a training would cost; nothing is written."""
    from circuitlang.model.training.processes import own_device, processes

    with processes() as group:
        recipes = load(path).recipes
        recipe = choose(recipes, name, "model", path)
        home = project_root(path) / TRAINED / recipe.name
        start_of(recipe, recipes, project_root(path), home)
        _say_cost(recipe, own_device(choose_device(device_name)), machine, group, home, said)


def _say_cost(
    recipe: Recipe,
    device: torch.device,
    machine: Machine,
    group: Processes,
    home: Path,
    said: Callable[[Sequence[str]], object],
) -> None:
    """All processes measure, the first one says it."""
    from circuitlang.model.training.cost import measured

    lines = measured(recipe, device, machine, group, home)
    if group.first:
        said(lines)


def start_of(recipe: Recipe, recipes: Mapping[str, Recipe], root: Path, out: Path) -> Checkpoint | None:
    """The model that a recipe starts from, if any. CommandError where it is not there, has other sizes, or lies where
    the new one will."""
    from circuitlang.model.training.card import start_from
    from circuitlang.model.training.train import config_of

    name = recipe.training.start
    if name is None:
        return None
    folder = locate(name, root, name in recipes)
    if folder.resolve() == out.resolve():
        raise CommandError(f"model {recipe.name} starts from {folder}, where it would itself be written")
    return start_from(folder, name, config_of(recipe))


def stepping(told: Told) -> Callable[[Progress], None]:
    """What a training step looks like to whoever watches: loss, nonzeros, rate; the bar has the time left."""

    def stepped(now: Progress) -> None:
        told(
            f"step {now.step:,}/{now.steps:,}  loss {now.loss:.3f}  nonzero {now.nonzero:.3f}  "
            f"{now.tokens_per_second:,.0f} tokens/s",
            now.step / now.steps,
        )

    return stepped


def competences(found: Checkpoint, root: Path, told: Told) -> dict[str, dict[str, float]]:
    """What the model makes of every task of the project's tasks/ folder: accuracy, loss and mass on `test`."""
    tasks = all_tasks([root / "tasks"]) if (root / "tasks").is_dir() else []
    return {
        task.name: means_of(scores)
        for task, scores in asked(found, tasks, JUDGED_PER_TASK, told)
        if not isinstance(scores, Diagnostic)  # this tokenizer cannot ask it
    }


def ask_tasks(
    name: str, paths: Sequence[Path], datapoints: int, device: str, told: Told
) -> list[dict[str, Any]]:
    """`models NAME --tasks PATH`: for each task that the paths name, what the model makes of it, or why it cannot be
    asked.

    Competent is a model whose accuracy and mass reach what a spec asks for before it judges anything
    (docs/verdicts.md); here as measured, without intervals.
    """
    found = loaded(name, device)
    needed = VerdictSettings()
    rows: list[dict[str, Any]] = []
    for task, scores in asked(found, all_tasks(paths), datapoints, told):
        if isinstance(scores, Diagnostic):
            rows.append({"task": task.name, "cannot_be_asked": scores.message})
            continue
        row = means_of(scores)
        competent = is_competent(row["accuracy"], row["mass"], needed)
        rows.append({"task": task.name, **row, "competent": competent})
    return rows


def is_competent(accuracy: float, mass: float, needed: VerdictSettings) -> bool:
    """Whether these, as measured, are what a spec asks of a model before it judges anything."""
    return accuracy > needed.competence and mass >= needed.mass


def means_of(scores: Mapping[str, Table]) -> dict[str, float]:
    """Means over prompts, as a card has them."""
    means = {"accuracy": scores["choice"] == 0, "loss": scores["loss"], "mass": scores["mass"]}
    return {name: round(float(table.mean(dtype="float64")), 4) for name, table in means.items()}


def all_tasks(paths: Sequence[Path]) -> list[Task]:
    """The tasks of the files and folders, and of the files that those use, each once."""
    return list({task.text: task for path in programs(paths) for task in load(path).tasks.values()}.values())


def asked(
    found: Checkpoint, tasks: Sequence[Task], datapoints: int, told: Told
) -> Iterator[tuple[Task, Mapping[str, Table] | Diagnostic]]:
    """The untouched model's scores on the first datapoints of each task, or why it cannot be asked."""
    from circuitlang.circuit.ablation import Ablation
    from circuitlang.claims.measure import UNTOUCHED, Meter
    from circuitlang.prompts.admit import admit, diagnostic
    from circuitlang.prompts.generate import Generator
    from circuitlang.prompts.one_token import TokenError

    for number, task in enumerate(tasks):
        told(f"task {task.name}", number / len(tasks))
        wrong = admit(task, found.tokenizer, found.model.config.context, found.name)
        meter = Meter(found, Generator(task, 0), Ablation({}), Cache(None), "")
        if wrong:
            yield task, wrong[0]
            continue
        try:
            scores = {name: meter.table(UNTOUCHED, name, datapoints) for name in ("choice", "loss", "mass")}
        except TokenError as error:  # of a prompt that is rarer than those that were tried
            yield task, diagnostic(task, error, found.name)
        else:
            yield task, scores


def loaded(name: str, device: str = "cpu") -> Checkpoint:
    """A model that ships, or one in a folder from where the command runs."""
    from circuitlang.model import checkpoint

    return checkpoint.load(locate(name, Path.cwd()), name, choose_device(device))


def list_models() -> list[str]:
    """`models`: a line per model that ships, and per model in the folder models/ where the command runs."""
    lines = []
    own = [str(path.parent) for path in sorted(Path(TRAINED).glob(f"*/{WEIGHTS}"))]
    for name in [*zoo(), *own]:
        card = read_card(locate(name, Path()))
        size = card.get("parameters")
        nonzero = f"{size['nonzero']:,} nonzero parameters" if isinstance(size, Mapping) else "no card"
        lines.append(f"{visible(name)}  {nonzero}")
    return lines or ["no model ships with this installation"]


def show_model(name: str) -> Mapping[str, Any]:
    """`models NAME`: a model's card. CommandError where there is no such model."""
    return read_card(locate(name, Path.cwd()))


def import_model(
    source: str, name: str, out: Path | None, text: Path | None, tokenizer: Path | None
) -> tuple[Mapping[str, Any], Path]:
    """`models import`: its card, and where it is now: `out`, or models/NAME.
    source: a folder, or hub:OWNER/NAME@COMMIT."""
    from circuitlang.model.interop.import_model import HUB, bring, fetch

    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        raise CommandError(f"a model's name is letters, digits, `_` and `-`, not `{name}`")
    where = out or Path(TRAINED) / name
    folder = fetch(source) if source.startswith(HUB) else Path(source)
    return bring(folder, where, name, text, tokenizer), where


def export_model(name: str, out: Path) -> Sequence[str]:
    """`models export`: the names of the files that it wrote to `out`."""
    from circuitlang.model.interop.huggingface import export

    return export(loaded(name), out)


def import_circuit(path: Path, name: str, out: Path) -> list[str]:
    """`models circuit`: writes circuit.json; lines that say what is in it."""
    from circuitlang.circuit.ablation import means_over_text
    from circuitlang.circuit.published import published_circuit
    from circuitlang.model.interop.import_model import circuit_data

    data = circuit_data(path)
    found = loaded(name)
    graph, notes = published_circuit(found.model, means_over_text(found.model, found.reference), data)
    write_whole(out, graph.to_json())
    return [f"{out}: {graph.node_count} nodes, {graph.edge_count} edges", *notes]
