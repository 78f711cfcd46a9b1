"""A language client over stdio: it starts `circuitlang lsp`, asks, and collects what the server tells."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
WAIT = 60  # seconds for an answer; the machine may be busy
CURSOR = "<|>"


class Client:
    """`ask` waits for the answer of one request; `published` holds the last diagnostics of every file."""

    def __init__(self, encodings: list[str] | None = None) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the server
        self.process = subprocess.Popen(
            [sys.executable, "-m", "circuitlang", "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,  # a file: a pipe that nobody empties would stop a server that has much to say
            cwd=ROOT,
        )
        self.published: dict[str, list[dict[str, Any]]] = {}
        self.versions: dict[str, int] = {}
        self.checked: dict[str, int] = {}  # the version that the last diagnostics of a file are of
        self._numbers = itertools.count(1)
        self._inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        general = {"general": {"positionEncodings": encodings}} if encodings else {}
        self.capabilities = self.ask("initialize", processId=None, rootUri=None, capabilities=general)
        self.tell("initialized")

    def _listen(self) -> None:
        out = self.process.stdout
        assert out is not None
        while header := out.readline():
            length = int(header.split(b":")[1])
            while out.readline().strip():
                pass
            self._inbox.put(json.loads(out.read(length)))
        self._inbox.put(None)

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def said(self) -> str:
        """What the server wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def _next(self) -> dict[str, Any]:
        message = self._inbox.get(timeout=WAIT)
        assert message is not None, "the server has ended: " + self.said()
        if message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self.published[params["uri"]] = params["diagnostics"]
            if params.get("version") is not None:
                self.checked[params["uri"]] = params["version"]
        return message

    def tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer, with its `result` or `error`."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while (message := self._next()).get("id") != number:
            pass
        return message

    def ask(self, method: str, **params: Any) -> Any:
        answer = self.request(method, **params)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path: Path, text: str) -> str:
        uri = path.as_uri()
        # Never the number of an earlier text of the same file, of which something may still be on its way.
        self.versions[uri] = self.versions.get(uri, 0) + 1
        item = {"uri": uri, "languageId": "circuitlang", "version": self.versions[uri], "text": text}
        self.tell("textDocument/didOpen", textDocument=item)
        return uri

    def change(self, uri: str, *changes: dict[str, Any]) -> None:
        self.versions[uri] += 1
        document = {"uri": uri, "version": self.versions[uri]}
        self.tell("textDocument/didChange", textDocument=document, contentChanges=list(changes))

    def close(self, uri: str) -> None:
        self.tell("textDocument/didClose", textDocument={"uri": uri})
        self.checked.pop(uri, None)

    def at(self, method: str, uri: str, text: str, **more: Any) -> Any:
        """Ask about the place of the cursor in a text that is already open without it."""
        return self.ask(f"textDocument/{method}", **place(uri, text), **more)

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """Of the last version that was sent."""
        while self.checked.get(uri) != self.versions[uri]:
            self._next()
        return self.published[uri]

    def wait_for_diagnostics(self) -> dict[str, list[dict[str, Any]]]:
        """The next that are published, of any file."""
        before = dict(self.published)
        while self.published == before:
            self._next()
        return self.published

    def stop(self) -> int:
        self.ask("shutdown")
        self.tell("exit")
        return self.process.wait(timeout=WAIT)


def place(uri: str, text: str) -> dict[str, Any]:
    before = text[: text.index(CURSOR)].split("\n")
    position = {"line": len(before) - 1, "character": len(before[-1].encode("utf-16-le")) // 2}
    return {"textDocument": {"uri": uri}, "position": position}


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    started = Client()
    yield started
    assert started.stop() == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path.resolve()
