"""Documents: addressed, shared among workers, weighted by characters; real files in one order."""

import hashlib
from itertools import islice

import pytest

from circuitlang.language.program.expression import Choice, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.recipe import Corpus, Document, Files
from circuitlang.language.program.task import Draw, Rule
from circuitlang.prompts.document import RuleDocuments, expected_length, rule_documents
from circuitlang.prompts.unroll import Grammar


def corpus(*files: Files) -> Corpus:
    name = Choice((Text("x"), Text("rows"), Text("total")), (1.0, 1.0, 1.0))
    inner = Sequence((Text("["), Repeat(Ref("value", "rule"), 0, 4, None, ", "), Text("]")))
    value = Choice((Number(0, 99), Ref("name", "rule"), inner), (4.0, 1.0, 1.0))
    line = Sequence((Ref("name", "rule"), Text(" = "), Ref("value", "rule"), Text("\n")))
    rules = {
        "name": Rule("name", name, None),
        "value": Rule("value", value, 3),
        "line": Rule("line", line, None),
        "program": Rule("program", Repeat(Ref("line", "rule"), 3, 12, None, ""), None),
    }
    return Corpus("tiny", rules, (Document("program", 0.5), Document("line", 0.5)), files, "corpus tiny")


def test_a_document_is_a_function_of_its_number():
    made = list(islice(rule_documents(corpus(), 3), 60))
    assert list(rule_documents(corpus(), 3, 40, 60)) == made[40:]
    assert RuleDocuments(corpus(), 3).text(17) == made[17]
    assert list(rule_documents(corpus(), 4, 0, 60)) != made


def test_ranges_make_together_what_one_worker_makes():
    whole = list(rule_documents(corpus(), 0, 0, 50))
    assert [*rule_documents(corpus(), 0, 0, 20), *rule_documents(corpus(), 0, 20, 50)] == whole


def test_weights_are_shares_of_the_text():
    made = list(rule_documents(corpus(), 0, 0, 20_000))
    lines = sum(len(text) for text in made if text.count("\n") == 1)
    assert abs(lines / sum(map(len, made)) - 0.5) < 0.03


def test_the_expected_length_is_the_mean_length():
    documents = RuleDocuments(corpus(), 1)
    grammar = Grammar(corpus().rules)
    for entry, name in enumerate(("program", "line")):
        expected = expected_length(grammar.unroll(Ref(name, "rule")), grammar, {})
        mean = sum(len(documents.rule_text(entry, i)) for i in range(4000)) / 4000
        assert mean == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("low", "high"), [(0, 0), (-120, 1005), (-9, -1), (7, 13), (-10, -10), (99, 100)])
def test_the_expected_length_of_numbers(low, high):
    mean = sum(len(str(i)) for i in range(low, high + 1)) / (high - low + 1)
    assert expected_length(Number(low, high), Grammar({}), {}) == pytest.approx(mean)


def drawn() -> Corpus:
    """Documents that speak of the same two names throughout."""
    words = Choice(tuple(map(Text, ("ant", "bee", "caterpillar"))), (2.0, 1.0, 1.0))
    a, b, other = (Ref(name, "draw") for name in ("a", "b", "other"))
    line = Sequence((a, Text(" = "), b, Text("\n")))
    rules = {
        "line": Rule("line", line, None),
        "many": Rule("many", Repeat(Ref("line", "rule"), 2, 4, None, ""), None),
        "one": Rule("one", Sequence((other, Text(";"), a)), None),
    }
    draws = (Draw(("a", "b"), words, ()), Draw(("other",), words, ("a",)))
    return Corpus("drawn", rules, (Document("many", 0.5), Document("one", 0.5)), (), "corpus drawn", draws)


def test_draws_hold_throughout_a_document():
    made = list(rule_documents(drawn(), 0, 0, 3000))
    for text in made:
        if text.endswith("\n"):
            assert len(set(text.splitlines())) == 1
            assert len(set(text.splitlines()[0].split(" = "))) == 2
        else:
            assert len(set(text.split(";"))) == 2
    lines = sum(len(text) for text in made if text.endswith("\n"))
    assert abs(lines / sum(map(len, made)) - 0.5) < 0.05


def test_documents_never_change():
    """A model's recipe names its corpus and seed; other text would make it another model."""
    text = "".join([*rule_documents(corpus(), 0, 0, 100), *rule_documents(drawn(), 0, 0, 100)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "1e69b075eed951e1"
