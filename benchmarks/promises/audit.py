"""What the interpreter does while something runs, by an audit hook: files outside given folders, processes, sockets."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.fork",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
    "shutil.",
    "ctypes.",
    "urllib.",
    "http.",
    "ftplib.",
    "webbrowser.",
    "pty.",
    "tempfile.",
    "marshal.load",
    "pickle.",
)
READS = ("open", "os.listdir", "os.scandir", "os.walk")


class Watch:
    """`seen`: events while watching, by name; `broken`: those that break the promise. A hook stays for the life of
    its process, so it is for processes of their own."""

    def __init__(self, project: Path) -> None:
        paths = sysconfig.get_paths()
        installed = {paths["purelib"], paths["platlib"]}
        self.project = Path(os.path.realpath(project))
        self.allowed = [self.project, ROOT / "circuitlang"]
        self.allowed += [Path(os.path.realpath(folder)) for folder in (paths["stdlib"], *installed)]
        self.seen: Counter[str] = Counter()
        self.broken: list[str] = []
        self.on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: Sequence[Any]) -> None:
        if not self.on:
            return
        self.on = False  # what looking at an event does is no event
        try:
            self._look(event, arguments)
        finally:
            self.on = True

    def _look(self, event: str, arguments: Sequence[Any]) -> None:
        self.seen[event] += 1
        if event.startswith(FORBIDDEN):
            self.broken.append(f"{event} {arguments!r:.100}")
        elif event in READS:
            self._file(event, arguments)
        elif event == "import" and arguments[1] is not None:
            self._inside(event, Path(str(arguments[1])), self.allowed[1:])

    def _file(self, event: str, arguments: Sequence[Any]) -> None:
        path = arguments[0]
        if isinstance(path, int) or path is None:
            return
        mode = str(arguments[1]) if event == "open" and arguments[1] is not None else "r"
        if set(mode) & set("wax+"):
            self.broken.append(f"{event} {path!r} for writing")
        self._inside(event, Path(os.fsdecode(path)), self.allowed)

    def _inside(self, event: str, path: Path, folders: Sequence[Path]) -> None:
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(folder) for folder in folders):
            self.broken.append(f"{event} {str(path)!r}")

    def control(self) -> None:
        """The hook sees what it is for: an open outside, and a process."""
        before = len(self.broken)
        self.on = True
        for forbidden in (lambda: open(os.devnull).close(), lambda: os.system("true")):
            forbidden()
        self.on = False
        if len(self.broken) < before + 2:
            raise RuntimeError("the audit hook does not see what it should")
        del self.broken[before:]
        self.seen.clear()
