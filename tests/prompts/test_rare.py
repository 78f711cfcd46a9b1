"""A rare prompt that cannot be asked is found before anything runs, or else said at its place, beside the rest."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from circuitlang.checking import run
from circuitlang.checking.job import Job, Options
from circuitlang.language.program.load import load_text
from circuitlang.language.program.task import Task
from circuitlang.model.locate import TOKENS, locate
from circuitlang.prompts import admit as admission
from circuitlang.prompts.admit import admit, evened
from circuitlang.prompts.one_token import TokenError
from circuitlang.prompts.tokenizer import load_tokenizer
from circuitlang.studies import training

ZOO = "zoo:python-small"
RARE = """
task rare {
  draw word = "red" | "green" | "house" | "city" | "file" | "table" | "river" | "garden"
  draw number = 0..99
  rule ending = ")" weight 20000 | " and so on"
  prompt "{number} print({word}"
  case one with shut = ending answer "{shut}"
  case two answer ","
}
"""
OTHER = RARE.replace("task rare", "task plain").replace(' weight 20000 | " and so on"', "")


def tasks() -> list[Task]:
    return [load_text(text).tasks[name] for text, name in ((RARE, "rare"), (OTHER, "plain"))]


def test_rare_alternatives_are_tried_before_anything_runs() -> None:
    rare, plain = tasks()
    tokenizer = load_tokenizer(locate(ZOO, Path()) / TOKENS)
    found = admit(rare, tokenizer, 256, ZOO)  # as an answer, and as the other case's foil
    assert [(each.code, each.span.line) for each in found] == [("CIR-210", 7), ("CIR-210", 8)]
    assert admit(plain, tokenizer, 256, ZOO) == []
    assert evened(plain) == plain
    assert evened(rare) != rare


def test_one_that_was_not_tried_takes_no_other_task_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    error = TokenError("CIR-210", "the answer ' and so on' is not one token", "one", "something else")

    def late(self: object, setting: object, name: str, datapoints: int) -> None:
        raise error

    found = training.loaded(ZOO)
    monkeypatch.setattr("circuitlang.claims.measure.Meter.table", late)
    (_, said), (_, other) = training.asked(found, [tasks()[1], tasks()[1]], 4, lambda stage, share: None)
    assert said.code == other.code == "CIR-210"
    assert said.span.line == 7
    assert "something else" in (said.hint or "")


def test_in_a_check_it_is_said_at_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    program = load_text(OTHER + f'spec s {{ task = plain  model = "{ZOO}"  claim a: accuracy >= 90% }}')

    def late(job: Job) -> None:
        raise TokenError("CIR-210", "the answer ' and so on' is not one token", "one")

    monkeypatch.setattr(run, "check_and_write", late)
    job = Job.of(program, program.specs["s"], Options())
    done, refused, _ = run.check_all([job, job], lambda stage, share: None)
    assert done == []
    assert [(each.code, each.span.line) for each in refused] == [("CIR-210", 7)] * 2


def test_a_worker_hands_the_error_on_whole() -> None:
    error = pickle.loads(pickle.dumps(TokenError("CIR-211", "too long", "one", "shorter")))
    assert (error.code, str(error), error.case, error.remedy) == ("CIR-211", "too long", "one", "shorter")


assert admission.LOOKED_AT < 200, "the weights above are rarer than what is looked at"
