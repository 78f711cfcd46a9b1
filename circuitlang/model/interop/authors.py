"""The authors' layout (Gao et al. 2025): `beeg_config.json` to our sizes, and what `final_model.pt` must have in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from circuitlang.model.config import Config
from circuitlang.site import PRUNED_PLACES, Site
from circuitlang.source.diagnostic import CommandError

CONFIG, WEIGHTS = "beeg_config.json", "final_model.pt"
TOKENIZER = "tinypython_2k"
MASK = ".attn.bias"
"""The causal mask, which models without the fast attention kernel carry; not a weight."""
RMS_EPSILON, LAYER_EPSILON = 2.0**-23, 1e-5  # float32's own step is what torch takes where none is given


class Words(NamedTuple):
    """Where layouts that are read in the authors' terms differ from them. tied: the key of shared tables."""

    tied: str
    is_turned: Callable[[str], bool]  # whether a matrix of this name is stored as (in, out)


WORDS = Words("tied_unembed", lambda name: False)

_WHOLE = ("block_size", "vocab_size", "n_layer", "n_head", "d_model", "d_head", "d_mlp", "d_pos_emb")
_DEFAULTS: dict[str, Any] = {
    "block_size": 1024,
    "vocab_size": 50304,
    "n_layer": 12,
    "n_head": 12,
    "d_head": None,
    "d_model": 768,
    "bias": True,
    "ln_bias": True,
    "rms_norm": False,
    "residual_activation_type": "identity",
    "activation_type": "gelu",
    "afrac": None,
    "afrac_loctypes": "attn_in,attn_out,mlp_in,mlp_out",
    "tied_unembed": True,
    "tokenizer_name": TOKENIZER,
    "d_mlp": None,
    "enable_bigram_table": False,
    "d_pos_emb": None,
    "sink": False,
}
_WITHOUT_EFFECT = (  # on what a finished model computes
    "dropout",
    "debug_nans",
    "grad_checkpointing",
    "learnable_bigram_table",
    "dropout_cat_pos_emb",
    "sinusoidal_cat_pos_emb",  # the table of sines is among the tensors
    "enable_sparse_kernels",
    "flash",
)
_PLACES = {str(place.setting): place for place in PRUNED_PLACES}


def settled(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Every key that has an effect, with the older spellings and the defaults of the authors' code put in.

    Raises CommandError that names the key and its value where it is unknown, or asks for what our model cannot be.
    """
    given = dict(raw)
    if "n_mlp" in given:
        if "d_mlp" in given:
            raise CommandError("the config has `n_mlp` and `d_mlp`, which are two names of one key")
        given["d_mlp"] = given.pop("n_mlp")
    if given.pop("use_tied_aux_matrix", None) not in (None, False):
        refuse("use_tied_aux_matrix", raw, "only false is read")
    for key in given:
        if key not in _DEFAULTS and key not in _WITHOUT_EFFECT and given[key] is not None:
            refuse(key, given, "this key is not known, so what it does to the model is not, either")
    found = {key: given.get(key, default) for key, default in _DEFAULTS.items()}
    for key, value in found.items():
        optional = _DEFAULTS[key] is None
        if key in _WHOLE:
            fits = type(value) is int and 0 < value < 2**31
        elif key == "afrac":
            fits = type(value) in (int, float) and 0 < value <= 1
        else:
            fits = type(value) is type(_DEFAULTS[key])
        if not fits and not (optional and value is None):
            refuse(key, found, "that is not a value it can have")
    if found["d_mlp"] is None:
        found["d_mlp"] = 4 * found["d_model"]
    if found["d_head"] is None:
        found["d_head"] = found["d_model"] // found["n_head"]
    _supported(found)
    return found


def _supported(found: Mapping[str, Any]) -> None:
    if found["d_head"] * found["n_head"] != found["d_model"]:
        refuse(
            "d_head",
            found,
            f"{found['n_head']} heads of it must make `d_model`, {found['d_model']}, for heads here "
            "divide the width among them",
        )
    if found["residual_activation_type"] != "identity":
        refuse(
            "residual_activation_type", found, "only `identity` is read: the residual stream must be a sum"
        )
    if found["activation_type"] not in ("gelu", "relu"):
        refuse("activation_type", found, "only `gelu` and `relu` are read")
    if found["tokenizer_name"] != TOKENIZER:
        refuse("tokenizer_name", found, f"only `{TOKENIZER}` is read")
    if found["afrac"] is None:
        return
    for name in found["afrac_loctypes"].split(","):
        if name not in _PLACES:
            refuse("afrac_loctypes", found, f"`{name}` is none of {', '.join(_PLACES)}")
        width = to_config(found).size(Site(0, _PLACES[name]))
        if int(found["afrac"] * width) < 1:
            refuse("afrac", found, f"that keeps none of the {width} values at {name}")


def refuse(key: str, values: Mapping[str, Any], why: str) -> None:
    """Raises CommandError: what a config has that cannot be read."""
    raise CommandError(f"the config has `{key}` = {values.get(key)!r}: {why}")


def to_config(found: Mapping[str, Any]) -> Config:
    """Our sizes. Positions and the logits' shift are taken as there; the tensors say whether they are zero."""
    beside = found["d_pos_emb"]
    names = found["afrac_loctypes"].split(",") if found["afrac"] is not None else ()
    at = {_PLACES[name] for name in names if name in _PLACES}
    return Config(
        layers=found["n_layer"],
        width=found["d_model"],
        heads=found["n_head"],
        context=found["block_size"],
        hidden=found["d_mlp"],
        vocabulary=found["vocab_size"],
        activations=1.0 if found["afrac"] is None else float(found["afrac"]),
        sink=found["sink"],
        bigram=found["enable_bigram_table"],
        epsilon=RMS_EPSILON if found["rms_norm"] else LAYER_EPSILON,
        norm="rms" if found["rms_norm"] else "layer",
        nonlinearity=found["activation_type"],
        positions="added" if beside is None else "concatenated",
        position_width=beside or 0,
        activations_at=tuple(p for p in PRUNED_PLACES if p in at) if names else PRUNED_PLACES,
        shift=True,
    )


def parameters(found: Mapping[str, Any]) -> int:
    """How many numbers there must be, without a table of all tensors: a config may say a million layers."""
    none, one = (
        sum(math.prod(shape) for shape in shapes({**found, "n_layer": layers})[0].values())
        for layers in (0, 1)
    )
    return none + found["n_layer"] * (one - none)


def shapes(found: Mapping[str, Any]) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Name -> shape of every tensor that must be there, and of those that may be."""
    width, hidden, vocabulary = found["d_model"], found["d_mlp"], found["vocab_size"]
    beside, context = found["d_pos_emb"], found["block_size"]
    read = width + (beside or 0)
    must: dict[str, tuple[int, ...]] = {
        "transformer.wte.weight": (vocabulary, width),
        "transformer.wpe.weight": (context, beside or width),
        "lm_head.weight": (vocabulary, width),
    }
    may: dict[str, tuple[int, ...]] = {"final_logits_bias": (vocabulary,)}
    norms = {"transformer.ln_f": width}
    for layer in range(found["n_layer"]):
        at = f"transformer.h.{layer}"
        norms |= {f"{at}.ln_1": width, f"{at}.ln_2": width}
        if beside is not None:
            norms |= {f"{at}.ln_p1": beside, f"{at}.ln_p2": beside}
        for name, (rows, columns) in {
            "attn.c_attn": (3 * width, read),
            "attn.c_proj": (width, width),
            "mlp.c_fc": (hidden, read),
            "mlp.c_proj": (width, hidden),
        }.items():
            must[f"{at}.{name}.weight"] = (rows, columns)
            if found["bias"]:
                must[f"{at}.{name}.bias"] = (rows,)
        if found["sink"]:
            must[f"{at}.attn.attn_imp.sink_logit"] = (found["n_head"],)
        may[at + MASK] = (1, 1, context, context)
    for name, size in norms.items():
        must[f"{name}.weight"] = (size,)
        if not found["rms_norm"] and found["ln_bias"]:
            must[f"{name}.bias"] = (size,)
    if found["enable_bigram_table"]:
        must["bigram_table"] = (vocabulary, vocabulary)
    if found["tied_unembed"]:
        may["lm_head.weight"] = must.pop("lm_head.weight")
    return must, may
