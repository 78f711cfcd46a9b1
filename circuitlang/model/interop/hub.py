"""`hub:OWNER/NAME@COMMIT` to a folder with the files of that commit on the Hugging Face hub; data only, never code."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from circuitlang.source.diagnostic import CommandError

START = "hub:"
WAIT = 5.0  # seconds for the hub to answer at all; its library asks six times, which takes half a minute
FILES = ("*.json", "*.safetensors", "*.pt", "*.bpe")


def fetch(name: str) -> Path:
    """CommandError where the name has no whole commit (a branch may be another model tomorrow), the extra is not
    installed, or the hub cannot be reached or has no such thing."""
    match = re.fullmatch(START + r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", name)
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
    asked = {"revision": match[2], "allow_patterns": list(FILES), "local_files_only": bool(why)}
    try:
        return Path(snapshot_download(match[1], **asked))  # what an earlier fetch left needs no network
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
