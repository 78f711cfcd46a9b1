"""A progress bar is shown where somebody watches, and leaves nothing behind."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from circuitlang.checking.job import Options
from circuitlang.interfaces.progress import bar, in_notebook
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.progress import quiet
from circuitlang.studies.prune_spec import prune_and_write

SPEC = Path(__file__).parents[2] / "specs" / "bracket_depth.cir"


def test_nobody_watches_a_file() -> None:
    file = io.StringIO()
    with bar(Console(file=file)) as told:
        assert told is quiet
    assert file.getvalue() == ""


def test_a_terminal_has_a_bar() -> None:
    file = io.StringIO()
    with bar(Console(file=file, force_terminal=True, width=100)) as told:
        told("prune: [b]seed 0[/b]", 0.5)
    assert "[b]seed 0[/b]" in file.getvalue()


def test_a_notebook_has_one_in_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)
    display = SimpleNamespace(HTML=str, display=lambda _html, display_id: handle)
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()), display=display)
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    assert in_notebook()
    with bar() as told:
        for share in (0.25, 0.251, 0.5):
            told("judge <b>", share)
    assert shown == [
        "<progress max=1 value=0.25></progress> judge &lt;b&gt;",
        "<progress max=1 value=0.50></progress> judge &lt;b&gt;",
        "",
    ]


def test_prune_leaves_a_checks_files_alone(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "circuit.json").write_text("as checked")
    with pytest.raises(CommandError, match="holds a check's files, which `prune` leaves alone"):
        prune_and_write(SPEC, None, tmp_path, Options())
    assert (tmp_path / "circuit.json").read_text() == "as checked"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circuit.json", "report.json"]
