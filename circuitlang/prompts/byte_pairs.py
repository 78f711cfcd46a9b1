"""`vocab.bpe` and `encoder.json`, the files of the authors' tokenizer, to ours: the same text gives the same ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from circuitlang.prompts.foreign_tokenizer import name_rows
from circuitlang.prompts.tokenizer import BYTES, END, PATTERN, THEIR_END, Tokenizer
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text

MERGES, IDS = "vocab.bpe", "encoder.json"
SPECIAL = (THEIR_END, "<|startoftext|>")
"""Names that `encoder.json` may have besides the pieces of text. The first, the token between documents, is our END."""


def read_byte_pairs(folder: Path, rows: int = 0) -> Tokenizer:
    """The tokenizer of a folder with both files. CommandError where one is missing, or where they do not agree: ids
    must be the 256 bytes, printable ones first, then the merges in order, then the end of a text. rows: how many tokens
    the model has; those behind the end are named."""
    merges = _merges(folder / MERGES)
    pieces = [*BYTES, *(first + second for first, second in merges)]
    ids = {piece: number for number, piece in enumerate(pieces)}
    if len(ids) != len(pieces):
        raise CommandError(f"{folder / MERGES} makes a piece twice")
    for first, second in merges:
        if first not in ids or second not in ids:
            raise CommandError(f"{folder / MERGES} merges `{first} {second}`, and one of these is no piece")
    given = _ids(folder / IDS)
    for name in SPECIAL:
        if given.pop(name, len(ids)) != len(ids):
            raise CommandError(f"{folder / IDS} gives {name} an id that is not behind those of all pieces")
    if given != ids:
        wrong = sorted(given.items() ^ ids.items())[0][0]
        raise CommandError(f"{folder / IDS} is not the table of {MERGES}: they disagree about {wrong!r}")
    if rows > len(ids) + 1:
        ids[END] = len(ids)
        name_rows(ids, rows)
    inner = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=True))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    return Tokenizer(inner)


def _merges(path: Path) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        first, blank, second = line.partition(" ")
        if not blank or not first or not second or " " in second:
            raise CommandError(f"{path}, line {number}: not two pieces with a space between them")
        found.append((first, second))
    return found


def _ids(path: Path) -> dict[str, int]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise CommandError(f"{path} is not a table of ids by piece")
    return found


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise CommandError(f"cannot read the tokenizer's {path}: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8") from error


def require_same_ids(tokenizer: Tokenizer, texts: Iterable[str]) -> None:
    """CommandError where our tokenizer and the authors' rule disagree about a piece of the texts.

    Theirs joins the two neighbours whose join has the lowest id, whichever merge made it; ours follows the merges.
    For a table that was made by merging the two are the same; this is the check that it was.
    """
    ranks = {tokenizer.bytes_of(token): token for token in range(tokenizer.size) if token != tokenizer.end}
    seen: set[bytes] = set()
    for text in texts:
        for piece in tokenizer.pieces(text):
            data = piece.encode()
            if data in seen:
                continue
            seen.add(data)
            if tokenizer.ids_of_many([piece])[0] != lowest_first(ranks, data):
                raise CommandError(f"{MERGES} was not made by merging: the piece {piece!r} has two spellings")


def lowest_first(ranks: Mapping[bytes, int], piece: bytes) -> list[int]:
    """The ids of a piece of text: neighbours are joined, those first whose join has the lowest id."""
    if piece in ranks:
        return [ranks[piece]]
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        joined = [ranks.get(a + b) for a, b in pairwise(parts)]
        known = [rank for rank in joined if rank is not None]
        if not known:
            return [ranks[part] for part in parts]
        at = joined.index(min(known))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
