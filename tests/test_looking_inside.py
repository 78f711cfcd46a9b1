"""docs/looking_inside.md: its examples run, from top to bottom, and print what the page says."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

import pytest

from tests.test_architecture import ROOT
from tests.test_readme import shape

PAGE = ROOT / "docs" / "looking_inside.md"
STEP = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```\n", re.S)


def test_every_example_runs_and_prints_what_the_page_says(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--promote` accepts new outputs. Of numbers only that they are numbers is held: last digits differ."""
    monkeypatch.chdir(ROOT)
    text = PAGE.read_text(encoding="utf-8")
    steps = list(STEP.finditer(text))
    assert len(steps) == text.count("```python") == 6
    session: dict[str, object] = {}
    new, at = "", 0
    for step in steps:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(step["code"], str(PAGE), "exec"), session)
        assert printed.getvalue()
        new += text[at : step.start("shown")] + printed.getvalue()
        at = step.end("shown")
        if not request.config.getoption("--promote"):
            assert shape(step["shown"]) == shape(printed.getvalue()), "if it is right: pytest --promote"
    if request.config.getoption("--promote"):
        PAGE.write_text(new + text[at:], encoding="utf-8")
