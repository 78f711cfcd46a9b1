"""Model: a trained model to look into: what any place holds on any text, and what follows when that is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from circuitlang.interfaces.api.watch import Change, Watch, require_units
from circuitlang.language.program.task import Task
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.config import Config
from circuitlang.model.hook_names import Passage, Spot, find_spot, names
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Split
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.report.circuit import Circuit
from circuitlang.report.unrolled import Seen
from circuitlang.source.diagnostic import CommandError

Texts = str | Sequence[str] | Batch | Tensor | Sequence[Sequence[int]]
"""Texts, or token ids (text, position) that are taken as they are, or prompts from `Model.prompts`."""


class Tokens(NamedTuple):
    """`ids` (text, position), padded on the right; `end` (text): the position of each text's last token."""

    ids: Tensor
    end: Tensor


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model. Places are named as in diagrams (`1.neuron`), as in Gao et al.'s code (`1.mlp.post_act`) or as
    in TransformerLens (`blocks.1.mlp.hook_post`); one unit of a site is `1.neuron[37]`. A wrong name or text raises
    CommandError. Gradients flow through whatever an intervention brings in that requires them."""

    checkpoint: Checkpoint

    def __repr__(self) -> str:
        sizes = self.config
        return (
            f"<Model {self.name}: {sizes.layers} layers, {sizes.width} channels, {sizes.heads} heads, "
            f"{sizes.hidden} neurons a layer, {sizes.vocabulary} tokens>"
        )

    @property
    def name(self) -> str:
        """As specs write it."""
        return self.checkpoint.name

    @property
    def config(self) -> Config:
        """The sizes."""
        return self.checkpoint.model.config

    @property
    def tokenizer(self) -> Tokenizer:
        return self.checkpoint.tokenizer

    @property
    def sites(self) -> tuple[str, ...]:
        """Every name that `record` takes, in our spelling and in order of computation."""
        return tuple(str(row.spot) for row in names(self.config.layers))

    def tokens(self, texts: Texts) -> Tokens:
        """Token ids, with the token that begins every document in front of each text."""
        device = self.checkpoint.model.embed.device
        if isinstance(texts, Batch):
            return Tokens(torch.from_numpy(texts.tokens).to(device), torch.from_numpy(texts.end).to(device))
        if isinstance(texts, Tensor):
            rows = [row.tolist() for row in torch.atleast_2d(texts)]
        elif isinstance(texts, str):
            rows = [self._ids(texts)]
        else:
            rows = [self._ids(row) if isinstance(row, str) else [int(i) for i in row] for row in texts]
        if not rows:
            raise CommandError("there is no text to run the model on")
        for row in rows:
            self._require_ids(row)
        ids = np.full((len(rows), max(map(len, rows))), self.tokenizer.end, np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
        end = torch.tensor([len(row) - 1 for row in rows], device=device)
        return Tokens(torch.from_numpy(ids).to(device), end)

    def _ids(self, text: str) -> list[int]:
        return [self.tokenizer.end, *self.tokenizer.encode(text).ids]

    def _require_ids(self, row: Sequence[int]) -> None:
        if not 1 <= len(row) <= self.config.context:
            raise CommandError(f"a text of {len(row)} tokens; the model takes 1 to {self.config.context}")
        if not all(0 <= i < self.config.vocabulary for i in row):
            raise CommandError(f"a token id outside 0 to {self.config.vocabulary - 1}")

    def pieces(self, text: str) -> list[str]:
        """The text of every token of `tokens(text)`, the one in front included; position for position."""
        return [self.tokenizer.decode([token]) for token in self._ids(text)]

    def token(self, text: str) -> int:
        """The id of a text that is one token. CommandError that says which tokens it is made of where it is several."""
        found = self.tokenizer.encode(text).ids
        if len(found) != 1:
            made_of = ", ".join(repr(self.tokenizer.decode([token])) for token in found) or "none"
            raise CommandError(f"{text!r} is not one token but {len(found)}: {made_of}")
        return found[0]

    def prompts(self, task: Task, count: int, split: Split = "select", seed: int = 0) -> Batch:
        """The first `count` datapoints of a task's split. Row r is case `r % cases` of datapoint `r // cases`; `tokens`
        (prompt, position), `end` and `answer` (prompt), `foils` (prompt, foil), and `marks` per prompt: name ->
        positions. Verdicts are measured on `test`: whoever means to judge a claim later does not look there."""
        datapoints = list(Generator(task, seed).datapoints(split, range(count)))
        return encode(datapoints, self.tokenizer, self.config.context)

    def run(self, texts: Texts, interventions: Mapping[str, Change] | None = None) -> Tensor:
        """(text, position, vocabulary) logits; those at position i are of the token at i + 1. Behind a text's `end`
        (`tokens`) they mean nothing. `interventions`: name -> a function of what is there, (text, position, unit), to
        what is to be there instead; they act in order of computation, each on what the earlier ones made."""
        return self._pass(texts, (), interventions)[0]

    def record(
        self, texts: Texts, sites: str | Iterable[str], interventions: Mapping[str, Change] | None = None
    ) -> dict[str, Tensor]:
        """Name, as given -> what is there: (text, position, unit); of one unit (text, position); of a pattern (text,
        head, from, to), where what is missing to 1 is the sink's. After the interventions, which are as in `run`."""
        sites = [sites] if isinstance(sites, str) else list(sites)
        spots = [find_spot(name, self.config.layers) for name in sites]
        seen = self._pass(texts, spots, interventions)[1]
        return {name: seen[spot] for name, spot in zip(sites, spots, strict=True)}

    def see(self, circuit: Circuit, prompt: str, answer: str | None = None) -> Seen:
        """A circuit on one prompt, for `Circuit.to_neuronpedia`: the values of its nodes and the attention of its heads
        in the untouched model, and the probabilities of what may come next. CommandError where the circuit is another
        model's or `answer` is not one token."""
        written = [edge.target for edge in circuit.edges if isinstance(edge.target, str)]
        nodes = circuit.plain.nodes
        require_units(circuit.plain.kept, self.checkpoint.model)
        heads = sorted({(one.node.site.layer, one.head) for one in nodes if one.head is not None})
        patterns = {layer: Passage(layer, "pattern") for layer, _ in heads}
        tokens = self.tokens(prompt)
        watch = Watch(self.checkpoint.model, tokens.ids, [*circuit.plain.kept, *patterns.values()], {})
        chances = self.checkpoint.model(tokens.ids, watch)[0, -1].softmax(0)
        ids = {text: self.tokenizer.encode(text).ids for text in [*written, *([answer] if answer else [])]}
        if answer is not None:
            self.token(answer)
        return Seen(
            prompt,
            tuple(self.pieces(prompt)),
            values={node: watch.seen[node][0].tolist() for node in circuit.plain.kept},
            attention={(layer, head): watch.seen[patterns[layer]][0, head].tolist() for layer, head in heads},
            probabilities={text: float(chances[found[0]]) for text, found in ids.items() if len(found) == 1},
            answer=answer,
        )

    def _pass(
        self, texts: Texts, wanted: Sequence[Spot], interventions: Mapping[str, Change] | None
    ) -> tuple[Tensor, Mapping[Spot, Tensor]]:
        changes: dict[Spot, Change] = {}
        for name, change in (interventions or {}).items():
            spot = find_spot(name, self.config.layers)
            if spot in changes:
                raise CommandError(f"two interventions on `{spot}`; make one function of them")
            changes[spot] = change
        inner = self.checkpoint.model
        require_units([*wanted, *changes], inner)
        tokens = self.tokens(texts).ids
        watch = Watch(inner, tokens, wanted, changes)
        return inner(tokens, watch), watch.seen
