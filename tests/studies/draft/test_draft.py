"""A draft of a planted circuit: it names the planted parts, is in canonical form, and never looked at `test`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planted.circuits import QUOTES, Planted, quotes
from benchmarks.planted.known import assessor_of
from circuitlang.checking.job import Options
from circuitlang.checking.run import check_file
from circuitlang.checking.static import check_text
from circuitlang.circuit.find import Finder
from circuitlang.circuit.match import Binding
from circuitlang.circuit.parts import Anatomy
from circuitlang.claims.measure import Meter, Setting
from circuitlang.claims.metrics import View
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.language.program.hypothesis import Port, Role
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import PruneSettings
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.model.checkpoint import save
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.studies.draft import draft as module
from circuitlang.studies.draft.claim import NATS_MARGIN, SHARE_MARGIN, bound_of
from circuitlang.studies.draft.draft import ROOM, Drafted, draft, target_for
from circuitlang.studies.draft.observe import LOOKED, look
from circuitlang.studies.draft.spec_text import fresh_name
from tests.test_architecture import ROOT
from tests.test_readme import fenced, shape

PAGE, SHOWN = ROOT / "docs/api.md", "<!-- the draft -->\n"
WRONG = QUOTES.replace("""'"' answer '"'""", """'"' answer "'" """).replace(
    '''"'" answer "'"''', """"'" answer '"'"""
)


@dataclass(frozen=True)
class Made:
    """A folder with a planted model and its task, and the draft that was made there."""

    folder: Path
    planted: Planted
    drafted: Drafted
    splits: frozenset[str]

    @property
    def text(self) -> str:
        return self.drafted.path.read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").touch()
    planted = quotes()
    save(
        folder / "model",
        planted.checkpoint.model,
        planted.checkpoint.tokenizer,
        planted.checkpoint.reference,
        {},
    )
    (folder / "quotes.task").write_text(QUOTES)
    splits: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Meter, Finder):  # all that gives prompts to the model

            def prompts(self, split, *rest, plain=kind.prompts):
                splits.add(split)
                return plain(self, split, *rest)

            patch.setattr(kind, "prompts", prompts)
        done = draft(
            folder / "quotes.task", None, "model", folder / "specs/quotes_draft.cir", options=quick(folder)
        )
    return Made(folder, planted, done, frozenset(splits))


def quick(folder: Path) -> Options:
    return Options(cache=folder / "cache", controls=False, battery=False)


def test_it_is_a_program_in_canonical_form_that_passes_the_check(made: Made) -> None:
    from circuitlang.source.diagnostic import Source

    assert format_file(parse(Source("draft", made.text))) == made.text
    (program,), warnings = check_text([made.drafted.path], measure=True)
    assert (warnings, made.drafted.warnings) == ([], ())
    spec = program.specs["quotes_draft"]
    assert spec.model == "model"
    assert {"sufficient", "right", "necessary", "small"} <= {claim.name for claim in spec.claims}
    assert max(len(line) for line in made.text.splitlines() if line.lstrip().startswith("#")) <= 100


def test_it_says_that_it_is_a_draft_and_how_its_numbers_were_chosen(made: Made) -> None:
    said = " ".join(line.removeprefix("#").strip() for line in made.text.splitlines() if line.startswith("#"))
    assert said.startswith("A DRAFT, yet to be judged.")
    assert "It ran the model on no prompt of `test`" in said
    assert "held out" in said
    assert "MISSED" not in said


def test_the_page_shows_it(made: Made, request: pytest.FixtureRequest) -> None:
    """docs/api.md. `--promote` accepts another text; of numbers only that they are numbers is held."""
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index(SHOWN) + len(SHOWN), text.index("<!-- end of the draft -->")
    if request.config.getoption("--promote"):
        PAGE.write_text(text[:start] + fenced(made.text, "text") + text[end:], encoding="utf-8")
        return
    assert shape(text[start:end]) == shape(fenced(made.text, "text"))


def test_the_model_is_run_on_no_prompt_of_test(made: Made) -> None:
    assert made.splits == {"train", "select"}


def test_the_planted_parts_get_the_roles_that_they_play(made: Made) -> None:
    """The kind by what it tells, the head by where it looks; each by its name, wired as it was planted. The detector
    says where the quote stands, which it says on every donor too: it carries no answer, and is not kept."""
    comments = {}
    lines = [line.strip() for line in made.text.splitlines()]
    for place, line in enumerate(lines):
        if line.startswith("role "):
            first = place - 1
            while lines[first - 1].startswith("#"):
                first -= 1
            comments[line.split()[1]] = " ".join(each.removeprefix("# ") for each in lines[first:place])
    parts = {"tells_double": "kind"}
    for role, part in parts.items():
        assert comments[role].startswith(f"{made.planted.parts[part][0]}: ")
    assert comments["reads_open"].startswith("1.head[0]: looks at `open` from the end, 100% of its attention")
    assert "finds_open" not in made.text
    for arrow in ("tells_double -> reads_open.value", "reads_open -> answer"):
        assert arrow in lines


def test_it_holds_on_fresh_prompts(made: Made) -> None:
    """The planted circuit is what the guesses say, so the check of its draft passes: roles, arrows and every bound."""
    small = made.folder / "specs/small.cir"
    small.write_text(made.text.replace("seeds = 0 }", "seeds = 0 }\n verdict { samples = 512..1024 }"))
    report = check_file(small, None, quick(made.folder))
    assert {claim.name: claim.verdict for claim in report.claims if claim.verdict is not Outcome.PASS} == {}
    assert report.circuit is not None
    assert report.circuit.roles()["tells_double"] == tuple(map(str, made.planted.parts["kind"]))


def test_nothing_is_overwritten_unless_told(made: Made) -> None:
    before = made.text
    with pytest.raises(CommandError, match="exists already; --force"):
        draft(made.folder / "quotes.task", None, "model", made.drafted.path, options=quick(made.folder))
    assert made.text == before


@pytest.mark.parametrize(
    ("task", "model", "out", "said"),
    [
        (
            WRONG,
            "model",
            "x.cir",
            "is not competent at `planted`, and nothing is written: on `select` it is right on 0",
        ),
        (QUOTES, "nothing", "x.cir", "there is no model"),
        (QUOTES, "model", "x.task", "a spec's file ends in .cir"),
        (QUOTES, "model", "a b.cir", "`a b` is no name"),
        (QUOTES.replace("answer '\"'", "answer 'abc'"), "model", "x.cir", "CIR-"),
    ],
    ids=["not competent", "no model", "no spec", "no name", "several tokens"],
)
def test_where_there_is_no_draft_nothing_is_written(
    made: Made, task: str, model: str, out: str, said: str
) -> None:
    path = made.folder / "other.task"
    path.write_text(task)
    with pytest.raises((CommandError, ProgramError), match=said):
        draft(path, None, model, made.folder / "none" / out, options=quick(made.folder))
    assert not (made.folder / "none").exists()


def test_a_task_that_needs_no_circuit_is_said_to_need_none(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = module.search

    def empty(*asked):
        (found,), owns = search(*asked)
        return [replace(found, graph=replace(found.graph, nodes=(), edges=()))], owns

    monkeypatch.setattr(module, "search", empty)
    said = "needs no circuit, and nothing is written: with everything ablated"
    with pytest.raises(CommandError, match=said):
        draft(made.folder / "quotes.task", None, "model", made.folder / "y.cir", options=quick(made.folder))
    assert not (made.folder / "y.cir").exists()


def test_a_search_without_a_circuit_writes_nothing(made: Made) -> None:
    with pytest.raises(
        CommandError, match="no circuit was found, and nothing is written: the search stopped"
    ):
        draft(
            made.folder / "quotes.task",
            None,
            "model",
            made.folder / "x.cir",
            1e-6,
            options=quick(made.folder),
        )
    assert not (made.folder / "x.cir").exists()


def test_a_guesss_number_is_what_the_metric_measures(made: Made) -> None:
    spec = load_text(QUOTES + "spec s { task = planted model = 'zoo:x' claim c: nodes >= 1 }").specs["s"]
    assessor = assessor_of(made.planted, spec)
    meter, anatomy = assessor.meter, Anatomy(assessor.graph)
    parts = [*anatomy.parts(Role("x", "neuron")), *anatomy.parts(Role("x", "head"))]
    found = look(meter, parts)
    assert len(parts) == 3
    for part in parts:
        binding = Binding({"it": (part,)})
        for sight in found[part.name]:
            for _, quantity, _ in sight.claims:
                kind = "head" if part.is_head else "neuron"
                spec = f"spec s {{ task = planted model = 'zoo:x' circuit {{ role it = {kind} }}"
                text = f"{QUOTES}\n{spec} claim c: {quantity.replace('ROLE', 'it')} >= 60% }}"
                left = load_text(text).specs["s"].claims[0].left
                view = View(meter, Setting(split="select"), None, left.arguments, binding)
                if "between" in left.arguments:  # compares other pairs of the same datapoints
                    continue
                values = view.attention(LOOKED) if part.is_head else view.auroc(LOOKED)
                shown = (
                    float(sight.number.split("%")[0]) / 100
                    if part.is_head
                    else float(sight.number.split()[1])
                )
                assert abs(float(np.mean(values)) - shown) <= 0.0051


ends = st.floats(0, 1)


@given(ends, ends, st.sampled_from(["<=", ">="]), st.sampled_from(["share", "nats"]))
def test_a_bound_lies_beyond_the_interval_by_the_margin(a: float, b: float, relation, unit: str) -> None:
    low, high = sorted((a, b))
    bound = bound_of(Interval((low + high) / 2, low, high, 9, ""), relation, unit)
    end = high if relation == "<=" else low
    margin = SHARE_MARGIN if unit == "share" else NATS_MARGIN * end
    away = bound - end if relation == "<=" else end - bound
    assert bound >= 0
    assert away >= -1e-9
    assert away <= margin + 0.01 + 1e-9
    if 0 < bound < 1:
        assert away >= margin - 1e-9
    assert round(100 * bound, 6).is_integer()


@given(st.floats(0, 5))
def test_the_target_leaves_a_circuit_room(own: float) -> None:
    usual = PruneSettings().loss
    assert target_for(own) >= max(usual, own + ROOM) - 1e-9
    assert target_for(own) <= max(usual, own + ROOM + 0.01 + 1e-9)


@given(st.lists(st.text("ab1", min_size=1, max_size=2), max_size=6))
def test_names_are_new(wished: list[str]) -> None:
    taken: list[str] = []
    for name in wished:
        taken.append(fresh_name(name, taken))
    assert len(set(taken)) == len(taken)


def test_a_roles_name_is_a_port_of_the_language() -> None:
    assert str(Port(fresh_name("finds_open", ["finds_open"]))) == "finds_open_2"
