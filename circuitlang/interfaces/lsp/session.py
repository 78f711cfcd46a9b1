"""Session: an editor's open texts and their diagnostics. Checking waits until typing pauses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lsprotocol import types

from circuitlang.checking.static import check_text
from circuitlang.interfaces.lsp import protocol
from circuitlang.interfaces.lsp.positions import Text
from circuitlang.interfaces.lsp.project import Project, Unit, overlay
from circuitlang.language.program.load import Reader
from circuitlang.source.diagnostic import CommandError, Diagnostic, ProgramError, Source, Span


@dataclass(frozen=True)
class Checked:
    """The diagnostics of one file, and the bytes of every file that they follow from; None where there is none."""

    found: list[Diagnostic]
    read: Mapping[Path, bytes | None]

    def holds(self, reader: Reader) -> bool:
        """Whether all those files still say the same."""
        return all(_read(path, reader) == data for path, data in self.read.items())


def diagnose(path: Path, reader: Reader) -> Checked:
    """What `check --no-run` says of a file, where `reader` gives its text and those of the files it uses."""
    read: dict[Path, bytes | None] = {}

    def recorded(file: Path) -> bytes:
        read[file] = None
        read[file] = data = reader(file)
        return data

    try:
        found = check_text([path], reader=recorded)[1]
    except ProgramError as error:
        found = list(error.diagnostics)
    except CommandError as error:
        found = [Diagnostic("CIR-020", str(error), Span(Source(str(path), "", path), 0, 0))]
    return Checked(found, read)


def _read(path: Path, reader: Reader) -> bytes | None:
    try:
        return reader(path)
    except (OSError, ValueError):
        return None


def by_file(found: Iterable[tuple[Path, list[Diagnostic]]]) -> Mapping[Path, list[Diagnostic]]:
    """The diagnostics of all checked files by the file they speak of, each once."""
    files: dict[Path, dict[tuple[object, ...], Diagnostic]] = {}
    for path, diagnostics in found:
        files.setdefault(path, {})
        for each in diagnostics:
            source = each.span.source
            place = source.path.resolve() if source.path else path
            key = each.code, each.message, each.span.start, each.span.end
            files.setdefault(place, {}).setdefault(key, each)
    return {path: list(diagnostics.values()) for path, diagnostics in files.items()}


_MEANT = re.compile(r"did you mean `([^`]+)`\?")


def fix(diagnostic: Diagnostic) -> str | None:
    """What to write instead of the diagnostic's span."""
    found = _MEANT.fullmatch(diagnostic.hint or "")
    return found[1] if found else None


PAUSE = 0.15  # seconds without a change before the open files are checked
Show = Callable[[types.PublishDiagnosticsParams], None]


@dataclass
class Session:
    """`addresses`: how the editor spells the addresses of its open files. `shown`: the messages last sent, by file."""

    show: Show
    project: Project = field(default_factory=Project)
    addresses: dict[Path, str] = field(default_factory=dict)
    versions: dict[Path, int] = field(default_factory=dict)
    shown: Mapping[Path, list[Diagnostic]] = field(default_factory=dict)
    _checked: dict[Path, Checked] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _again: bool = False

    # --- what is open -----------------------------------------------------------------------------

    def open(self, uri: str, version: int, text: str) -> None:
        path = protocol.path_of(uri)
        self.addresses[path] = uri
        self.versions[path] = version
        self.project.open[path] = Text(text, self.project.encoding)
        self.check_soon()

    def change(self, uri: str, version: int, changes: list[types.TextDocumentContentChangeEvent]) -> None:
        path = protocol.path_of(uri)
        text = self.project.open.get(path, Text("", self.project.encoding))
        self.project.open[path] = text.changed(changes)
        self.versions[path] = version
        self.check_soon()

    def close(self, uri: str) -> None:
        path = protocol.path_of(uri)
        for known in (self.addresses, self.versions, self.project.open, self._checked):
            known.pop(path, None)
        self.check_soon()

    def files_changed(self) -> None:
        """Files changed outside of the editor: also models, which a check looks at."""
        self._checked.clear()
        self.check_soon()

    def unit(self, uri: str) -> Unit | None:
        """A file as the editor has it; None if it is no program's text."""
        return self.project.unit(protocol.path_of(uri))

    def address(self, path: Path) -> str:
        return self.addresses.get(path) or protocol.address(path)

    # --- checking ---------------------------------------------------------------------------------

    def check_soon(self) -> None:
        """Check when nothing has changed for a moment."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(PAUSE, self._start)

    def _start(self) -> None:
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._again = False
        self._task = asyncio.get_running_loop().create_task(self._check())

    async def _check(self) -> None:
        """Check the open files off the loop, and show what was found unless they have changed meanwhile."""
        texts, versions = dict(self.project.open), dict(self.versions)
        checked = await asyncio.to_thread(_all, texts, dict(self._checked))
        if self._again or texts != self.project.open:
            self.check_soon()
            return
        self._checked = checked
        found = by_file((path, each.found) for path, each in checked.items())
        for path in self.shown:
            if path not in found:
                self._show(path, [], None)
        for path, diagnostics in found.items():
            self._show(path, diagnostics, versions.get(path))
        self.shown = found

    def _show(self, path: Path, diagnostics: list[Diagnostic], version: int | None) -> None:
        messages = [protocol.diagnostic(each, self.project.encoding) for each in diagnostics]
        self.show(types.PublishDiagnosticsParams(self.address(path), messages, version))


def _all(texts: Mapping[Path, Text], known: Mapping[Path, Checked]) -> dict[Path, Checked]:
    """The messages of every open file; what nothing changed is not checked again."""
    reader = overlay(texts)
    checked: dict[Path, Checked] = {}
    for path in sorted(texts):
        before = known.get(path)
        checked[path] = before if before is not None and before.holds(reader) else diagnose(path, reader)
    return checked
