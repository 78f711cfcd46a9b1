"""`--help` lists every command once, by what it is for, in the order of use; `check FOLDER` says what it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from circuitlang.checking import run as checking
from circuitlang.interfaces.cli import (  # noqa: F401
    author_commands,
    compute_commands,
    models,
    result_commands,
    study_commands,
)
from circuitlang.interfaces.cli.app import app
from circuitlang.source.diagnostic import CommandError


def test_commands_stand_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app(["--help"])
    said = capsys.readouterr().out
    places = [said.index(f" {panel} ─") for panel in ("Write", "Check", "Look", "Models", "CI")]
    assert places == sorted(places)
    listed = [
        found
        for found in re.findall(r"(?m)^│ ([a-z]+) ", said)
        if found in get_command(app).commands  # type: ignore[attr-defined]
    ]
    assert sorted(listed) == sorted(get_command(app).commands)  # type: ignore[attr-defined]
    assert listed.index("new") < listed.index("check") < listed.index("view")


def test_a_folder_is_said_to_be_these_specs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = 'task t { draw a = 0..999  prompt "print({a}" case x answer ")" case y answer "," }'
    spec = 'spec {} {{ task = t  model = "zoo:python-small"  claim c: accuracy >= 90% }}'
    (tmp_path / "two.cir").write_text("\n".join([task, spec.format("first"), spec.format("second")]))

    def stop(*_: object) -> None:
        raise CommandError("here it would begin")

    monkeypatch.setattr(checking, "check_all", stop)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="here it would begin"):
        app(["check", str(tmp_path)])
    said = capsys.readouterr().err
    assert "2 specs: first, second" in said
