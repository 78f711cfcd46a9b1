"""Models of the hub: a pinned commit, data files only, and a sentence where the hub cannot be had."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from circuitlang.model.interop import import_model as module
from circuitlang.model.interop.import_model import FILES, fetch, unreachable
from circuitlang.source.diagnostic import CommandError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_pinned_commit_and_data_files_are_asked_for(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def snapshot(name, **options):
        asked.append((name, options))
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    monkeypatch.setattr(module, "unreachable", lambda address: "")
    assert fetch(f"hub:some-one/a.model_1@{COMMIT}") == tmp_path
    assert asked == [
        ("some-one/a.model_1", {"revision": COMMIT, "allow_patterns": list(FILES), "local_files_only": False})
    ]
    assert not any("py" in pattern or pattern == "*" for pattern in FILES)


@pytest.mark.parametrize(
    "name", ["hub:one/two", "hub:one/two@main", f"hub:two@{COMMIT}", f"hub:one/two@{COMMIT[:-1]}", "hub:"]
)
def test_what_is_no_pinned_commit_is_refused(name):
    with pytest.raises(CommandError, match="with all 40 digits of the commit"):
        fetch(name)


def test_without_the_extra_that_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CommandError, match=r"circuitlang\[hub\]"):
        fetch(f"hub:one/two@{COMMIT}")


def test_without_network_that_is_said(tmp_path: Path):
    pytest.importorskip("huggingface_hub")
    command = [
        sys.executable,
        "-m",
        "circuitlang",
        "models",
        "import",
        f"hub:one/two@{COMMIT}",
        "--as",
        "x",
    ]
    nowhere = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **nowhere}, check=False
    )
    assert done.returncode == 2
    assert f"error: cannot fetch hub:one/two@{COMMIT}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()


def test_where_nobody_answers_the_hub_is_asked_once(monkeypatch, tmp_path):
    """The library would ask six times; what it has from before it may still give."""
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def snapshot(name, **options):
        asked.append(options["local_files_only"])
        raise OSError("not here")

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    monkeypatch.setattr(module, "unreachable", lambda address: "nobody answers")
    with pytest.raises(CommandError, match="nobody answers"):
        fetch(f"hub:one/two@{COMMIT}")
    assert asked == [True]


def test_who_answers_and_who_does_not(monkeypatch):
    monkeypatch.setattr(module, "getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        assert unreachable(f"https://127.0.0.1:{port}") == ""
    assert unreachable(f"https://127.0.0.1:{port}").startswith("127.0.0.1 cannot be reached: ")
    assert "cannot be reached" in unreachable("https://127.0.0.1:99999999")
    monkeypatch.setattr(module, "getproxies", lambda: {"https": "proxy"})
    assert unreachable("https://127.0.0.1:1") == ""
