"""`frontier`: a grid of models trained, pruned and compared; written out after every seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from circuitlang.checking.bench import choose_device, finder_of
from circuitlang.circuit.extract import weight_count
from circuitlang.circuit.find import one_thread
from circuitlang.circuit.prune import Pruned
from circuitlang.claims.measure import UNTOUCHED, Meter
from circuitlang.language.files import choose
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.recipe import Recipe
from circuitlang.language.program.spec import Ablate, PruneSettings, VerdictSettings
from circuitlang.language.program.task import Task
from circuitlang.model import checkpoint
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.locate import WEIGHTS, read_card
from circuitlang.model.training.card import make_card, reference_text
from circuitlang.model.training.data import TokenData, prepare
from circuitlang.model.training.train import train, validation_loss
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.admit import admit
from circuitlang.prompts.support import check_support
from circuitlang.report.frontier import Frontier, Size, Sizes, Trained
from circuitlang.report.plot import plot
from circuitlang.site import Node
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.source.progress import Told
from circuitlang.storage.atomic import require_writable, write_all
from circuitlang.storage.cache import Cache, default_folder
from circuitlang.studies.frontier.equal_loss import compared, dense_beside, next_width
from circuitlang.studies.frontier.grid import Point, head_width, kept, vary
from circuitlang.studies.training import all_tasks, is_competent, stepping

ASKED = 512
"""Datapoints of `test` on which it is decided whether a model can do a task."""


def able(checkpoint: Checkpoint, tasks: Sequence[Task], cache: Cache) -> list[Task]:
    """Those that the untouched model is competent on, as a spec would have it (docs/verdicts.md)."""
    needed = VerdictSettings()
    found = []
    for task in tasks:
        if admit(task, checkpoint.tokenizer, checkpoint.model.config.context, checkpoint.name):
            continue
        meter = Meter.of(finder_of(checkpoint, task, 0, cache), PruneSettings())
        with one_thread():
            accuracy = float((meter.table(UNTOUCHED, "choice", ASKED) == 0).mean())
            mass = float(meter.table(UNTOUCHED, "mass", ASKED).mean(dtype="float64"))
        if is_competent(accuracy, mass, needed):
            found.append(task)
    return found


def measure(
    checkpoint: Checkpoint,
    task: Task,
    settings: PruneSettings,
    seed: int,
    cache: Cache,
    report: Callable[[str, float], None],
) -> Sizes:
    """The circuits of one task that the search finds under two ablations: means over pretraining text, as the paper has
    them, and values on another prompt of the task. Where learning the mask loses what is needed there is no second
    search from all nodes: it takes minutes, and more of them the larger a model is."""
    search = finder_of(checkpoint, task, 0, cache)

    def found(ablate: Ablate, number: int) -> Pruned:
        def told(stage: str, share: float) -> None:
            report(f"{ablate}, {stage}", (number + share) / 2)

        wanted = replace(settings, ablate=ablate)
        return search.find(wanted, seed, report=told, fallback=False, costs=False).pruned

    mean, resampled = found("mean", 0), found("resample", 1)
    model = checkpoint.model
    return Sizes(
        task=task.name,
        loss=mean.loss,
        mean=_size(model, mean.nodes) if mean.reached else None,
        resampled=_size(model, resampled.nodes) if resampled.reached else None,
    )


def _size(model: Transformer, nodes: Sequence[Node]) -> Size:
    return Size(nodes=len(nodes), edges=weight_count(model, nodes))


ROWS = 1024
"""Rows of kept-out text, of each stream, that the pretraining loss is taken on: the same for all models."""
LOSS = "pretraining_loss"


@dataclass(frozen=True)
class Nursery:
    """Trains the models of a grid into `folder`. All read one text with one tokenizer, `data`: only so are their losses
    per token comparable. A seed decides a model's start and the order of the text."""

    base: Recipe
    data: TokenData
    folder: Path
    narrowest: int
    device: torch.device
    told: Told

    def loss(self, point: Point) -> float:
        """Nats per token on kept-out text, the streams by their shares. Trains the model where there is none."""
        return float(read_card(self.home(point))[LOSS])  # pyright: ignore[reportArgumentType]

    def model(self, point: Point) -> Checkpoint:
        return checkpoint.load(self.home(point), point.name, self.device)

    def home(self, point: Point) -> Path:
        """The model's folder. A training that was cut off is continued."""
        folder = self.folder / point.name
        recipe = vary(self.base, point, self.narrowest)
        if (folder / WEIGHTS).exists() and read_card(folder).get("recipe") == recipe.text:
            return folder

        def told(stage: str, share: float) -> None:
            self.told(f"{point.name}  {stage}", share)

        state = self.folder / "work" / f"{point.name}.safetensors"
        run = train(recipe, self.data, state, self.device, stepping(told))
        card = make_card(recipe, self.data, run, self.device, {})
        losses = validation_loss(run.model, self.data, self.device, ROWS)
        card[LOSS] = sum(stream.share * losses[stream.name] for stream in self.data.streams)
        reference = reference_text(recipe, self.data)
        checkpoint.save(folder, run.model, self.data.tokenizer, reference, card)
        state.unlink(missing_ok=True)
        return folder


@dataclass(frozen=True)
class Grid:
    """Sparse models: every width with every number of nonzeros, for every seed. Dense ones are trained, no wider than
    `most`, until each sparse model's loss lies between those of two neighbours. `prune`: alike for all models."""

    widths: Sequence[int]
    nonzeros: Sequence[int]
    seeds: Sequence[int]
    most: int
    prune: PruneSettings

    def points(self, seed: int) -> Iterator[Point]:
        return (Point(width, count, seed) for count in self.nonzeros for width in self.widths)


def frontier(
    path: Path,
    name: str | None,
    *,
    widths: Sequence[int] = (),
    nonzeros: Sequence[int] = (),
    seeds: Sequence[int] = (0,),
    most: int | None = None,
    tasks: Sequence[Path] | None = None,
    target: float = PruneSettings().loss,
    out: Path,
    device: str = "auto",
    told: Told,
) -> Frontier:
    """`frontier`: the grid around a model block of a file. By default its own width and nonzeros, dense models up to
    the widest sparse one's width, and the tasks of the project."""
    base = choose(load(path).recipes, name, "model", path)
    root = project_root(path)
    if base.training.start is not None:
        raise CommandError(
            f"model {base.name} starts from {base.training.start}: models of other sizes cannot"
        )
    if not target > 0:
        raise CommandError(f"a target of {target:g} nats cannot be reached")
    widths = widths or (base.architecture.width,)
    grid = Grid(
        widths, nonzeros or (kept(base),), seeds, most or max(widths), replace(PruneSettings(), loss=target)
    )
    return run(
        base, root, all_tasks(tasks or [root / "tasks"]), grid, out, device, Cache(default_folder()), told
    )


def run(
    base: Recipe,
    root: Path,
    tasks: Sequence[Task],
    grid: Grid,
    out: Path,
    device: str,
    cache: Cache,
    told: Told,
) -> Frontier:
    """Everything, seed by seed; what an earlier run has done is read. CommandError where a model of the grid cannot be
    made: said before any is trained."""
    for point in [Point(grid.most, None, 0), *(p for seed in grid.seeds for p in grid.points(seed))]:
        vary(base, point, min(grid.widths))
    if not tasks:
        raise CommandError("there are no tasks to find circuits for")
    wrong = [diagnostic for task in tasks for diagnostic in check_support(task)]
    if wrong:
        raise ProgramError(wrong)
    require_writable(out)
    home = out / "models"
    data = prepare(base, root, home / "work", told)
    nursery = Nursery(base, data, home, min(grid.widths), choose_device(device), told)
    models: list[Trained] = []
    unmatched: list[str] = []
    found = compared(base.name, grid.prune.loss, models, unmatched)
    for seed in grid.seeds:
        trained, missed = _one_seed(nursery, grid, seed, tasks, cache)
        models += trained
        unmatched += missed
        found = compared(base.name, grid.prune.loss, models, unmatched)
        write_all({out / "frontier.json": found.to_json(), out / "frontier.svg": plot(found)})
    return found


def _one_seed(
    nursery: Nursery, grid: Grid, seed: int, tasks: Sequence[Task], cache: Cache
) -> tuple[list[Trained], list[str]]:
    sparse = list(grid.points(seed))
    goals = {point: nursery.loss(point) for point in sparse}
    dense: dict[int, float] = {}
    step = head_width(nursery.base)
    for goal in goals.values():
        while (width := next_width(dense, goal, step, grid.most)) is not None:
            dense[width] = nursery.loss(Point(width, None, seed))
    points = [*sparse, *(Point(width, None, seed) for width in sorted(dense))]
    rows = {point: _asked(nursery, point, tasks, cache) for point in points}
    by_name = {row.name: point for point, row in rows.items()}
    wanted: dict[Point, list[str]] = {point: [] for point in points}
    missed = []
    for point in sparse:
        beside = dense_beside(rows.values(), rows[point])
        if beside is None:
            missed.append(
                f"{point.name} (loss {goals[point]:.4f}): no dense model up to width {grid.most} has its loss; those "
                f"there are: {', '.join(f'{w}: {dense[w]:.4f}' for w in sorted(dense))}"
            )
            continue
        group = [rows[point], beside[1]]
        common = [name for name in group[0].able if all(name in row.able for row in group)]
        for row in group:
            wanted[by_name[row.name]] += [name for name in common if name not in wanted[by_name[row.name]]]
    return [
        _pruned(nursery, point, rows[point], wanted[point], grid, tasks, cache) for point in points
    ], missed


def _asked(nursery: Nursery, point: Point, tasks: Sequence[Task], cache: Cache) -> Trained:
    nursery.told(f"{point.name}: which tasks it can do", 0.0)
    loss, checkpoint = nursery.loss(point), nursery.model(point)
    return Trained(
        name=point.name,
        width=point.width,
        seed=point.seed,
        nonzeros=point.nonzeros,
        kept=sum(int((p != 0).sum()) for p in checkpoint.model.parameters()),
        loss=loss,
        able=tuple(task.name for task in able(checkpoint, tasks, cache)),
        sizes=(),
    )


def _pruned(
    nursery: Nursery,
    point: Point,
    row: Trained,
    wanted: Sequence[str],
    grid: Grid,
    tasks: Sequence[Task],
    cache: Cache,
) -> Trained:
    checkpoint = nursery.model(point)
    sizes = []
    for task in tasks:
        if task.name in wanted:

            def told(stage: str, share: float, name: str = task.name) -> None:
                nursery.told(f"{point.name}: {name}: {stage}", share)

            sizes.append(measure(checkpoint, task, grid.prune, point.seed, cache, told))
    return row.model_copy(update={"sizes": tuple(sizes)})
