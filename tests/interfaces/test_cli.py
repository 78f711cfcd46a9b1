"""Whatever is wrong with a command ends in a message at its place and the right exit status, and loses nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from circuitlang.interfaces.cli.app import watched
from circuitlang.interfaces.cli.console import in_colour
from circuitlang.model.hardware import require_address_space
from circuitlang.source.diagnostic import CommandError
from tests.report.test_hostile import harmless

ROOT = Path(__file__).parents[2]
TASK = """
task colours {
  draw fn = "f" | "g" | "h" | "load" | "save" | "read" | "scan"
  draw a, b = "x" | "y" | "z" | "rows" | "items" | "cells"
  rule number = 0..99
  prompt "def {fn}({a}):\\n    {b} = {list}"
  case flat with list = "[" number answer "]\\n"
  case nested with list = "[[" number answer "]]\\n"
}
"""
SPEC = """
use "colours.task"
spec one {
  task = colours
  model = "zoo:python-small"
  claim sufficient: loss given keep(circuit) <= 0.15
}
"""

MODELS = b"""
corpus c { rule line = "x = " 0..9  document line }
model first { architecture { layers = 1  width = 8  heads = 2 } train { corpus = c  tokens = 1K } }
model on { architecture { layers = 1  width = 8  heads = 2 } train { corpus = c  tokens = 1K  start = first } }
model other {
  architecture { layers = 1  width = 8  heads = 2 }
  train { corpus = c  tokens = 1K  start = "zoo:python-small" }
}
"""


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "circuitlang", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "colours.task").write_text(TASK)
    (tmp_path / "one.cir").write_text(SPEC)
    return tmp_path


def test_a_right_program_is_found_right(project: Path) -> None:
    done = run("check", "--no-run", ".", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no mistakes found" in done.stdout


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({}, ["check", "nothing.cir"], r"nothing\.cir: there is no such file"),
        ({}, ["check", "empty"], r"empty: there is no \.cir or \.task file"),
        ({"b.cir": b"\x00\xff\xfe\x01binary"}, ["check", "b.cir"], r"b\.cir"),
        ({"s.cir": b"* an amplifier\nR1 in out 1k\n.end\n"}, ["check", "s.cir"], r"SPICE"),
        ({"one.cir": b"spec one { task }"}, ["check", "one.cir"], r"one\.cir:1:\d+: error\[CIR-"),
        (
            {"one.cir": SPEC.replace("task = colours", "task = colors").encode()},
            ["check", "one.cir"],
            r"did you mean `colours`",
        ),
        (
            {"one.cir": SPEC.replace("loss given", "los given").encode()},
            ["check", "one.cir"],
            r"one\.cir:6:\d+: error\[CIR-\d+\].*(?s:.)*did you mean `loss`",
        ),
        (
            {"one.cir": SPEC.replace("zoo:python-small", "zoo:python-smal").encode()},
            ["check", "one.cir"],
            r"one\.cir:5:11: error\[CIR-212\]: there is no model `zoo:python-smal`; did you mean zoo:python-small\?",
        ),
        (
            {"colours.task": TASK.replace('answer "]\\n"', 'answer "] and more"').encode()},
            ["check", "one.cir"],
            r"colours\.task:7:\d+: error\[CIR-210\]: the answer '\] and more' of case `flat` is not one token",
        ),
        (
            {"colours.task": TASK.replace('"[" number', '"[" number{200 by ", "}').encode()},
            ["check", "one.cir"],
            r"error\[CIR-211\]: a prompt of case `flat` has \d+ tokens; the model's context is 256",
        ),
        ({}, ["check", "one.cir", "--device", "mps"], r"there is no device `mps` here; there are: .*cpu"),
        ({}, ["preview", "colours.task", "--where", "length=3"], r"task colours has no param `length`"),
        ({}, ["preview", "colours.task", "--where", "length"], r"write a param and a number"),
        ({}, ["preview", "colours.task", "shapes"], r"there is no task `shapes` \(known: colours\)"),
        ({}, ["show", "names", "colours.task"], r"there are 0 specs"),
        ({}, ["models", "zoo:none"], r"there is no model `zoo:none`"),
        ({}, ["explain", "CIR-999"], r"CIR-999"),
        ({}, ["train", "colours.task"], r"there are 0 models"),
        (
            {"m.cir": MODELS},
            ["train", "m.cir", "on"],
            r"no model at .*first: .*train it first: circuitlang train",
        ),
        (
            {"m.cir": MODELS},
            ["train", "m.cir", "other"],
            r"start from zoo:python-small: layers is 4 there and 1 here",
        ),
        ({}, ["no-such-command"], r"No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_user_can_get_wrong(
    project: Path, files: dict[str, bytes], arguments: list[str], message: str
) -> None:
    (project / "empty").mkdir()
    for name, content in files.items():
        (project / name).write_bytes(content)
    done = run(*arguments, cwd=project)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "runs").exists()


def test_all_mistakes_of_all_files_are_told_at_once(project: Path) -> None:
    (project / "one.cir").write_text(SPEC.replace("loss given", "los given"))
    (project / "two.cir").write_text(
        SPEC.replace("spec one", "spec two").replace("sufficient:", "sufficient: loss >")
    )
    (project / "three.task").write_text(TASK.replace("task colours", "task three").replace("{fn}", "{fm}"))
    done = run("check", "--no-run", ".", cwd=project)
    assert done.returncode == 2
    assert {line.split(":")[0] for line in done.stderr.splitlines() if ": error[" in line} >= {
        "one.cir",
        "two.cir",
        "three.task",
    }


@pytest.mark.parametrize("form", ["concise", "json", "github", "sarif", "junit"])
def test_mistakes_in_formats_for_machines_are_all_that_is_printed(project: Path, form: str) -> None:
    (project / "one.cir").write_text(SPEC.replace("loss given", "los given"))
    done = run("check", "one.cir", "--format", form, cwd=project)
    assert (done.returncode, done.stderr) == (2, "")
    assert READERS[form](done.stdout) == [("one.cir", 6, "CIR-030")]
    (project / "one.cir").write_text(SPEC)
    done = run("check", "--no-run", "one.cir", "--format", form, cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert READERS[form](done.stdout) == []


def lines_of(pattern: str) -> Callable[[str], list[tuple[str, int, str]]]:
    return lambda text: [(file, int(line), code) for file, line, code in re.findall(pattern, text)]


def of_json(text: str) -> list[tuple[str, int, str]]:
    return [(d["file"], d["start"]["line"], d["code"]) for d in json.loads(text)["diagnostics"]]


def of_sarif(text: str) -> list[tuple[str, int, str]]:
    results = json.loads(text)["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    return [
        (place["artifactLocation"]["uri"], place["region"]["startLine"], result["ruleId"])
        for place, result in zip(places, results, strict=True)
    ]


def of_junit(text: str) -> list[tuple[str, int, str]]:
    cases = ElementTree.fromstring(text.encode()).iter("testcase")
    return [(case.attrib["file"], int(case.attrib["line"]), case.attrib["classname"]) for case in cases]


READERS = {
    "concise": lines_of(r"(?m)^(.*?):(\d+):\d+: (CIR-\d+) "),
    "json": of_json,
    "github": lines_of(r"(?m)^::error file=(.*?),line=(\d+),.*,title=(CIR-\d+)::"),
    "sarif": of_sarif,
    "junit": of_junit,
}


@pytest.mark.parametrize(
    "arguments",
    [["fmt", "bad.task"], ["preview", "bad.task"], ["show", "tree", "bad.task"], ["prune", "bad.task"]],
)
def test_every_command_has_the_formats(project: Path, arguments: list[str]) -> None:
    (project / "bad.task").write_text("task {\n}\n")
    done = run(*arguments, "--format", "concise", cwd=project)
    assert done.returncode == 2
    assert done.stdout == "bad.task:1:6: CIR-001 `{` cannot stand here\n"


def test_fmt_tells_the_mistakes_of_all_files(project: Path) -> None:
    for name in ("a.task", "b.task"):
        (project / name).write_text("task {\n}\n")
    done = run("fmt", ".", "--format", "concise", cwd=project)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["a.task", "b.task"]


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_only_where_somebody_looks(project: Path, variables: dict[str, str], coloured: bool) -> None:
    (project / "one.cir").write_text("spec one {")
    environment = {**os.environ, "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "circuitlang", "check", "--no-run", "one.cir"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project, check=False, env=environment)
    assert ("\x1b[" in done.stderr) == coloured


def test_an_output_folder_that_cannot_be_written_is_said_before_anything_is_computed(project: Path) -> None:
    blocked = project / "blocked"
    blocked.write_text("a file, not a folder")
    done = run("check", "one.cir", "--out", blocked / "runs", cwd=project)
    assert done.returncode == 2
    assert "blocked" in done.stderr
    assert "Traceback" not in done.stderr
    assert blocked.read_text() == "a file, not a folder"
    assert stat.S_ISREG(blocked.stat().st_mode)


def test_fmt_writes_whole_files_and_is_idempotent(project: Path) -> None:
    first = run("fmt", ".", cwd=project)
    assert first.returncode == 0
    assert "changed: " in first.stdout
    again = run("fmt", "--check", ".", cwd=project)
    assert (again.returncode, "0 would change" in again.stdout) == (0, True)
    assert sorted(path.name for path in project.iterdir()) == ["colours.task", "one.cir", "pyproject.toml"]


def test_fmt_leaves_a_wrong_file_alone(project: Path) -> None:
    (project / "one.cir").write_text("spec one {")
    done = run("fmt", ".", cwd=project)
    assert done.returncode == 2
    assert (project / "one.cir").read_text() == "spec one {"


def test_a_bug_of_ours_is_another_status(project: Path) -> None:
    program = (
        "import sys; from circuitlang.checking import static; from circuitlang.interfaces.cli.main import main\n"
        "def broken(*_): raise RuntimeError('deliberate')\n"
        "static.check_text = broken\n"
        "sys.argv = ['circuitlang', 'check', 'one.cir']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=project, check=False
    )
    assert done.returncode == 70
    assert "This is a bug in circuitlang" in done.stderr


def test_a_model_is_asked_tasks(project: Path) -> None:
    unaskable = TASK.replace("task colours", "task long").replace('"]]\\n"', '"]] and more"')
    (project / "long.task").write_text(unaskable)
    done = run("models", "zoo:python-small", "--tasks", ".", "-n", "8", cwd=project)
    assert done.returncode == 0
    assert re.fullmatch(r"[\d:]{8}  task\n", done.stderr)
    lines = done.stdout.splitlines()
    assert lines[0] == "zoo:python-small on 8 datapoints of `test` of each task"
    assert re.fullmatch(r"colours +\d+%  \d\.\d\d  \d\.\d\d  (yes|no)", lines[2])
    assert re.fullmatch(r"long +cannot be asked: the foil .* is not one token after the prompt: .*", lines[3])
    done = run("models", "--tasks", ".", cwd=project)
    assert done.returncode == 2
    assert "--tasks needs a model" in done.stderr


def test_the_tasks_of_a_file_are_listed_without_a_model(project: Path) -> None:
    done = run("show", "tasks", "colours.task", cwd=project)
    assert done.stdout.splitlines() == [
        "colours",
        "  answers `]\\n` `]]\\n`; 21,000 datapoints; held out: nothing",
    ]


PRINTING = [
    "show tasks one.cir",
    "explain CIR-001",
    "models",
    "--help",
    "check --no-run one.cir",
    "fmt --diff one.cir",
]


def in_shell(line: str, cwd: Path) -> tuple[int, str]:
    """The exit status of `circuitlang` in a line of bash, and what was written to standard error."""
    line = line.replace("circuitlang", f"{sys.executable} -m circuitlang")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=cwd, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", PRINTING)
def test_a_reader_that_went_away_changes_nothing(project: Path, command: str) -> None:
    usual = in_shell(f"circuitlang {command} > kept", project)
    assert (project / "kept").stat().st_size > 0
    closed = f"circuitlang {command} | true; exit ${{PIPESTATUS[0]}}"
    assert in_shell(closed, project) == usual
    assert in_shell(f"circuitlang {command} >&-", project) == usual


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("command", PRINTING)
def test_a_full_device_is_one_line_and_a_status_of_its_own(project: Path, command: str) -> None:
    status, said = in_shell(f"circuitlang {command} > /dev/full", project)
    assert status == 74
    assert said.endswith("error: standard output cannot be written: No space left on device\n")
    assert "Traceback" not in said
    assert in_shell("circuitlang check --no-run missing.cir 2> /dev/full", project) == (2, "")


def test_a_folder_that_is_gone_is_said(project: Path) -> None:
    status, said = in_shell("mkdir gone && cd gone && rmdir ../gone && circuitlang models", project)
    assert (status, said) == (2, "error: the folder in which this runs does not exist any more\n")


def catches(pid: int, number: int) -> bool:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (number - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_told_and_is_no_verdict(project: Path, name: str) -> None:
    """While it waits for its input."""
    command = [sys.executable, "-m", "circuitlang", "fmt", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project
    ) as process:
        while process.poll() is None and not catches(process.pid, signal.SIGTERM):
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        assert process.stderr is not None
        assert process.stderr.read() == "\nstopped; what was finished is kept\n"
    assert process.returncode == 128 + getattr(signal, name)


def test_too_little_address_space_is_said_before_torch_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (800_000_000, 800_000_000))
    with pytest.raises(CommandError, match=r"limited to 0\.8 GB \(ulimit -v\), and running a model takes"):
        require_address_space()


LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", LONG],
        ["check", "--no-run", f"{LONG}.cir"],
        ["check", "--no-run", "one.cir", "--model", LONG],
        ["fmt", LONG],
        ["status", f"{'x' * 250}.cir"],
        ["diff", LONG, "one.cir"],
        ["view", LONG],
        ["export", LONG, "--to", "dot"],
        ["models", "import", LONG, "--as", LONG],
    ],
    ids=" ".join,
)
def test_a_name_that_is_too_long_is_a_message(project: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=project)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_the_user_may_have_no_home(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "circuitlang", "check", "--no-run", "one.cir"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        cwd=project,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["diff {0} {0}", "view {0}", "export {0} --to dot"])
def test_a_report_that_never_ends_is_refused(project: Path, command: str) -> None:
    (project / "report.json").symlink_to("/dev/zero")
    done = run(*command.format("report.json").split(), cwd=project)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    with (project / "large.json").open("wb") as file:
        file.truncate(2**25 + 1)
    done = run(*command.format("large.json").split(), cwd=project)
    assert done.returncode == 2
    assert "33,554,432 bytes" in done.stderr


def test_progress_of_a_long_command_is_lines_where_nobody_watches(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("circuitlang.interfaces.cli.app.monotonic", lambda: now[0])
    with watched(lines=True) as told:
        for second in range(0, 1200, 5):
            now[0] = float(second)
            told(f"step {second}", 0.5 + second / 2400)  # what goes on where it was cut off, at a half
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.split()[1:] == ["50%", "step", "0"]
    assert len(lines) == 39
    for number, line in enumerate(lines, 1):
        _, share, left, *words = line.split()
        assert share == f"{0.5 + number * 30 / 2400:.0%}"
        assert abs(int(left) - (20 - number / 2)) <= 0.5
        assert words == ["min", "left", "step", str(30 * number)]


def test_a_pipe_sees_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with watched() as told:
        for stage in (
            "prune: seed 0, learning",
            "prune: seed 1, learning",
            "claim a",
            "prune: seed 0",
            "claim b",
        ):
            told(stage, 0.5)
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["prune", "claim"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_a_check_that_is_stopped_says_what_is_kept_and_leaves_no_folder(
    project: Path, fresh: list[str]
) -> None:
    command = [
        sys.executable,
        "-m",
        "circuitlang",
        "check",
        str(ROOT / "specs" / "bracket_depth.cir"),
        *fresh,
    ]
    environment = {**os.environ, "CIRCUITLANG_CACHE": str(project / "cache")}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project, env=environment
    ) as process:
        assert process.stderr is not None
        while "competence" not in process.stderr.readline() and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().splitlines()[-1]
    assert process.returncode == 128 + signal.SIGINT
    kept = f"circuits and measurements that were finished are in {project / 'cache'}, and the same command goes on"
    assert said.startswith("stopped; nothing is kept" if fresh else f"stopped; {kept}")
    assert not (project / "runs").exists()


def test_names_of_files_and_folders_command_no_terminal_and_no_runner(project: Path) -> None:
    hostile = "\x1b[31mred\x1b[0m\n::error::evil ##vso[task.x]##teamcity[y]\u202e"
    (project / "runs").mkdir()
    named = project / f"{hostile}.cir"
    shutil.copy(project / "one.cir", named)
    model = project / "models" / hostile
    shutil.copytree(ROOT / "circuitlang/model/zoo/python_small", model)
    card = json.loads((model / "card.json").read_text())
    card |= {"name": hostile, "machine": card["machine"] | {"device": hostile, "precision": hostile}}
    card["competence"] = {hostile: next(iter(card["competence"].values()))}
    (model / "card.json").write_text(json.dumps(card))
    for arguments in (
        ["models"],
        ["models", str(model)],
        ["models", str(model), "--format", "json"],
        ["fmt", "--check", str(named)],
        ["fmt", "--diff", str(named)],
        ["fmt", str(named)],
        ["status", "."],
        ["models", hostile],
        ["check", "--no-run", f"missing {hostile}.cir"],
    ):
        done = run(*arguments, cwd=project)
        harmless(done.stdout + done.stderr)
        assert done.returncode in (0, 1, 2)
        assert "red" in done.stdout + done.stderr or arguments == ["status", "."]


def test_an_option_pins_no_param_further_than_a_claim_may(project: Path) -> None:
    text = 'task long { param n = 1..4  prompt "{r}{x}"  rule r = "a"{n}  case a with x = "(" answer ")" '
    (project / "long.task").write_text(text + 'case b with x = "[" answer "]" }')
    for more in ([], ["--cues"]):
        done = run("preview", "long.task", "--where", "n=10000000", *more, cwd=project)
        assert done.returncode == 2
        assert done.stderr == "error: --where n=10000000: a text could have more than 1,000,000 characters\n"


@pytest.mark.parametrize(
    ("environment", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_who_asks_for_no_colour_gets_none(environment: dict[str, str], colour: bool) -> None:
    from rich.console import Console

    assert in_colour(Console(force_terminal=True, _environ={"TERM": "xterm", **environment})) is colour
