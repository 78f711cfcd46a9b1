"""`train FILE BRIDGE`: a bridge block to a bridge's folder: the bridge, its control, its card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitlang.checking.bench import choose_device
from circuitlang.checking.job import SPARSE
from circuitlang.language.files import choose
from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.load import load, project_root
from circuitlang.model.locate import CARD, TRAINED, locate
from circuitlang.model.training.machine import Machine
from circuitlang.source.progress import Told
from circuitlang.source.visible import visible
from circuitlang.storage.atomic import write_whole
from circuitlang.studies.training import stepping

if TYPE_CHECKING:
    from torch import Tensor

    from circuitlang.model.bridge_maps import Bridge as Maps
    from circuitlang.model.bridge_maps import Joined


def chosen(path: Path, name: str | None) -> Bridge | None:
    """The bridge that `train` is asked for; None where it is a model, or nothing that the file has."""
    program = load(path)
    if name is None:
        return (
            choose(program.bridges, None, "bridge", path) if program.bridges and not program.recipes else None
        )
    return program.bridges.get(name) if name not in program.recipes else None


def train_bridge(
    path: Path,
    bridge: Bridge,
    out: Path | None,
    device_name: str,
    told: Told,
    machine: Machine = Machine(),  # noqa: B008
) -> Mapping[str, Any]:
    """Trains a bridge, then its control on shuffled pairs; continues where an earlier run stopped. Its card.

    Working files lie in models/NAME/work of the project, the bridge in `out` (by default models/NAME). CommandError
    where a model is not there, or the two cannot be joined.
    """
    from circuitlang.model import bridge_maps as maps
    from circuitlang.model import checkpoint
    from circuitlang.model.training import data
    from circuitlang.model.training.card import reference_text
    from circuitlang.model.training.train_bridge import data_recipe
    from circuitlang.model.training.train_bridge import train_bridge as run

    root = project_root(path)
    home = root / TRAINED / bridge.name
    out, work, device = out or home, home / "work", choose_device(device_name)
    folders = (
        locate(bridge.dense, root, bridge.dense_recipe is not None),
        locate(bridge.sparse, root, bridge.sparse_recipe is not None),
    )
    dense, sparse = (
        checkpoint.load(folder, name, device)
        for folder, name in zip(folders, (bridge.dense, bridge.sparse), strict=True)
    )
    maps.require_fit(dense, sparse)
    recipe = data_recipe(bridge, sparse)
    stream = data.prepare(recipe, root, work, told, sparse.tokenizer)
    reference = reference_text(recipe, stream).to(device)
    step = stepping(told)
    found = run(bridge, dense, sparse, stream, reference, work / "state.safetensors", step, None, machine)
    if bridge.training.joint:
        checkpoint.save(
            out / SPARSE, found.sparse, sparse.tokenizer, sparse.reference.cpu(), {"name": bridge.name}
        )
        sparse = checkpoint.load(out / SPARSE, bridge.sparse, device)
    joins = (dense.digest, sparse.digest)
    state = work / "shuffled.state.safetensors"
    control = run(bridge, dense, sparse, stream, reference, state, step, None, machine, shuffled=True)
    joined = maps.Joined(dense.model, sparse.model)
    facts = {
        "name": bridge.name,
        "doc": bridge.doc,
        "bridge": bridge.text,
        "dense": {"model": bridge.dense, "digest": dense.digest},
        "sparse": {"model": bridge.sparse, "digest": sparse.digest, "trained with it": bridge.training.joint},
        "data": stream.digest,
        "tokens": bridge.training.tokens,
        "hours": round(found.seconds / 3600, 3),
        "hours of the control": round(control.seconds / 3600, 3),
        **_losses(joined, reference),
        "sites": _qualities(found.bridge, joined, reference),
        "sites of the control": _qualities(control.bridge, joined, reference),
        "curve": found.curve,
    }
    maps.save_bridge(out / maps.SHUFFLED, control.bridge, joins, reference)
    maps.save_bridge(out / maps.BRIDGE, found.bridge, joins, reference)
    write_whole(out / CARD, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return facts


def _losses(joined: Joined, reference: Tensor) -> dict[str, float]:
    """Of the two models, nats per token of the reference text."""
    import torch

    from circuitlang.model.training.train import next_token_loss

    with torch.no_grad():
        return {
            f"loss of the {name} model": round(float(next_token_loss(model, reference, torch.float32)), 4)
            for name, model in (("dense", joined.dense), ("sparse", joined.sparse))
        }


def _qualities(bridge: Maps, joined: Joined, reference: Tensor) -> dict[str, dict[str, float]]:
    """Site -> its numbers, each a mean over the reference text's tokens."""
    from circuitlang.model.bridge_maps import measured_over, site_name

    found = measured_over(bridge, joined, reference)
    return {
        site_name(number, joined.dense.config.layers): {
            name: round(float(values.double().mean()), 5) for name, values in each.items()
        }
        for number, each in found.items()
    }


def bridge_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """A bridge's card, as its reader needs it: site by site what is explained, lost and never used."""
    yield f"bridge {visible(card['name'])}: {visible(card['doc'] or '')}"
    yield f"  {visible(card['dense']['model'])} and {visible(card['sparse']['model'])}, {card['tokens']:,} tokens"
    yield f"  {card['hours']:.2f} hours, and {card['hours of the control']:.2f} for the control"
    for name in ("dense", "sparse"):
        yield f"  loss of the {name} model: {card[f'loss of the {name} model']:.3f} nats per token"
    heads = ("explained sparse", "explained dense", "loss to sparse", "loss to dense", "dead")
    yield f"  {'site':<12}" + "".join(f"{head:>18}" for head in heads)
    for site, row in card["sites"].items():
        cells = "".join(f"{row[head.replace(' ', '_')]:>18.3f}" for head in heads)
        yield f"  {site:<12}{cells}"
