"""Tiny models with weights large enough to matter, a tiny tokenizer, and a corpus that a tiny model can learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from circuitlang.language.program.expression import Choice, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.recipe import (
    Architecture,
    Corpus,
    Document,
    Files,
    Recipe,
    Sparsity,
    Training,
)
from circuitlang.language.program.task import Rule
from circuitlang.model.config import Config
from circuitlang.model.training.data import TokenData, prepare
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import Tokenizer

SIZES = {"layers": 2, "width": 16, "heads": 4, "context": 24, "hidden": 32, "vocabulary": 40}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices are slower on many threads, and sums are taken in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def little_text() -> Iterator[None]:
    """The tokenizer sees 20,000 characters instead of twelve million; documents are made by the dozen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuitlang.model.training.data.TOKENIZER_TEXT", 20_000)
        patch.setattr("circuitlang.model.training.data._BLOCK", 12)
        yield


def random_model(seed: int = 0, spread: float = 0.5, gradients: bool = False, **sizes: float) -> Transformer:
    """Every parameter is drawn, gains, biases and sinks too, so that each of them shows in the logits."""
    model = Transformer(Config(**{**SIZES, **sizes}))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * spread
            parameter.copy_(1 + drawn / 2 if "norm" in name else drawn)
    return model.requires_grad_(gradients)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Transformer]:
    return random_model


def corpus(*files: Files) -> Corpus:
    names = Choice(tuple(map(Text, ("rows", "total", "value", "items", "result"))), (1.0,) * 5)
    line = Sequence((Ref("name", "rule"), Text(" = "), Number(0, 999), Text("\n")))
    rules = {
        "name": Rule("name", names, None),
        "line": Rule("line", line, None),
        "program": Rule("program", Repeat(Ref("line", "rule"), 3, 8, None, ""), None),
    }
    return Corpus("tiny", rules, (Document("program", 0.5),), files, "corpus tiny")


def tiny_recipe(steps: int = 40, files: tuple[Files, ...] = (), seed: int = 0) -> Recipe:
    """One layer, width 16, 4 sequences of 16 tokens per step."""
    training = Training(corpus(*files), tokens=steps * 64, batch=4, seed=seed, warmup=0.05, validation=1000)
    return Recipe(
        "tiny",
        None,
        Architecture(layers=1, width=16, heads=2, context=16, mlp=2, vocabulary=300, sink=True),
        Sparsity(weights=0.5, embeddings=0.25, activations=0.5, floor=2),
        training,
        f"model tiny, {steps} steps, seed {seed}, {files}",
    )


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Recipe]:
    return tiny_recipe


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, little_text: None) -> TokenData:
    """The tokens of the tiny corpus, plenty for every test's steps."""
    recipe = tiny_recipe()
    recipe = replace(recipe, training=replace(recipe.training, tokens=20_000))
    return prepare(recipe, Path(), tmp_path_factory.mktemp("data"), lambda stage, share: None)


@pytest.fixture(scope="session")
def tokenizer(data: TokenData) -> Tokenizer:
    return data.tokenizer
