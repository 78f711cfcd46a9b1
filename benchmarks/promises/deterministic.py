"""Deterministic: random tasks give the same prompts, byte for byte, whatever Python's hash seed, in every process.

`python -m benchmarks.promises.deterministic --count 10000`.
"""

from __future__ import annotations

import json
import os
import tempfile
from hashlib import blake2b
from pathlib import Path

from benchmarks.promises.samples import child, command, task_texts
from circuitlang.language.program.load import load_text
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import SPLITS

HASH_SEEDS = ("0", "1", "4242")
PROCESSES = 2  # of each hash seed


def measure(count: int, processes: int = PROCESSES) -> tuple[bool, str]:
    """Whether it holds, and the figure."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tasks.json"
        path.write_text(json.dumps(task_texts(count)))
        rows = [
            child("deterministic", path, environment={**os.environ, "PYTHONHASHSEED": seed})
            for seed in HASH_SEEDS
            for _ in range(processes)
        ]
    first = rows[0]
    held = all(row == first for row in rows) and first["tasks"] == count
    return held, (
        f"{first['tasks']:,} tasks x {len(HASH_SEEDS)} hash seeds x {processes} processes: "
        f"{len({row['digest'] for row in rows})} digest of {first['prompts']:,} prompts "
        f"({first['bytes']:,} bytes)\ndigest {first['digest']}"
    )


def work(path: Path) -> dict[str, object]:
    """The digest of the prompts of every task: texts, answers, foils, marks, draws."""
    digest, prompts, size = blake2b(digest_size=16), 0, 0
    texts = json.loads(path.read_text())
    for text in texts:
        generator = Generator(load_text(text).tasks["t"], 0)
        for split in SPLITS:
            datapoint = generator.datapoint(split, 1)
            for prompt in datapoint.prompts:
                row = [
                    prompt.case,
                    prompt.text,
                    prompt.answer,
                    prompt.foils,
                    prompt.marks,
                    dict(prompt.draws),
                ]
                data = json.dumps(row).encode()
                digest.update(data)
                prompts += 1
                size += len(data)
    return {"tasks": len(texts), "prompts": prompts, "bytes": size, "digest": digest.hexdigest()}


if __name__ == "__main__":
    command(__doc__, work, measure, 10_000, "tasks")
