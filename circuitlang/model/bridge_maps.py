"""Bridge: linear maps between the residual streams of a dense model and a sparse one (Gao et al. 2025, A.3).

A site is a place of the residual stream in front of a sub-layer, by its number (transformer.Entry), or the end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Transformer, abs_top_k, unchanged
from circuitlang.site import READS, WRITES, Node, Place, Site
from circuitlang.source.diagnostic import CommandError, Unmeasurable
from circuitlang.storage.atomic import write_whole

BRIDGE, SHUFFLED = "bridge.safetensors", "shuffled.safetensors"
"""Files of a bridge's folder: the bridge, and the one trained on pairs of different texts."""
_FORMAT = ("circuitlang-bridge", "1")
Way = Literal["to_sparse", "to_dense"]
"""Which model a computation goes on in."""


@dataclass(frozen=True)
class Joined:
    """The two models that a bridge joins."""

    dense: Transformer
    sparse: Transformer


def sites_of(layers: int, which: str) -> tuple[int, ...]:
    """The numbers of a coupling's sites: `sublayers`, or `layers` alone; and the end."""
    return tuple(range(0, 2 * layers + 1, 1 if which == "sublayers" else 2))


def site_name(number: int, layers: int) -> str:
    """A site by what reads the residual stream there, as `1.mlp_in`; `final` at the end."""
    return "final" if number == 2 * layers else str(Site(number // 2, READS[number % 2]))


def site_number(site: Site) -> int:
    """The inverse, for a read. Raises Unmeasurable for any other site."""
    if site.place not in READS:
        raise Unmeasurable(f"`{site}` does not read the residual stream; {' and '.join(READS)} do")
    return 2 * site.layer + READS.index(site.place)


def streams(model: Transformer, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
    """(batch, position) ids -> logits, and the residual stream by site's number, of the bits that the pass has."""
    found = [model.start(tokens)]

    def adding(site: Site, x: Tensor) -> Tensor:
        if site.place in WRITES:
            found.append(found[-1] + x)
        return x

    return model(tokens, adding), found


class Bridge(nn.Module):
    """An encoder (linear, AbsTopK) and a decoder (linear) per site. Both work in units in which either stream has a
    size of about 1: a power of two, so that going there and back changes no bit.

    dense_rms, sparse_rms (site): root mean square of the streams over reference text; dense_unit, sparse_unit (site):
    the powers of two next to them when the training began. dense_variance, sparse_variance (site): mean squared
    distance from the mean over that text, which errors are held against.
    """

    dense_unit: Tensor
    sparse_unit: Tensor
    dense_rms: Tensor
    sparse_rms: Tensor
    dense_variance: Tensor
    sparse_variance: Tensor

    def __init__(self, dense: int, sparse: int, sites: Sequence[int], activations: float) -> None:
        """dense, sparse: the models' widths; activations: the share of channels that the encoder's AbsTopK keeps."""
        super().__init__()
        self.sites, self.activations = tuple(sites), activations
        self.encoders = nn.ModuleList(nn.Linear(dense, sparse) for _ in self.sites)
        self.decoders = nn.ModuleList(nn.Linear(sparse, dense) for _ in self.sites)
        for name in _MEASURED:
            self.register_buffer(name, torch.ones(len(self.sites)))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """N(0, 1/inputs), biases 0: what goes in with size 1 comes out with about that."""
        for linear in (*self.encoders, *self.decoders):
            assert isinstance(linear, nn.Linear)
            drawn = torch.randn(linear.weight.shape, generator=generator)
            linear.weight.copy_(drawn / math.sqrt(linear.in_features))
            linear.bias.zero_()

    @torch.no_grad()
    def measure(self, joined: Joined, rows: Tensor, units: bool = True) -> None:
        """Takes the streams' sizes from text, (row, position); the units, too, or not those. CommandError where a
        stream is 0, or not a number."""
        for side, model in (("dense", joined.dense), ("sparse", joined.sparse)):
            _, found = streams(model, rows)
            for place, number in enumerate(self.sites):
                flat = found[number].flatten(0, 1).double()
                size = flat.square().mean().sqrt()
                variance = (flat - flat.mean(0)).square().sum(1).mean()
                if not (torch.isfinite(size) and variance > 0):
                    name = site_name(number, model.config.layers)
                    raise CommandError(
                        f"the {side} model's residual stream at {name} is constant, or not a number"
                    )
                getattr(self, f"{side}_rms")[place] = size
                if units:
                    getattr(self, f"{side}_unit")[place] = size.log2().round().exp2()
                getattr(self, f"{side}_variance")[place] = variance

    def place(self, number: int) -> int:
        """Where a site stands among the bridge's. Raises Unmeasurable where the bridge has none there."""
        if number not in self.sites:
            raise Unmeasurable(f"the bridge has no site {number}; it has {', '.join(map(str, self.sites))}")
        return self.sites.index(number)

    def code(self, number: int, h: Tensor) -> Tensor:
        """Dense stream at a site -> the encoder's output in its own unit, (..., sparse channel)."""
        place = self.place(number)
        return abs_top_k(self.encoders[place](h / self.dense_unit[place]), self.activations)

    def encode(self, number: int, h: Tensor) -> Tensor:
        """(..., dense channel) -> (..., sparse channel): the residual stream at a site."""
        return self.code(number, h) * self.sparse_unit[self.place(number)]

    def decode(self, number: int, h: Tensor) -> Tensor:
        """(..., sparse channel) -> (..., dense channel)."""
        place = self.place(number)
        return self.decoders[place](h / self.sparse_unit[place]) * self.dense_unit[place]

    def cross(
        self, way: Way, number: int, joined: Joined, tokens: Tensor, at: Tensor | None = None
    ) -> Tensor:
        """Logits of the one model up to a site and of the other from there on, as `Transformer.forward` gives them."""
        first, then = (joined.dense, joined.sparse) if way == "to_sparse" else (joined.sparse, joined.dense)
        change = self.encode if way == "to_sparse" else self.decode
        self.place(number)
        _, found = streams(first, tokens)
        return then(tokens, unchanged, at, None, (number, change(number, found[number])))

    @torch.no_grad()
    def direction(self, joined: Joined, node: Node) -> Tensor:
        """(dense channel): what a change of 1 of the sparse model's read node is in the dense model's read at the site.

        The decoder's column of that channel, times the streams' ratio of root mean squares, as both are read after
        their norm (A.4); and out of the gain of the one norm into that of the other. Raises Unmeasurable where the node
        is no read, or the sparse model multiplies the channel with 0.
        """
        number = site_number(node.site)
        place, gains = (
            self.place(number),
            [_gain(model, node.site) for model in (joined.sparse, joined.dense)],
        )
        decoder = self.decoders[place]
        assert isinstance(decoder, nn.Linear)
        if node.index >= decoder.in_features:
            raise Unmeasurable(f"`{node}` reads a channel beside the residual stream")
        if not gains[0][node.index]:
            raise Unmeasurable(f"the norm in front of `{node}` multiplies its channel with 0")
        raw = decoder.weight[:, node.index] * (self.dense_unit[place] / self.sparse_unit[place])
        scaled = raw * (self.sparse_rms[place] / self.dense_rms[place])
        return scaled / gains[0][node.index] * gains[1]


_MEASURED = tuple(f"{side}_{what}" for side in ("dense", "sparse") for what in ("rms", "unit", "variance"))


def _gain(model: Transformer, site: Site) -> Tensor:
    part = (model.attention if site.place is Place.ATTN_IN else model.mlp)[site.layer]
    return part.norm.weight.detach()  # pyright: ignore


def require_fit(dense: Checkpoint, sparse: Checkpoint) -> None:
    """CommandError, with all that is wrong, where no bridge can join two models."""
    one, other = dense.model.config, sparse.model.config
    wrong = [
        f"the dense model has {name} = {getattr(one, name)}, the sparse one {getattr(other, name)}"
        for name in ("layers", "vocabulary", "context")
        if getattr(one, name) != getattr(other, name)
    ]
    if dense.tokenizer.digest != sparse.tokenizer.digest:
        wrong.append("their tokenizers differ: a token is not the same text in both")
    if wrong:
        raise CommandError(f"no bridge can join {dense.name} and {sparse.name}: {'; '.join(wrong)}")


@torch.no_grad()
def measured_over(bridge: Bridge, joined: Joined, rows: Tensor) -> dict[int, dict[str, Tensor]]:
    """Site -> what is measured on every row of text, (row, position):

    encoder_error, decoder_error (row)  squared error over the stream's variance
    to_sparse, to_dense (row)           divergence from the dense model where the other goes on, nats per token
    loss_to_sparse, loss_to_dense (row) loss of the same, nats per token
    explained_sparse, explained_dense ()  1 - squared error over the variance on these very rows
    dead ()                             share of the sparse channels that the encoder never gives on any row
    """
    tokens, following = rows[:, :-1], rows[:, 1:]
    found: dict[int, dict[str, list[Tensor]]] = {number: {} for number in bridge.sites}
    ever: dict[int, Tensor] = {}
    pooled: dict[tuple[str, int], list[Tensor]] = {}
    for part, after in zip(tokens.split(8), following.split(8), strict=True):
        logits, dense = streams(joined.dense, part)
        _, sparse = streams(joined.sparse, part)
        for place, number in enumerate(bridge.sites):
            encoded, decoded = bridge.encode(number, dense[number]), bridge.decode(number, sparse[number])
            ever[number] = (encoded != 0).any(0).any(0) | ever.get(number, torch.zeros((), dtype=torch.bool))
            errors = (encoded - sparse[number]).square().sum(-1), (decoded - dense[number]).square().sum(-1)
            now = {
                "encoder_error": errors[0].mean(1) / bridge.sparse_variance[place],
                "decoder_error": errors[1].mean(1) / bridge.dense_variance[place],
            }
            for side, error, truth in zip(("sparse", "dense"), errors, (sparse, dense), strict=True):
                pooled.setdefault((side, number), []).append(error.double().sum())
                flat = truth[number].flatten(0, 1).double()
                pooled.setdefault((f"{side} sums", number), []).append(
                    torch.cat([flat.sum(0), flat.square().sum(0)])
                )
            for way, then, h in (("to_sparse", joined.sparse, encoded), ("to_dense", joined.dense, decoded)):
                other = then(part, unchanged, None, None, (number, h))
                now[way] = divergence(logits, other).mean(1)
                now[f"loss_{way}"] = F.cross_entropy(other.transpose(1, 2), after, reduction="none").mean(1)
            for name, values in now.items():
                found[number].setdefault(name, []).append(values)
    result = {n: {name: torch.cat(parts) for name, parts in each.items()} for n, each in found.items()}
    for number, numbers in result.items():
        numbers["dead"] = 1 - ever[number].float().mean()
        for side in ("sparse", "dense"):
            one, square = torch.stack(pooled[f"{side} sums", number]).sum(0).chunk(2)
            spread = (square - one.square() / tokens.numel()).sum()
            numbers[f"explained_{side}"] = 1 - torch.stack(pooled[side, number]).sum() / spread
    return result


def divergence(truth: Tensor, other: Tensor) -> Tensor:
    """(..., vocabulary) logits each -> (...): Kullback-Leibler divergence of the second from the first, in nats."""
    p = truth.log_softmax(-1)
    return (p.exp() * (p - other.log_softmax(-1))).sum(-1)


def save_bridge(path: Path, bridge: Bridge, joins: Sequence[str], reference: Tensor) -> None:
    """`joins`: the digests of the dense and the sparse model; `reference`: (row, position) ids of held-out text."""
    tensors = {name: t.detach().cpu().float().contiguous() for name, t in bridge.state_dict().items()}
    metadata = {
        "format": _FORMAT[0],
        "version": _FORMAT[1],
        "sites": json.dumps(bridge.sites),
        "activations": repr(bridge.activations),
        "joins": json.dumps(list(joins)),
    }
    write_whole(path, to_bytes({**tensors, "reference": reference.to(torch.uint16).contiguous()}, metadata))


def load_bridge(path: Path, joins: Sequence[str], widths: tuple[int, int]) -> tuple[Bridge, Tensor]:
    """The bridge and its reference text. CommandError where it is not there, damaged, or of other models."""
    if not path.is_file():
        raise CommandError(
            f"there is no trained bridge at {path}; train it first: circuitlang train FILE {path.parent.name}"
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if (metadata.get("format"), metadata.get("version")) != _FORMAT:
            raise ValueError("its metadata does not say that it is a bridge of this version")
        others = json.loads(metadata["joins"])
        bridge = Bridge(*widths, json.loads(metadata["sites"]), float(metadata["activations"]))
        reference = tensors.pop("reference").to(torch.int64)
        if list(joins) == others:
            bridge.load_state_dict(tensors, strict=True)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise ValueError("a weight is not a finite number")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CommandError(f"cannot read the bridge {path}: {error}") from error
    if list(joins) != others:
        raise CommandError(f"{path} was trained between other models than these; train it again")
    return bridge.requires_grad_(False), reference
