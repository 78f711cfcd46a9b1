"""A recipe and a place in the grid -> the recipe of one model: width and nonzeros varied, all else kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from circuitlang.language.program.recipe import Architecture, Recipe
from circuitlang.source.diagnostic import CommandError


@dataclass(frozen=True)
class Point:
    """One model. `nonzeros`: of its matrices and biases together; None is dense. `width` in residual channels."""

    width: int
    nonzeros: int | None
    seed: int

    @property
    def name(self) -> str:
        """Also its folder's."""
        kind = "dense" if self.nonzeros is None else f"{self.nonzeros}nonzero"
        return f"w{self.width}-{kind}-s{self.seed}"


def head_width(base: Recipe) -> int:
    """Channels of a head, which are the same in all models: so widths are multiples of it."""
    return base.architecture.width // base.architecture.heads


def sizes(architecture: Architecture) -> tuple[int, int]:
    """Entries of the block matrices, and of the embedding, the unembedding and the biases."""
    width, hidden = architecture.width, architecture.mlp * architecture.width
    blocks = architecture.layers * (4 * width * width + 2 * width * hidden)
    biases = architecture.layers * (5 * width + hidden)
    return blocks, 2 * architecture.vocabulary * width + biases


def kept(base: Recipe) -> int:
    """Nonzeros that the recipe itself leaves. CommandError where it is dense."""
    blocks, rest = sizes(base.architecture)
    count = round(base.sparsity.weights * blocks + base.sparsity.embeddings * rest)
    if count == blocks + rest:
        raise CommandError(f"model {base.name} is dense; say how many --nonzeros the sparse ones have")
    return count


def vary(base: Recipe, point: Point, narrowest: int) -> Recipe:
    """The recipe of one point. Sparse: the share f of all entries that are kept at the grid's `narrowest` width E = 1
    becomes f/E^2 in the block matrices and f/E in the embeddings at E times that width, so that every width has as many
    nonzeros (the ladder of the paper's released script). Dense: all of them; AbsTopK stays. CommandError where they do
    not fit."""
    wide = head_width(base)
    if point.width % wide or point.width < wide:
        raise CommandError(f"a width of {point.width} is not a multiple of the {wide} channels of a head")
    shape = replace(base.architecture, width=point.width, heads=point.width // wide)
    if point.nonzeros is None:
        sparsity = replace(base.sparsity, weights=1.0, embeddings=1.0)
    else:
        share = point.nonzeros / sum(sizes(replace(base.architecture, width=narrowest)))
        ratio = point.width / narrowest
        sparsity = replace(base.sparsity, weights=share / ratio**2, embeddings=share / ratio)
        _require(point, sparsity.weights, sparsity.embeddings, base.sparsity.floor)
    return replace(
        base,
        name=point.name,
        architecture=shape,
        sparsity=sparsity,
        training=replace(base.training, seed=point.seed),
        text=f"{base.text}\nvaried {point.name}, narrowest {narrowest}",
    )


def _require(point: Point, weights: float, embeddings: float, floor: int) -> None:
    if max(weights, embeddings) > 1:
        raise CommandError(
            f"{point.nonzeros} nonzeros are more than a model of width {point.width} has entries"
        )
    each = weights * point.width
    if each < floor:
        raise CommandError(
            f"{point.nonzeros} nonzeros at width {point.width} are {each:.1f} for each neuron, fewer than the recipe's "
            f"floor of {floor}"
        )
