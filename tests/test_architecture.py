"""The tree keeps its shape: short files, no torch where none is needed, a README that tells the truth about it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import circuitlang

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "circuitlang"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text)), "a module begins with a docstring"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "--help"],
        ["fmt", "--check", "tasks"],
        ["check", "--no-run", "specs", "tasks"],
        ["preview", "tasks/python.task", "bracket_counting"],
        ["preview", "tasks/python.task", "bracket_counting", "--cues"],
        ["show", "tokens", "specs/bracket_depth.cir"],
        ["show", "tree", "tasks/python.task"],
        ["explain", "CIR-030"],
        ["status", "specs/models.cir"],
        ["diff", "specs/bracket_depth.cir.lock", "specs/bracket_depth.cir.lock"],
    ],
    ids=" ".join,
)
def test_light_commands_never_import_torch(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "class Guard:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name not in ('torch', 'scipy.stats'), f'{name} was imported'\n"
        "sys.meta_path.insert(0, Guard())\n"
        "from circuitlang.interfaces.cli.main import main\n"
        f"sys.argv = ['circuitlang', *{arguments!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was imported" not in done.stderr


def test_no_room_hides_a_public_name() -> None:
    """`circuitlang.check` is a function: importing a sub-package of that name would put it in its place."""
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert rooms >= {"checking", "claims", "language"}
    assert not rooms & set(circuitlang.__all__)


def rooms() -> str:
    """What stands in the package, in the order of import-linter's layers, each with the first line of its docstring."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders < set(layers)
    return "\n".join(
        f"{name + '/':<12} {_first_line(PACKAGE / name / '__init__.py')}"
        if name in folders
        else f"{name + '.py':<12} {_first_line(PACKAGE / f'{name}.py')}"
        for name in reversed(layers)
    )


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ")
