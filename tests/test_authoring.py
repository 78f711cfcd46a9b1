"""The commands of whoever writes tasks and specs: what they write, print and leave alone."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from circuitlang.checking.static import check_text
from circuitlang.interfaces.cli.main import main
from circuitlang.language import examples
from circuitlang.language.files import EXTENSIONS, programs
from circuitlang.report.preview import corpus_data, corpus_lines
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import create_whole
from circuitlang.studies.show import is_corpus, preview_corpus
from tests.interfaces.test_cli import SPEC, TASK
from tests.test_architecture import ROOT
from tests.test_readme import fenced

UGLY = "task   t {\n  draw w = 'a'|'b'   # which\n  prompt '{w}'\n  case c answer 'x' foil 'y'\n}\n"
GOOD = 'task t {\n  draw w = "a" | "b"  # which\n  prompt "{w}"\n  case c answer "x" foil "y"\n}\n'


EXAMPLES = ("tasks", "specs")
PAGE = ROOT / "docs" / "authoring.md"
OUTPUT = re.compile(r"<!-- output: (?P<what>.*?) -->\n(?P<text>.*?)<!-- end -->", re.S)


class Done(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """The command in an empty folder, within this process."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path, text: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["circuitlang", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        assert b"Traceback" not in err
        return Done(status, out.decode(), err.decode())

    return command


# --- new ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", [True, False])
def test_a_new_task_and_spec_are_right_at_once(run: Run, tmp_path: Path, project: bool) -> None:
    if project:
        (tmp_path / "pyproject.toml").touch()
    assert run("new", "colour_of").status == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in programs([tmp_path]))
    assert found == (
        ["specs/colour_of.cir", "tasks/colour_of.task"] if project else ["colour_of.cir", "colour_of.task"]
    )
    checked, warnings = check_text([tmp_path], cues=True)
    assert (len(checked), warnings) == (2, [])
    assert run("fmt", "--check", ".").status == 0
    task = next(path for path in found if path.endswith(".task"))
    assert "case double" in run("preview", task).out
    for path in found:
        text = (tmp_path / path).read_text()
        assert len(text.splitlines()) <= 35
        assert 6 <= sum(line.lstrip().startswith("#") for line in text.splitlines()) <= 16
        for named in [
            word for line in text.splitlines() for word in line.split() if word.endswith(EXTENSIONS)
        ]:
            assert (tmp_path / named).is_file()  # the commands in the comments


def test_new_finds_the_project_above(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert run("new", "one").out.split() == ["wrote", "../tasks/one.task", "wrote", "../specs/one.cir"]
    assert run("new", "two", "--task-only", "--folder", "here").status == 0
    assert [path.name for path in programs([tmp_path / "deep"])] == ["two.task"]


@pytest.mark.parametrize("installed", [True, False])
def test_an_example_is_copied_with_all_that_it_uses(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """From a checkout, and from where setup.py puts tasks/ and specs/ in a wheel."""
    if installed:
        package = tmp_path.with_name("package")
        for folder in EXAMPLES:
            shutil.copytree(ROOT / folder, package / "examples" / folder)
        monkeypatch.setattr(examples, "_PACKAGE", package)
    assert run("new", "--example", "bracket_depth").status == 0
    for path in ("specs/bracket_depth.cir", "specs/bracket_depth.cir.lock", "tasks/bracket_counting.task"):
        assert (tmp_path / path).read_text() == (ROOT / path).read_text()
    assert run("check", "--no-run", "specs").status == 0
    assert "up to date" in run("status").out
    assert "already, as it ships" in run("new", "--example", "bracket_depth").out
    assert run("new", "--example", "set_or_string").out.split()[1::2] == [
        "specs/set_or_string.cir",
        "specs/set_or_string.cir.lock",
    ]
    (tmp_path / "tasks/var_if.task").write_text("mine")
    refused = run("new", "--example", "quote_roles")
    assert (refused.status, (tmp_path / "specs/quote_roles.cir").exists()) == (2, False)
    assert "tasks/var_if.task exists with another text; nothing is ever overwritten" in refused.err
    assert "did you mean `bracket_depth`?" in run("new", "--example", "bracket_deep").err


def test_a_wheel_carries_every_example() -> None:
    """setup.py's folders and pyproject.toml's patterns take every file that git has there."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    setup = (ROOT / "setup.py").read_text()
    for folder in EXAMPLES:
        assert f'"{folder}"' in setup
        kept = {
            path
            for pattern in patterns[f"circuitlang.examples.{folder}"]
            for path in (ROOT / folder).glob(pattern)
        }
        assert kept == set((ROOT / folder).iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("3d", "`3d` is no name: .* `_3d` would do"),
        ("a-b.c", "`a_b_c` would do"),
        ("", "`` is no name"),
        ("../evil", "`evil` would do"),
        ("größe", "is no name"),
        ("case", "`case` is a word of the language; choose another name, as `my_case`"),
        ("x" * 300, "300 characters is too long"),
    ],
)
def test_a_name_that_is_none(run: Run, tmp_path: Path, name: str, message: str) -> None:
    done = run("new", "--", name)
    assert done.status == 2
    assert re.search(message, done.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["one.task", "one.cir"])
def test_new_overwrites_nothing(run: Run, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    done = run("new", "one")
    assert done.status == 2
    assert f"{there} exists already" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_files_are_created_together_or_not_at_all(tmp_path: Path) -> None:
    taken = tmp_path / "b.cir"
    taken.write_text("mine")
    blocked = tmp_path / "file"
    blocked.write_text("")
    for second in (taken, blocked / "c.cir"):
        with pytest.raises(CommandError, match=r"cannot write .*(b|c)\.cir"):
            create_whole({tmp_path / "new" / "deep" / "a.task": "text", second: "text"})
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b.cir", "file"]
    assert taken.read_text() == "mine"


def test_without_hard_links_files_are_created_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    create_whole({tmp_path / "a" / "b.task": "text"})
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.task"]
    with pytest.raises(CommandError, match="it exists already"):
        create_whole({tmp_path / "new" / "c.task": "text", tmp_path / "a" / "b.task": "other"})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "b.task").read_text() == "text"


# --- fmt ------------------------------------------------------------------------------------------


def test_fmt_says_what_it_did_and_does_it_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ugly.task").write_text(UGLY)
    (tmp_path / "good.task").write_text(GOOD)
    assert run("fmt", ".") == Done(0, "changed: ugly.task\n2 files: 1 changed, 1 in canonical form\n", "")
    assert (tmp_path / "ugly.task").read_text() == GOOD
    assert run("fmt", ".") == Done(0, "2 files: 0 changed, 2 in canonical form\n", "")


@pytest.mark.parametrize("option", ["--check", "--diff"])
def test_check_and_diff_write_nothing_and_exit_1(run: Run, tmp_path: Path, option: str) -> None:
    (tmp_path / "ugly.task").write_text(UGLY)
    (tmp_path / "good.task").write_text(GOOD)
    done = run("fmt", option, ".")
    assert done.status == 1
    assert (tmp_path / "ugly.task").read_text() == UGLY
    summary = "2 files: 1 would change, 1 in canonical form\n"
    if option == "--check":
        assert (done.out, done.err) == (f"would change: ugly.task\n{summary}", "")
    else:
        assert done.out.startswith("--- ugly.task\n+++ ugly.task\n@@ ")
        assert '+  draw w = "a" | "b"  # which\n' in done.out
        assert done.err == summary
    assert run("fmt", option, "good.task").status == 0


def test_fmt_tells_all_mistakes_of_all_files_and_formats_the_rest(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.task").write_text("task a {")
    (tmp_path / "b.task").write_text(UGLY)
    (tmp_path / "c.task").write_text("spec { }\ntask { }")
    (tmp_path / "d.task").write_bytes(b"\xff\xfe")
    done = run("fmt", ".", "e.task")
    assert done.status == 2
    assert (tmp_path / "b.task").read_text() == GOOD
    assert "a.task:1:" in done.err
    assert "c.task:1:" in done.err
    assert "d.task:1:1: error[CIR-013]" in done.err
    assert "e.task: there is no such file" in done.err
    assert (tmp_path / "a.task").read_text() == "task a {"


def test_fmt_of_standard_input_is_for_editors(run: Run, tmp_path: Path) -> None:
    assert run("fmt", "-", text=UGLY.encode()) == Done(0, GOOD, "")
    assert run("fmt", "-", "--check", text=UGLY.encode()) == Done(1, "", "")
    assert run("fmt", "-", "--check", text=GOOD.encode()) == Done(0, "", "")
    assert run("fmt", "-", "--diff", text=UGLY.encode()).status == 1
    wrong = run("fmt", "-", "--stdin-filename", "mine.task", text=b"task t {")
    assert (wrong.status, wrong.out) == (2, "")
    assert "mine.task:1:" in wrong.err
    assert run("fmt", "-", "other.task").status == 2
    assert run("fmt", "-", text=b"\xff").status == 2
    assert list(tmp_path.iterdir()) == []


def test_fmt_keeps_line_ends_links_and_permissions(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "real.task"
    target.write_bytes(UGLY.replace("\n", "\r\n").encode())
    target.chmod(0o640)
    (tmp_path / "link.task").symlink_to(target)
    assert run("fmt", "link.task").status == 0
    assert (tmp_path / "link.task").is_symlink()
    assert target.read_bytes() == GOOD.replace("\n", "\r\n").encode()
    assert target.stat().st_mode & 0o777 == 0o640
    assert run("fmt", "--check", "real.task").status == 0


def test_folders_that_are_not_the_users_are_left_out(run: Run, tmp_path: Path) -> None:
    for folder in (".hidden", "env", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.task").write_text(UGLY)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert [os.path.relpath(path, tmp_path) for path in programs([tmp_path])] == ["mine/x.task"]
    assert run("fmt", ".hidden").out.startswith("changed: .hidden")  # asked for by name


# --- show, preview, check --cues ------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> None:
    (tmp_path / "colours.task").write_text(TASK)
    (tmp_path / "one.cir").write_text(SPEC)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("stage", ["tree", "program", "prompts", "tokens", "names"])
def test_every_stage_is_shown_in_words_and_as_json(run: Run, stage: str) -> None:
    file = "one.cir" if stage in ("tokens", "names") else "colours.task"
    words, data = run("show", stage, file), run("show", stage, file, "--format", "json")
    assert (words.status, data.status) == (0, 0)
    value = json.loads(data.out)
    match stage:
        case "tree":
            assert value["items"][0]["name"] == {"type": "Name", "text": "colours"}
        case "program":
            assert value["tasks"]["colours"]["rules"]["number"]["body"] == {
                "type": "Number",
                "low": 0,
                "high": 99,
            }
        case "prompts":
            assert {row["case"] for row in value} == {"flat", "nested"}
        case "names":
            rows = {row["site"]: row for row in value}
            assert rows["0.attn_in"]["kind"] == "attn_in"
            assert rows["0.pattern"]["kind"] is None
        case "tokens":
            flat = value[0]
            text = "".join(token["text"] for token in flat["tokens"])
            assert text.startswith("def ")
            assert flat["tokens"][-1]["marks"] == ["list", "number"]
    assert "Span" not in data.out
    first = str(value[0]["tokens"][0]["id"]) if stage == "tokens" else ""
    assert first in words.out


@pytest.mark.usefixtures("project")
def test_preview_as_json_says_what_is_the_cases_own(run: Run) -> None:
    rows = json.loads(run("preview", "colours.task", "-n", "2", "--format", "json").out)
    assert len(rows) == 4
    for row in rows:
        [own] = row["own"]
        assert row["text"][own["start"] : own["end"]].startswith("[")


@pytest.mark.usefixtures("project")
def test_cues_are_shown_and_warned_of(run: Run, tmp_path: Path) -> None:
    longer = TASK.replace('"[[" number', '"[[" number "], [" number "], [" number')
    (tmp_path / "colours.task").write_text(longer)
    table = run("preview", "colours.task", "--cues")
    assert "shortcuts: a circuit may use these" in table.out
    assert "the prompt's length in characters" in table.out
    data = json.loads(run("preview", "colours.task", "--cues", "-n", "100", "--format", "json").out)
    assert (data["datapoints"], data["chance"]) == (50, 0.5)
    assert run("check", "--no-run", "colours.task").err == ""
    warned = run("check", "--no-run", "--cues", ".")
    assert warned.status == 0
    assert warned.err.count("warning[CIR-213]") == 1  # in the tokens of the spec's model, not again in words
    (tmp_path / "all.task").write_text('use "colours.task"')
    assert run("check", "--no-run", "--cues", "all.task").err == ""  # not of what is only used
    assert run("check", "--no-run", "--cues", "all.task", "colours.task").err.count("warning[CIR-213]") == 1
    assert "preview colours.task colours --cues --model zoo:python-small" in warned.err
    assert "CIR-213 (warning): " in run("explain", "CIR-213").out


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "zoo:python-small"], "--model is for --cues"),
        (["--cues", "--model", "zoo:nothing"], "there is no model `zoo:nothing`"),
        (["--cues", "--where", "length=3"], "has no param `length`"),
    ],
)
def test_what_can_be_wrong_with_a_preview(run: Run, arguments: list[str], message: str) -> None:
    done = run("preview", "colours.task", *arguments)
    assert done.status == 2
    assert message in done.err


def test_the_page_shows_what_the_commands_print(
    run: Run, monkeypatch: pytest.MonkeyPatch, golden: Callable[..., None]
) -> None:
    monkeypatch.chdir(ROOT)

    def made(part: re.Match[str]) -> str:
        done = run(*part["what"].split())
        assert done.status == 0, done.err
        return f"<!-- output: {part['what']} -->\n{fenced(done.err + done.out)}<!-- end -->"

    text = PAGE.read_text(encoding="utf-8")
    golden(PAGE, OUTPUT.sub(made, text))
    assert len(OUTPUT.findall(text)) == 4


CORPUS = """
corpus c {
  draw a = "x" | "y" | "z"
  rule line = a " = " a " + 1\\n"
  rule program = line{4}
  document program
  files "*.txt"
}
"""


def test_preview_of_a_corpus(tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "c.cir").write_text(CORPUS)
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("no word comes twice here\n")
    assert is_corpus(tmp_path / "c.cir", None)
    corpus, documents, found = preview_corpus(tmp_path / "c.cir", None, None, 2, 0)
    assert [len(text.splitlines()) for text in documents] == [4, 4]
    assert found["files"].copying == 0
    assert found["files"].table == 1  # the other file says the same
    assert found["rules"].alone > 0.1  # of the three names the table knows one
    lines = list(corpus_lines(corpus, documents, found, "words"))
    assert lines[-1].split() == ["files", f"{found['files'].tokens}", "100.0%", "0.0%", "0.0%"]
    assert corpus_data(corpus, documents, found, "words")["predictable"]["files"]["table"] == 1
