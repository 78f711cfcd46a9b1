"""`prune`: a spec's circuits found and drawn; nothing is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.judge import search
from circuitlang.checking.static import check_text
from circuitlang.language.files import choose
from circuitlang.language.program.load import project_root
from circuitlang.language.program.spec import Spec
from circuitlang.storage.atomic import require_writable

if TYPE_CHECKING:
    from circuitlang.circuit.find import Found


def prune_and_write(path: Path, name: str | None, out: Path | None, options: Options) -> list[str]:
    """A spec's circuits found, and the first seed's drawn. Lines that say what was found and where the files are."""
    from circuitlang.report.diagram import dot
    from circuitlang.report.files import write_files
    from circuitlang.report.render import draw

    programs, _ = check_text([path])
    spec = choose(programs[0].specs, name, "spec", path)
    folder = out or Path("runs") / spec.name
    require_writable(folder)
    circuits = prune(spec, project_root(path), options)
    graph = circuits[0].graph
    source = dot(graph, spec.name)
    drawn = draw(source)
    files: dict[str, str | bytes] = {"circuit.json": graph.to_json(), "circuit.dot": source}
    if drawn.data is not None:
        files["circuit.svg"] = drawn.data
    write_files(folder, files)
    lines = [
        f"seed {c.seed}: {c.graph.node_count} nodes, {c.graph.edge_count} edges, loss {c.pruned.loss:.4f} on select"
        + ("" if c.pruned.reached else f", above the target of {spec.prune.loss:g}")
        + (f"; {c.pruned.stopped}" if c.pruned.stopped else "")
        for c in circuits
    ]
    return [*lines, f"files in {folder}", *([drawn.note] if drawn.data is None else [])]


def prune(spec: Spec, root: Path, options: Options) -> list[Found]:
    """`prune`: the circuits only, one per seed."""
    job = Job(spec, root, options)
    return search(job, Bench.of(job))[0]
