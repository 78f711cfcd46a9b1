"""A point of the grid to its model: trained on the text that all of them share, or read where it was before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from circuitlang.language.program.recipe import Recipe
from circuitlang.model import checkpoint
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.locate import WEIGHTS, read_card
from circuitlang.model.training.card import make_card, reference_text
from circuitlang.model.training.data import TokenData
from circuitlang.model.training.train import train, validation_loss
from circuitlang.source.progress import Told
from circuitlang.studies.frontier.grid import Point, vary
from circuitlang.studies.training import stepping

ROWS = 1024
"""Rows of kept-out text, of each stream, that the pretraining loss is taken on: the same for all models."""
LOSS = "pretraining_loss"


@dataclass(frozen=True)
class Nursery:
    """Trains the models of a grid into `folder`. All read one text with one tokenizer, `data`: only so are their losses
    per token comparable. A seed decides a model's start and the order of the text."""

    base: Recipe
    data: TokenData
    folder: Path
    narrowest: int
    device: torch.device
    told: Told

    def loss(self, point: Point) -> float:
        """Nats per token on kept-out text, the streams by their shares. Trains the model where there is none."""
        return float(read_card(self.home(point))[LOSS])  # pyright: ignore[reportArgumentType]

    def model(self, point: Point) -> Checkpoint:
        return checkpoint.load(self.home(point), point.name, self.device)

    def home(self, point: Point) -> Path:
        """The model's folder. A training that was cut off is continued."""
        folder = self.folder / point.name
        recipe = vary(self.base, point, self.narrowest)
        if (folder / WEIGHTS).exists() and read_card(folder).get("recipe") == recipe.text:
            return folder

        def told(stage: str, share: float) -> None:
            self.told(f"{point.name}  {stage}", share)

        state = self.folder / "work" / f"{point.name}.safetensors"
        run = train(recipe, self.data, state, self.device, stepping(told))
        card = make_card(recipe, self.data, run, self.device, {})
        losses = validation_loss(run.model, self.data, self.device, ROWS)
        card[LOSS] = sum(stream.share * losses[stream.name] for stream in self.data.streams)
        reference = reference_text(recipe, self.data)
        checkpoint.save(folder, run.model, self.data.tokenizer, reference, card)
        state.unlink(missing_ok=True)
        return folder
