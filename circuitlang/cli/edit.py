"""The command for editors: lsp."""

from __future__ import annotations

from circuitlang.cli.app import app
from circuitlang.source import CommandError


@app.command()
def lsp() -> None:
    """Start the language server: an editor talks to it over standard input and output.

    Example: `circuitlang lsp` (see docs/editors.md)
    """
    try:
        from circuitlang.language_server.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        text = "the language server needs pygls; install it with: pip install 'circuitlang[lsp]'"
        raise CommandError(text) from None
    serve()
