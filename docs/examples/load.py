"""Read a program, or all that is wrong with it."""

import tempfile
from pathlib import Path

import circuitlang as cl

program = cl.load("specs/bracket_depth.cir")
spec = program.specs["bracket_depth"]
print(spec.name, "on", spec.task.name, "with", [claim.name for claim in spec.claims])

with tempfile.TemporaryDirectory() as folder:
    wrong = Path(folder, "wrong.cir")
    wrong.write_text('task t { prompt "a{b}" case one answer "x" case one answer "y" }')
    try:
        cl.load(wrong)
    except cl.ProgramError as error:
        for found in error.diagnostics:
            print(found.code, found.message)
