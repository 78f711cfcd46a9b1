"""`hub:OWNER/NAME@COMMIT` to a folder with the files of that commit on the Hugging Face hub; data only, never code."""

from __future__ import annotations

import re
from pathlib import Path

from circuitlang.source.diagnostic import CommandError

START = "hub:"
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
    except ImportError as error:
        raise CommandError("models of the hub need an extra: pip install 'circuitlang[hub]'") from error
    try:
        return Path(snapshot_download(match[1], revision=match[2], allow_patterns=list(FILES)))
    except Exception as error:  # its own kinds, those of its HTTP library, and the system's
        raise CommandError(f"cannot fetch {name}: {str(error).partition(chr(10))[0]}") from error
