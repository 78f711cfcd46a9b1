"""Folders as Hugging Face's libraries write them: our exports, and GPT-2's shape in the authors' terms."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes

from circuitlang.model.checkpoint import PROBE, Checkpoint, Probe, probe_tokens
from circuitlang.model.config import Config
from circuitlang.model.interop import authors, huggingface
from circuitlang.model.interop.authors import refuse
from circuitlang.model.locate import CARD, TOKENS
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_whole

CONFIG, WEIGHTS, BESIDES = "config.json", "model.safetensors", "circuitlang.safetensors"
"""BESIDES holds what the layout has no place for: the text that means are taken over, and a probe."""
INDEX, PICKLE = "model.safetensors.index.json", "pytorch_model.bin"
"""Of weights in several files, the table of which tensor is where; and what older folders have, which can hold code."""
OURS = "circuitlang"
OWN = "circuitlang"
"""The key of `config.json` under which our own sizes are."""
MASKS = (".attn.bias", ".attn.masked_bias")

_ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
}
_NEEDED = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
_ONLY: dict[str, Any] = {  # what is read of keys that change what is computed
    "model_type": "gpt2",
    "layer_norm_epsilon": authors.LAYER_EPSILON,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "pruned_heads": {},
    "quantization_config": None,
}
_READ = (*_NEEDED, *_ONLY, "n_inner", "activation_function", "tie_word_embeddings", "n_ctx")
_WITHOUT_EFFECT = """
    _attn_implementation_autoset _name_or_path _num_labels architectures attn_pdrop bad_words_ids
    begin_suppress_tokens bos_token_id chunk_size_feed_forward cross_attention_hidden_size
    decoder_start_token_id diversity_penalty do_sample dtype early_stopping embd_pdrop
    encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task
    forced_bos_token_id forced_eos_token_id gradient_checkpointing id2label initializer_range label2id
    length_penalty max_length min_length n_special no_repeat_ngram_size num_beam_groups num_beams
    num_labels num_return_sequences output_attentions output_hidden_states output_past output_scores
    pad_token_id predict_special_tokens prefix problem_type remove_invalid_values
    reorder_and_upcast_attn repetition_penalty resid_pdrop return_dict return_dict_in_generate
    sep_token_id summary_activation summary_first_dropout summary_proj_to_labels summary_type
    summary_use_proj suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder
    tokenizer_class top_k top_p torch_dtype torchscript transformers_version typical_p use_bfloat16
    use_cache
    """.split()  # noqa: SIM905 - seventy lines otherwise
"""Keys of the library's own, of training and of generation: none changes the logits of a finished model."""


def settled(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A GPT-2's config in the words of the authors', whose layout is GPT-2's but for names. CommandError that names
    the key and its value where it is unknown or asks for what our model cannot be."""
    if raw.get("model_type") != "gpt2":
        refuse("model_type", raw, f"only `gpt2` and `{OURS}` are read")
    for key in raw:
        if key not in _READ and key not in _WITHOUT_EFFECT and raw[key] is not None:
            refuse(key, raw, "this key is not known, so what it does to the model is not, either")
    for key, value in _ONLY.items():
        if raw.get(key, value) != value:
            refuse(key, raw, f"only {value!r} is read")
    for key in (*_NEEDED, *(["n_inner"] if raw.get("n_inner") is not None else [])):
        if type(raw.get(key)) is not int or not 0 < raw[key] < 2**31:
            refuse(key, raw, "it must be a whole number of at least 1")
    if raw["n_embd"] % raw["n_head"]:
        refuse("n_head", raw, f"so many heads do not divide `n_embd`, {raw['n_embd']}")
    if raw.get("n_ctx", raw["n_positions"]) != raw["n_positions"]:
        refuse("n_ctx", raw, f"it must be `n_positions`, {raw['n_positions']}")
    activation = raw.get("activation_function", "gelu_new")
    if activation not in _ACTIVATIONS:
        refuse("activation_function", raw, f"only {', '.join(_ACTIVATIONS)} are read")
    if type(tied := raw.get("tie_word_embeddings", True)) is not bool:
        refuse("tie_word_embeddings", raw, "it must be true or false")
    found = authors.settled(
        {
            "block_size": raw["n_positions"],
            "vocab_size": raw["vocab_size"],
            "n_layer": raw["n_layer"],
            "n_head": raw["n_head"],
            "d_model": raw["n_embd"],
            "d_mlp": raw.get("n_inner"),
            "tied_unembed": tied,
        },
    )
    return {**found, "activation_type": _ACTIVATIONS[activation]}


def authors_name(name: str) -> str | None:
    """A GPT-2's tensor in the authors' layout; None for the masks of attention, which are no weights."""
    if name.endswith(MASKS):
        return None
    return name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"


WORDS = authors.Words(
    "tie_word_embeddings", lambda name: name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))
)


def own_config(raw: Mapping[str, Any]) -> Config:
    """The sizes of an exported model."""
    try:
        return Config.from_json(raw[OWN])
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(f"{CONFIG}: its `{OWN}` cannot be read: {error}") from error


def least_parameters(config: Config) -> int:
    """Of matrices alone."""
    layer = math.prod((config.width, config.width)) + 3 * config.read_width * config.width
    layer += (config.read_width + config.width) * config.hidden
    return 2 * config.vocabulary * config.width + config.layers * layer


def export_config(config: Config, end: int, probe_is_kept: bool) -> dict[str, Any]:
    """`config.json` of an export: the usual names for whoever reads those, and all that our model is."""
    return {
        "architectures": ["CircuitlangTransformer"],
        "model_type": OURS,
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "head_dim": config.head_width,
        "max_position_embeddings": config.context,
        "hidden_act": config.nonlinearity,
        "tie_word_embeddings": False,
        "bos_token_id": end,
        "eos_token_id": end,
        "dtype": "float32",
        OWN: config.to_json(),
        "probe_is_kept": probe_is_kept,
    }


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
