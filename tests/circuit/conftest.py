"""Tiny models as they are loaded (no gradients), batches of random prompts, masks drawn at random, and a model whose
circuit is known because it was planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from circuitlang.circuit.mask import Mask
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.tokenizer import Tokenizer, train_tokenizer
from circuitlang.site import Node, Place, Site

VOCABULARY = 40


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_model(seed: int = 0, spread: float = 0.5, **sizes: float) -> Transformer:
    """Every parameter is drawn, gains, biases and sinks too, so that each of them shows in the logits."""
    usual = {"layers": 2, "width": 16, "heads": 4, "context": 24, "hidden": 32, "vocabulary": VOCABULARY}
    model = Transformer(Config(**{**usual, **sizes}))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * spread
            parameter.copy_(1 + drawn / 2 if "norm" in name else drawn)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Transformer]:
    return random_model


def random_batch(seed: int = 0, datapoints: int = 4, length: int = 8, vocabulary: int = VOCABULARY) -> Batch:
    """Pairs of random prompts of different lengths that have each other's answers as foils."""
    random = np.random.default_rng(seed)
    rows = 2 * datapoints
    answers = np.array([random.permutation(vocabulary)[:2] for _ in range(datapoints)])
    return Batch(
        tokens=random.integers(0, vocabulary, (rows, length)),
        end=random.integers(length // 2, length, rows),
        answer=answers.reshape(rows),
        foils=answers[:, ::-1].reshape(rows, 1),
        negated=np.zeros(rows, np.bool_),
        one_sided=False,
        cases=2,
        marks=({},) * rows,
    )


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    return random_batch


def random_stand_ins(config: Config, seed: int = 0) -> dict[Site, torch.Tensor]:
    """Far from anything the model computes, so that using or not using one shows."""
    generator = torch.Generator().manual_seed(seed)
    return {site: torch.randn(config.size(site), generator=generator) for site in config.sites()}


@pytest.fixture(scope="session")
def make_stand_ins() -> Callable[..., dict[Site, torch.Tensor]]:
    return random_stand_ins


def random_mask(config: Config, seed: int, share: float, idle: Sequence[Site] = ()) -> Mask:
    """Keeps `share` of the nodes, none of the sites `idle`."""
    generator = torch.Generator().manual_seed(seed)
    keep = {
        site: (torch.rand(config.size(site), generator=generator) < (0 if site in idle else share)).float()
        for site in config.sites()
    }
    return Mask(keep, random_stand_ins(config, seed))


@pytest.fixture(scope="session")
def make_mask() -> Callable[..., Mask]:
    return random_mask


PLANTED = (Node(Site(0, Place.ATTN_IN), 0), Node(Site(0, Place.V), 0), Node(Site(0, Place.ATTN_OUT), 1))
"""Channel 0 of the residual -> value 0 of head 0 -> channel 1 of the residual."""


def planted() -> tuple[Transformer, Callable[[int, int], Batch]]:
    """A model that remembers by three nodes which of tokens 1 and 2 stood in the prompt, and says 3 or 4.

    Everything else is noise of a twentieth of the size. The prompts: 0, then 1 or 2, then three of 5 to 9.
    """
    model = random_model(7, 0.02, layers=1)
    with torch.no_grad():
        model.embed[:, 0] = 0
        model.embed[1, 0], model.embed[2, 0] = 1, -1
        model.embed[:, 2] += 0.4
        attention = model.attention[0]
        attention.query.weight.mul_(0.1)  # attention is nearly even: a mean over the prompt
        attention.value.weight[0, 0] = 2
        attention.out.weight[1, 0] = 2
        model.unembed[3, 1], model.unembed[4, 1] = 0.7, -0.7  # a margin of about 3 nats: sure, not certain

    def draw(start: int, count: int) -> Batch:
        rows = []
        for index in range(start, start + count):
            rest = np.random.default_rng(index).integers(5, 10, 3)
            rows += [[0, 1, *rest], [0, 2, *rest]]
        answer = np.array([3, 4] * count)
        return Batch(
            np.array(rows),
            np.full(2 * count, 4),
            answer,
            (7 - answer)[:, None],
            answer < 0,
            False,
            2,
            ({},) * len(rows),
        )

    return model, draw


@pytest.fixture(scope="session")
def planted_model() -> tuple[Transformer, Callable[[int, int], Batch]]:
    return planted()


@pytest.fixture(scope="session")
def planted_nodes() -> tuple[Node, ...]:
    return PLANTED


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer([f"rows{i % 5} = [{i}, {i * 7}]\n" for i in range(200)], 270)
