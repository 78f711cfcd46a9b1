"""Files are written whole or not at all."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from circuitlang.source.diagnostic import CommandError
from circuitlang.storage import atomic
from circuitlang.storage.atomic import alone_in, replace_whole, require_writable, write_all, write_whole


@pytest.mark.parametrize("content", [b"", b"\x00\xff", "text é\n", "x" * 1_000_000])
def test_what_is_written_is_there(tmp_path, content):
    path = tmp_path / "new" / "deeper" / "file"
    write_whole(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_text("old and long")
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("moment", ["fill", "fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("x")]
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, moment, error):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_):
        raise error

    def fill(temporary):
        temporary.write_text("half of the new")
        if moment == "fill":
            fail()

    if moment == "fsync":
        monkeypatch.setattr(atomic.os, "fsync", fail)
    elif moment == "replace":
        monkeypatch.setattr(atomic.Path, "replace", fail)
    with pytest.raises(CommandError if isinstance(error, OSError) else type(error)) as caught:
        replace_whole(path, fill)
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_readers_see_the_old_or_the_new(tmp_path):
    path, seen, done = tmp_path / "file", set(), threading.Event()
    write_whole(path, "0" * 50_000)

    def read():
        while not done.is_set():
            text = path.read_text()
            assert len(set(text)) == 1
            seen.add((text[0], len(text)))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 10):
        write_whole(path, str(number) * 50_000)
    done.set()
    reader.join()
    assert {length for _, length in seen} == {50_000}


@pytest.mark.parametrize("where", ["a folder", "under a file"])
def test_where_no_file_can_be_the_reason_is_given(tmp_path, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    path = tmp_path / "folder" if where == "a folder" else tmp_path / "file" / "below"
    with pytest.raises(CommandError, match=f"cannot write {path}: "):
        write_whole(path, "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "x"


def test_a_name_too_long_for_the_system(tmp_path):
    with pytest.raises(CommandError, match="cannot write"):
        write_whole(tmp_path / ("x" * 300), "new")
    assert not list(tmp_path.iterdir())


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """fsync of the file, then the rename, then fsync of the folder."""
    calls = []
    fsync, replace = os.fsync, atomic.Path.replace
    monkeypatch.setattr(atomic.os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(atomic.Path, "replace", lambda *a: (calls.append("rename"), replace(*a))[1])
    write_whole(tmp_path / "file", "new")
    assert calls == ["fsync", "rename", "fsync"]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_of_several_files_all_are_written_or_none(tmp_path, monkeypatch, bad):
    names = ["a", "b", "c"]
    (tmp_path / "a").write_text("old")
    files = {tmp_path / name: f"new {name}" for name in names}
    synced, fsync = [], os.fsync

    def full(handle):
        synced.append(handle)
        if len(synced) == bad + 1:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(CommandError, match=f"cannot write {tmp_path / names[bad]}: No space left on device"):
        write_all(files)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old"}
    monkeypatch.undo()
    write_all(files)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: f"new {name}" for name in names}


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_disk_that_fills_while_it_is_written_to_leaves_nothing_behind(tmp_path):
    """A limit on the size of files stands for the full disk: the second file is cut off in the middle."""
    (tmp_path / "large").write_text("old")
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from circuitlang.source.diagnostic import CommandError\n"
        "from circuitlang.storage.atomic import write_all\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "folder = Path(sys.argv[1])\n"
        "try:\n"
        "    write_all({folder / 'small': 'x', folder / 'large': 'x' * 100_000})\n"
        "except CommandError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"cannot write {tmp_path / 'large'}: File too large\n"
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"large": "old"}


def test_two_do_not_work_in_one_folder(tmp_path):
    pytest.importorskip("fcntl")
    with alone_in(tmp_path):
        with pytest.raises(CommandError, match="another check is writing into"), alone_in(tmp_path):
            pass
        (tmp_path / "other").mkdir()
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path):
        assert [p.name for p in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o022, 0o002])
def test_a_new_file_has_the_permissions_that_the_user_gives_new_files(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "new", b"x")
        (tmp_path / "old").write_bytes(b"")
        (tmp_path / "old").chmod(0o640)
        write_whole(tmp_path / "old", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError) as caught:
        require_writable(tmp_path / "file")
    assert str(caught.value) == f"cannot write into {tmp_path / 'file'}: it is a file, not a folder"
