"""Tokenizer: text to token ids with character offsets; a byte-pair encoding trained on the corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text

END = "<|end|>"
"""The token between documents, and in front of every prompt."""

THEIR_END = "<|endoftext|>"
"""What GPT-2's tokenizers, and those made like it, call it."""

# The authors' splitting: letters with one mark in front, digits in groups of at most three, runs of punctuation that
# absorb the line ends behind them (so that `]\n` is one piece), line ends, spaces.
PATTERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and for each token the half-open range of characters it came from."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class Tokenizer:
    """`end`: the id of END, which no text encodes to: a prompt that spells it out gets ordinary tokens.
    `size`: number of ids."""

    def __init__(self, inner: tokenizers.Tokenizer, text: str | None = None) -> None:
        """text: what `inner` was read from. Kept, as another version of the library would write it differently."""
        self._inner = inner
        inner.no_padding()  # how somebody once made batches: no part of what a text's tokens are
        inner.no_truncation()
        inner.encode_special_tokens = True  # a switch of the library's: take them for text
        self._text = inner.to_str(pretty=False) if text is None else text
        end = inner.token_to_id(END)
        if end is None:
            raise ValueError(f"the tokenizer has no {END} token")
        self.end: int = end
        self._blank_in_front = self.bytes_of((self.ids_of_many(["x"])[0] or [end])[0]).startswith(b" ")
        self.size: int = inner.get_vocab_size()

    def encode(self, text: str) -> Encoded:
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[Encoded]:
        with panics_are_told():
            found = self._inner.encode_batch(list(texts), add_special_tokens=False)
        return [
            Encoded(e.ids, self._own(e.offsets, e.ids, text)) for e, text in zip(found, texts, strict=True)
        ]

    def _own(self, offsets: list[tuple[int, int]], ids: list[int], text: str) -> list[tuple[int, int]]:
        """A blank that the tokenizer put in front of a text covers none of it; the library says the first character."""
        alone = self._blank_in_front and not text.startswith(" ") and ids and self.bytes_of(ids[0]) == b" "
        return [(0, 0), *offsets[1:]] if alone else offsets

    def ids_of_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids only; several times faster than `encode_many`."""
        with panics_are_told():
            return [e.ids for e in self._inner.encode_batch_fast(list(texts), add_special_tokens=False)]

    def pieces(self, text: str) -> list[str]:
        """The parts of a text within which bytes are joined to tokens."""
        if self._inner.pre_tokenizer is None:
            return [text]
        with panics_are_told():
            return [text[a:b] for _, (a, b) in self._inner.pre_tokenizer.pre_tokenize_str(text)]

    @cached_property
    def splits_behind_words(self) -> bool:
        """Whether a token always ends between an ASCII letter or digit and an ASCII character that is neither, whatever
        stands around: tried on all such characters, not read off."""
        added = self._inner.get_added_tokens_decoder().values()
        if self._inner.normalizer is not None or not all(token.special for token in added):
            return False  # the pieces of another text, or a token that is found before there are pieces
        for mark in map(chr, range(128)):
            if mark.isalnum():
                continue
            for word, behind in product(("go", "9", "a_b1"), ("", "x", "7", " x", mark, "\n")):
                lengths = accumulate(map(len, self.pieces(word + mark + behind)))
                if len(word) not in lengths:
                    return False
        return True

    def decode(self, ids: Sequence[int]) -> str:
        return self._inner.decode(list(ids), skip_special_tokens=False)

    def bytes_of(self, token: int) -> bytes:
        """What the token stands for, in UTF-8; of END nothing. A token may hold a part of a character."""
        text = None if token == self.end else self._inner.id_to_token(token)
        return bytes(BYTES[character] for character in text or "")

    def to_json(self) -> str:
        return self._text

    @property
    def digest(self) -> str:
        """SHA-256 of the tokenizer's file."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _byte_table() -> dict[str, int]:
    """The character by which a byte-level tokenizer writes a byte -> the byte: itself where it is printable, and one
    behind all of those otherwise, in order (Radford et al. 2019, encoder.py)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


BYTES = _byte_table()
"""In the order of the ids that they have in the authors' tokenizer."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE of `vocabulary` ids, END among them. The same texts give the same tokenizer."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    if inner.get_vocab_size() != vocabulary:
        raise CommandError(
            f"the corpus is too small for a vocabulary of {vocabulary} tokens: it gives {inner.get_vocab_size()}"
        )
    return Tokenizer(inner)


@contextmanager
def panics_are_told() -> Iterator[None]:
    """The library is written in Rust, whose panics are no exceptions of Python's: a pattern of nested repetitions, say,
    on a long text."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise CommandError(f"the model's tokenizer cannot split a text: {error}") from None


_TOKENIZATION = ("version", "added_tokens", "normalizer", "pre_tokenizer", "decoder", "model")


def settled(data: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer's JSON without what is not tokenization: padding and truncation of batches, templates around a text,
    and tokens left out at random, which is for training. ValueError where it is not an object of that kind."""
    model = data["model"]
    if not isinstance(model, dict):
        raise ValueError("its `model` is no object")
    kept = {name: data[name] for name in _TOKENIZATION if name in data}
    return {**kept, "model": {**model, "dropout": None} if model.get("dropout") else model}


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads a tokenizer's JSON. Raises CommandError where it is missing or is none."""
    try:
        text = read_text(path)
        with panics_are_told():
            inner = tokenizers.Tokenizer.from_str(json.dumps(settled(json.loads(text))))
        return Tokenizer(inner, text)
    except OSError as error:
        raise CommandError(f"cannot read the tokenizer {path}: {reason_of(error)}") from error
    except Exception as error:  # the library raises bare Exception for malformed JSON
        raise CommandError(f"{path} is not a tokenizer: {error}") from error
