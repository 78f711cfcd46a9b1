"""`tokenizer.json` of somebody else's to ours: the same text gives the same ids, and rows of a model that no text
reaches have a name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers

from circuitlang.prompts.tokenizer import BYTES, END, THEIR_END, Tokenizer, panics_are_told, settled
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text

_SPELLED = {byte: character for character, byte in BYTES.items()}


def unreached(name: str) -> str:
    """A token that no text encodes to, whatever the tokenizer: no UTF-8 has the byte that its name begins with."""
    return _SPELLED[0xFF] + "".join(_SPELLED[byte] for byte in name.encode())


def name_rows(ids: dict[str, int], rows: int) -> None:
    """Gives every id below `rows` that has no token one: models have more rows than tokens, for speed."""
    taken = set(ids.values())
    ids |= {unreached(f"<|{row}|>"): row for row in range(rows) if row not in taken}


def rows_without_token(tokenizer: Tokenizer) -> int:
    """How many tokens `name_rows` named."""
    return sum(tokenizer.bytes_of(row) == b"\xff" + f"<|{row}|>".encode() for row in range(tokenizer.size))


def read_hugging_face(path: Path, rows: int) -> Tokenizer:
    """A byte-level `tokenizer.json`, whose token between documents has another name. CommandError where it has none, or
    where tokens are not made of bytes. rows: how many tokens the model has."""
    try:
        data = settled(json.loads(read_text(path)))
        _rename(data, rows)
        with panics_are_told():
            return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(data, ensure_ascii=False)))
    except OSError as error:
        raise CommandError(f"cannot read the tokenizer {path}: {reason_of(error)}") from error
    except Exception as error:  # the library raises bare Exception
        raise CommandError(f"{path} is not a tokenizer that is read: {error}") from error


def _rename(data: dict[str, Any], rows: int) -> None:
    """The token between documents becomes END. Other special tokens, which no text of ours asks for, become tokens that
    none can."""
    ids, added = data["model"]["vocab"], data["added_tokens"]
    special = {token["content"]: token["id"] for token in added}
    if data["model"]["type"] != "BPE" or THEIR_END not in special:
        raise ValueError(f"it must be a byte-pair encoding with a special token {THEIR_END}")
    if ordinary := [token["content"] for token in added if not token["special"]]:
        raise ValueError(
            f"it looks for {ordinary[0]!r} before it splits a text; only special tokens may be added"
        )
    for name, number in special.items():
        if ids.pop(name, number) != number:
            raise ValueError(f"{name!r} has two ids")
    if any(character not in BYTES for piece in ids for character in piece):
        raise ValueError("its tokens are not spelled as bytes")
    ids |= {END if name == THEIR_END else unreached(name): number for name, number in special.items()}
    if len(set(ids.values())) != len(ids):
        raise ValueError("two of its tokens have one id")
    name_rows(ids, rows)
    data["added_tokens"] = [{**token, "content": END} for token in added if token["content"] == THEIR_END]
