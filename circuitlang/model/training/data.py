"""Corpus to token stream: memory-mapped ids, and batches that are a pure function of (seed, step)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.language.program.recipe import Corpus, Recipe
from circuitlang.prompts.corpus_files import real_files
from circuitlang.prompts.document import rule_documents
from circuitlang.prompts.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import replace_whole, write_whole

TOKENIZER_TEXT = 12_000_000
"""Characters of the mixed corpus that the tokenizer is trained on."""
VALIDATION_FILES = 20
"""Every so many-th real file is kept out of training, for the validation loss."""
VALIDATION_START = 1 << 40
"""Rule documents from this index on are for validation."""
_BLOCK = 2_000  # documents tokenised at a time

Ids = NDArray[np.uint16]


@dataclass(frozen=True)
class Stream:
    """One source of text as token ids: `rules` or `files`. `share` of the training rows come from it."""

    name: str
    share: float
    train: Ids
    validation: Ids


@dataclass(frozen=True)
class TokenData:
    """All that training reads. `digest` names the text and the tokenizer that made it."""

    tokenizer: Tokenizer
    streams: tuple[Stream, ...]
    digest: str

    def batch(self, seed: int, step: int, rows: int, length: int) -> Tensor:
        """(rows, length) ids for one step: each row picks a stream by share, then a place in it, uniformly.

        A pure function of its arguments (Philox is counter-based), so a resumed run reads what it would have read.
        """
        random = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, step]))
        shares = np.cumsum([stream.share for stream in self.streams])
        which = np.searchsorted(shares / shares[-1], random.random(rows), side="right")
        places = random.random(rows)
        out = np.empty((rows, length), np.int64)
        for row in range(rows):
            ids = self.streams[which[row]].train
            start = int(places[row] * (len(ids) - length))
            out[row] = ids[start : start + length]
        return torch.from_numpy(out)


def prepare(
    recipe: Recipe,
    root: Path,
    folder: Path,
    progress: Callable[[str, float], None],
    tokenizer: Tokenizer | None = None,
) -> TokenData:
    """Generates, tokenises and stores the training text of a recipe under `folder`; a second call reads it back.

    `progress(stage, share done)`. `tokenizer`: of the model that the training starts from; otherwise one is trained on
    the text. Raises CommandError where the corpus has too little text.
    """
    corpus, context = recipe.training.corpus, recipe.architecture.context
    files = real_files(corpus, root) if corpus.files else []
    text = hashlib.sha256((recipe.text + "\0".join(name for name, _ in files)).encode())
    for _name, content in files:
        text.update(hashlib.sha256(content.encode("utf-8", "replace")).digest())
    if tokenizer is not None:
        text.update(tokenizer.digest.encode())
    digest = text.hexdigest()
    stamp = folder / "data.json"
    if not (stamp.exists() and json.loads(stamp.read_text()).get("digest") == digest):
        stamp.unlink(missing_ok=True)  # what is cut off half-way must not pass for what was here before
        _build(recipe, files, folder, progress, tokenizer)
        write_whole(stamp, json.dumps({"digest": digest}))
    weights = _shares(corpus)
    streams = tuple(
        Stream(name, share, _open(folder / f"{name}.train.bin"), _open(folder / f"{name}.validation.bin"))
        for name, share in weights.items()
    )
    for stream in streams:
        for part, ids in (("training", stream.train), ("validation", stream.validation)):
            if len(ids) <= context + 1:
                raise CommandError(
                    f"the {stream.name} of corpus {corpus.name} give only {len(ids)} tokens for {part}; "
                    f"a context of {context} needs {context + 2}"
                )
    return TokenData(load_tokenizer(folder / "tokenizer.json"), streams, digest)


def _shares(corpus: Corpus) -> dict[str, float]:
    rules = sum(document.weight for document in corpus.documents)
    files = sum(entry.weight for entry in corpus.files)
    return {name: share / (rules + files) for name, share in (("rules", rules), ("files", files)) if share}


def _open(path: Path) -> Ids:
    try:
        return np.memmap(path, np.uint16, "r")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read the training text {path}: {error}; remove its folder") from error


def _build(
    recipe: Recipe,
    files: list[tuple[str, str]],
    folder: Path,
    progress: Callable[[str, float], None],
    tokenizer: Tokenizer | None,
) -> None:
    training, corpus = recipe.training, recipe.training.corpus
    shares = _shares(corpus)
    kept = [text for i, (_, text) in enumerate(files) if i % VALIDATION_FILES]
    held = [text for i, (_, text) in enumerate(files) if i % VALIDATION_FILES == 0]
    if files and not any(kept):
        raise CommandError(
            f"no real file of corpus {corpus.name} is left to train on: of {len(files)}, {len(held)} kept out for the "
            "validation loss, the others empty"
        )
    if tokenizer is None:
        progress("tokenizer", 0.0)
        text = _mixture(rule_documents(corpus, training.seed), kept, shares)
        tokenizer = train_tokenizer(text, recipe.architecture.vocabulary)
    write_whole(folder / "tokenizer.json", tokenizer.to_json())
    if "rules" in shares:
        wanted = int(training.tokens * shares["rules"])
        _write(folder / "rules.train.bin", rule_documents(corpus, training.seed), tokenizer, wanted, progress)
        fresh = rule_documents(corpus, training.seed, start=VALIDATION_START)
        _write(folder / "rules.validation.bin", fresh, tokenizer, training.validation, progress)
    if "files" in shares:
        _write(folder / "files.train.bin", iter(kept), tokenizer, None, progress)
        _write(folder / "files.validation.bin", iter(held), tokenizer, training.validation, progress)


def _mixture(rules: Iterator[str], files: list[str], shares: dict[str, float]) -> Iterator[str]:
    """Texts of both kinds up to TOKENIZER_TEXT characters, in proportion to their shares."""
    for texts, share in ((rules, shares.get("rules", 0.0)), (iter(files), shares.get("files", 0.0))):
        left = int(TOKENIZER_TEXT * share)
        while left > 0 and (text := next(texts, None)) is not None:
            left -= len(text)
            yield text


def _write(
    path: Path,
    texts: Iterator[str],
    tokenizer: Tokenizer,
    wanted: int | None,
    progress: Callable[[str, float], None],
) -> None:
    """Writes END-separated ids of the texts, `wanted` tokens of them or all."""

    def fill(temporary: Path) -> None:
        written = 0
        with temporary.open("wb") as out:
            while wanted is None or written < wanted:
                block = [text for _, text in zip(range(_BLOCK), texts, strict=False)]
                if not block:
                    break
                ids: list[int] = []
                for document in tokenizer.ids_of_many(block):
                    ids.append(tokenizer.end)
                    ids += document
                ids = ids if wanted is None else ids[: wanted - written]
                out.write(np.asarray(ids, np.uint16).tobytes())
                written += len(ids)
                progress(path.name, written / wanted if wanted else 0.0)
        if written == 0:
            raise CommandError(f"no text for {path.name}")

    replace_whole(path, fill)
