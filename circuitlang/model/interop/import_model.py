"""`models import`: a folder, or a pinned commit of the Hugging Face hub, to one of our models."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from circuitlang.model.hardware import available_memory
from circuitlang.model.interop.inspect_folder import look
from circuitlang.model.locate import CARD, TOKENS, WEIGHTS, ZOO, read_card
from circuitlang.prompts import byte_pairs
from circuitlang.prompts.foreign_tokenizer import rows_without_token
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import require_writable, write_whole

ROWS, LENGTH = 128, 256
"""Of the text that goes with the model, at most: means are taken over it."""
ENOUGH = 1_000_000
"""Characters, behind which no further file of a given text is opened: several times what the rows take."""
STAND_IN = "python_small"
"""The shipped model whose text serves where none is given: a model's own pretraining text is not among its files."""
COPIES = 4
"""How often a model's weights are in memory at once while it is converted, as float32."""


def bring(
    folder: Path, out: Path, name: str, text: Path | None = None, tokenizer: Path | None = None
) -> Mapping[str, Any]:
    """Imports a model into the folder `out`; returns its card. CommandError, with nothing left behind, where a file is
    not what it must be, the model is not one that ours can be, or memory is too little."""
    if (out / WEIGHTS).exists():
        raise CommandError(f"there is a model at {out} already")
    found = look(folder, tokenizer)
    require_memory(found.parameters, available_memory())
    imported: dict[str, Any] = {
        "layout": found.layout,
        "files": {path.name: _digest(path) for path in found.files},
        "config": dict(found.raw),
    }
    if more := rows_without_token(found.tokenizer):
        imported["rows_without_token"] = more
    reference = None
    if found.kind == "ours":  # its text and its card come with it
        if text is not None:
            raise CommandError(f"{folder} has the model's own text; --text is for those that have none")
        card = {**read_card(folder), "imported": imported}
    else:
        documents, source = _documents(text)
        if found.kind == "authors":
            byte_pairs.require_same_ids(found.tokenizer, documents)
        card = {"name": name, "doc": f"imported from {found.layout}", "imported": imported, "text": source}
        reference = reference_rows(found.tokenizer, documents, min(LENGTH, found.config.context))
    require_writable(out.parent)
    near = next(folder for folder in out.absolute().parents if folder.exists())
    with tempfile.TemporaryDirectory(prefix=".import-", dir=near) as scratch:
        made = Path(scratch) / "model"
        write_whole(Path(scratch) / TOKENS, found.tokenizer.to_json())
        job = {
            "kind": found.kind,
            "weights": str(found.weights),
            "config": dict(found.settled),
            "tokenizer": str(Path(scratch) / TOKENS),
            "reference": reference,
            "card": card,
            "folder": str(made),
            "memory": 2 * 4 * COPIES * found.parameters,
        }
        in_child(job, Path(scratch) / "job.json")
        for part in (TOKENS, CARD, WEIGHTS):  # the weights last: a folder without them is no model
            write_whole(out / part, (made / part).read_bytes())
    return json.loads((out / CARD).read_text(encoding="utf-8"))


def require_memory(parameters: int, available: int | None) -> None:
    needed = 4 * COPIES * parameters
    if available is not None and needed > available:
        raise CommandError(
            f"importing {parameters:,} numbers takes about {needed / 1e9:.1f} GB of memory, "
            f"and {available / 1e9:.1f} GB are there"
        )


def _documents(text: Path | None) -> tuple[list[str], str]:
    """Texts, and what a card says they are."""
    if text is not None:
        files = sorted(path for path in text.rglob("*") if path.is_file()) if text.is_dir() else [text]
        found = list[str]()
        try:
            for path in files:
                if sum(map(len, found)) < ENOUGH:
                    found.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read the text {text}: {error}") from error
        if not any(found):
            raise CommandError(f"there is no text in {text}")
        return found, str(text.name)
    from circuitlang.model import checkpoint

    shipped = checkpoint.load(ZOO / STAND_IN, STAND_IN)
    stream, documents, start = shipped.reference.flatten().tolist(), list[str](), 0
    for place, token in enumerate([*stream, shipped.tokenizer.end]):
        if token == shipped.tokenizer.end:
            documents.append(shipped.tokenizer.decode(stream[start:place]))
            start = place + 1
    return [each for each in documents if each], f"the text of zoo:{STAND_IN.replace('_', '-')}"


def reference_rows(tokenizer: Tokenizer, documents: Sequence[str], length: int) -> list[list[int]]:
    """Rows of ids, the end token between documents; at least one, shorter than `length` where there is little text."""
    stream = [tokenizer.end]
    for ids in tokenizer.ids_of_many(documents):
        stream += [*ids, tokenizer.end]
    length = min(length, len(stream))
    count = min(ROWS, len(stream) // length)
    return [stream[row * length : (row + 1) * length] for row in range(count)]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {reason_of(error)}") from error


def in_child(job: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Runs a job in a process of its own, so that what is wrong with a stranger's file stays there."""
    write_whole(path, json.dumps(job))
    # -P: nothing is imported from the folder in which the command runs
    command = [sys.executable, "-P", "-m", "circuitlang.model.interop.convert", str(path)]
    paths = [str(ZOO.parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode < 0:
        raise CommandError(
            f"the process that converts {job['weights']} was ended by signal {-done.returncode}"
            + ("; most often that is too little memory" if done.returncode == -9 else "")
        )
    if done.returncode:
        raise RuntimeError(f"the conversion ended with status {done.returncode}:\n{done.stderr}")
    found = json.loads(done.stdout)
    if "error" in found:
        raise CommandError(found["error"])
    return found


def circuit_data(path: Path) -> dict[str, Any]:
    """A `viz_data.pt` of the authors as plain data, read in a process of its own (convert.read_circuit)."""
    if not path.is_file():
        raise CommandError(f"{path}: there is no such file")
    with tempfile.TemporaryDirectory() as scratch:
        return in_child({"kind": "circuit", "weights": str(path), "memory": 0}, Path(scratch) / "job.json")


HUB = "hub:"
WAIT = 5.0  # seconds for the hub to answer at all; its library asks six times, which takes half a minute
FILES = ("*.json", "*.safetensors", "*.pt", "*.bpe")


def fetch(name: str) -> Path:
    """CommandError where the name has no whole commit (a branch may be another model tomorrow), the extra is not
    installed, or the hub cannot be reached or has no such thing."""
    match = re.fullmatch(HUB + r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", name)
    if not match:
        raise CommandError(
            f"`{name}` does not name a model on the hub: hub:OWNER/NAME@COMMIT, with all 40 digits of the commit"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import ENDPOINT
    except ImportError as error:
        raise CommandError("models of the hub need an extra: pip install 'circuitlang[hub]'") from error
    why = unreachable(ENDPOINT)
    try:
        # what an earlier fetch left needs no network
        return Path(
            snapshot_download(
                match[1], revision=match[2], allow_patterns=list(FILES), local_files_only=bool(why)
            )
        )
    except Exception as error:  # its own kinds, those of its HTTP library, and the system's
        why = why or str(error).partition("\n")[0]
        raise CommandError(f"cannot fetch {name}: {why}") from error


def unreachable(address: str) -> str:
    """Why nobody answers at an address of the web; empty where somebody does, or a proxy would have to be asked."""
    where = urlsplit(address)
    if getproxies():
        return ""
    try:
        port = where.port or (80 if where.scheme == "http" else 443)
        socket.create_connection((where.hostname or "", port), WAIT).close()
    except (OSError, ValueError) as error:
        return f"{where.hostname} cannot be reached: {error}"
    return ""
