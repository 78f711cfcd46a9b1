"""The files of a check's folder."""

import errno
import json
import os
import stat

import pytest

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report import report_folder as module
from circuitlang.report.render import Picture
from circuitlang.report.report import Report
from circuitlang.report.report_folder import contents, write_files
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage import atomic


def test_all_files_of_a_report(make, tmp_path):
    report = make()
    made, notes = contents(report)
    paths = write_files(tmp_path / "runs" / "quotes", made)
    names = {
        "report.json",
        "report.md",
        "report.html",
        "circuit.json",
        "circuit.dot",
        "circuit.svg",
        "badge.svg",
        "mechanism.svg",
    }
    assert {path.name for path in paths} == names
    assert notes == ()
    folder = tmp_path / "runs" / "quotes"
    assert {path.name for path in folder.iterdir()} == names
    assert Report.from_json((folder / "report.json").read_bytes()).spec == report.spec
    assert CircuitGraph.from_json((folder / "circuit.json").read_text()) == report.circuit.plain_graph()
    assert "![the circuit's nodes and edges](circuit.svg)" in (folder / "report.md").read_text()
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444 for path in paths)


def test_a_picture_that_cannot_be_drawn_is_left_out(make, monkeypatch):
    monkeypatch.setattr(module, "draw", lambda source: Picture(None, "no diagram was drawn: why"))
    made, notes = contents(make())
    assert notes == ("no diagram was drawn: why",)
    assert set(made) == {
        "report.json",
        "report.md",
        "report.html",
        "circuit.json",
        "circuit.dot",
        "badge.svg",
        "mechanism.svg",
    }
    assert "circuit.svg" not in made["report.md"]


def test_without_a_circuit_there_is_none(make):
    data = make().model_dump(by_alias=True) | {"circuit": None}
    made, _ = contents(Report.model_validate(data))
    assert set(made) == {"report.json", "report.md", "report.html", "badge.svg"}
    assert "testsuite" in contents(make(), path="a.cir")[0]["junit.xml"]
    assert json.loads(made["report.json"])["circuit"] is None


def test_files_are_replaced_whole(tmp_path):
    write_files(tmp_path, {"a.txt": "old", "b.bin": b"\x00"})
    write_files(tmp_path, {"a.txt": "new"})
    assert (tmp_path / "a.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.bin"]


@pytest.mark.parametrize("name", ["../a", "a/b", "..", "", "a\\b", "a\0b"])
def test_names_stay_inside_the_folder(name, tmp_path):
    with pytest.raises(AssertionError, match="not the name of a file"):
        write_files(tmp_path, {name: "x"})


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("")
    for folder in (tmp_path / "runs", tmp_path / "runs" / "quotes"):
        with pytest.raises(CommandError, match=r"cannot write to the folder .*runs is a file"):
            write_files(folder, {"a": "x"})


def test_a_file_that_is_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(CommandError, match="it is a folder"):
        write_files(tmp_path, {"a": "x"})


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_the_system_refuses_is_one_sentence_and_leaves_nothing(number, step, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    (tmp_path / "report.json").write_text("old")
    if step == "fsync":
        monkeypatch.setattr(atomic.os, "fsync", refuse)
    else:
        monkeypatch.setattr(atomic.Path, "replace", refuse)
    with pytest.raises(CommandError, match=f"cannot write .*report.json: {os.strerror(number)}"):
        write_files(tmp_path, {"report.json": "new"})
    assert (tmp_path / "report.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(CommandError, match="Permission denied"):
        write_files(tmp_path, {"a": "x"})
