"""A stranger's folder to what it says of itself without its weights: layout, sizes, tokenizer; or why it is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from circuitlang.model.config import Config
from circuitlang.model.interop import authors, huggingface
from circuitlang.model.locate import TOKENS
from circuitlang.prompts import byte_pairs
from circuitlang.prompts.foreign_tokenizer import read_hugging_face
from circuitlang.prompts.tokenizer import Tokenizer, load_tokenizer
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import read_text

TOKENIZER_FOLDERS = ("", "tinypython", "../tinypython", "../../tinypython")
"""Where the tokenizer's files are looked for, from the model's folder; the last: their place in the authors' store."""


@dataclass(frozen=True)
class Found:
    """A folder that can be imported, but for its weights. settled: its config, in words that the conversion reads.
    files: what the card gives the hashes of."""

    kind: Literal["authors", "gpt2", "ours"]
    layout: str
    raw: Mapping[str, Any]
    settled: Mapping[str, Any]
    config: Config
    weights: Path
    parameters: int
    tokenizer: Tokenizer
    files: Sequence[Path]


def look(folder: Path, tokenizer: Path | None) -> Found:
    """What a folder says of itself without its weights."""
    if not folder.is_dir():
        raise CommandError(f"{folder}: there is no such folder")
    if (folder / authors.CONFIG).is_file():
        return _authors(folder, tokenizer)
    if not (folder / huggingface.CONFIG).is_file():
        raise CommandError(
            f"{folder} is in no layout that is read: neither {authors.CONFIG} nor {huggingface.CONFIG} is there"
        )
    if tokenizer is not None:
        raise CommandError(f"--tokenizer is for folders with {authors.CONFIG}; this one has its own")
    raw = read_object(folder / huggingface.CONFIG)
    return _ours(folder, raw) if raw.get("model_type") == huggingface.OURS else _gpt2(folder, raw)


def _authors(folder: Path, tokenizer: Path | None) -> Found:
    raw = read_object(folder / authors.CONFIG)
    settled = authors.settled(raw)
    config = authors.to_config(settled)
    weights, parameters = folder / authors.WEIGHTS, authors.parameters(settled)
    _require_bytes(weights, parameters)
    where = tokenizer or next(
        (folder / each for each in TOKENIZER_FOLDERS if (folder / each / byte_pairs.MERGES).is_file()), folder
    )
    tokens = byte_pairs.read_byte_pairs(where, config.vocabulary)
    _require_size(where / byte_pairs.MERGES, tokens, config)
    files = (folder / authors.CONFIG, weights, where / byte_pairs.MERGES, where / byte_pairs.IDS)
    layout = "the layout of Gao et al. 2025"
    return Found("authors", layout, raw, settled, config, weights, parameters, tokens, files)


def _gpt2(folder: Path, raw: Mapping[str, Any]) -> Found:
    settled = huggingface.settled(raw)
    config = authors.to_config(settled)
    _require_today(folder)
    weights, parameters = _weights(folder), authors.parameters(settled)
    _require_bytes(weights, parameters)
    tokens = read_hugging_face(folder / TOKENS, config.vocabulary)
    _require_size(folder / TOKENS, tokens, config)
    files = (folder / huggingface.CONFIG, *dict.fromkeys((weights, *parts(weights))), folder / TOKENS)
    layout = "a Hugging Face folder of GPT-2's shape"
    return Found("gpt2", layout, raw, settled, config, weights, parameters, tokens, files)


def _ours(folder: Path, raw: Mapping[str, Any]) -> Found:
    config = huggingface.own_config(raw)
    weights, parameters = folder / huggingface.WEIGHTS, huggingface.least_parameters(config)
    _require_bytes(weights, parameters)
    tokens = load_tokenizer(folder / TOKENS)
    _require_size(folder / TOKENS, tokens, config)
    files = (folder / huggingface.CONFIG, weights, folder / TOKENS, folder / huggingface.BESIDES)
    if not files[-1].is_file():
        raise CommandError(f"{folder} has no {huggingface.BESIDES}, the model's text")
    layout = "a folder that circuitlang exported"
    return Found("ours", layout, raw, config.to_json(), config, weights, parameters, tokens, files)


def _require_today(folder: Path) -> None:
    """CommandError that says how to convert a folder of an older kind: weights that can hold code, two files for a
    tokenizer."""
    weights = (folder / huggingface.WEIGHTS, folder / huggingface.INDEX)
    old, new, how = list[str](), list[str](), list[str]()
    if (folder / huggingface.PICKLE).exists() and not any(path.is_file() for path in weights):
        old, new, how = [f"{huggingface.PICKLE}, a pickle"], [huggingface.WEIGHTS], ["AutoModelForCausalLM"]
    if (folder / "vocab.json").exists() and not (folder / TOKENS).exists():
        old, new, how = [*old, "vocab.json and merges.txt"], [*new, TOKENS], [*how, "AutoTokenizer"]
    if old:
        call = "; ".join(f"{name}.from_pretrained(FOLDER).save_pretrained(FOLDER)" for name in how)
        raise CommandError(
            f"{folder} has {', and '.join(old)}, and not what is read: write {' and '.join(new)} with "
            f"`{call}` of the library transformers"
        )


def _weights(folder: Path) -> Path:
    """The file with the weights, or the index of several."""
    index = folder / huggingface.INDEX
    weights = folder / huggingface.WEIGHTS
    return index if index.is_file() and not weights.is_file() else weights


def parts(weights: Path) -> list[Path]:
    """The files that hold the weights: the file itself, or those of an index. CommandError where one is none of the
    folder."""
    if weights.name != huggingface.INDEX:
        return [weights]
    where = read_object(weights).get("weight_map")
    names: list[Any] = list(where.values()) if isinstance(where, dict) else [None]
    if not all(isinstance(name, str) and name and Path(name).name == name for name in names):
        raise CommandError(f"{weights}: its `weight_map` does not name files of its folder")
    return [weights.parent / name for name in sorted(set(names))]


def _require_size(path: Path, tokenizer: Tokenizer, config: Config) -> None:
    if tokenizer.size != config.vocabulary:
        raise CommandError(f"{path} has {tokenizer.size} tokens, the model {config.vocabulary}")


def _require_bytes(weights: Path, parameters: int) -> None:
    """Two bytes a number are the least: so a config with impossible sizes is refused before memory is taken for it."""
    for part in parts(weights) if weights.is_file() else [weights]:
        if not part.is_file():
            raise CommandError(f"there is no {part.name} in {part.parent}")
    size = sum(part.stat().st_size for part in parts(weights))
    if size < 2 * parameters:
        raise CommandError(
            f"{weights} has {size:,} bytes, too few for the {parameters:,} numbers that its config asks for"
        )


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object whose keys occur once and whose texts are text. CommandError where it is none."""
    try:
        found = json.loads(read_text(path), object_pairs_hook=_once)
        json.dumps(
            found, ensure_ascii=False
        ).encode()  # half a surrogate pair is no text, and no card could have it
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"cannot read {path}: it is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found
