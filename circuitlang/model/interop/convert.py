"""The process in which somebody else's weights are read, and the only place where a pickle is: tensors, never code.

`python -m circuitlang.model.interop.convert JOB`, where JOB is a JSON file. Prints a JSON object: `error`, a sentence,
where it did not go; a circuit's data where one was asked for.
"""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from circuitlang.model import checkpoint
from circuitlang.model.checkpoint import Probe, disagreement, probe_tokens
from circuitlang.model.config import Config
from circuitlang.model.interop import authors, authors_forward, huggingface
from circuitlang.model.interop.inspect_folder import parts
from circuitlang.model.training.sparsity import count_nonzeros
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import load_tokenizer
from circuitlang.source.diagnostic import CommandError

_FRACTIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_BESIDE = 2**29
"""Bytes that a conversion may take beside what the weights need."""


def read_pickle(path: Path) -> object:
    """What `torch.save` wrote, without running any code of it. CommandError where that does not go. What is in it may
    still be anything: `require_plain` comes before every use of a tensor."""
    require_no_bomb(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = str(error).partition("Unsupported ")[2].partition("\n")[0]
        raise CommandError(
            f"{path} asks for more than tensors and plain data{f' ({why})' if why else ''}; "
            "such a file can run any code when it is read, so it is not"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds for what is not its format
        raise CommandError(f"cannot read {path}: {str(error).partition(chr(10))[0]}") from error


def require_no_bomb(path: Path) -> None:
    """CommandError where an archive would unpack to more than it is: torch stores without compressing."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise CommandError(f"cannot read {path}: {error}") from error
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CommandError(f"{path} is compressed, which torch.save never does; it is not read")


def require_plain(path: Path, name: object, tensor: Tensor, types: Sequence[torch.dtype]) -> None:
    """CommandError for a tensor that is not numbers lying in memory, all of them in the file: a sparse one may have
    indices outside its shape, an expanded one a few bytes for billions of numbers. No content is touched."""
    if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided or tensor.is_nested:
        what = str(tensor.layout).removeprefix("torch.")
        raise CommandError(
            f"{path}: {name} is stored as `{what}`; only dense tensors are read (`to_dense()`)"
        )
    if tensor.dtype not in types:
        wanted = "numbers with a fraction" if types is _FRACTIONS else "whole numbers"
        raise CommandError(f"{path}: {name} holds {tensor.dtype}, not {wanted}")
    if tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_conj() or tensor.is_neg():
        raise CommandError(f"{path}: {name} has no numbers of its own")
    if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
        raise CommandError(f"{path}: {name} has {tensor.numel():,} numbers, and fewer are stored")


def authors_state(path: Path, found: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of `final_model.pt` as float32, each of the shape that the config asks for, finite, none missing and
    none besides."""
    read = read_pickle(path)
    if not isinstance(read, Mapping) or not all(isinstance(t, Tensor) for t in read.values()):
        raise CommandError(f"{path} is not a table of tensors by name")
    return settled_state(path, read, found)


def settled_state(
    path: Path, state: Mapping[str, Tensor], found: Mapping[str, Any], words: authors.Words = authors.WORDS
) -> dict[str, Tensor]:
    """words: what the file's layout calls the same things."""
    must, may = (
        {name: shape[::-1] if words.is_turned(name) else shape for name, shape in shapes.items()}
        for shapes in authors.shapes(found)
    )
    checked(path, {name: tuple(t.shape) for name, t in state.items()}, must, may)
    settled = {
        name: dense.T.contiguous() if words.is_turned(name) else dense
        for name, tensor in state.items()
        if not name.endswith(authors.MASK)
        for dense in [finite(path, name, tensor)]
    }
    tied = settled["transformer.wte.weight"]
    if found["tied_unembed"] and not torch.equal(settled.get("lm_head.weight", tied), tied):
        raise CommandError(
            f"the config has `{words.tied}` = true, and {path.name} has a lm_head.weight that is not "
            "transformer.wte.weight"
        )
    return settled


def checked(
    path: Path,
    there: Mapping[str, tuple[int, ...]],
    must: Mapping[str, tuple[int, ...]],
    may: Mapping[str, tuple[int, ...]],
) -> None:
    """CommandError that names tensors which are missing, unknown or of another shape."""
    known = {**may, **must}
    for what, names in (("no", must.keys() - there.keys()), ("an unknown", there.keys() - known.keys())):
        if names:
            first = sorted(map(str, names))
            more = f" and {len(first) - 3} more" if len(first) > 3 else ""
            raise CommandError(
                f"{path} has {what} tensor {', '.join(first[:3])}{more}: not what its config says"
            )
    for name, shape in there.items():
        if shape != known[name]:
            sizes = [" x ".join(map(str, each)) or "1 number" for each in (shape, known[name])]
            raise CommandError(f"{path}: {name} is {sizes[0]}, its config says {sizes[1]}")


def finite(path: Path, name: str, tensor: Tensor) -> Tensor:
    require_plain(path, name, tensor, _FRACTIONS)
    dense = tensor.detach().float()
    if not torch.isfinite(dense).all():
        raise CommandError(f"{path}: {name} has values that are not finite numbers")
    return dense


@torch.no_grad()
def from_authors(found: Mapping[str, Any], state: Mapping[str, Tensor]) -> Transformer:
    """Our model of the authors' tensors: the same numbers under other names; biases that are not there are 0."""
    config = authors.to_config(found)
    if config.positions == "added" and not state["transformer.wpe.weight"].any():
        config = replace(config, positions="none")
    shift = state.get("final_logits_bias")
    config = replace(config, shift=shift is not None and bool(shift.any()))
    embed = state["transformer.wte.weight"]
    ours = {"embed": embed, "unembed": state.get("lm_head.weight", embed)}
    ours |= _norm("norm", "transformer.ln_f", config, state)
    if config.positions != "none":
        ours["position"] = state["transformer.wpe.weight"]
    if config.bigram:
        ours["bigram"] = state["bigram_table"]
    if config.shift and shift is not None:
        ours["shift"] = shift
    for layer in range(config.layers):
        ours |= _layer(layer, config, state)
    model = Transformer(config)
    model.load_state_dict(ours, strict=True)
    return model.eval().requires_grad_(False)


def _layer(layer: int, config: Config, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    at, attention, mlp = f"transformer.h.{layer}", f"attention.{layer}", f"mlp.{layer}"
    ours = _norm(f"{attention}.norm", f"{at}.ln_1", config, state)
    ours |= _norm(f"{mlp}.norm", f"{at}.ln_2", config, state)
    if config.positions == "concatenated":
        ours |= _norm(f"{attention}.position_norm", f"{at}.ln_p1", config, state)
        ours |= _norm(f"{mlp}.position_norm", f"{at}.ln_p2", config, state)
    for name, theirs in {"out": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}.items():
        part = attention if name == "out" else mlp
        weight = state[f"{at}.{theirs}.weight"]
        ours[f"{part}.{name}.weight"] = weight
        ours[f"{part}.{name}.bias"] = state.get(f"{at}.{theirs}.bias", weight.new_zeros(len(weight)))
    weight = state[f"{at}.attn.c_attn.weight"]
    bias = state.get(f"{at}.attn.c_attn.bias", weight.new_zeros(len(weight)))
    for name, w, b in zip(("query", "key", "value"), weight.chunk(3), bias.chunk(3), strict=True):
        ours |= {f"{attention}.{name}.weight": w, f"{attention}.{name}.bias": b}
    if config.sink:
        ours[f"{attention}.sink"] = state[f"{at}.attn.attn_imp.sink_logit"]
    return ours


def _norm(ours: str, theirs: str, config: Config, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    gain = state[f"{theirs}.weight"]
    if config.norm == "rms":
        return {f"{ours}.weight": gain}
    return {f"{ours}.weight": gain, f"{ours}.bias": state.get(f"{theirs}.bias", torch.zeros_like(gain))}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file. One that shares another's numbers is stored once, and named in the metadata."""
    try:
        with safe_open(path, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            shared = {key: state[to] for key, to in (file.metadata() or {}).items() if to in state}
    except (SafetensorError, OSError, ValueError) as error:
        raise CommandError(f"cannot read {path}: {error}") from error
    return {**shared, **state}


def gpt2_state(path: Path, found: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a GPT-2, under the authors' names and turned as theirs are."""
    state: dict[str, Tensor] = {}
    for part in parts(path):
        for name, tensor in read_safetensors(part).items():
            theirs = huggingface.authors_name(name)
            if theirs in state:
                raise CommandError(f"{path}: {name} is in two files")
            if theirs is not None:
                state[theirs] = tensor
    return settled_state(path, state, found, huggingface.WORDS)


def from_ours(path: Path, raw: Mapping[str, Any]) -> Transformer:
    """An exported model."""
    config = Config.from_json(dict(raw))
    with torch.device("meta"):
        must = {name: tuple(t.shape) for name, t in Transformer(config).state_dict().items()}
    state = read_safetensors(path)
    checked(path, {name: tuple(t.shape) for name, t in state.items()}, must, {})
    model = Transformer(config)
    model.load_state_dict({name: finite(path, name, t) for name, t in state.items()}, strict=True)
    return model.eval().requires_grad_(False)


def besides(path: Path, config: Config) -> tuple[Tensor, Probe]:
    """The text and the probe of an exported model."""
    stored = read_safetensors(path)
    try:
        reference = checkpoint.rows_of_ids(stored.pop("reference"), config.vocabulary)
        probe = checkpoint.take_probe(stored, config)
        if probe is None or stored:
            raise ValueError("it must have `reference`, `probe.tokens` and `probe.logits`")
    except (LookupError, ValueError) as error:
        raise CommandError(f"{path} is damaged: {error}") from error
    return reference, probe


def read_circuit(path: Path) -> dict[str, Any]:
    """What a `viz_data.pt` says of a circuit, as plain data: location -> kept indices; location -> loss without each of
    them; the circuit's loss; the model's sizes and how many nodes it has, where they are there."""
    read = read_pickle(path)
    try:
        if not isinstance(read, Mapping):
            raise TypeError("it is no table")
        importances = read.get("importances", {})
        kept = {k: v for k, v in read["circuit_data"].items() if k != "prune_config"}
        without = importances.get("ch_interv_losses", {})
        loss, nodes = importances.get("interv_loss"), read.get("num_total_nodes")
        if sum(map(len, (*kept.values(), *without.values()))) > path.stat().st_size:
            raise ValueError("it names more numbers than it holds")
        found = {
            "kept": {str(name): _row(path, name, values, _WHOLE) for name, values in kept.items()},
            "without": {str(name): _row(path, name, values, _FRACTIONS) for name, values in without.items()},
            "loss": None if loss is None else _number(path, "interv_loss", loss, _FRACTIONS),
            "config": {
                str(key): value
                for key, value in importances.get("beeg_model_config", {}).items()
                if type(value) in (int, float, str, bool)
            },
            "nodes": None if nodes is None else _number(path, "num_total_nodes", nodes, _WHOLE),
        }
        json.dumps(found, allow_nan=False)
        return found
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(f"{path} holds no circuit in the authors' layout: {error}") from error


def _row(path: Path, name: object, values: object, types: Sequence[torch.dtype]) -> list[float]:
    """A tensor of one axis, or a list of numbers."""
    if isinstance(values, Tensor):
        require_plain(path, name, values, types)
        if values.ndim != 1:
            raise TypeError(f"{name!r} has {values.ndim} axes in place of one")
        return values.tolist()
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name!r} has no row of numbers")
    return [_number(path, name, value, types) for value in values]


def _number(path: Path, name: object, value: object, types: Sequence[torch.dtype]) -> float:
    if isinstance(value, Tensor):
        require_plain(path, name, value, types)
        if value.ndim:
            raise TypeError(f"{name!r} is no single number")
        return value.item()
    if type(value) is not int and not (type(value) is float and types is _FRACTIONS):
        wanted = "number" if types is _FRACTIONS else "whole number"
        raise TypeError(f"{name!r} has {type(value).__name__} where a {wanted} must be")
    return float(value) if types is _FRACTIONS else value


def convert(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the job asks for: a circuit's plain data, or a model, which is written."""
    if job["kind"] == "circuit":
        return read_circuit(Path(job["weights"]))
    convert_model(job)
    return {}


def convert_model(job: Mapping[str, Any]) -> None:
    """Weights and tokenizer to a folder of ours, read back and compared with the plain formulas, or for an exported
    model with what it computed when it was exported."""
    weights, folder, found = Path(job["weights"]), Path(job["folder"]), job["config"]
    tokenizer = load_tokenizer(Path(job["tokenizer"]))
    if job["kind"] == "ours":
        model = from_ours(weights, found)
        reference, probe = besides(weights.with_name(huggingface.BESIDES), model.config)
        if apart := disagreement(model, probe):
            raise CommandError(f"{weights} is not the model that was exported: {apart}")
        kept = probe if job["card"]["imported"]["config"].get("probe_is_kept") else None
        checkpoint.save(folder, model, tokenizer, reference, job["card"], kept)
        return
    state = (gpt2_state if job["kind"] == "gpt2" else authors_state)(weights, found)
    model, reference = from_authors(found, state), torch.tensor(job["reference"])
    tokens = probe_tokens(reference, model.config.context)
    probe = Probe(tokens, authors_forward.authors_logits(found, state, tokens)[:, -1])
    del state
    checkpoint.save(folder, model, tokenizer, reference, {**job["card"], **sizes(model)}, probe)
    checkpoint.load(folder, "import")


def sizes(model: Transformer) -> dict[str, Any]:
    """What a card says of how much of a model is not zero."""
    nonzeros = count_nonzeros(model)
    total = {key: sum(counts[i] for counts in nonzeros.values()) for i, key in enumerate(("nonzero", "all"))}
    return {"parameters": total, "nonzeros": {name: list(counts) for name, counts in nonzeros.items()}}


def main(path: str) -> None:
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    _bound_memory(job["memory"] + _BESIDE)
    try:
        found = convert(job)
    except CommandError as error:
        found = {"error": str(error)}
    except (MemoryError, RuntimeError) as error:  # torch raises the second for the first
        if "memory" not in str(error) and not isinstance(error, MemoryError):
            raise
        found = {
            "error": f"{job['weights']} takes more memory than a file of its kind should, or than there is"
        }
    sys.stdout.write(json.dumps(found))


def _bound_memory(more: int) -> None:
    """Lets this process take so many bytes more than it has, where the system can; more is refused."""
    if sys.platform != "linux":
        return
    import resource

    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    bound = int(status["VmData"].split()[0]) * 1024 + more
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or bound < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))


if __name__ == "__main__":
    main(sys.argv[1])
