"""`models export`: one of our models to a folder as Hugging Face's libraries lay it out: safetensors, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes

from circuitlang.model.checkpoint import PROBE, Checkpoint
from circuitlang.model.interop import huggingface
from circuitlang.model.locate import CARD, TOKENS
from circuitlang.model.probe import Probe, probe_tokens
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_whole


@torch.no_grad()
def export(found: Checkpoint, out: Path) -> tuple[str, ...]:
    """Writes the folder; returns the names of its files. What `import` reads back has the same bits."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandError(f"{out} is there already and is no empty folder")
    model, config = found.model.cpu(), found.model.config
    reference = found.reference.cpu()
    probe = found.probe
    if probe is None:
        tokens = probe_tokens(reference, config.context)
        last = torch.full((len(tokens),), tokens.shape[1] - 1)
        probe = Probe(tokens, model(tokens, at=last))
    besides = {"reference": reference.to(torch.uint16)}
    besides |= dict(zip(PROBE, (probe.tokens.to(torch.uint16), probe.logits.contiguous()), strict=True))
    settings = huggingface.export_config(config, found.tokenizer.end, found.probe is not None)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    files: dict[str, str | bytes] = {
        TOKENS: found.tokenizer.to_json(),
        CARD: json.dumps(dict(found.card), indent=1, ensure_ascii=False) + "\n",
        huggingface.BESIDES: to_bytes(besides),
        huggingface.WEIGHTS: to_bytes(state, {"format": "pt"}),
        huggingface.CONFIG: json.dumps(settings, indent=1) + "\n",
    }
    for name, content in files.items():
        write_whole(out / name, content)
    return tuple(sorted(files))
