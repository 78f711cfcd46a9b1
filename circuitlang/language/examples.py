"""The name of a task or a spec that ships -> a copy of it and of all that it uses, to check and to change."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from circuitlang.language.program.load import find_project, load
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import create_whole

_PACKAGE = Path(__file__).resolve().parents[1]
_MARK = "# Paths in programs stay below this file's folder; any pyproject.toml or .git marks one.\n"


def copy_example(name: str, folder: Path | None) -> list[Path]:
    """Writes an example into the project (or into `folder`), as tasks/ and specs/, and marks a project where there
    is none, which is what lets specs/ use tasks/. The paths written: what is there already as it ships stays."""
    root = examples()
    shipped = {path.stem: path for path in [*root.glob("tasks/*.task"), *root.glob("specs/*.cir")]}
    if name not in shipped:
        near = get_close_matches(name, shipped, n=1)
        advice = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(sorted(shipped))}"
        raise CommandError(f"no example is called `{name}`; {advice}")
    sources = [root / source.name for source in load(shipped[name], root).sources]
    locks = [lock for path in sources if (lock := path.with_name(f"{path.name}.lock")).exists()]
    project = find_project(folder or Path())
    into = folder or (Path(os.path.relpath(project)) if project else Path())
    files = {into / path.relative_to(root): path.read_text(encoding="utf-8") for path in [*sources, *locks]}
    if project is None:
        files[into / "pyproject.toml"] = _MARK
    there = {path for path in files if os.path.lexists(path)}
    if other := [str(path) for path in there if not _is(path, files[path])]:
        verb = "exists" if len(other) == 1 else "exist"
        raise CommandError(
            f"{' and '.join(sorted(other))} {verb} with another text; nothing is ever overwritten"
        )
    new = {path: text for path, text in files.items() if path not in there}
    create_whole(new)
    return list(new)


def examples() -> Path:
    """The folder that has tasks/ and specs/: within an installed package, or beside it in a checkout."""
    inside = _PACKAGE / "examples"
    return inside if inside.is_dir() else _PACKAGE.parent


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
