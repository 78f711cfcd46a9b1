"""A file of results -> the circuit that it holds, in another tool's format."""

from __future__ import annotations

import json
from pathlib import Path

from circuitlang.report.circuit import FORMATS, Circuit
from circuitlang.report.report import Report
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text


def export(
    path: Path,
    form: str,
    seed: int | None = None,
    prompt: str | None = None,
    answer: str | None = None,
    model: str | None = None,
) -> str:
    """The circuit of `read_circuit` as one of `FORMATS`. `prompt`: for Neuronpedia, the text that it is shown on, with
    the values of `model` (by default the report's)."""
    if form not in FORMATS:
        raise CommandError(f"there is no format `{form}`; there are: {', '.join(FORMATS)}")
    circuit = read_circuit(path, seed)
    if prompt is None:
        if answer is not None or model is not None:
            raise CommandError("--answer and --model say how a --prompt is shown; there is none")
        return circuit.text(form)
    if form != "neuronpedia":
        raise CommandError(f"--prompt is for `neuronpedia`; `{form}` shows a circuit on no prompt")
    name = model or circuit.model
    if not name:
        raise CommandError(f"{path} does not say which model the circuit is of; say it with --model")
    from circuitlang.interfaces.api.verbs import load_model

    return json.dumps(circuit.to_neuronpedia(load_model(name).see(circuit, prompt, answer)), indent=1) + "\n"


def read_circuit(path: Path, seed: int | None = None) -> Circuit:
    """The circuit of a `report.json`, of a `circuit.json`, of an export as GraphML or for Neuronpedia, or of a folder
    that holds one of the first two; of several seeds the first unless told. CommandError, in one
    sentence, where there is none."""
    if path.is_dir():
        inside = [path / name for name in ("report.json", "circuit.json") if (path / name).is_file()]
        if not inside:
            raise CommandError(f"{path}: there is neither report.json nor circuit.json in this folder")
        path = inside[0]
    try:
        text = read_text(path)
        if path.suffix == ".graphml":
            found = (Circuit.from_graphml(text),)
        elif isinstance(data := json.loads(text), dict) and "verdict" in data:
            found = Report.from_json(text).circuits
        else:
            found = (Circuit.from_json(text),)
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"cannot read a circuit from {path}: {reason_of(error)}") from error
    if not found:
        raise CommandError(f"{path}: the report has no circuit, as nothing was pruned")
    if seed is None:
        return found[0]
    for circuit in found:
        if circuit.seed == seed:
            return circuit
    seeds = ", ".join(str(circuit.seed) for circuit in found)
    raise CommandError(f"{path}: there is no circuit of seed {seed}; there are those of: {seeds}")
