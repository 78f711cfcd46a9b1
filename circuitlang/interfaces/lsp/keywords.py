"""Every keyword: one sentence and an example. Rows only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyword:
    """`example` can stand in a file as it is; `inside`: the block it stands in there, empty for the top level."""

    meaning: str
    example: str
    inside: str = "task"


_DRAW = 'draw a, b = "x" | "y" | "z"'
_RULE = 'rule row = number{1..4 by ", "}'
_CASE = 'case flat with list = "[" row answer "]\\n"'
_ROLE = 'role copier = head in layer 1..3 "copies the kind to the end"'
_CLAIM = "claim sufficient: loss given keep(circuit) <= 0.15"

KEYWORDS = {
    "circuitlang": Keyword("The version of the language that the file is written in.", "circuitlang 1", ""),
    "use": Keyword(
        "Makes what another file of the project declares known here.", 'use "tasks/python.task"', ""
    ),
    "task": Keyword(
        "Prompts in cases that differ only where `with` makes them differ, each with one right answer.",
        'task t { prompt "{x}" case a with x = "1" answer "2" case b with x = "3" answer "4" }',
        "",
    ),
    "corpus": Keyword(
        "Text to train a model on: documents made by rules, mixed with files.",
        'corpus c { rule line = "x = " 0..99 document line weight 0.5 files "texts/*.txt" weight 0.5 }',
        "",
    ),
    "model": Keyword(
        "The sizes, the sparsity and the training of a model.",
        "model m { architecture { layers = 4 width = 128 heads = 8 } train { corpus = c tokens = 50M } }",
        "",
    ),
    "spec": Keyword(
        "A hypothesis about a circuit: which task, which model, and the claims that make it true or false.",
        f'spec s {{ task = t model = "zoo:python-small" {_CLAIM} }}',
        "",
    ),
    "bridge": Keyword(
        "Ties a sparse model to a dense one, with its training and claims about both.",
        "bridge b { dense = big sparse = small claim near: encoder_error <= 0.1 }",
        "",
    ),
    "param": Keyword(
        "A whole number, drawn once per datapoint, that a claim may pin.", "param length = 1..4"
    ),
    "rule": Keyword("A text that is made afresh at every use.", _RULE),
    "depth": Keyword("How often a rule may reach itself.", 'rule e depth 3 = "x" | "(" e ")"'),
    "draw": Keyword("A text drawn once per datapoint; several names are drawn without replacement.", _DRAW),
    "except": Keyword(
        "Leaves out the values of earlier draws.", 'draw a = "x" | "y" draw b = "x" | "y" | "z" except a'
    ),
    "hold": Keyword(
        "`hold out`: a share of a draw's choices occurs in the test split only.", "hold out a 25%"
    ),
    "out": Keyword(
        "`hold out`: a share of a draw's choices occurs in the test split only.", "hold out a 25%"
    ),
    "prompt": Keyword("What the model is shown; `{name}` is a hole.", 'prompt "def {fn}({arg}):"'),
    "case": Keyword("One of the alternatives of a datapoint, with its answer.", _CASE),
    "with": Keyword("What names stand for in this case.", _CASE),
    "answer": Keyword("The one token that should follow the prompt.", _CASE),
    "not": Keyword(
        "The one-sided form: `answer not` says what should not follow.",
        'case other with x = "(" answer not ")"',
    ),
    "foil": Keyword(
        "What the answer is told apart from, instead of the other cases' answers.",
        'case a with x = "1" answer "2" foil "3"',
    ),
    "files": Keyword(
        "Files of the project, or of Python's library, as text of a corpus.", 'files "texts/*.txt"', "corpus"
    ),
    "document": Keyword(
        "A rule that makes whole documents of a corpus.", "document program weight 0.5", "corpus"
    ),
    "weight": Keyword(
        "How likely an alternative is, against 1 for the others.", 'rule a = "x" | "y" weight 2'
    ),
    "by": Keyword("What stands between repetitions.", _RULE),
    "circuit": Keyword(
        "The parts that the hypothesis names, and how they are connected.",
        "circuit { role copier = head copier.value -> answer }",
        "spec",
    ),
    "role": Keyword("A name for a part of the circuit; `role x+` names several at once.", _ROLE, "circuit"),
    "in": Keyword("`in layer`: where a role may be.", _ROLE, "circuit"),
    "layer": Keyword("`in layer`: where a role may be.", _ROLE, "circuit"),
    "never": Keyword("Claims that no such path exists.", "never detector ~> copier.key", "circuit"),
    "claim": Keyword("A sentence that measurement makes true or false.", _CLAIM, "spec"),
    "given": Keyword("What is done to the model before it is measured.", _CLAIM, "spec"),
    "each": Keyword(
        "One intervention per member; the claim holds when it holds for the worst.",
        "claim minimal: rise given drop(each node) >= 0.01",
        "spec",
    ),
    "where": Keyword(
        "Pins a param of the task, beyond its usual range if need be.",
        "claim dilutes: accuracy where length = 64 <= 0.6",
        "spec",
    ),
    "for": Keyword("`for case`: measures one case only.", "claim one: accuracy for case flat >= 0.9", "spec"),
}
