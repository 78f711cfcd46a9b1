"""Lock: what a spec's check found, kept beside its file; text that notices every change made to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from circuitlang.report.escape import no_command
from circuitlang.report.part import Part, Text, lines_of_json, rounded_floats
from circuitlang.report.report import Report
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text, write_whole

SCHEMA = 1
_ABOUT = "Written by `circuitlang check --update-lock`. A change made by hand is refused."
_WIDTH = 160  # columns: a node or an edge stands on one line, so that a diff shows it as one
_HEAD = re.compile(r'\{"schema": (\d+), "checksum": "([0-9a-f]{64})",\n')
Sizes = Mapping[str, int]


class LockedSpec(Part):
    """One spec's check. `sizes`: of the model, by the names of `model/config.py`; its nodes have meaning in a model of
    the same sizes only."""

    sizes: dict[Text, int]
    report: Report

    @classmethod
    def of(cls, report: Report, sizes: Sizes) -> Self:
        """Without what differs from one run to the next, the command and how long it took; nor the code's hash, for a
        lock is held against what went in, and to its numbers."""
        hashes = {name: found for name, found in report.provenance.hashes.items() if name != "code"}
        made = report.provenance.model_copy(update={"command": (), "hashes": hashes})
        kept = report.model_copy(update={"provenance": made, "seconds": {}, "cached": False, "drift": None})
        return cls(sizes=dict(sizes), report=kept)


class Lock(Part):
    """The locked specs of one file, by name."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    specs: dict[Text, LockedSpec]

    def text(self) -> str:
        """What the file holds, in ASCII. The first line's checksum is that of all that follows it."""
        specs = {name: _data(found) for name, found in sorted(self.specs.items())}
        body = lines_of_json({"about": _ABOUT, "specs": specs}, width=_WIDTH, ascii=True)
        rest = no_command(body.removeprefix("{\n"), r"\u005b") + "\n"
        return f'{{"schema": {SCHEMA}, "checksum": "{_checksum(rest)}",\n{rest}'

    def write(self, path: Path) -> None:
        """Whole or not at all. CommandError where it cannot be written."""
        write_whole(path, self.text())


def beside(spec_file: Path) -> Path:
    """Where the lock of a spec file is."""
    return spec_file.with_name(f"{spec_file.name}.lock")


def read_lock(path: Path) -> Lock:
    """Raises CommandError, saying how to make a new one, for a file that is missing, of another version, or not as it
    was written."""
    again = f"write a new one: {remedy(path)}"
    try:
        text = read_text(path)  # as git may have checked it out
    except FileNotFoundError:
        raise CommandError(f"there is no lock {path}; {again}") from None
    except OSError as error:
        raise CommandError(f"cannot read the lock {path}: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not a lock: it is not text; {again}") from None
    head = _HEAD.match(text)
    if head is None:
        raise CommandError(f"{path} is not a lock, or its first line was changed; {again}")
    if int(head[1]) != SCHEMA:
        raise CommandError(
            f"{path} is a lock of version {head[1]}, and this circuitlang reads version {SCHEMA}; {again}"
        )
    if _checksum(text[head.end() :]) != head[2]:
        raise CommandError(
            f"{path} was changed after it was written: its checksum does not fit; restore it, or {again}"
        )
    try:
        data = json.loads(text)
        return Lock(specs=data["specs"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CommandError(f"{path} cannot be read by this circuitlang ({_first(error)}); {again}") from None


def remedy(path: Path) -> str:
    """The command that writes a lock."""
    return f"circuitlang check {path.with_name(path.name.removesuffix('.lock'))} --update-lock"


def _data(found: LockedSpec) -> Any:
    return rounded_floats(
        found.model_dump(mode="json", by_alias=True, exclude={"report": {"seconds", "cached", "drift"}})
    )


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _first(error: Exception) -> str:
    """The first of the mistakes that pydantic lists, on one line."""
    return " ".join(str(error).split("\n", 3)[:3])
