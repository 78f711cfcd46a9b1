"""The law of renaming: any name can be renamed, which changes no message, and renamed back, which gives the texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuitlang.interfaces.lsp.names import NAMES, Key
from circuitlang.interfaces.lsp.positions import Text
from circuitlang.interfaces.lsp.project import Project
from circuitlang.interfaces.lsp.references import declarations, rename
from circuitlang.language.program.load import load
from circuitlang.source.diagnostic import Diagnostic, ProgramError
from tests.interfaces.lsp.conftest import ROOT
from tests.interfaces.lsp.test_features import SPEC, TASK

OTHER = """use "colours.task"
spec two {
  task = colours
  model = "zoo:python-small"
  claim one: loss given keep(circuit) <= 0.15
  claim two: accuracy where length = 2, number = 3 for case nested >= 50%
}
"""


@pytest.fixture
def texts(project: Path) -> dict[Path, str]:
    task = TASK.replace("rule number = 0..99", "param number = 2..9").replace("number{", "fn{")
    found = {project / "colours.task": task, project / "one.cir": SPEC, project / "two.cir": OTHER}
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
    return found


def messages(project: Project, paths: list[Path]) -> list[tuple[str, str]]:
    found: list[Diagnostic] = []
    for path in paths:
        try:
            found += load(path, reader=project.reader).warnings
        except ProgramError as error:
            found += error.diagnostics
    return [(each.code, each.span.source.name) for each in found]


def replaced(project: Project, path: Path, offset: int, new: str) -> dict[Path, str]:
    """The texts of the files that a rename changes."""
    unit = project.unit(path)
    assert unit is not None
    found: dict[Path, str] = {}
    places = rename(project, unit, offset, new)
    for place in sorted(places, key=lambda place: -place.occurrence.span.start):
        span, file = place.occurrence.span, place.unit.path
        text = found.get(file, place.unit.source.text)
        found[file] = text[: span.start] + new + text[span.end :]
    return found


def test_every_name_can_be_renamed_and_back(texts: dict[Path, str]) -> None:
    project = Project()
    tried: set[Key] = set()
    specs = [path for path in texts if path.suffix == ".cir"]
    before = messages(project, specs)
    for path in texts:
        unit = project.unit(path)
        assert unit is not None
        for name in unit.names:
            if name.key.kind not in NAMES or name.key in tried:
                continue
            tried.add(name.key)
            changed = replaced(project, path, name.span.start, "fresh")
            assert all(text != texts[file] for file, text in changed.items())
            project.open = {file: Text(text) for file, text in changed.items()}
            assert messages(project, specs) == before, name
            back = replaced(project, path, changed[path].index("fresh"), name.key.name)
            assert back == {file: texts[file] for file in changed}
            project.open = {}
    assert len(tried) > 15


def test_shipped_programs_have_every_name_declared() -> None:
    """No name in them is one that the editor cannot find."""
    project = Project()
    tried = 0
    for path in [*(ROOT / "tasks").glob("*.task"), *(ROOT / "specs").glob("*.cir")]:
        unit = project.unit(path)
        assert unit is not None
        assert unit.whole
        for name in unit.names:
            if name.key.kind in NAMES:
                assert declarations(project, path, name.key), name
                tried += 1
    assert tried > 100
