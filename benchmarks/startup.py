"""How long a command takes to answer, beside what importing torch alone takes, in one run.

`python -m benchmarks.startup [ROUNDS]`. The project has 20 tasks in 26 files: the shipped ones, copied into a
temporary folder under new names where they are fewer. All commands are started in turn, ROUNDS times (7), so that
they see the same machine. The first check of a model's tokens is not kept anywhere yet: it is the row `first`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
CHECK = ["-m", "circuitlang", "check", "--no-run", "tasks", "specs"]
COMMANDS: Mapping[str, Sequence[str]] = {
    "python": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "check --no-run": CHECK,
    "--help": ["-m", "circuitlang", "--help"],
    "fmt --check": ["-m", "circuitlang", "fmt", "--check", "tasks"],
}
SPEC = """circuitlang 1

use "../tasks/{file}"

spec {name} {{
  task = {task}
  model = "zoo:python-small"

  prune {{ loss = 0.14  ablate = mean  seeds = 0 }}

  claim sufficient: loss given keep(circuit) <= 0.15
  claim necessary: loss given drop(circuit) >= 0.5
}}
"""


def project(folder: Path, tasks: int = 20, specs: int = 4) -> None:
    """A project of so many tasks, a file each, another that uses them all, and specs that ask some."""
    written = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("tasks/*.task")))
    blocks = [f"task {text.rstrip()}\n" for text in re.split(r"^task ", written, flags=re.M)[1:]]
    (folder / "tasks").mkdir()
    (folder / "specs").mkdir()
    (folder / "pyproject.toml").write_text("")
    names: dict[str, str] = {}
    for number in range(tasks):
        block = re.sub(r"^(?:use .*|#.*|circuitlang 1)\n", "", blocks[number % len(blocks)], flags=re.M)
        name = block.split()[1]
        names[f"{name}_{number}"] = block.replace(f"task {name}", f"task {name}_{number}", 1)
    for name, block in names.items():
        (folder / "tasks" / f"{name}.task").write_text(f"circuitlang 1\n\n{block}", encoding="utf-8")
    uses = "\n".join(f'use "{name}.task"' for name in names)
    (folder / "tasks" / "all.task").write_text(f"circuitlang 1\n\n{uses}\n", encoding="utf-8")
    asked = [name for name in names if name.startswith(("bracket_counting", "single_double_quote"))]
    for number, name in enumerate((asked * specs)[:specs]):
        file = "all.task" if number % 2 else f"{name}.task"
        text = SPEC.format(file=file, name=f"s{number}", task=name)
        (folder / "specs" / f"s{number}.cir").write_text(text, encoding="utf-8")
    models = (ROOT / "specs" / "models.cir").read_text(encoding="utf-8")
    (folder / "specs" / "models.cir").write_text(models, encoding="utf-8")


def seconds(arguments: Sequence[str], folder: Path, cache: Path) -> float:
    """Wall-clock seconds of one start."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CIRCUITLANG_CACHE": str(cache)}
    start = perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: `fmt --check` of renamed tasks
    return perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "project"), Path(name, "cache")
        folder.mkdir()
        project(folder)
        files = [path for path in folder.rglob("*") if path.suffix in (".task", ".cir")]
        size = sum(path.stat().st_size for path in files)
        print(f"{len(files)} files, {size / 1000:.0f} kB; best and median of {rounds} starts each, in turn")
        times: dict[str, list[float]] = {command: [] for command in COMMANDS}
        seconds(["-m", "compileall", "-q", str(ROOT / "circuitlang")], folder, cache)
        times["first"] = [seconds(CHECK, folder, cache)]
        for _ in range(rounds):
            for command, arguments in COMMANDS.items():
                times[command].append(seconds(arguments, folder, cache))
    torch = times["import torch"]
    print(f"\n{'seconds':16}{'best':>8}{'median':>8}{'of torch, best':>16}{'median':>8}")
    for command, found in times.items():
        best, middle = min(found), median(found)
        print(
            f"{command:16}{best:>8.3f}{middle:>8.3f}{best / min(torch):>16.3f}{middle / median(torch):>8.3f}"
        )


if __name__ == "__main__":
    main()
