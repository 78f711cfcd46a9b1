"""Datapoints: pure functions of their address, minimal pairs, disjoint splits, held-out choices in `test`
alone."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from circuitlang.language.program.expression import Choice, Number, Ref, Sequence, Template, Text
from circuitlang.language.program.task import Draw, Task
from circuitlang.prompts.generate import Generator, SupportError
from circuitlang.prompts.prompt import SPLITS, Datapoint

GOLDEN = "fd043910a53b9453"


def digest(datapoints: list[Datapoint]) -> str:
    rows = [
        (
            d.split,
            d.index,
            d.held_out,
            [(p.case, p.text, p.answer, p.foils, p.marks, dict(p.draws)) for p in d.prompts],
        )
        for d in datapoints
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def sample(task: Task, seed: int = 0) -> list[Datapoint]:
    generator = Generator(task, seed)
    return [generator.datapoint(split, i) for split in SPLITS for i in range(34)][:100]


def test_the_generator_never_changes(tasks):
    assert digest(sample(tasks["brackets"]) + sample(tasks["nested"])) == GOLDEN


def test_order_does_not_matter(any_task):
    forward = Generator(any_task, 5)
    made = {(split, i): forward.datapoint(split, i) for split in SPLITS for i in range(12)}
    backward = Generator(any_task, 5)
    for split, i in reversed(made):
        assert backward.datapoint(split, i) == made[split, i]
    assert list(forward.datapoints("test", range(3, 6))) == [made["test", i] for i in range(3, 6)]


def test_another_seed_gives_other_datapoints(tasks):
    first, second = (Generator(tasks["brackets"], seed).datapoint("train", 0) for seed in (0, 1))
    assert first != second


def test_the_text_of_the_task_is_the_key(tasks):
    task = tasks["brackets"]
    other = replace(task, text=task.text + " ")
    assert Generator(task, 0).datapoint("train", 0) != Generator(other, 0).datapoint("train", 0)
    assert Generator(task, 0).feature == Generator(other, 0).feature


def test_hash_seeds_do_not_matter(tasks, tmp_path: Path):
    path = tmp_path / "tasks.pickle"
    path.write_bytes(pickle.dumps(tasks))
    script = (
        "import pickle, sys; from circuitlang.prompts.generate import Generator\n"
        "for task in pickle.load(open(sys.argv[1], 'rb')).values():\n"
        "    g = Generator(task, 0)\n"
        "    print([g.datapoint(s, i) for s in ('train', 'test') for i in range(8)])"
    )
    root = str(Path(__file__).parents[2])
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    here = "".join(
        f"{[g.datapoint(s, i) for s in ('train', 'test') for i in range(8)]}\n"
        for g in (Generator(task, 0) for task in tasks.values())
    )
    assert outputs[0] == here


@pytest.mark.parametrize(("name", "datapoints"), [("brackets", 2500), ("names", 1700), ("small", 2500)])
def test_splits_never_share_a_prompt_under_any_seeds(tasks, name, datapoints):
    generators = [Generator(tasks[name], seed) for seed in (0, 1)]
    prompts = {
        split: [p.text for g in generators for d in g.datapoints(split, range(datapoints)) for p in d.prompts]
        for split in SPLITS
    }
    assert all(len(texts) >= 10_000 for texts in prompts.values())
    train, select, test = (set(texts) for texts in prompts.values())
    assert not train & select
    assert not train & test
    assert not select & test


def test_splits_of_a_longer_param_are_disjoint_too(tasks):
    generator = Generator(tasks["brackets"], 0)
    usual, pinned = (
        {
            split: {p.text for d in generator.datapoints(split, range(150), where) for p in d.prompts}
            for split in SPLITS
        }
        for where in ({}, {"length": (1, 2)})
    )
    for split in SPLITS:
        for other in SPLITS:
            assert split == other or not usual[split] & pinned[other]


def test_most_datapoints_find_their_split_within_a_few_draws(tasks):
    assert Generator(tasks["brackets"], 0).feature.cut == "], "
    assert Generator(tasks["quotes"], 0).feature.words == "all"
    for name in ("brackets", "quotes", "names"):
        generator = Generator(tasks[name], 0)
        split_of = generator.feature.split_of
        kept = sum(len({split_of(p.text) for p in generator.unsplit(i)}) == 1 for i in range(300))
        assert kept > 250


def uses(datapoint: Datapoint, case: int, name: str) -> list[str]:
    prompt = datapoint.prompts[case]
    return [prompt.text[mark.start : mark.end] for mark in prompt.marks if mark.name == name]


def test_the_nth_use_of_a_rule_is_the_same_in_every_case(tasks):
    generator = Generator(tasks["brackets"], 0)
    for datapoint in generator.datapoints("train", range(200)):
        flat, nested = datapoint.prompts
        assert uses(datapoint, 0, "row") == uses(datapoint, 1, "row")[:1]
        assert flat.draws == nested.draws
        assert nested.text.startswith(flat.text.replace("[", "[["))
    generator = Generator(tasks["nested"], 0)
    for datapoint in generator.datapoints("train", range(200)):
        assert uses(datapoint, 0, "pair") == uses(
            datapoint, 1, "pair"
        )  # though case b uses a digit before it


def test_a_binding_draws_alike_in_every_case(tasks):
    task = tasks["small"]
    mark = Choice((Text("+"), Text("*"), Text("/")), (1.0, 1.0, 1.0))
    others = Sequence((Text("-"), mark))
    cases = tuple(
        replace(case, bindings={"mark": body}) for case, body in zip(task.cases, (mark, others), strict=True)
    )
    generator = Generator(replace(task, cases=cases), 0)
    signs = [(uses(d, 0, "mark")[0], uses(d, 1, "mark")[0]) for d in generator.datapoints("train", range(60))]
    assert set(signs) == {("+", "-+"), ("*", "-*"), ("/", "-/")}


def test_the_same_bindings_twice_are_one_text(tasks):
    task = tasks["nested"]
    prompt = Template((*task.cases[0].prompt.parts, Text(" again "), Ref("mid", "binding")))
    generator = Generator(replace(task, cases=tuple(replace(c, prompt=prompt) for c in task.cases)), 0)
    for datapoint in generator.datapoints("train", range(30)):
        for case in range(2):
            first, second = uses(datapoint, case, "mid")
            assert first == second


def test_held_out_choices_occur_in_half_of_test_and_nowhere_else(tasks):
    for name, draw in (("brackets", ("var", "other")), ("quotes", ("first", "second", "name"))):
        generator = Generator(tasks[name], 0)
        shared: set[tuple[str, str]] = set()
        for split in ("train", "select"):
            for datapoint in generator.datapoints(split, range(400)):
                assert not datapoint.held_out
                shared |= {(n, datapoint.prompts[0].draws[n]) for n in draw}
        fresh = 0
        for datapoint in generator.datapoints("test", range(400)):
            chosen = {(n, datapoint.prompts[0].draws[n]) for n in draw}
            assert datapoint.held_out == (datapoint.index % 2 == 1)
            if datapoint.held_out:
                fresh += bool(chosen - shared)
            else:
                assert chosen <= shared
        assert fresh == 200


def test_which_choices_are_held_out_does_not_depend_on_the_seed(tasks):
    seen = [
        {
            d.prompts[0].draws["first"]
            for d in Generator(tasks["quotes"], seed).datapoints("train", range(600))
        }
        for seed in (0, 1)
    ]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 30


def chi_square(values: list[str], weights: dict[str, float]) -> float:
    counts = Counter(values)
    assert set(counts) <= set(weights)
    total = sum(weights.values())
    expected = {text: len(values) * weight / total for text, weight in weights.items()}
    return sum((counts[text] - count) ** 2 / count for text, count in expected.items())


@pytest.mark.parametrize("split", ["train", "test"])
def test_frequencies_follow_the_weights(tasks, split):
    datapoints = list(Generator(tasks["brackets"], 0).datapoints(split, range(3000)))
    fn = [d.prompts[0].draws["fn"] for d in datapoints]
    assert chi_square(fn, {"load": 1, "merge": 1, "parse": 2}) < 18
    length = [d.prompts[0].draws["length"] for d in datapoints]
    assert chi_square(length, dict.fromkeys("1234", 1)) < 22
    numbers = [text for d in datapoints for text in uses(d, 0, "number")]
    assert chi_square(numbers, {str(i): 1 for i in range(100)}) < 99 + 5 * 14


def test_a_range_among_words_shares_its_weight(tasks):
    body = Choice((Number(1, 4), Text("none")), (2.0, 2.0))
    task = replace(tasks["small"], draws=(*tasks["small"].draws, Draw(("n",), body, ())))
    prompt = Template((*task.cases[0].prompt.parts, Ref("n", "draw")))
    task = replace(task, cases=tuple(replace(case, prompt=prompt) for case in task.cases))
    generator = Generator(task, 0)
    drawn = [generator.unsplit(i)[0].draws["n"] for i in range(3000)]
    assert chi_square(drawn, {"none": 4, "1": 1, "2": 1, "3": 1, "4": 1}) < 24


def test_draws_without_replacement_and_except(tasks):
    generator = Generator(tasks["quotes"], 0)
    seconds: Counter[str] = Counter()
    for datapoint in generator.datapoints("train", range(1500)):
        draws = datapoint.prompts[0].draws
        assert draws["first"] != draws["second"]
        assert draws["third"] != draws["first"]
        seconds[draws["second"]] += 1
    assert len(seconds) == 30
    generator = Generator(tasks["nested"], 0)
    assert all(
        "tag" in p.draws and p.draws["code"] != p.draws["tag"]
        for i in range(50)
        for p in generator.unsplit(i)
    )


def test_params_are_pinned_beyond_their_range(tasks):
    generator = Generator(tasks["brackets"], 0)
    for datapoint in generator.datapoints("test", range(20), {"length": (64, 64)}):
        assert datapoint.prompts[0].draws["length"] == "64"
        assert len(uses(datapoint, 0, "number")) == 64
    lengths = {
        d.prompts[0].draws["length"] for d in generator.datapoints("test", range(60), {"length": (7, 9)})
    }
    assert lengths == {"7", "8", "9"}
    with pytest.raises(ValueError, match="no param size"):
        generator.datapoint("test", 0, {"size": (1, 1)})


def test_marks_name_what_produced_the_text(tasks):
    flat, nested = Generator(tasks["brackets"], 0).datapoint("train", 0).prompts
    assert [(m.name, flat.text[m.start : m.end]) for m in flat.marks][:6] == [
        ("fn", flat.draws["fn"]),
        ("other", flat.draws["other"]),
        ("var", flat.draws["var"]),
        ("list", flat.text[flat.text.index("[") :]),
        ("opening", "["),
        ("row", flat.text[flat.text.index("[") + 1 :]),
    ]
    assert [nested.text[m.start : m.end] for m in nested.marks if m.name == "opening"] == ["["] * 3
    for datapoint in Generator(tasks["nested"], 0).datapoints("train", range(50)):
        for prompt in datapoint.prompts:
            for mark in prompt.marks:
                inside = prompt.text[mark.start : mark.end]
                assert inside
                assert mark.name not in prompt.draws or inside == prompt.draws[mark.name]
                assert mark.name != "noun" or inside in ("cat", "dog")


def test_foils_are_the_other_answers_or_what_the_case_says(tasks):
    for datapoint in Generator(tasks["names"], 0).datapoints("train", range(40)):
        straight, crossed, other = datapoint.prompts
        assert straight.answer == crossed.answer == " " + straight.draws["b"]
        assert straight.foils == crossed.foils == (other.answer,)
        assert other.foils == (straight.answer,)
    task = tasks["small"]
    foiled = replace(task.cases[0], foil=Template((Text("x"), Ref("a", "draw"))))
    prompt = Generator(replace(task, cases=(foiled, task.cases[1])), 0).datapoint("train", 0).prompts[0]
    assert prompt.foils == ("x" + prompt.draws["a"],)


def test_answers_that_must_differ_are_drawn_until_they_do(tasks):
    task = tasks["small"]
    draws = (*task.draws, Draw(("c",), task.draws[0].body, ()))
    prompt = Template((*task.cases[0].prompt.parts, Ref("c", "draw")))
    answers = (Template((Ref("a", "draw"),)), Template((Ref("c", "draw"),)))
    cases = tuple(replace(c, prompt=prompt, answer=a) for c, a in zip(task.cases, answers, strict=True))
    for datapoint in Generator(replace(task, draws=draws, cases=cases), 0).datapoints("train", range(100)):
        first, second = datapoint.prompts
        assert first.answer != second.answer
        assert first.foils == (second.answer,)


def test_one_sided_answers(tasks):
    task = tasks["small"]
    cases = (task.cases[0], replace(task.cases[1], answer=task.cases[0].answer, negated=True))
    first, second = Generator(replace(task, cases=cases), 0).datapoint("train", 0).prompts
    assert (first.answer, first.negated, first.foils) == ("1", False, ())
    assert (second.answer, second.negated, second.foils) == ("1", True, ())


def test_a_task_too_small_to_split_says_so_at_the_task(tasks, monkeypatch):
    monkeypatch.setattr("circuitlang.prompts.generate.ATTEMPTS", 200)
    task = tasks["small"]
    prompt = Template((Text("always "), Ref("mark", "binding")))
    task = replace(task, cases=tuple(replace(case, prompt=prompt) for case in task.cases))
    generator = Generator(task, 0)  # its one datapoint can lie in one split at most
    with pytest.raises(SupportError) as caught:
        [generator.datapoint(split, 0) for split in SPLITS]
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span == task.span
    assert diagnostic.code == "CIR-203"
