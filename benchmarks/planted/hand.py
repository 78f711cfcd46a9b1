"""Hand: a transformer whose weights are written one by one, and the nodes that they make a circuit of.

Every residual stream carries a large constant in a channel of its own, the ballast. So each norm divides by nearly the
same number at every token, and what is written to a channel can be read from it unscaled.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Mapping

import torch

from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import Tokenizer, train_tokenizer
from circuitlang.site import MATRICES, Node, Place, Site

BALLAST = 8.0
"""Size of the constant channel; everything else is of order 1."""

_OF_HEADS = (Place.Q, Place.K, Place.V)

Reads = Mapping[str, float]
"""channel -> weight"""


class Hand:
    """A model to write into. Tokens are single characters; channels are called by name and allotted when first used.

    What is written counts as part of the circuit unless it is called a decoy. `nodes`, `decoys`; `edges`: the weights
    that were written, decoys' too; `parts`: the nodes that play a role, by its name. `scatter`: a seed by which
    channels, heads and units lie anywhere; None numbers them in the order of their use.
    """

    def __init__(
        self, layers: int, width: int = 32, heads: int = 4, hidden: int = 32, scatter: int | None = None
    ) -> None:
        self.tokenizer: Tokenizer = train_tokenizer([], 257)  # the bytes, and no merges
        self.config = Config(layers, width, heads, 48, hidden, self.tokenizer.size)
        self.model = Transformer(self.config)
        self.nodes: set[Node] = set()
        self.decoys: set[Node] = set()
        self.edges: set[tuple[Node, Node]] = set()
        self.parts: dict[str, tuple[Node, ...]] = {}
        self._scatter = scatter
        self._channels: dict[str, int] = {}
        self._used: dict[tuple[int, str, int], int] = {}
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.zero_()
                if "norm" in name:
                    parameter.fill_(BALLAST / math.sqrt(width))
            self.model.embed[:, self.channel("ballast")] = BALLAST

    def channel(self, name: str) -> int:
        """The residual channel of that name."""
        place = self._channels.setdefault(name, len(self._channels))
        assert place < self.config.width, "there are no channels left"
        return self._place("channel", place, self.config.width)

    def plays(self, role: str, *nodes: Node) -> None:
        """The role's nodes; of one channel of a head, all of the head's that are written so far."""
        size = self.config.head_width
        found = {
            node
            for first in nodes
            for node in self.nodes
            if node == first
            or (
                first.site.place in _OF_HEADS
                and node.site.place in _OF_HEADS
                and (node.site.layer, node.index // size) == (first.site.layer, first.index // size)
            )
        }
        self.parts[role] = tuple(sorted(found))

    @torch.no_grad()
    def token(self, characters: str, channel: str, value: float) -> None:
        """Each of the characters writes a value to a channel."""
        for character in characters:
            self.model.embed[self._id(character), self.channel(channel)] = value

    @torch.no_grad()
    def everything(self, channel: str, value: float) -> None:
        """Every token, also the one in front of the prompt, writes a value to a channel."""
        self.model.embed[:, self.channel(channel)] = value

    @torch.no_grad()
    def front(self, channel: str, value: float) -> None:
        """The token in front of every prompt writes a value to a channel."""
        self.model.embed[self.tokenizer.end, self.channel(channel)] = value

    @torch.no_grad()
    def says(self, character: str, reads: Reads) -> None:
        """A character's logit is a sum over channels."""
        for channel, weight in reads.items():
            self.model.unembed[self._id(character), self.channel(channel)] = weight

    @torch.no_grad()
    def neuron(self, layer: int, reads: Reads, bias: float, writes: Reads, *, decoy: bool = False) -> Node:
        """A hidden unit: GELU(sum + bias), written to channels."""
        mlp = self.model.mlp[layer]
        unit = self._next(layer, "neuron", 0)
        for channel, weight in reads.items():
            mlp.up.weight[unit, self.channel(channel)] = weight
            read = self._note(layer, Place.MLP_IN, self.channel(channel), decoy)
            self.edges.add((read, Node(Site(layer, Place.NEURON), unit)))
        mlp.up.bias[unit] = bias
        for channel, weight in writes.items():
            mlp.down.weight[self.channel(channel), unit] = weight
            write = self._note(layer, Place.MLP_OUT, self.channel(channel), decoy)
            self.edges.add((Node(Site(layer, Place.NEURON), unit), write))
        return self._note(layer, Place.NEURON, unit, decoy)

    @torch.no_grad()
    def match(
        self,
        layer: int,
        head: int,
        query: Reads | float,
        key: Reads,
        scale: float = 1.0,
        *,
        decoy: bool = False,
    ) -> None:
        """One channel of a head's query and key: what a position asks for (or a constant), and what one offers."""
        attention = self.model.attention[layer]
        unit = self._next(layer, "match", head)
        root = math.sqrt(self.config.head_width)  # attention divides by it
        if isinstance(query, float):
            attention.query.bias[unit] = query * scale * root
        else:
            asks = self._note(layer, Place.Q, unit, decoy)
            self._reads(attention.query.weight, asks, query, scale * root, decoy)
        offers = self._note(layer, Place.K, unit, decoy)
        self._reads(attention.key.weight, offers, key, 1.0, decoy)

    @torch.no_grad()
    def moves(self, layer: int, head: int, value: Reads, writes: Reads, *, decoy: bool = False) -> Node:
        """One value channel of a head: what is read where it attends to, and where that is written."""
        attention = self.model.attention[layer]
        unit = self._next(layer, "value", head)
        moved = self._note(layer, Place.V, unit, decoy)
        self._reads(attention.value.weight, moved, value, 1.0, decoy)
        for channel, weight in writes.items():
            attention.out.weight[self.channel(channel), unit] = weight
            self.edges.add((moved, self._note(layer, Place.ATTN_OUT, self.channel(channel), decoy)))
        return moved

    def clutter(self, count: int, seed: int) -> None:
        """So many more decoys: neurons and heads that read what the circuit reads and write what nothing of it does."""
        draw = random.Random(f"clutter {seed}")
        read = sorted(set(self._channels) - {"ballast"})
        for number in range(count):
            layer, channel = draw.randrange(self.config.layers), draw.choice(read)
            sign = draw.choice((-1.0, 1.0))
            if number % 2:
                self.neuron(layer, {channel: 4.0 * sign}, -1.0, {"unread": 1.0}, decoy=True)
            else:
                head = self.config.heads - 1
                self.match(layer, head, 1.0, {channel: sign}, scale=2.0, decoy=True)
                self.moves(layer, head, {draw.choice(read): sign}, {"unread": 1.0}, decoy=True)

    @torch.no_grad()
    def noise(self, seed: int, size: float, share: float) -> None:
        """Small weights where there are none, in a share of all places, as a trained model has them; but none between
        two nodes of the circuit, so that what is wired to what in it is known."""
        generator = torch.Generator().manual_seed(seed)
        inside = self._between_nodes()
        for name, parameter in self.model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name:
                drawn = torch.randn(parameter.shape, generator=generator) * size
                there = torch.rand(parameter.shape, generator=generator) < share
                there &= (parameter == 0) & ~inside.get(name, torch.tensor(False))
                parameter.add_(torch.where(there, drawn, 0.0))

    def checkpoint(self, name: str, texts: Iterable[str]) -> Checkpoint:
        """The model, with texts over which its nodes' means are taken."""
        end = self.tokenizer.end
        rows = [[end, *self.tokenizer.encode(text).ids] for text in texts]
        length = min(map(len, rows))
        model = self.model.eval().requires_grad_(False)
        weights = hashlib.sha256()
        for parameter in model.parameters():
            weights.update(parameter.numpy().tobytes())
        reference = torch.tensor([row[:length] for row in rows])
        return Checkpoint(name, model, self.tokenizer, reference, weights.hexdigest(), {})

    def _between_nodes(self) -> dict[str, torch.Tensor]:
        """Matrix -> (target, source): whether both are nodes of the circuit."""
        found: dict[str, torch.Tensor] = {}
        for (source, target), name in MATRICES.items():
            for layer in range(self.config.layers):
                ends = [
                    torch.tensor(
                        [
                            Node(Site(layer, place), i) in self.nodes
                            for i in range(self.config.size(Site(layer, place)))
                        ]
                    )
                    for place in (target, source)
                ]
                found[name.format(layer)] = ends[0][:, None] & ends[1][None]
        return found

    def _reads(self, matrix: torch.Tensor, reader: Node, reads: Reads, scale: float, decoy: bool) -> None:
        for channel, weight in reads.items():
            matrix[reader.index, self.channel(channel)] = weight * scale
            read = self._note(reader.site.layer, Place.ATTN_IN, self.channel(channel), decoy)
            self.edges.add((read, reader))

    def _note(self, layer: int, place: Place, unit: int, decoy: bool) -> Node:
        node = Node(Site(layer, place), unit)
        (self.decoys if decoy else self.nodes).add(node)
        self.decoys -= self.nodes  # a node that both use is the circuit's
        return node

    def _next(self, layer: int, what: str, head: int) -> int:
        size = self.config.hidden if what == "neuron" else self.config.head_width
        used = self._used.get((layer, what, head), 0)
        assert used < size, f"layer {layer} has no {what} left"
        self._used[layer, what, head] = used + 1
        if what == "neuron":
            return self._place(f"neuron {layer}", used, size)
        return self._place(f"head {layer}", head, self.config.heads) * size + used

    def _place(self, what: str, number: int, size: int) -> int:
        """Where the number-th of `size` lies."""
        if self._scatter is None:
            return number
        places = list(range(size))
        random.Random(f"{what} {self._scatter}").shuffle(places)
        return places[number]

    def _id(self, character: str) -> int:
        (token,) = self.tokenizer.encode(character).ids
        return token
