"""The size ladder of Gao et al. 2025 (Fig. 3, 34): one number of nonzeros for every width.

Base model: 8 layers, width 256, 2048 tokens. Expansion E multiplies widths; a fraction p gives block matrices p / E²
nonzeros and embeddings, unembedding and biases p / E, so that the total is p times the base model's size.
"""

import pytest
import torch

from circuitlang.model.config import Config
from circuitlang.model.training.sparsity import sparse_parameters
from circuitlang.model.transformer import Transformer

BASE = 7_358_464  # parameters of the base model without norms: 7.358 M
FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 1, 2)
DENSE = {1: 7.4, 2: 27.3, 4: 104.9, 8: 411, 16: 1628}  # million parameters, bigram table apart


def expanded(expansion: int) -> Transformer:
    """On the meta device: shapes without memory."""
    width = 256 * expansion
    config = Config(8, width, 16 * expansion, 256, 4 * width, 2048, activations=0.25, bigram=True)
    with torch.device("meta"):
        return Transformer(config)


def kept(fraction: float, expansion: int) -> dict[str, tuple[int, int, int]]:
    """name -> (nonzeros, lines, size), as `project` would have them."""
    shares = {"weights": fraction / expansion**2, "embeddings": fraction / expansion}
    return {
        name: (int(shares[group] * p.numel()), p.shape[axis] if axis is not None else 0, p.numel())
        for name, p, group, axis in sparse_parameters(expanded(expansion))
    }


RUNGS = [(e, fraction) for e in DENSE for fraction in FRACTIONS if fraction <= e]


@pytest.mark.parametrize(("expansion", "fraction"), RUNGS)
def test_total_nonzeros_depend_on_the_fraction_alone(expansion, fraction):
    counts = kept(fraction, expansion)
    total = sum(nonzeros for nonzeros, _, _ in counts.values())
    assert abs(total - fraction * BASE) <= len(counts), "each tensor rounds down by less than one"


@pytest.mark.parametrize("expansion", DENSE)
def test_dense_sizes(expansion):
    model = expanded(expansion)
    size = sum(p.numel() for name, p in model.named_parameters() if name != "bigram")
    assert abs(size / 1e6 - DENSE[expansion]) < 0.6
    assert sum(p.numel() for _, p, _, _ in sparse_parameters(model)) == size - 256 * expansion * 17


def test_where_the_floor_of_four_fits():
    fits = {
        (expansion, fraction): all(
            4 * lines <= nonzeros for nonzeros, lines, _ in kept(fraction, expansion).values()
        )
        for expansion, fraction in RUNGS
    }
    assert len(fits) == 24
    assert [rung for rung, fit in fits.items() if not fit] == [(16, 1 / 8)]
