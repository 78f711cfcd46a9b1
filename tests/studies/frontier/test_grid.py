"""The grid: as many nonzeros at every width, as the released script's ladder has them; what does not fit is said."""

from dataclasses import replace

import pytest

from circuitlang.language.program.recipe import Architecture, Corpus, Recipe, Sparsity, Training
from circuitlang.model.training.sparsity import count_nonzeros, project
from circuitlang.model.training.train import config_of
from circuitlang.model.transformer import Transformer
from circuitlang.source.diagnostic import CommandError
from circuitlang.studies.frontier.grid import Point, kept, sizes, vary

BASE = Recipe(
    "base",
    None,
    Architecture(layers=2, width=32, heads=4, context=16, vocabulary=300, sink=True),
    Sparsity(weights=1 / 4, embeddings=1 / 4, activations=1 / 4, floor=2),
    Training(Corpus("none", {}, (), (), ""), 1000),
    "text",
)
MATRICES = ("weight", "embed", "unembed", "bias")


def counted(recipe: Recipe) -> int:
    """Nonzeros of the matrices and biases of a model that has just been made sparse."""
    model = Transformer(config_of(recipe))
    for parameter in model.parameters():
        parameter.data.normal_()
    project(model, recipe.sparsity.weights, recipe.sparsity.embeddings, recipe.sparsity.floor)
    counts = count_nonzeros(model)
    return sum(n for name, (n, _) in counts.items() if name.endswith(MATRICES) and "norm" not in name)


@pytest.mark.parametrize("width", [32, 64, 128])
@pytest.mark.parametrize("nonzeros", [12_000, 20_000])
def test_every_width_has_as_many_nonzeros(width, nonzeros):
    recipe = vary(BASE, Point(width, nonzeros, 0), 32)
    assert counted(recipe) == pytest.approx(nonzeros, rel=0.01)  # each matrix is rounded down
    assert recipe.architecture.width // recipe.architecture.heads == 8
    assert recipe.sparsity.activations == BASE.sparsity.activations


def test_the_base_itself_is_on_the_ladder():
    recipe = vary(BASE, Point(32, kept(BASE), 0), 32)
    assert recipe.sparsity.weights == pytest.approx(1 / 4, rel=1e-4)
    assert recipe.sparsity.embeddings == pytest.approx(1 / 4, rel=1e-4)


def test_sizes_are_those_of_the_model():
    model = Transformer(config_of(BASE))
    norms = sum(p.numel() for name, p in model.named_parameters() if "norm" in name or name.endswith("sink"))
    assert sum(sizes(BASE.architecture)) == sum(p.numel() for p in model.parameters()) - norms


def test_a_dense_twin_differs_in_its_nonzeros_alone():
    twin = vary(BASE, Point(32, None, 0), 32)
    assert twin.sparsity == replace(BASE.sparsity, weights=1.0, embeddings=1.0)
    assert (twin.architecture, twin.training) == (BASE.architecture, BASE.training)


def test_names_and_texts_tell_points_apart():
    points = [Point(w, n, s) for w in (32, 64) for n in (None, 6_000, 7_000) for s in (0, 1)]
    recipes = [vary(BASE, point, 32) for point in points]
    assert len({recipe.name for recipe in recipes}) == len({recipe.text for recipe in recipes}) == len(points)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (Point(36, None, 0), r"a width of 36 is not a multiple of the 8 channels of a head"),
        (Point(0, None, 0), r"a width of 0 is not"),
        (Point(32, 10**6, 0), r"1000000 nonzeros are more than a model of width 32 has"),
        (Point(32, 0, 0), r"0 nonzeros at width 32 are 0.0 for each"),
        (Point(32, -5, 0), r"-5 nonzeros at width 32 are"),
        (
            Point(128, 2_000, 0),
            r"2000 nonzeros at width 128 are 0\.\d for each neuron, fewer than .* floor of 2",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(point, message):
    with pytest.raises(CommandError, match=message):
        vary(BASE, point, 32)


def test_a_dense_block_has_no_nonzeros_of_its_own():
    dense = replace(BASE, sparsity=replace(BASE.sparsity, weights=1.0, embeddings=1.0))
    with pytest.raises(CommandError, match="model base is dense; say how many --nonzeros"):
        kept(dense)
