"""`prune`: a spec's circuits found and drawn; nothing is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.stages import search
from circuitlang.checking.static import check_text
from circuitlang.language.files import choose
from circuitlang.language.program.load import project_root
from circuitlang.language.program.spec import Spec
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import require_writable

if TYPE_CHECKING:
    from circuitlang.circuit.find import Found


def prune_and_write(path: Path, name: str | None, out: Path | None, options: Options) -> list[str]:
    """A spec's circuits found, and the first seed's drawn. Lines that say what was found and where the files are."""
    from circuitlang.report.diagram import dot
    from circuitlang.report.render import draw
    from circuitlang.report.report_folder import REPORT, write_files

    programs, _ = check_text([path])
    spec = choose(programs[0].specs, name, "spec", path)
    folder = out or Path("runs") / spec.name / "prune"
    require_writable(folder)
    if (folder / REPORT).exists():
        raise CommandError(
            f"{folder} holds a check's files, which `prune` leaves alone; --out names another folder"
        )
    circuits = prune(spec, project_root(path), options)
    graph = circuits[0].graph
    source = dot(graph, spec.name)
    drawn = draw(source)
    files: dict[str, str | bytes] = {"circuit.json": graph.to_json(), "circuit.dot": source}
    if drawn.data is not None:
        files["circuit.svg"] = drawn.data
    write_files(folder, files)
    lines = [_found(circuit, spec.prune.loss, options.budget) for circuit in circuits]
    return [*lines, f"files in {folder}", *([drawn.note] if drawn.data is None else [])]


def _found(circuit: Found, target: float, budget: int | None) -> str:
    """A line on what a search found: its size, its loss, and what of these is not as it was asked for."""
    nodes, pruned = circuit.graph.node_count, circuit.pruned
    from circuitlang.report.listing import size_of

    size = f"{nodes} nodes, {circuit.graph.edge_count} edges, loss"
    if not nodes:
        size = f"{size_of(0, circuit.graph.total_nodes, pruned.reached)}; loss of that"
    said = [f"seed {circuit.seed}: {size} {pruned.loss:.4f} on select"]
    if budget is not None and nodes < budget:
        said.append(f"fewer than {budget}: the search ranks no more of them")
    if pruned.loss > target:
        said.append(f"above the target of {target:g}")
    elif not pruned.reached and budget is None:
        said.append(f"which may be above the target of {target:g}: it is within the error of the mean")
    if pruned.stopped:
        said.append(str(pruned.stopped))
    return "; ".join(said)


def prune(spec: Spec, root: Path, options: Options) -> list[Found]:
    """`prune`: the circuits only, one per seed."""
    job = Job(spec, root, options)
    return search(job, Bench.of(job))[0]
