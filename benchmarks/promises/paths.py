"""Safe paths: hundreds of ways out of the project, in `use` and in a corpus' `files`, and nothing outside is read.

`python -m benchmarks.promises.paths`. Each form stands in a program of its own, in a project beside which a readable
file with a secret lies; links in the project lead to it. An audit hook sees every file and folder that is opened.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.promises.audit import Watch
from benchmarks.promises.samples import child, command
from circuitlang.language.program.load import load
from circuitlang.language.syntax.strings import quoted
from circuitlang.prompts.corpus_files import real_files
from circuitlang.source.diagnostic import CommandError, ProgramError

SECRET = "a secret that stands outside of the project"
_UP = (
    "..",
    "%2e%2e",
    "%2E%2E",
    "%252e%252e",
    "..%00",
    "..%c0%af",
    "．．",
    "‥",
    "…",
    ".. ",
    " ..",
    "...",
    "..;",
    "..\t",
    "..\0",
    "\x2e\u002e",
    ".\u200b.",
    "..\u202e",
    "ﾠ..",
)
_BETWEEN = ("/", "//", "/./", "\\", "\\\\", "%2f", "%5c", "／", "∕", "/\0/")
_TARGETS = ("secret.task", "outside/secret.task")


def forms(folder: Path) -> list[str]:
    """Ways out, as they would be written; `folder` is the project's."""
    beside = folder.parent
    found = [
        f"{up}{between}{target}"
        for up in _UP
        for between in _BETWEEN
        for target in _TARGETS[: 1 + (up == "..")]
    ]
    for depth in (2, 3, 8, 64, 1000):
        found += [
            "../" * depth + "secret.task",
            "..\\" * depth + "secret.task",
            "x/" + "../" * depth + "secret.task",
        ]
    absolute = [
        f"{beside}/secret.task",
        f"{folder}/../secret.task",
        "/etc/passwd",
        "/proc/self/root/etc/passwd",
    ]
    found += [*absolute, *(f"file://{path}" for path in absolute), *(f"/{path}" for path in absolute)]
    found += [
        f"stdlib:{path}" for path in (*absolute, "../secret.task", "../../../../etc/passwd", "**/../../*")
    ]
    found += [
        "~/secret.task",
        "~root/.profile",
        "$HOME/secret.task",
        "${HOME}",
        "%USERPROFILE%",
        "/dev/stdin",
        "/dev/fd/0",
    ]
    found += [
        r"\\server\share\secret.task",
        "//server/share/x",
        r"\\?\C:\x",
        r"\\.\C:",
        r"C:\secret.task",
        "C:secret.task",
    ]
    found += [
        "c:/secret.task",
        "CON",
        "NUL",
        "nul.task",
        "aux/x",
        "secret.task::$DATA",
        "http://localhost/x",
        "ftp://localhost/x",
    ]
    found += [
        "link/secret.task",
        "link",
        "link/",
        "link/*",
        "link/**/*",
        "file.task",
        "loop/loop/x",
        "up/secret.task",
    ]
    found += [
        "up/*",
        "up/**/*",
        "up/outside/*",
        "*/secret.task",
        "*/*",
        "**/secret.task",
        "**/*",
        "li*/*",
        "l?nk/*.task",
    ]
    found += [
        "inner/up/*",
        "inner/../link/*",
        "inner/../../secret.task",
        "inner/../up/../secret.task",
        "./../secret.task",
    ]
    found += [
        "[.][.]/secret.task",
        "?./secret.task",
        ".?/secret.task",
        "[.].",
        "*/../secret.task",
        "**/../secret.task",
        "{..,}/x",
    ]
    found += [
        "a" * 300,
        "a/" * 3000,
        "../" * 5000,
        "a" * 300 + "/../../secret.task",
        "\0",
        "x\0/../secret.task",
        " ",
        ".",
        "./",
    ]
    return list(dict.fromkeys(found))


def measure() -> tuple[bool, str]:
    """Whether it holds, and the figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = _project(Path(os.path.realpath(name)))
        row = child("paths", folder)
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(row["outcomes"].items()))
    return not row["broken"] and row["forms"] >= 300, "\n".join(
        [
            f"{row['forms']:,} programs with a way out: {outcomes}",
            f"{len(row['broken'])} reads outside the project",
            *row["broken"][:10],
        ]
    )


def _project(beside: Path) -> Path:
    """A project with links that lead out, and what lies outside."""
    folder = beside / "project"
    (folder / "inner").mkdir(parents=True)
    (beside / "outside").mkdir()
    for outside in (beside / "secret.task", beside / "outside" / "secret.task"):
        outside.write_text(f'corpus secret {{ rule r = "{SECRET}" document r }}\n')
    (folder / "pyproject.toml").touch()
    (folder / "good.task").write_text("# nothing\n")
    (folder / "link").symlink_to(beside / "outside", target_is_directory=True)
    (folder / "up").symlink_to("..", target_is_directory=True)
    (folder / "inner" / "up").symlink_to("../..", target_is_directory=True)
    (folder / "file.task").symlink_to(beside / "secret.task")
    (folder / "loop").symlink_to("loop")
    return folder


def work(folder: Path) -> dict[str, object]:
    """Load every program, and read the files of every corpus that is accepted, watched."""
    outcomes: Counter[str] = Counter()
    written = forms(folder)
    programs = [(f"use {quoted(form)}\n", "use") for form in written]
    programs += [
        (f'corpus c {{ rule r = "x" document r files {quoted(form)} }}\n', "files") for form in written
    ]
    place = folder / "program.cir"
    place.write_text('corpus c { rule r = "x" document r files "*.task" }\n')
    real_files(load(place).corpora["c"], folder)  # what is imported late, and the parser that is built once
    watch = Watch(folder)
    watch.control()
    for text, kind in programs:
        place.write_text(text, encoding="utf-8")
        watch.on = True
        outcome = _try(place, folder)
        watch.on = False
        outcomes[f"{kind} {outcome}"] += 1
        if outcome == "read the secret" or outcome.startswith("ended"):
            watch.broken.append(f"{text[:100]!r} {outcome}")
    return {"forms": len(programs), "outcomes": outcomes, "broken": watch.broken}


def _try(place: Path, folder: Path) -> str:
    try:
        program = load(place)
        texts = [text for corpus in program.corpora.values() for _, text in real_files(corpus, folder)]
    except ProgramError as error:
        return f"refused with {error.diagnostics[0].code}"
    except CommandError:
        return "refused when it is read"
    except Exception as error:  # a crash is no answer
        return f"ended with {type(error).__name__}"
    if any(SECRET in text for text in texts) or "secret" in program.corpora:
        return "read the secret"
    return "read inside" if texts else "accepted"


if __name__ == "__main__":
    command(__doc__, work, measure)
