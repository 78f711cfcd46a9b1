"""What ablated nodes become: means over text and task, zero, values elsewhere in text, and values on a donor."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit.ablation import (
    Ablation,
    FromTask,
    FromText,
    means_over_task,
    means_over_text,
    pool_of_values,
    record_all,
    zeros,
)
from circuitlang.circuit.donors import Donors, NoDonor, match
from circuitlang.circuit.mask import Mask
from circuitlang.language.program.load import load_text
from circuitlang.model import score
from circuitlang.prompts.encode import encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint
from circuitlang.site import Place, Site
from circuitlang.source.diagnostic import CommandError


def text(rows: int) -> torch.Tensor:
    return torch.randint(0, 40, (rows, 11), generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("variant", [{}, {"activations": 0.25, "sink": True}], ids=str)
@pytest.mark.parametrize("rows", [1, 16, 21])  # one piece, a whole one, one and a bit
def test_means_equal_a_slow_loop_over_tokens(make_model, variant, rows):
    model, reference = make_model(**variant), text(rows)
    found = means_over_text(model, reference)
    assert tuple(found) == model.config.sites()
    sums = {site: torch.zeros(model.config.size(site), dtype=torch.float64) for site in found}
    for row in reference:

        def add(site, x):
            for token in range(11):
                if site in sums:
                    sums[site] += x[0, token].double()
            return x

        model(row[None], add)
    for site, mean in found.items():
        assert mean.dtype == torch.float32
        assert torch.allclose(mean.double(), sums[site] / (11 * rows), atol=1e-5), site


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_that_read_change_no_bit(make_model, workers):
    model, reference = make_model(activations=0.25, sink=True), text(85)  # six pieces
    alone, together = (means_over_text(model, reference, n) for n in (1, workers))
    assert all(torch.equal(alone[site], together[site]) for site in alone)


def test_abs_top_k_is_in_place(make_model):
    """A node that AbsTopK always silences has mean 0; without it, it has not."""
    sparse, dense = make_model(activations=0.25), make_model()
    site = Site(0, Place.ATTN_IN)
    for model in (sparse, dense):
        model.attention[0].norm.weight.data[3] = 1e-3
    assert float(means_over_text(sparse, text(8))[site][3]) == 0
    assert float(means_over_text(dense, text(8))[site][3]) != 0


def test_zero_is_zero_everywhere(make_model):
    model = make_model()
    found = zeros(model)
    assert tuple(found) == model.config.sites()
    assert all(torch.equal(found[site], torch.zeros(model.config.size(site))) for site in found)


def test_a_constant_text_is_its_own_mean(make_model):
    """One token repeated, no position embeddings: every token of a row has the same values."""
    model = make_model(activations=0.5)
    reference = torch.full((2, 7), 5)
    seen = {}
    model(reference, lambda site, x: seen.setdefault(site, x))
    for site, mean in means_over_text(model, reference).items():
        assert torch.allclose(mean.expand(2, 7, -1), seen[site], atol=1e-5), site


def test_nothing_is_left_to_differentiate(make_model):
    model = make_model().requires_grad_()
    assert not any(mean.requires_grad for mean in means_over_text(model, text(2)).values())


@pytest.fixture(scope="module")
def resampled(make_model) -> FromText:
    model = make_model(activations=0.5)
    return FromText(means_over_text(model, text(4)), pool_of_values(model, text(4)))


def test_a_prompt_has_the_same_values_of_text_in_every_batch(resampled, make_batch):
    """Whatever stands beside it, in whichever order, and however far it is padded."""
    batch = make_batch(0, 6)
    whole, parts = resampled.of(batch), [resampled.of(part) for part in batch.parts(5)]
    padded = resampled.of(replace(batch, tokens=np.pad(batch.tokens, ((0, 0), (0, 3)))))
    for site, values in whole.items():
        assert torch.equal(values, padded[site][:, : values.shape[1]])
        start = 0
        for part in parts:
            rows, width, _ = part[site].shape  # a part is as wide as its longest prompt
            assert torch.equal(values[start : start + rows, :width], part[site])
            start += rows
        assert start == len(batch)
    again = replace(batch, end=batch.end - 1)  # other prompts
    assert any(not torch.equal(values, resampled.of(again)[site]) for site, values in whole.items())


def test_values_of_text_at_one_position_have_occurred_together(resampled, make_batch):
    found = resampled.of(make_batch(1, 3))
    places = len(next(iter(resampled.pool.values())))
    for row in range(6):
        for position in range(8):
            possible = set(range(places))
            for site, values in found.items():
                same = (resampled.pool[site] == values[row, position]).all(-1)
                possible &= set(same.nonzero().flatten().tolist())
            assert possible


def test_means_are_the_same_for_every_prompt(resampled, make_batch):
    assert Ablation(resampled.mean).of(make_batch(0)) is resampled.mean


def test_means_over_the_task_are_over_all_real_tokens(make_model, make_batch):
    model, batch = make_model(activations=0.5), make_batch(3, 5)
    whole = means_over_task(model, [batch])
    parts = means_over_task(model, batch.parts(2))
    for site, values in record_all(model, batch).items():
        wanted = values[torch.from_numpy(batch.real)].double().mean(0)
        assert torch.allclose(whole[site].double(), wanted, atol=1e-5), site
        assert torch.allclose(parts[site].double(), wanted, atol=1e-5), site


TASK = """task brackets {
  param pairs = 1..2
  rule word = "rows" | "grid" | "items" | "x" | "y" | "z"
  draw a, b = "rows" | "grid" | "items" | "x" | "y" | "z" | "left" | "right" | "names" | "n"
  prompt "{words}{a} = {open}{b}"
  case square with words = word{pairs}, open = "[" answer "]"
  case round with words = word{pairs}, open = "(" answer ")"
}
"""


class Setting:
    """A random model, a task, and the donors of its prompts."""

    def __init__(self, make_model, tokenizer, seed: int = 0, **sizes) -> None:
        self.model = make_model(vocabulary=tokenizer.size, context=32, **sizes)
        self.generator, self.tokenizer = Generator(load_text(TASK).tasks["brackets"], seed), tokenizer
        self.donors = Donors(self.generator, tokenizer, 32)
        self.task = FromTask(zeros(self.model), self.model, self.donors)

    def prompts(self, start: int, count: int, split: str = "test"):
        datapoints = list(self.generator.datapoints(split, range(start, start + count)))
        return encode(datapoints, self.tokenizer, 32)


@pytest.fixture(scope="module")
def setting(make_model, tokenizer) -> Setting:
    return Setting(make_model, tokenizer, activations=0.5, sink=True)


@given(start=st.integers(0, 10**6), count=st.integers(1, 5), beside=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_a_prompt_has_the_same_donor_in_every_batch(setting, start, count, beside):
    """Its tokens, its case and how it is matched; and the values, as near as two shapes of a batch allow."""
    alone, more = setting.prompts(start, count), setting.prompts(start, count + beside)
    donors, others = setting.donors.of(alone), setting.donors.of(more)
    for row in range(len(alone)):
        end = donors.end[row] + 1
        assert end == others.end[row] + 1
        assert donors.tokens[row, :end].tolist() == others.tokens[row, :end].tolist()
    few, many = setting.task.of(alone), setting.task.of(more)
    for site, values in few.items():
        for row in range(len(alone)):
            here = slice(0, alone.end[row] + 1)
            assert torch.allclose(values[row, here], many[site][row, here], atol=1e-5), site


@given(start=st.integers(0, 10**6), seed=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_donor_is_of_another_datapoint_of_the_same_split_and_params(setting, start, seed):
    where = (("pairs", 2, 2),)
    for split in ("train", "select", "test"):
        point = setting.generator.datapoint(split, start, {"pairs": (2, 2)})
        batch = replace(encode([point], setting.tokenizer, 32), where=where)
        donors = replace(setting.donors, seed=seed).of(batch)
        own = {prompt.text for prompt in point.prompts}
        for row, end in zip(donors.tokens, donors.end, strict=True):
            said = setting.tokenizer.decode(row[1 : end + 1].tolist())
            assert said not in own
            assert setting.generator.feature.split_of(said) == split
        assert set(donors.marks[0]["word"]) == set(donors.marks[0]["words"])
    assert donors.split == "test"
    assert donors.where == where


def test_cases_of_donors_are_drawn_at_random_or_are_the_other(setting):
    batch = setting.prompts(0, 100)
    square = setting.tokenizer.encode("a = [").ids[-1]

    def cases(donors: Donors) -> list[int]:
        found = donors.of(batch)
        return [0 if square in row.tolist() else 1 for row in found.tokens]

    own = [row % 2 for row in range(len(batch))]
    other = cases(replace(setting.donors, cases="other"))
    assert all(a != b for a, b in zip(own, other, strict=True))
    drawn = cases(setting.donors)
    assert (
        60 < sum(a != b for a, b in zip(own, drawn, strict=True)) < 140
    )  # of 200, an even chance each: 5 sd
    assert drawn != cases(replace(setting.donors, seed=1))


def test_a_donor_equal_to_the_prompt_changes_nothing(setting, monkeypatch):
    batch = setting.prompts(0, 6)
    own = FromTask(setting.task.mean, setting.model, setting.donors)
    monkeypatch.setattr(Donors, "of", lambda self, batch: batch)
    nothing_kept = {site: torch.zeros_like(mean) for site, mean in own.mean.items()}
    ablated = score.answer_logits(setting.model, batch, Mask(nothing_kept, own.of(batch)))
    assert torch.equal(ablated, score.answer_logits(setting.model, batch))


def test_positions_are_matched_by_mark_then_prefix_then_end(setting):
    short = setting.generator.datapoint("test", 0, {"pairs": (1, 1)})
    long = setting.generator.datapoint("test", 1, {"pairs": (2, 2)})
    here, there = (encode([p], setting.tokenizer, 32).only(0) for p in (long, short))
    found = match(here, there)
    assert found.position[0, 0] == 0  # the token in front of every prompt
    assert found.position[0, here.end[0]] == there.end[0]
    for name in ("a", "open", "b"):
        ours, theirs = here.marks[0][name], there.marks[0][name]
        wanted = [theirs[-min(back, len(theirs))] for back in range(len(ours), 0, -1)]
        assert [int(found.position[0, place]) for place in ours] == wanted, name
    assert sum(found.shares.values()) == pytest.approx(1.0)
    same = match(here, here)
    assert same.position[0, : here.end[0] + 1].tolist() == list(range(here.end[0] + 1))


def test_a_task_of_one_datapoint_has_no_donor(make_model, tokenizer):
    cases = "case s with open = '[' answer ']' case r with open = '(' answer ')'"
    text = f'task one {{ draw a = "x" prompt "{{a}} = {{open}}" {cases} }}'
    task = load_text(text).tasks["one"]
    prompts = encode([Datapoint("test", 0, Generator(task, 0).unsplit(0), False)], tokenizer, 32)

    class Only(Generator):
        def datapoint(self, split, index, where=None):
            return Datapoint("test", index, self.unsplit(0), False)

    with pytest.raises(NoDonor, match="ablate = mean"):
        Donors(Only(task, 0), tokenizer, 32).of(prompts)


def test_a_value_that_is_no_number_on_a_donor_is_said(make_model, tokenizer):
    broken = Setting(make_model, tokenizer)
    broken.model.attention[1].value.weight[0, 0] = float("nan")
    with pytest.raises(CommandError, match=r"1\.v .*not finite"):
        broken.task.of(broken.prompts(0, 2))


@pytest.mark.parametrize("seed", range(3))
def test_the_full_mask_is_the_model_whatever_the_ablation(setting, resampled, make_model, make_batch, seed):
    """Bit for bit: over the task with its donors, over text."""
    batch = setting.prompts(100 * seed, 4)
    keep = {site: torch.ones_like(mean) for site, mean in setting.task.mean.items()}
    kept = score.answer_logits(setting.model, batch, Mask(keep, setting.task.of(batch)))
    assert torch.equal(kept, score.answer_logits(setting.model, batch))
    model, batch = make_model(activations=0.5), make_batch(seed)
    keep = {site: torch.ones(model.config.size(site)) for site in model.config.sites()}
    kept = score.answer_logits(model, batch, Mask(keep, resampled.of(batch)))
    assert torch.equal(kept, score.answer_logits(model, batch))


def test_a_donor_per_site_is_another_one(setting):
    batch = setting.prompts(0, 8)
    one, each = setting.task.of(batch), replace(setting.task, by_site=True, _recent={}).of(batch)
    assert all(one[site].shape == each[site].shape for site in one)
    assert sum(not torch.equal(one[site], each[site]) for site in one) > len(one) // 2
