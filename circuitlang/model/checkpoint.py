"""Save and load models: safetensors with sparse rows, a version, provenance, a probe; never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from circuitlang.model.config import Config
from circuitlang.model.locate import CARD, FORMAT, TOKENS, VERSION, WEIGHTS, digest_of, read_card, read_config
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import Tokenizer, load_tokenizer
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_whole

ROWS, LENGTH = 16, 16
TOLERANCE = 1e-4
"""Of the largest logit, or of 1 where that is less."""
ENOUGH = 0.75
"""Share of the rows that must agree. Not all: where two values tie for a place in AbsTopK but for rounding, another
processor may keep the other, and that row's logits differ. A wrong model differs in every row."""


@dataclass(frozen=True)
class Probe:
    """tokens: (row, position). logits: (row, vocabulary) behind each row's last token, in float32."""

    tokens: Tensor
    logits: Tensor


def probe_tokens(reference: Tensor, context: int) -> Tensor:
    """Starts of rows of text, spread over them; as many rows as there are for short texts."""
    length = min(LENGTH, context, reference.shape[1])
    pieces = reference.unfold(1, length, length).flatten(0, 1)
    count = min(ROWS, len(pieces))
    return pieces[torch.linspace(0, len(pieces) - 1, count).long()].contiguous()


@torch.no_grad()
def disagreement(model: Transformer, probe: Probe) -> str | None:
    """None where the model computes what was recorded, else by how much it does not."""
    last = torch.full((len(probe.tokens),), probe.tokens.shape[1] - 1)
    apart = (model(probe.tokens, at=last) - probe.logits).abs().amax(1)
    allowed = TOLERANCE * max(1.0, float(probe.logits.abs().max()))
    agreeing = int((apart <= allowed).sum())
    if agreeing >= ENOUGH * len(apart):
        return None
    return (
        f"its logits are up to {float(apart.max()):.3g} from those recorded when it was imported, "
        f"and only {agreeing} of {len(apart)} rows agree"
    )


REFERENCE = "reference"
PROBE = ("probe.tokens", "probe.logits")
_ROWS = {"values": torch.float32, "columns": torch.uint16, "offsets": torch.int32}
"""How a matrix is stored: the nonzero values row after row, the column of each, and where each row starts."""


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to use. `reference`: (row, context) token ids of held-out pretraining text, for means over it.
    `digest`: SHA-256 of the weights' file and the tokenizer's. `card`: what the training recorded of itself. `probe`:
    of an imported model, on the CPU."""

    name: str
    model: Transformer
    tokenizer: Tokenizer
    reference: Tensor
    digest: str
    card: Mapping[str, Any]
    probe: Probe | None = None


def save(
    folder: Path,
    model: Transformer,
    tokenizer: Tokenizer,
    reference: Tensor,
    card: Mapping[str, Any],
    probe: Probe | None = None,
) -> None:
    """Writes a model's folder. Matrices are stored as the nonzero values of each row, exactly. With a probe, every
    `load` compares the model's logits with it."""
    tensors: dict[str, Tensor] = {REFERENCE: reference.to(torch.uint16)}
    if probe is not None:
        stored = (probe.tokens.to(torch.uint16), probe.logits.float().contiguous())
        tensors |= dict(zip(PROBE, stored, strict=True))
    for name, parameter in model.state_dict().items():
        parameter = parameter.detach().cpu().float()
        if parameter.ndim == 2:
            tensors |= {f"{name}.{part}": t for part, t in _sparse_rows(parameter).items()}
        else:
            tensors[name] = parameter.contiguous()
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "config": json.dumps(model.config.to_json(), sort_keys=True),
        "tokenizer": tokenizer.digest,
    }
    write_whole(folder / TOKENS, tokenizer.to_json())
    write_whole(folder / CARD, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    write_whole(folder / WEIGHTS, _ordered(to_bytes(dict(sorted(tensors.items())), metadata)))


def _ordered(data: bytes) -> bytes:
    """The same safetensors file with its metadata sorted: the library writes them in another order at every call."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[start:]


def load(folder: Path, name: str, device: str | torch.device = "cpu") -> Checkpoint:
    """Reads a model's folder. Raises CommandError for anything truncated, renamed, misshapen or of another version."""
    path = folder / WEIGHTS
    config, metadata = read_config(folder)
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CommandError(f"cannot read the model {path}: {error}") from error
    tokenizer = load_tokenizer(folder / TOKENS)
    if tokenizer.digest != metadata.get("tokenizer"):
        raise CommandError(f"{folder / TOKENS} is not the tokenizer that {WEIGHTS} was trained with")
    if tokenizer.size != config.vocabulary:
        raise CommandError(
            f"{path}: the model has {config.vocabulary} tokens, its tokenizer {tokenizer.size}"
        )
    try:
        _require_shapes(tensors, config)
        model = Transformer(config)
        reference = rows_of_ids(tensors.pop(REFERENCE), config.vocabulary)
        probe = take_probe(tensors, config)
        model.load_state_dict(_dense(tensors, model), strict=True)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise CommandError(f"{path} is damaged or of another shape than its config says: {error}") from error
    model.eval().requires_grad_(False)
    if probe is not None and (apart := disagreement(model, probe)):
        raise CommandError(f"{path} is not the model that was imported: {apart}")
    model.to(device)
    return Checkpoint(
        name, model, tokenizer, reference.to(device), digest_of(folder), read_card(folder), probe
    )


def _require_shapes(tensors: Mapping[str, Tensor], config: Config) -> None:
    """ValueError where the config asks for other sizes than the tensors have: before memory is taken for its."""
    with torch.device("meta"):
        model = Transformer(config)
    for name, parameter in model.state_dict().items():
        stored = tensors.get(f"{name}.offsets" if parameter.ndim == 2 else name)
        wanted = (parameter.shape[0] + 1,) if parameter.ndim == 2 else parameter.shape
        if stored is not None and stored.shape != wanted:  # what is missing is named with all that is
            raise ValueError(f"{name} is of another size than the config's")


def _sparse_rows(matrix: Tensor) -> dict[str, Tensor]:
    rows, columns = matrix.nonzero(as_tuple=True)
    offsets = torch.zeros(matrix.shape[0] + 1, dtype=torch.int64)
    offsets[1:] = torch.bincount(rows, minlength=matrix.shape[0]).cumsum(0)
    return {
        "values": matrix[rows, columns].contiguous(),
        "columns": columns.to(_ROWS["columns"]),
        "offsets": offsets.to(_ROWS["offsets"]),
    }


def take_probe(tensors: dict[str, Tensor], config: Config) -> Probe | None:
    """Takes the probe out of stored tensors, where there is one. ValueError where it does not fit."""
    if PROBE[0] not in tensors:
        return None
    tokens, logits = rows_of_ids(tensors.pop(PROBE[0]), config.vocabulary), tensors.pop(PROBE[1])
    fits = tokens.shape[1] <= config.context and logits.shape == (len(tokens), config.vocabulary)
    if not fits or logits.dtype != torch.float32 or not torch.isfinite(logits).all():
        raise ValueError("the recorded logits are not a number for each row and token")
    return Probe(tokens, logits)


def rows_of_ids(stored: Tensor, vocabulary: int) -> Tensor:
    """Text as it is stored. ValueError where it is none, or has a token that the model has not."""
    rows = stored.to(torch.int64)
    if stored.dtype != torch.uint16 or rows.ndim != 2 or not rows.numel():
        raise ValueError("the reference text is not rows of token ids")
    if int(rows.max()) >= vocabulary:
        raise ValueError(f"the reference text has a token that is none of the {vocabulary}")
    return rows


def _dense(tensors: Mapping[str, Tensor], model: Transformer) -> dict[str, Tensor]:
    """The state dict that the stored tensors describe. Raises ValueError where rows or columns do not fit."""
    dense: dict[str, Tensor] = {}
    state = model.state_dict()
    wanted = {
        stored
        for name, p in state.items()
        for stored in ([f"{name}.{part}" for part in _ROWS] if p.ndim == 2 else [name])
    }
    for names, what in ((wanted - set(tensors), "missing"), (set(tensors) - wanted, "unknown")):
        if names:
            raise ValueError(f"{what} tensors: {', '.join(sorted(names)[:5])}")
    for name, parameter in state.items():
        if parameter.ndim != 2:
            dense[name] = tensors[name]
            continue
        values, columns, offsets = parts = [tensors[f"{name}.{part}"] for part in _ROWS]
        if [part.dtype for part in parts] != list(_ROWS.values()):
            raise ValueError(f"the rows of {name} are of other types than float32, uint16 and int32")
        columns, counts = columns.to(torch.int64), offsets.to(torch.int64).diff()
        height, width = parameter.shape
        fits = len(counts) == height and bool((counts >= 0).all()) and int(counts.sum()) == len(values)
        inside = bool((columns < width).all())
        if not (fits and inside and len(columns) == len(values)):
            raise ValueError(f"the rows of {name} do not fit its shape {height} x {width}")
        matrix = torch.zeros(height, width)
        matrix[torch.arange(height).repeat_interleave(counts), columns] = values
        dense[name] = matrix
    if any(tensor.dtype != torch.float32 or not torch.isfinite(tensor).all() for tensor in dense.values()):
        raise ValueError("a weight is not a finite float32 number")
    return dense
