"""Token -> its text; the bytes, as `\\xe2`, of one that is a part of a character."""

from __future__ import annotations

from circuitlang.prompts.tokenizer import END, Tokenizer


def spelled(tokenizer: Tokenizer, token: int) -> str:
    if token == tokenizer.end:
        return END
    data = tokenizer.bytes_of(token)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in data)
