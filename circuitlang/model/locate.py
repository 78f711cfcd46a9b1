"""A spec's `model = …` to the folder of a trained model, and what can be known of it without loading torch."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from circuitlang.language.program.load import project_root
from circuitlang.language.program.program import Program
from circuitlang.language.program.spec import Spec
from circuitlang.model.config import Config
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text

Count = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    """What else it says is kept, and shown by nobody."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Parameters(_Part):
    nonzero: Count
    all: Count = Field(gt=0)


class Machine(_Part):
    device: str
    threads: Count
    precision: str


class Competence(_Part):
    accuracy: Share
    loss: float
    mass: Share


class Imported(_Part):
    rows_without_token: Count = 0
    files: dict[str, str] = {}
    config: dict[str, Any] = {}


class Start(_Part):
    """A model that a training started from."""

    model: str
    digest: str
    tokens: Count | None = None
    start: Start | None = None


class Card(_Part):
    name: str = "?"
    doc: str | None = None
    text: str | None = None
    tokens: Count | None = None
    hours: float | None = None
    machine: Machine | None = None
    start: Start | None = None
    imported: Imported | None = None
    parameters: Parameters | None = None
    validation_loss: dict[str, float] = {}
    competence: dict[str, Competence] = {}
    nonzeros: dict[str, Annotated[list[Count], Field(min_length=2, max_length=2)]] = {}

    @model_validator(mode="after")
    def _trained(self) -> Self:
        if self.machine is not None and (self.tokens is None or self.hours is None):
            raise ValueError("a card with a machine says how many tokens it saw, and in how many hours")
        return self


def require_card(data: object) -> None:
    """ValueError, on one line, that names the first field which is not as it must be."""
    try:
        Card.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"`{where}`: {first['msg']}" if where else first["msg"]) from None


FORMAT = "circuitlang-model"
VERSION = 1
WEIGHTS, TOKENS, CARD = "model.safetensors", "tokenizer.json", "card.json"
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_LONGEST_CARD = 2**23  # bytes; a curve of a thousand points and a page of recipe take a hundredth of it
ZOO = Path(__file__).parent / "zoo"
TRAINED = "models"
"""Folder of a project that `train` writes to unless told: models/NAME."""


def zoo() -> list[str]:
    """The names of the models that ship with the package, as specs write them."""
    return sorted(f"zoo:{path.parent.name.replace('_', '-')}" for path in ZOO.glob(f"*/{WEIGHTS}"))


def locate(name: str, root: Path, trained: bool = False) -> Path:
    """The folder of `zoo:NAME`, of a path inside the project, or (`trained`) of a model block's NAME.

    Raises CommandError, saying what is known, where there is no model.
    """
    if name.startswith("zoo:"):
        folder = ZOO / name.removeprefix("zoo:").replace("-", "_")
        if name not in zoo():
            near = get_close_matches(name, zoo(), n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise CommandError(f"there is no model `{name}`; {meant}known: {', '.join(zoo()) or 'none'}")
        return folder
    folder = root / TRAINED / name if trained else root / name
    folder = folder.parent if folder.name == WEIGHTS else folder
    try:
        there = (folder / WEIGHTS).is_file()
    except OSError as error:  # a name that is too long, say
        raise CommandError(f"there is no model at {folder}: {reason_of(error)}") from None
    if not there:
        near = get_close_matches(f"zoo:{name.replace('_', '-')}", zoo(), n=1, cutoff=0.8)
        advice = f"; did you mean {near[0]}?" if near else ""
        if trained:
            advice = f"; train it first: circuitlang train FILE {name}"
        raise CommandError(f"there is no model at {folder}: {WEIGHTS} is not there{advice}")
    return folder


def model_folder(spec: Spec, root: Path) -> Path:
    """The folder of a spec's model. Raises CommandError as `locate` does."""
    return locate(spec.model, root, spec.recipe is not None)


def with_model(program: Program, model: str) -> Program:
    """The specs of another model: `zoo:NAME`, the name of a model block, or a folder (from here, or in the project).

    Raises CommandError where there is none.
    """
    root = project_root(Path(program.source.name))
    recipe = program.recipes.get(model)
    here = Path(model)
    if recipe is None and not model.startswith("zoo:") and ((here / WEIGHTS).is_file() or here.is_file()):
        model = Path(os.path.relpath(here.resolve(), root)).as_posix()
    locate(model, root, recipe is not None)
    specs = {name: replace(spec, model=model, recipe=recipe) for name, spec in program.specs.items()}
    return replace(program, specs=specs)


def read_config(folder: Path) -> tuple[Config, dict[str, str]]:
    """The sizes and the metadata of a checkpoint, from its header alone.

    Raises CommandError for anything truncated, renamed or of another format or version.
    """
    path = folder / WEIGHTS
    try:
        tensors, metadata = _header(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CommandError(f"cannot read the model {path}: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CommandError(f"{path} is not a circuitlang model: its metadata does not say so")
    if metadata.get("version") != str(VERSION):
        raise CommandError(
            f"{path} has format version {metadata.get('version')}; this circuitlang reads version {VERSION}"
        )
    try:
        config = Config.from_json(json.loads(metadata["config"]))
        if config.layers > tensors:
            raise ValueError(f"{config.layers:,} layers, and {tensors:,} tensors")
        return config, metadata
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CommandError(f"{path} is damaged: its config cannot be read: {error}") from error


def _header(path: Path) -> tuple[int, dict[str, str]]:
    """How many tensors a safetensors file has, and what it says of itself. Its own library would load numpy for it."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _LONGEST_HEADER:
            raise ValueError("this is no safetensors file")
        header = json.loads(file.read(size))
        metadata = header.pop("__metadata__", {})
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if file.seek(0, 2) != 8 + size + end:
            raise ValueError("the file is not as long as its header says")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata is not a table of texts")
    return len(header), metadata


def digest_of(folder: Path) -> str:
    """SHA-256 of the weights' file and the tokenizer's: equal for equal models. Neither is loaded."""
    import hashlib  # loaded where it is used: OpenSSL takes longer than most programs to check

    try:
        tokens = read_text(folder / TOKENS)
        if not (folder / WEIGHTS).is_file():  # a device may never end
            raise OSError(f"{WEIGHTS} is not a file on a disk")
        with (folder / WEIGHTS).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read the model {folder}: {reason_of(error)}") from error
    digest.update(hashlib.sha256(tokens.encode()).hexdigest().encode())
    return digest.hexdigest()


def read_card(folder: Path) -> dict[str, object]:
    """What the training recorded of itself; empty where there is no card."""
    path = folder / CARD
    try:
        if not path.exists():
            return {}
        card = json.loads(read_text(path, _LONGEST_CARD))
        if not isinstance(card, dict):
            raise ValueError("it is no JSON object")
        from circuitlang.model.locate import require_card

        require_card(card)
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"cannot read the card {path}: {reason_of(error)}") from error
    return card
