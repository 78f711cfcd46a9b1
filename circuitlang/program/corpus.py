"""Corpus: a checked description of pretraining text: rules and real files, mixed by weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from circuitlang.program.task import Draw, Rule


@dataclass(frozen=True)
class Document:
    """One document is one expansion of the rule `name`. `weight`: share of the corpus' text, relative to the
    others."""

    name: str
    weight: float


@dataclass(frozen=True)
class Files:
    """Real files: `stdlib:**/*.py` (Python's own library) or a glob relative to the project. Each file is a
    document."""

    pattern: str
    weight: float


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
