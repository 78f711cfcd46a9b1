"""Corpus: a checked description of pretraining text: rules and real files, mixed by weight."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from circuitlang.language.program.task import Draw, Rule

STDLIB, PACKAGE = "stdlib:", "package:"
_PACKAGE = re.compile(
    rf"{PACKAGE}(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9.+!_-]+)/.+",
    re.DOTALL,
)


@dataclass(frozen=True)
class Document:
    """One document is one expansion of the rule `name`. `weight`: share of the corpus' text, relative to the
    others."""

    name: str
    weight: float


@dataclass(frozen=True)
class Files:
    """Real files: `stdlib:**/*.py` (Python's own library), `package:NAME==VERSION/**/*.py` (an installed package, of
    this version only) or a glob relative to the project. Each file is a document."""

    pattern: str
    weight: float

    @property
    def library(self) -> bool:
        return self.pattern.startswith(STDLIB)

    @property
    def package(self) -> tuple[str, str] | None:
        """Name and version."""
        found = _PACKAGE.fullmatch(self.pattern)
        return (found["name"], found["version"]) if found else None

    @property
    def prefix(self) -> str:
        """Where the files are from, as the pattern says it: empty for the project's."""
        if self.package:
            return f"{PACKAGE}{'=='.join(self.package)}/"
        return STDLIB if self.library else ""

    @property
    def glob(self) -> str:
        return self.pattern.removeprefix(self.prefix)

    @property
    def leads_out(self) -> bool:
        """Whether it may name files elsewhere, which another machine does not have."""
        path = PurePosixPath(self.glob)
        outside = (
            path.is_absolute() or PureWindowsPath(self.glob).drive or "\\" in self.glob or "\0" in self.glob
        )
        return bool(not self.glob or outside or ".." in path.parts)


@dataclass(frozen=True)
class Corpus:
    """`draws` are made once per document, so that a program can speak of the same names throughout. `text` is
    the canonical text of the block."""

    name: str
    rules: Mapping[str, Rule]
    documents: tuple[Document, ...]
    files: tuple[Files, ...]
    text: str
    draws: tuple[Draw, ...] = ()
