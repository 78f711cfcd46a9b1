"""Files: what is read, what is used, what is refused, and with which sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from circuitlang.language.program.load import MAX_DEPTH, load, load_text, project_root
from circuitlang.language.syntax.parse import MAX_BYTES
from circuitlang.language.syntax.recover import foreign, is_spice
from circuitlang.source.diagnostic import CommandError, ProgramError

TASK = 'task {} {{ prompt "x" case a answer "1" case b answer "2" }}\n'
SPEC = 'spec {} {{ task = {}  model = "zoo:x"  claim a: loss <= 1 }}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def codes(path: Path) -> list[str]:
    with pytest.raises(ProgramError) as caught:
        load(path)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_used_files_are_part_of_the_program(project: Path) -> None:
    write(project / "tasks" / "one.task", TASK.format("one"))
    write(project / "tasks" / "two.task", 'use "one.task"\n' + TASK.format("two"))
    path = write(project / "specs" / "s.cir", 'use "../tasks/two.task"\n' + SPEC.format("s", "one"))
    program = load(path)
    assert set(program.tasks) == {"one", "two"}
    assert program.specs["s"].task is program.tasks["one"]
    assert [source.name for source in program.sources] == ["tasks/one.task", "tasks/two.task", str(path)]
    assert program.source.path == path
    assert project_root(path) == project


def test_a_file_sees_only_what_it_uses(project: Path) -> None:
    write(project / "one.task", TASK.format("one"))
    write(project / "other.cir", SPEC.format("other", "one"))  # does not use one.task
    path = write(project / "s.cir", 'use "one.task"\nuse "other.cir"\n' + SPEC.format("s", "one"))
    with pytest.raises(ProgramError) as caught:
        load(path)
    assert [(d.code, d.span.source.name) for d in caught.value.diagnostics] == [("CIR-030", "other.cir")]


def test_mistakes_of_all_files_come_at_once(project: Path) -> None:
    write(project / "one.task", 'task a { prompt "{x}" case a answer "1" foil "2" }')
    write(project / "two.task", 'task a { prompt "{y}" case a answer "1" foil "2" }')
    assert codes(write(project / "s.cir", 'use "one.task"\nuse "two.task"\n')) == ["CIR-030", "CIR-031"]
    write(project / "two.task", 'task { prompt "{y}" }')
    write(project / "one.task", "task")
    assert codes(write(project / "s.cir", 'use "one.task"\nuse "two.task"\n')) == ["CIR-012", "CIR-001"]


def test_circles_and_depth(project: Path) -> None:
    write(project / "a.task", 'use "b.task"\n')
    write(project / "b.task", 'use "a.task"\n')
    with pytest.raises(ProgramError, match=r"a\.task -> b\.task -> a\.task") as caught:
        load(project / "a.task")
    (circle,) = caught.value.diagnostics
    assert (circle.span.source.name, circle.span.text) == ("b.task", '"a.task"')
    assert [(span.text, Path(span.source.name).name) for span, _ in circle.related] == [
        ('"b.task"', "a.task")
    ]
    for number in range(MAX_DEPTH + 2):
        write(project / f"{number}.task", f'use "{number + 1}.task"\n')
    write(project / f"{MAX_DEPTH + 2}.task", TASK.format("last"))
    assert codes(project / "0.task") == ["CIR-023", "CIR-023"][:1]
    assert load(project / "2.task").tasks["last"]


def test_paths_stay_inside_the_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = write(tmp_path_factory.mktemp("outside") / "x.task", TASK.format("x"))
    inside = project / "inside"
    for written in (str(outside), f"../../{outside.parent.name}/x.task", "a/../../../x.task"):
        assert codes(write(inside / "s.cir", f'use "{written}"\n')) == ["CIR-021"]
    for written in ("~/x.task", "https://x.org/x.task", "file:///x.task", "C:/x.task", "C:x.task"):
        assert codes(write(inside / "s.cir", f'use "{written}"\n')) == ["CIR-021"], written
    for written in (r"a\\x.task", r"a\tx.task", r"\x00", "", ".", "x" * 5000, "x/" * 3000):
        assert codes(write(inside / "s.cir", f'use "{written}"\n')) == ["CIR-020"], written
    (inside / "circle.task").symlink_to("circle.task")
    assert codes(write(inside / "s.cir", 'use "circle.task"\n')) == ["CIR-020"]
    os.mkfifo(inside / "pipe.task")
    assert codes(write(inside / "s.cir", 'use "pipe.task"\n')) == ["CIR-020"]
    (inside / "link.task").symlink_to(outside)
    assert codes(write(inside / "s.cir", 'use "link.task"\n')) == ["CIR-021"]
    (inside / "loop").symlink_to("loop")
    for nothing in ("loop", "loop/x.task", "a" * 300, "a/" * 3000, "..\\\\" * 1000 + "x.task"):
        assert codes(write(inside / "s.cir", f'use "{nothing}"\n')) == ["CIR-020"], nothing


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        (b"\xff\xfet\0a\0", "CIR-013", "it begins like UTF-16"),
        (b"\xff\xfe\0\0t\0\0\0", "CIR-013", "it begins like UTF-32"),
        ("task t { }".encode("utf-16-le"), "CIR-013", "as in UTF-16"),
        (b"task\0", "CIR-013", "it contains zero bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "CIR-013", "zero bytes"),
        (b'task t {\r\n  prompt "caf\xe9"\r\n}', "CIR-013", "byte 24 is 0xe9"),
        (b"# \xe9" + b" " * 1000 + b"\0", "CIR-013", "byte 3 is 0xe9"),
        (b"# " + b" " * 1000 + b"\xe9\0", "CIR-013", "byte 1003 is 0xe9"),
        (b"# " + b" " * 1000 + b"\0\xe9", "CIR-013", "byte 1003 is 0x00"),
        (
            b"* RC filter\nR1 in out 1k\nC1 out 0 1u\nV1 in 0 DC 5\n.tran 1u 1m\n.end\n",
            "CIR-014",
            "SPICE netlist",
        ),
        (b"R1 n1 n2 1k\n", "CIR-014", "SPICE netlist"),
        (b".title x\n.model n nmos\n.end\n", "CIR-014", "SPICE netlist"),
        (b"#" * (MAX_BYTES + 1), "CIR-011", "bytes"),
    ],
)
def test_files_that_are_no_programs(project: Path, data: bytes, code: str, sentence: str) -> None:
    path = project / "x.cir"
    path.write_bytes(data)
    with pytest.raises(ProgramError, match=f"{code}.*{sentence}") as caught:
        load(path)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
    with pytest.raises(ProgramError, match=f"CIR-0(14|20).*{sentence}"):
        load(write(project / "s.cir", 'use "x.cir"\n'))


def test_the_byte_that_is_not_utf8_is_underlined(project: Path) -> None:
    path = project / "x.task"
    path.write_bytes("\ufefftask t {\r\n  # größe\n  prompt ".encode() + b'"caf\xe9"\n}\n')
    with pytest.raises(ProgramError) as caught:
        load(path)
    span = caught.value.diagnostics[0].span
    assert (span.line, span.column, span.text) == (3, 14, "é")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('{"task": 3}', "JSON"),
        ("[1, 2]\n", "JSON"),
        ("# a comment\ntask: x\ncases:\n  - a\n", "YAML"),
        ("---\nname: x\n", "YAML"),
        ("import json\n", "Python"),
        ("from os import path\n", "Python"),
        ("#!/usr/bin/env python3\ndef f(x):\n    return x\n", "Python"),
        ("[tool.ruff]\nx = 1\n", "TOML"),
        ("<?xml version='1.0'?>\n", "XML or HTML"),
        ("Text.\n\n```\ntask\n```\n", "Markdown"),
        ('import "x.task"\n', None),
        ("task t\n", None),
        ('task t {\n  rule a = """\n    import os\n    """\n  rul\n}\n', None),
        ("spec: s {\n", None),
        ("", None),
    ],
)
def test_other_languages_are_known(text: str, language: str | None) -> None:
    found = foreign(text)
    assert (found[0] if found else None) == language


def test_missing_files_and_folders(project: Path) -> None:
    with pytest.raises(CommandError, match="no such file"):
        load(project / "missing.task")
    with pytest.raises(CommandError, match="folder"):
        load(project)


def test_byte_order_marks_and_line_ends_mean_nothing(project: Path) -> None:
    text = 'task t {\n  prompt """\n    a\n    b"""\n  case a answer "1"\n  case b answer "2"\n}\n'
    path = project / "x.task"
    found = set()
    for data in (text, text.replace("\n", "\r\n"), "\ufeff" + text, text.replace("\n", "\r")):
        path.write_bytes(data.encode())
        found.add(load(path).tasks["t"].text)
    assert len(found) == 1


def test_the_languages_own_programs_are_not_taken_for_netlists() -> None:
    folder = Path(__file__).parent.parent.parent / "language"
    texts = [
        path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.*")) if path.name != "foreign.task"
    ]
    programs = [text for whole in texts for text in re.split(r"^---\n", whole, flags=re.M)]
    assert len(programs) > 30
    assert not any(map(is_spice, programs))
    assert not is_spice("")


def test_texts_without_a_file(project: Path) -> None:
    write(project / "one.task", TASK.format("one"))
    program = load_text('use "one.task"\n' + SPEC.format("s", "one"), "s.cir", project)
    assert program.specs["s"].task.name == "one"


def test_the_language_half_stays_light() -> None:
    heavy = ("torch", "numpy", "scipy", "pydantic", "networkx", "tokenizers")
    code = f"import sys, circuitlang.language.program.load; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
