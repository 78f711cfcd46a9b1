"""Hostile inputs through the command itself: `python -m benchmarks.strangers --count 1000 --seed 0`.

Each run is a process of its own, copied (fork) from one that has loaded everything: a mutated program, model folder,
report, lock or circuit, a name, an odd environment, a session with the language server, or a check that a signal ends.
What is asked of every run: an exit status that the command has (never 70, no signal of a crash), little processor
time, less than a gigabyte, no control characters and no commands to a CI runner in what it prints, no half-written
file, and no process that is left behind. Prints how many of each kind held; the exit status is 1 where one did not,
and the inputs of those are in `--keep`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import torch

from benchmarks.fuzz_input import Mutator, seeds
from benchmarks.kills import SPEC
from benchmarks.planted.circuits import QUOTES, quotes
from circuitlang.checking import run as _run  # noqa: F401  loaded once, before the copies
from circuitlang.interfaces.cli.main import main as command
from circuitlang.interfaces.lsp import server as _server  # noqa: F401  loaded, too
from circuitlang.model.checkpoint import save
from circuitlang.model.interop.huggingface import export
from circuitlang.report.lock import Lock, LockedSpec
from circuitlang.studies import training  # noqa: F401  loaded, too
from tests.report.conftest import make_report
from tests.report.test_hostile import HOSTILE

STATUSES = (0, 1, 2, 3, 74)
SOON = 2.0  # processor seconds of what computes nothing
LONG = 60.0  # of everything else
MEMORY = 1 << 20  # KiB
GONE = 5.0  # seconds after its end in which all of a run's processes are gone
VALUES: Sequence[Any] = (
    None, True, -1, 0, 1.5, 2_000_000, 10**30, float("inf"), float("nan"), "", "\x1b[31m\n::error::x", "a" * 5000, [],
    {}, [[[]]], {"a": {}}, [1, "x"],
)  # fmt: skip


@dataclass
class Run:
    """What to run and where. `soon`: it computes nothing; `kill`: seconds after which a signal is sent, and which."""

    arguments: Sequence[str]
    soon: bool = True
    environment: Mapping[str, str | None] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    kill: tuple[float, int] | None = None
    statuses: Sequence[int] = STATUSES
    after: Callable[[Path], Sequence[str]] = lambda place: ()  # what is wrong with what it left there


def done(run: Run, place: Path) -> list[str]:
    """What was wrong with a run."""
    out, began = place.parent / "printed", monotonic()
    limit = SOON if run.soon else LONG
    child = os.fork()
    if child == 0:
        _become(run, place, out)
    ended = None
    while ended is None:
        if run.kill is not None and monotonic() - began >= run.kill[0]:
            with suppress(ProcessLookupError):
                os.kill(child, run.kill[1])
            run.kill = None
        if monotonic() - began > 20 * limit:
            os.killpg(child, signal.SIGKILL)
        pid, status, used = os.wait4(child, os.WNOHANG)
        ended = (status, used) if pid else None
        sleep(0.002)
    raised = place.parent / "raised"
    printed = out.read_text("utf-8", "replace") + (raised.read_text() if raised.exists() else "")
    return [*_wrong(run, *ended, limit, printed), *_left(child, place), *run.after(place)]


def _become(run: Run, place: Path, out: Path) -> None:
    """In the copy: the command, with nothing of this process's but what is loaded."""
    os.setsid()
    os.chdir(place)
    printed = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    for name, value in run.environment.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    # of its own, whatever the one that it is copied from has put in their place
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    sys.modules["__main__"] = sys.modules[
        "circuitlang.interfaces.cli.main"
    ]  # which a worker imports first, and not all of this
    sys.argv = ["circuitlang", *run.arguments]
    status = 70
    try:
        run.before()
        command()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        Path(out.parent / "raised").write_text(traceback.format_exc())
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
        os._exit(status)


def _wrong(run: Run, status: int, used: resource.struct_rusage, limit: float, printed: str) -> list[str]:
    found = []
    code = os.waitstatus_to_exitcode(status)
    if code not in run.statuses:
        found.append(f"status {code}: {printed[-300:]}")
    if (took := used.ru_utime + used.ru_stime) > limit:
        found.append(f"{took:.1f} s")
    if used.ru_maxrss > MEMORY:
        found.append(f"{used.ru_maxrss >> 10} MiB")
    if any(c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in printed):
        found.append("a control character")
    if re.search(r"^\s*::|##\w*\[", printed, re.M):
        found.append("a command to a runner")
    if "Traceback" in printed:
        found.append(f"a traceback: {printed[-300:]}")
    return found


def _left(session: int, place: Path) -> list[str]:
    late = monotonic() + GONE
    while (alive := _alive(session)) and monotonic() < late:
        sleep(0.05)
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    parts = [str(path) for path in place.rglob("*.part")]
    return [f"{len(alive)} processes left"] * bool(alive) + [f"left {part}" for part in parts]


def _alive(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


# --- what is done to data -------------------------------------------------------------------------


def changed(data: bytes, draw: random.Random) -> bytes:
    """JSON with one to three values replaced or removed, or bytes changed."""
    try:
        whole = json.loads(data)
    except ValueError:
        whole = None
    if whole is None or draw.random() < 0.25:
        return _bytes(data, draw)
    for _ in range(draw.randint(1, 3)):
        at = whole
        while isinstance(at, dict | list) and at:
            key = draw.choice(list(at)) if isinstance(at, dict) else draw.randrange(len(at))
            if not isinstance(at[key], dict | list) or draw.random() < 0.3:
                at[key] = draw.choice([*VALUES, *HOSTILE.values()])
                if draw.random() < 0.2:
                    del at[key]
                break
            at = at[key]
    return json.dumps(whole).encode("utf-8", "surrogatepass")


def _bytes(data: bytes, draw: random.Random) -> bytes:
    new = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(new) + 1)
        new[at : at + draw.choice([0, 1, 8])] = draw.randbytes(draw.choice([0, 1, 8]))
    return bytes(new[: draw.randrange(len(new) + 1)] if draw.random() < 0.2 else new)


def programs(place: Path, draw: random.Random, number: int) -> Run:
    data = Mutator().mutate(draw.choice(seeds()), number)
    (place / "input.cir").write_bytes(data)
    verbs = (["check", "--no-run"], ["fmt", "--check"], ["show", "tree"], ["preview"])
    return Run([*draw.choice(verbs), "input.cir"])


def models(place: Path, draw: random.Random, number: int) -> Run:
    shutil.copytree(_made() / "model", place / "model")
    (place / "killed.cir").write_text(QUOTES + SPEC)
    path = draw.choice(sorted(p for p in (place / "model").iterdir() if p.is_file()))
    path.write_bytes(changed(path.read_bytes(), draw))
    if draw.random() < 0.5:
        return Run(["check", "--no-run", "killed.cir"])
    return Run(["models", "model"], soon=False)


def foreign(place: Path, draw: random.Random, number: int) -> Run:
    shutil.copytree(_made() / "foreign", place / "foreign")
    path = draw.choice(sorted(p for p in (place / "foreign").iterdir() if p.is_file()))
    path.write_bytes(changed(path.read_bytes(), draw))
    return Run(["models", "import", "foreign", "--as", "brought"], soon=False)


def results(place: Path, draw: random.Random, number: int) -> Run:
    for name in ("report.json", "a.cir.lock", "circuit.json"):
        shutil.copy(_made() / name, place)
    name = draw.choice(["report.json", "a.cir.lock", "circuit.json"])
    (place / name).write_bytes(changed((place / name).read_bytes(), draw))
    if name == "circuit.json":
        return Run(["export", name, "--to", draw.choice(["edges", "graphml", "dot", "json"])], soon=False)
    return Run(["diff", "report.json", "a.cir.lock"], soon=False)


def names(place: Path, draw: random.Random, number: int) -> Run:
    name = draw.choice([*HOSTILE.values(), "x" * 300, "y/" * 3000, "model/../model", "/dev/zero", "\udcff"])
    name = name.replace("\0", "")
    (place / "a.task").write_text(QUOTES)
    verbs = (
        ["models", name], ["check", "--no-run", name], ["fmt", name], ["new", name], ["status", name],
        ["diff", name, name], ["explain", name], ["export", name], ["preview", "a.task", name],
        ["check", "--no-run", "--model", name, "a.task"], ["models", "import", name, "--as", name],
    )  # fmt: skip
    return Run(draw.choice(verbs), soon=False)


def environments(place: Path, draw: random.Random, number: int) -> Run:
    (place / "a.task").write_text(QUOTES)
    home = {"HOME": None, "XDG_CACHE_HOME": None}
    full = lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 1)  # noqa: E731
    away = lambda: shutil.rmtree(place)  # noqa: E731
    odd: list[tuple[Mapping[str, str | None], Callable[[], object]]] = [
        (home, lambda: None), ({"TERM": "dumb", "NO_COLOR": "1"}, lambda: None), ({}, lambda: os.close(1)),
        ({}, lambda: os.close(2)), ({}, lambda: os.close(0)), ({}, full), ({}, away), ({"LC_ALL": "C"}, lambda: None),
        ({"COLUMNS": draw.choice(["0", "-1", "x", "1"])}, lambda: None), ({}, lambda: os.chmod("a.task", 0)),
    ]  # fmt: skip
    environment, before = draw.choice(odd)
    verbs = (
        ["check", "--no-run", "a.task"],
        ["preview", "a.task"],
        ["models"],
        ["explain"],
        ["fmt", "--check", "a.task"],
    )
    return Run(draw.choice(verbs), environment=environment, before=before)


def signals(place: Path, draw: random.Random, number: int) -> Run:
    shutil.copytree(_made() / "model", place / "model")
    (place / "killed.cir").write_text(QUOTES + SPEC)
    sent = draw.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
    environment = {"CIRCUITLANG_CACHE": str(place / "cache")}
    arguments = ["check", "killed.cir", "--jobs", "2", "--no-battery"]
    ways = (*STATUSES, 128 + sent, -sent)
    return Run(arguments, False, environment, kill=(draw.random() * 8, sent), statuses=ways)


def editors(place: Path, draw: random.Random, number: int) -> Run:
    """A session with the language server: mutated texts, edits, and requests whose parameters may be anything."""
    if draw.random() < 0.7:
        (place / "pyproject.toml").touch()
    uri = (place / "open.cir").as_uri()
    for name in ("open.cir", "beside.task"):
        (place / name).write_bytes(Mutator().mutate(draw.choice(seeds()), number))
    messages: list[dict[str, Any]] = [
        {"id": 0, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
    ]

    def say(method: str, harm: float = 0.1, **params: Any) -> None:
        whole: Any = {"textDocument": {"uri": uri, "version": len(messages)}, **params}
        if draw.random() < harm:
            with suppress(ValueError):
                whole = json.loads(changed(json.dumps(whole).encode(), draw))
        number = {"id": len(messages)} if method not in _TOLD else {}
        messages.append({**number, "method": f"textDocument/{method}", "params": whole})

    text = Mutator().mutate(draw.choice(seeds()), number + 1).decode("utf-8", "replace")
    document = {"uri": uri, "languageId": "circuitlang", "version": 1, "text": text}
    say("didOpen", 0.05, textDocument=document)
    for _ in range(draw.randint(1, 12)):
        start, end = ({"line": draw.randint(0, 40), "character": draw.randint(0, 60)} for _ in range(2))
        where = {"position": start, "range": {"start": start, "end": end}, "context": {"diagnostics": []}}
        if draw.random() < 0.4:
            new = draw.choice([*HOSTILE.values(), "", "{", "\f", "\u2028", 'model = "' + "x" * 300 + '"\n'])
            say("didChange", contentChanges=[{"range": where["range"], "text": new}])
        else:
            options = {
                "options": {"tabSize": 2, "insertSpaces": True},
                "newName": draw.choice(["b", "", *HOSTILE.values()]),
            }
            say(
                draw.choice(_ASKED),
                **{**where, "context": {**where["context"], "includeDeclaration": True, "triggerKind": 1}},
                **options,
            )
    messages += [{"id": len(messages), "method": "shutdown"}, {"method": "exit"}]
    bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    (place.parent / "asked").write_bytes(
        b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(b), b) for b in bodies)
    )

    def before() -> None:
        for number, name, way in ((0, "asked", os.O_RDONLY), (1, "answered", _NEW), (2, "logged", _NEW)):
            os.dup2(os.open(place.parent / name, way), number)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115

    def after(_: Path) -> list[str]:
        frames = re.split(
            rb"Content-Length: \d+\r\n(?:[^\r\n]+\r\n)*\r\n", (place.parent / "answered").read_bytes()
        )
        found = {whole.get("id"): whole for whole in map(json.loads, frames[1:]) if "method" not in whole}
        asked = {message["id"]: message["method"] for message in messages if "id" in message}
        missing = [method for key, method in asked.items() if key not in found]
        inner = [
            f"{asked.get(key)}: {each['error']}"
            for key, each in found.items()
            if _code(each) == _INTERNAL_ERROR
        ]
        # what the library says of requests that are wrong has no code of ours in it but the server's own
        ours = re.findall(
            r'File "[^"]*(circuitlang/(?!interfaces/lsp/server)[^\n]*)', (place.parent / "logged").read_text()
        )
        return [f"no answer to {', '.join(missing)}"] * bool(missing) + inner + ours

    return Run(["lsp"], before=before, after=after, statuses=(0,))


def _code(answer: Mapping[str, Any]) -> int | None:
    return (answer.get("error") or {}).get("code")


_INTERNAL_ERROR = -32603
_NEW = os.O_WRONLY | os.O_CREAT
_TOLD = ("didOpen", "didChange")
_ASKED = (
    "hover", "completion", "definition", "references", "rename", "documentSymbol", "formatting", "codeAction",
    "foldingRange", "semanticTokens/full", "signatureHelp", "documentHighlight", "nosuch",
)  # fmt: skip
KINDS: Mapping[str, Callable[[Path, random.Random, int], Run]] = {
    each.__name__: each
    for each in (programs, models, foreign, results, names, environments, editors, signals)
}
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _made() -> Path:
    """A planted model, and a report, a lock and a circuit, made once."""
    if not _FOLDERS:
        folder = tempfile.TemporaryDirectory(prefix="strangers-")  # removed when this process ends
        place = Path(folder.name)
        checkpoint = quotes().checkpoint
        save(place / "model", checkpoint.model, checkpoint.tokenizer, checkpoint.reference, {})
        export(checkpoint, place / "foreign")
        report = make_report()
        (place / "report.json").write_text(report.to_json())
        Lock(specs={"one": LockedSpec.of(report, {"layers": 4})}).write(place / "a.cir.lock")
        assert report.circuit is not None
        (place / "circuit.json").write_text(report.circuit.plain_graph().to_json())
        _FOLDERS.append(folder)
    return Path(_FOLDERS[0].name)


def tried(kind: str, number: int, seed: int, keep: Path | None = None) -> list[str]:
    """One input of a kind, and what was wrong with what came of it; the same for the same numbers."""
    draw = random.Random(f"{kind} {seed} {number}")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "place"
        place.mkdir()
        run = KINDS[kind](place, draw, number)
        saved = Path(name) / "saved"
        shutil.copytree(place, saved)
        wrong = done(run, place)
        if wrong and keep is not None:
            shutil.copytree(saved, keep / f"{kind}-{seed}-{number}", dirs_exist_ok=True)
        return [f"{each}   {' '.join(run.arguments)[:200]!a}" for each in wrong]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="runs of each kind")
    parser.add_argument("--minutes", type=float, default=inf, help="after which no further input is tried")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--keep", type=Path, help="folder for the inputs that broke something")
    options = parser.parse_args()
    torch.set_num_threads(1)
    late = monotonic() + 60 * options.minutes
    held, broken = Counter[str](), Counter[str]()
    for number in range(options.count):
        for kind in options.kinds if monotonic() < late else ():
            wrong = tried(kind, number, options.seed, options.keep)
            broken[kind] += bool(wrong)
            held[kind] += not wrong
            for each in wrong:
                print(f"{kind} {number}: {each}", flush=True)
    for kind in options.kinds:
        print(f"{kind:14}{held[kind]:>8,} held{broken[kind]:>6,} broken")
    sys.exit(bool(broken.total()))


if __name__ == "__main__":
    main()
