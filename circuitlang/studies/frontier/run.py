"""`frontier`: a grid of models trained, pruned and compared; what there is so far is written after every seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from circuitlang.checking.bench import choose_device
from circuitlang.language.files import choose
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.recipe import Recipe
from circuitlang.language.program.spec import PruneSettings
from circuitlang.language.program.task import Task
from circuitlang.model.training.data import prepare
from circuitlang.prompts.support import check_support
from circuitlang.report.frontier import Frontier, Trained
from circuitlang.report.plot import plot
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.source.progress import Told
from circuitlang.storage.atomic import require_writable, write_all
from circuitlang.storage.cache import Cache, default_folder
from circuitlang.studies.frontier.compare import compared, dense_beside
from circuitlang.studies.frontier.grid import Point, head_width, kept, vary
from circuitlang.studies.frontier.match import next_width
from circuitlang.studies.frontier.sizes import able, measure
from circuitlang.studies.frontier.train import Nursery
from circuitlang.studies.training import all_tasks


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
