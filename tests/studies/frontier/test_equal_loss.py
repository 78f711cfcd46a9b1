"""The comparison: sizes at equal loss, over the tasks that both have, and the ratio's interval over seeds."""

import json
import math
import xml.etree.ElementTree as ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.report.frontier import Frontier, Size, Sizes, Trained, frontier_lines
from circuitlang.report.plot import plot
from circuitlang.studies.frontier.equal_loss import compared, comparison
from tests.test_architecture import ROOT


def model(width, nonzeros, loss, sizes, seed=0, able=None):
    """sizes: task -> (nodes, edges) or None."""
    rows = tuple(
        Sizes(task=task, loss=0.1, mean=size and Size(nodes=size[0], edges=size[1]), resampled=None)
        for task, size in sizes.items()
    )
    kind = "dense" if nonzeros is None else nonzeros
    return Trained(
        name=f"w{width}-{kind}-s{seed}",
        width=width,
        seed=seed,
        nonzeros=nonzeros,
        kept=nonzeros or 10**6,
        loss=loss,
        able=tuple(able if able is not None else sizes),
        sizes=rows,
    )


def test_the_dense_model_of_nearest_loss_is_compared():
    models = [
        model(64, 5000, 2.4, {"quotes": (10, 20), "brackets": (10, 40)}),
        model(16, None, 3.0, {"quotes": (1, 1), "brackets": (1, 1)}),
        model(32, None, 2.0, {"quotes": (20, 200), "brackets": (40, 100)}),
    ]
    found = comparison(models, models[0])
    assert found is not None
    assert (found.dense, found.apart) == ("w32-dense-s0", pytest.approx(-0.4))
    assert 16 < found.width < 32
    edges, nodes = found.ratios
    assert edges.value == pytest.approx(math.sqrt(200 / 20 * 100 / 40))
    assert nodes.value == pytest.approx(math.sqrt(2 * 4))


def test_only_tasks_count_of_which_both_have_a_circuit_that_is_not_empty():
    models = [
        model(64, 5000, 2.4, {"a": (10, 20), "b": (1, 1), "c": None, "d": (1, 1), "e": (0, 0)}),
        model(16, None, 3.0, {}),
        model(32, None, 2.0, {"a": (20, 40), "b": None, "c": (1, 1), "e": (9, 9)}),
    ]
    found = comparison(models, models[0])
    assert found is not None
    assert found.able == ("a", "b", "c", "e")
    assert found.empty == ("e",)
    assert [ratio.tasks for ratio in found.ratios] == [("a",), ("a",)]


def test_another_seeds_dense_models_do_not_count():
    models = [model(64, 5000, 2.5, {}), model(16, None, 3.0, {}, seed=1), model(32, None, 2.0, {}, seed=1)]
    assert comparison(models, models[0]) is None


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=6))
def test_the_interval_holds_the_geometric_mean_of_the_seeds(factors):
    models = []
    for seed, factor in enumerate(factors):
        edges = max(1, round(100 * factor))
        models += [
            model(64, 5000, 2.5, {"a": (10, 100)}, seed),
            model(16, None, 9.0, {"a": (10, edges)}, seed),
            model(32, None, 2.0, {"a": (10, edges)}, seed),
        ]
    first = compared("base", 0.15, models, ()).summaries[0]
    logs = [math.log(max(1, round(100 * factor)) / 100) for factor in factors]
    assert first.value == pytest.approx(math.exp(sum(logs) / len(logs)))
    assert first.seeds == len(factors)
    if len(factors) == 1:
        assert first.low is None
        assert first.high is None
    else:
        assert first.low is not None
        assert first.high is not None
        assert first.low <= first.value * 1.000001
        assert first.value <= first.high * 1.000001


def found() -> Frontier:
    models = [
        model(64, 5000, 2.5, {"a": (10, 20), "b": (3, 9)}),
        model(128, 5000, 2.2, {"a": (10, 0)}),
        model(16, None, 3.0, {"a": (20, 40), "b": (3, 9)}),
        model(32, None, 2.0, {"a": (30, 80), "b": (3, 9)}),
    ]
    return compared(
        "base", 0.15, models, ["w256-1-s0 (loss 1.0): no dense model up to width 32 has its loss"]
    )


def test_json_is_read_back_the_same():
    data = json.loads(found().to_json())
    assert Frontier.model_validate(data).to_json() == found().to_json()


def test_the_schema_is_published_and_holds(golden):
    golden(ROOT / "docs" / "frontier.schema.json", Frontier.schema_text())
    schema = json.loads(Frontier.schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(found().to_json()))


def test_the_plot_has_a_mark_for_every_model_and_says_over_what():
    root = ElementTree.fromstring(plot(found()))
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[1:] == [
        "width 64, 5,000 nonzeros, seed 0: loss 2.500, 20 edges",
        "width 128, 5,000 nonzeros, seed 0: loss 2.200, 1 edges",
        "width 16, dense, seed 0: loss 3.000, 40 edges",
        "width 32, dense, seed 0: loss 2.000, 80 edges",
    ]
    said = "".join(root.itertext())
    assert "geometric mean over 1 task: a" in said
    assert "no task has a circuit in every model" in said  # resampled


def test_nothing_compared_is_said_and_drawn():
    nothing = compared("base", 0.15, [model(64, 5000, 2.5, {})], [])
    assert "no task has a circuit in every model" in plot(nothing)
    assert not nothing.summaries


def test_the_lines_say_everything():
    text = "\n".join(frontier_lines(found()))
    for part in (
        "w64-5000-s0",
        "a 20 (10)",
        "of equal loss is width",
        "one seed: no interval",
        "no dense model up to width 32",
    ):
        assert part in text
