"""Hermetic: programs are loaded, checked and generated under an audit hook, and reach nothing outside the project.

`python -m benchmarks.promises.hermetic --count 1000`.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from benchmarks.promises.audit import Watch
from benchmarks.promises.samples import child, command, program_texts
from circuitlang.language.program.load import load
from circuitlang.prompts.corpus_files import real_files
from circuitlang.prompts.document import RuleDocuments
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import SPLITS
from circuitlang.prompts.support import support
from circuitlang.source.diagnostic import CommandError


def measure(count: int) -> tuple[bool, str]:
    """Whether it holds, and the figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").touch()
        (folder / "tasks").mkdir()
        for number, text in enumerate(program_texts(count)):
            (folder / f"{number}.task").write_text(text, encoding="utf-8")
        (folder / "tasks" / "a.task").write_text(text, encoding="utf-8")
        (folder / "json.py").write_text("raise SystemExit('code of the project was imported')\n")
        row = child("hermetic", folder)
    seen = ", ".join(f"{name} {count:,}" for name, count in sorted(row["seen"].items()))
    held = not row["broken"] and row["programs"] == count
    return held, "\n".join(
        [
            f"{row['programs']:,} programs: {row['prompts']:,} prompts and {row['documents']:,} documents made",
            f"{len(row['broken'])} events outside the promise (socket, process, import of the project's code, "
            "write, open outside project and package)",
            f"events: {seen}",
            *row["broken"][:5],
        ]
    )


def work(folder: Path) -> dict[str, object]:
    """What happens to every program of a folder, watched."""
    prompts = documents = programs = 0

    def one(path: Path) -> None:
        nonlocal prompts, documents, programs
        program = load(path)
        for task in program.tasks.values():
            support(task)
            generator = Generator(task, 0)
            for split in SPLITS:
                prompts += sum(len(datapoint.prompts) for datapoint in generator.datapoints(split, range(2)))
        for corpus in program.corpora.values():
            with suppress(CommandError):  # a pattern without files, a draw that is no list
                documents += len([RuleDocuments(corpus, 0).text(index) for index in range(2)])
                documents += len(real_files(corpus, folder))
        programs += 1

    files = sorted(folder.glob("*.task"))
    one(files[0])  # what is imported late, and the parser that is built once
    prompts = documents = programs = 0
    sys.path.insert(0, str(folder))  # as if the user stood there
    watch = Watch(folder)
    watch.control()
    watch.on = True
    for path in files:
        one(path)
    watch.on = False
    return {
        "programs": programs,
        "prompts": prompts,
        "documents": documents,
        "seen": watch.seen,
        "broken": watch.broken,
    }


if __name__ == "__main__":
    command(__doc__, work, measure, 1000, "programs")
