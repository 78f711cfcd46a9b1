"""docs/api.md: its examples are the scripts of docs/examples, and print what it says; its table is complete."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import circuitlang as cl
from circuitlang.report.circuit import FORMATS
from tests.test_architecture import ROOT
from tests.test_readme import fenced, shape

PAGE = ROOT / "docs" / "api.md"
PART = re.compile(r"<!-- example: (?P<name>\w+) -->\n(?P<text>.*?)<!-- end -->\n", re.S)
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.py"))


def parts() -> list[re.Match[str]]:
    return list(PART.finditer(PAGE.read_text(encoding="utf-8")))


def test_every_example_is_on_the_page() -> None:
    assert sorted(part["name"] for part in parts()) == [path.stem for path in EXAMPLES]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_every_example_prints_what_the_page_says(
    name: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--promote` accepts new outputs. Of numbers only that they are numbers is held: last digits differ."""
    from circuitlang.model.training import data

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(data, "TOKENIZER_TEXT", 20_000)  # most of the time of a tiny training
    code = (ROOT / "docs/examples" / f"{name}.py").read_text(encoding="utf-8")
    capsys.readouterr()
    runpy.run_path(str(ROOT / "docs/examples" / f"{name}.py"), run_name="__main__")
    new = f"{fenced(code, 'python')}\n{fenced(capsys.readouterr().out, 'text')}"
    (part,) = (part for part in parts() if part["name"] == name)
    if request.config.getoption("--promote"):
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text[: part.start("text")] + new + text[part.end("text") :], encoding="utf-8")
        return
    assert fenced(code, "python") in part["text"], "if the new text is right: pytest --promote"
    assert shape(part["text"]) == shape(new), "if the new text is right: pytest --promote"


def test_the_page_names_all_that_is_public() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `cl\.(\w+)", text, flags=re.M))
    assert named == set(cl.__all__) - {"__version__"}
    assert set(re.findall(r"^\| `(\w+)` \| `\.", text, flags=re.M)) == set(FORMATS)


def test_every_public_name_is_there_and_documented() -> None:
    for name in cl.__all__:
        found = getattr(cl, name)
        assert isinstance(found, str) or found.__doc__, name
    assert set(dir(cl)) == set(cl.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        cl.nothing  # noqa: B018


def test_importing_and_loading_never_import_torch() -> None:
    """In a process of its own, as this one has it."""
    program = (
        "import sys, circuitlang as cl\n"
        "assert not any(name.startswith('circuitlang.') for name in sys.modules)\n"
        "assert cl.load('specs/bracket_depth.cir').specs\n"
        "assert cl.Report and cl.Circuit and cl.Options and cl.CommandError\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(cl.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
