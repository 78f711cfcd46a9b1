"""`circuitlang view` finds a report's page, or makes it from what stands beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from circuitlang.report.page.write import page
from circuitlang.report.report_folder import contents, write_files
from circuitlang.report.saved import page_of
from circuitlang.source.diagnostic import CommandError
from tests.report.conftest import make_exhibit, make_report

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    report = make_report()
    write_files(tmp_path, {"report.json": report.to_json(), "exhibit.json": make_exhibit(report).to_json()})
    return tmp_path


def test_a_check_writes_the_page_that_view_would_make(tmp_path: Path) -> None:
    report = make_report()
    exhibit = make_exhibit(report)
    files, _ = contents(report, exhibit)
    assert files["report.html"] == page(report, exhibit)
    write_files(tmp_path, {name: files[name] for name in ("report.json", "exhibit.json")})
    assert page_of(tmp_path).read_text("utf-8") == files["report.html"]


@pytest.mark.parametrize("name", ["", "report.json"])
def test_the_page_is_made_where_there_is_none(folder: Path, name: str) -> None:
    found = page_of(folder / name)
    assert found == folder / "report.html"
    assert page_of(found) == found


def test_the_page_is_made_again_where_the_report_is_newer(folder: Path) -> None:
    found = page_of(folder)
    found.write_text("old", encoding="utf-8")
    os.utime(folder / "report.json", (1, 1))
    os.utime(folder / "exhibit.json", (1, 1))
    assert page_of(folder).read_text("utf-8") == "old"
    os.utime(found, (0, 0))
    assert page_of(folder).read_text("utf-8") != "old"


def test_a_report_alone_has_a_page(folder: Path) -> None:
    (folder / "exhibit.json").unlink()
    assert "Made without exhibit.json" in page_of(folder).read_text("utf-8")


def test_a_report_of_another_name_has_a_page_of_its_name(folder: Path) -> None:
    (folder / "report.json").rename(folder / "before.json")
    assert page_of(folder / "before.json") == folder / "before.html"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none", None, "there is no file .*none; `circuitlang check SPEC` writes one"),
        ("", None, "there is no report.json in "),
        ("report.json", "{", "report.json is not a report of this version"),
        ("report.json", "{}", "report.json is not a report of this version"),
        ("report.json", "[" * 100_000, "report.json is not a report of this version"),
        ("report.json", b"\xff", "report.json is not a report of this version"),
        ("exhibit.json", "{}", "exhibit.json is not an exhibit of this version"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, name: str, text: str | bytes | None, message: str) -> None:
    if text is not None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    elif not name:
        (folder / "report.json").unlink()
    with pytest.raises(CommandError, match=message):
        page_of(folder if name == "exhibit.json" else folder / name)


def test_the_command_says_the_path_and_needs_no_torch(folder: Path) -> None:
    program = (
        "import sys, webbrowser\n"
        "sys.modules['torch'] = None\n"
        "webbrowser.open = lambda address: print('opened', address) or True\n"
        "from circuitlang.interfaces.cli.main import main\n"
        "sys.argv = ['circuitlang', 'view', *sys.argv[1:]]\n"
        "main()\n"
    )

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return "".join(done.stdout.split("\n"))

    assert run(str(folder), "--no-open") == f"page at {folder / 'report.html'}"
    assert run(str(folder)).endswith(f"opened {(folder / 'report.html').as_uri()}")
