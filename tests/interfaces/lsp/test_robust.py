"""Whatever is typed: the server answers, and says what `check --no-run` says of the text at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from circuitlang.checking.static import check_text
from circuitlang.interfaces.lsp.positions import Text
from circuitlang.interfaces.lsp.project import Project
from circuitlang.interfaces.lsp.salvage import readable, salvage
from circuitlang.language.syntax.parse import grammar
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source
from tests.interfaces.lsp.conftest import ROOT, Client
from tests.interfaces.lsp.test_features import SPEC, TASK

PIECES = [
    "",
    "{",
    "}",
    '"',
    '"""',
    "(",
    "=",
    "\n",
    " ",
    "x",
    "🎨",
    "claim a: loss given ",
    "rule r = ",
    "{nosuch}",
    "# ",
    "# \f\v",  # line ends for Python's splitlines, and not for an editor
    "\x85",
    "\u2028",
]
PROGRAMS = [
    path.read_text(encoding="utf-8")
    for folder in ("tasks", "specs")
    for path in sorted((ROOT / folder).glob("*.*"))
]
ASKED = ["hover", "definition", "completion", "signatureHelp", "documentHighlight"]
edits = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 3, 20]), st.sampled_from(PIECES)),
    min_size=1,
    max_size=5,
)


def edited(text: str, where: float, length: int, piece: str) -> tuple[str, dict[str, Any]]:
    """The text after an edit, and the edit as a client writes it."""
    start = round(where * len(text))
    end = min(len(text), start + length)
    range = Text(text).range(start, end)
    points = {
        name: {"line": point.line, "character": point.character}
        for name, point in (("start", range.start), ("end", range.end))
    }
    return text[:start] + piece + text[end:], {"range": points, "text": piece}


def checked(path: Path) -> list[Diagnostic]:
    try:
        return check_text([path])[1]
    except ProgramError as error:
        return list(error.diagnostics)


@example([(0.0, 0, "# \f\v"), (0.5, 0, "{")])  # an edit behind what is a line end for Python alone
@example([(0.5, 0, "}"), (0.65625, 0, "}")])  # a claim behind a brace too many
@given(edits)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_edits_the_server_says_what_check_says(
    client: Client, project: Path, changes: list[tuple[float, int, str]]
) -> None:
    (project / "colours.task").write_text(TASK, encoding="utf-8")
    path = project / "one.cir"
    uri = client.open(path, SPEC)
    text = SPEC
    for change in changes:
        text, written = edited(text, *change)
        client.change(uri, written)
        for method in ASKED:
            client.ask(
                f"textDocument/{method}", textDocument={"uri": uri}, position=written["range"]["start"]
            )
    for method in ("documentSymbol", "foldingRange", "semanticTokens/full"):
        client.ask(f"textDocument/{method}", textDocument={"uri": uri})
    shown = client.diagnostics(uri)
    path.write_text(text, encoding="utf-8")
    expected = [each for each in checked(path) if each.span.source.path == path]
    start = [Text(text).position(each.span.start) for each in expected]
    assert sorted(
        (d["code"], d["range"]["start"]["line"], d["range"]["start"]["character"]) for d in shown
    ) == sorted((each.code, point.line, point.character) for each, point in zip(expected, start, strict=True))
    client.close(uri)


@given(st.sampled_from(PROGRAMS), edits)
@settings(max_examples=20)
def test_what_can_be_read_of_a_broken_text_parses(text: str, changes: list[tuple[float, int, str]]) -> None:
    text = text[:1000]
    for change in changes:
        text, _ = edited(text, *change)
    left = readable(text)
    grammar().parse(left)
    file = salvage(Source("broken", text))
    assert all(0 <= item.span.start <= item.span.end for item in file.items)


@pytest.mark.parametrize("text", PROGRAMS[:3])
def test_all_of_a_good_text_can_be_read(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("given keep(circuit) <=", "given", ["sufficient", "pinned"]),
        ("0.15\n", "\n", ["sufficient", "pinned"]),
        ("ablate = mean }", "ablate = mean", ["sufficient", "pinned"]),
        ("50%\n}", "50%\n", ["sufficient", "pinned"]),
        ("claim sufficient: loss", "claim", ["pinned"]),
        ("task = colours", "task = ", ["sufficient", "pinned"]),
    ],
)
def test_one_broken_item_costs_no_other(old: str, new: str, kept: list[str]) -> None:
    assert old in SPEC
    (spec,) = [
        item for item in salvage(Source("s", SPEC.replace(old, new, 1))).items if hasattr(item, "items")
    ]
    names = [item.name.text for item in spec.items if type(item).__name__ == "Claim"]
    assert [name for name in names if name in kept] == kept


def test_the_other_units_are_agreed_on() -> None:
    client = Client(["utf-32"])
    assert client.capabilities["capabilities"]["positionEncoding"] == "utf-32"
    uri = client.open(ROOT / "tests" / "never_written.task", TASK.replace('= "f" |', '= "🎨" nosuch |'))
    (found,) = client.diagnostics(uri)
    assert found["range"]["start"]["character"] == len('  draw fn = "🎨" ')
    assert client.stop() == 0


def test_a_netlist_and_a_text_that_is_no_file_are_answered(client: Client, project: Path) -> None:
    uri = client.open(project / "amplifier.cir", "* an amplifier\nR1 in out 1k\n.end\n")
    (found,) = client.diagnostics(uri)
    assert "SPICE" in found["message"]
    assert client.ask("textDocument/documentSymbol", textDocument={"uri": uri}) == []
    client.close(uri)
    assert (
        client.ask(
            "textDocument/hover",
            textDocument={"uri": "untitled:Untitled-1"},
            position={"line": 0, "character": 0},
        )
        is None
    )


def test_without_pygls_one_sentence_says_how_to_get_it() -> None:
    program = (
        "import sys\n"
        "sys.modules['pygls'] = None\n"
        "from circuitlang.interfaces.cli.main import main\n"
        "sys.argv = ['circuitlang', 'lsp']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "error: the language server needs pygls; install it with: pip install 'circuitlang[lsp]'\n"
    )


def test_the_server_never_imports_torch() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.modules['torch'] = sys.modules['scipy'] = None\n"
        "from circuitlang.interfaces.lsp import complete, describe, project, references, server, session\n"
        "server.make_server()\n"
        "files = project.Project()\n"
        "path = Path('specs/bracket_depth.cir').resolve()\n"
        "unit = files.unit(path)\n"
        "assert session.diagnose(path, files.reader).found == []\n"
        "for offset in range(0, len(unit.source.text), 7):\n"
        "    describe.hover(files, unit, offset), complete.complete(files, unit, offset)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "params",
    [{}, {"textDocument": 3, "position": "x"}, {"textDocument": {"uri": "u"}, "position": {"line": -5}}],
)
def test_a_request_of_another_shape_is_answered(
    client: Client, project: Path, params: dict[str, Any]
) -> None:
    answer = client.request("textDocument/hover", **params)
    assert answer["error"]["code"] in (-32602, -32603)  # JSON-RPC: invalid params, internal error
    assert client.open(project / "one.cir", SPEC)


def test_where_there_is_no_project_only_the_folder_is_searched(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for place in (tmp_path, tmp_path / "deep"):
        (place / "one.cir").write_text(SPEC, encoding="utf-8")
    assert Project().files(tmp_path) == [tmp_path / "one.cir"]
    (tmp_path / "pyproject.toml").write_text("")
    assert len(Project().files(tmp_path)) == 2
