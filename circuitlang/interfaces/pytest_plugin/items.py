"""A .cir file -> a test for each claim, and for whatever else counts in its verdict. Nothing is computed before a test.

Beside the claims a spec has the tests `[competence]`, `[circuit]` (where it has a circuit block), `[controls]` and
`[battery]`, so that a session is green exactly where `circuitlang check` passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from circuitlang.checking.static import check_text
from circuitlang.claims.verdict import HYPOTHESIS, Outcome, overall
from circuitlang.interfaces.pytest_plugin.check_once import Asked, Shared
from circuitlang.language.program.spec import Spec
from circuitlang.report import words
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult
from circuitlang.source.diagnostic import CommandError, Diagnostic, ProgramError, Span
from circuitlang.source.visible import visible

_SHARED = pytest.StashKey[Shared]()


class Result(NamedTuple):
    """Of one test. `said`: one sentence; `more`: lines below; `numbers`: what goes into JUnit's properties."""

    outcome: Outcome
    said: str
    more: Iterable[str] = ()
    numbers: Iterable[tuple[str, object]] = ()


class NotPassed(Exception):
    """A test's outcome that is none to be green, as text for its reader."""


class CircuitFile(pytest.File):
    """A file of the language. Its mistakes are its collection's error, all at once."""

    def collect(self) -> Iterator[pytest.Collector | pytest.Item]:
        path = _short(self.path, self.config)
        try:
            programs, _ = check_text([path], measure=True, model=self.config.getoption("--circuits-model"))
        except (ProgramError, CommandError) as error:
            raise self.CollectError(str(error)) from None
        specs = list(programs[0].specs.values())
        if len(specs) == 1:
            yield from tests_of(self, specs[0], path)
            return
        for spec in specs:
            yield CircuitSpec.from_parent(self, name=spec.name, spec=spec, file=path)


class CircuitSpec(pytest.Collector):
    """One of several specs of a file."""

    def __init__(self, *, spec: Spec, file: Path, **rest: Any) -> None:
        super().__init__(**rest)
        self.spec, self.file = spec, file

    def collect(self) -> Iterator[pytest.Item]:
        yield from tests_of(self, self.spec, self.file)


def tests_of(parent: pytest.Collector, spec: Spec, file: Path) -> Iterator[pytest.Item]:
    """Every test of a spec, in the order of its report."""
    asked = Asked(file, spec.name)
    head = spec.span.head

    def one(name: str, span: Span) -> pytest.Item:
        return CircuitTest.from_parent(parent, name=name, asked=asked, span=span)

    yield one("[competence]", head)
    if spec.circuit is not None:
        yield one(f"[{HYPOTHESIS}]", spec.circuit.span.head if spec.circuit.span else head)
    for claim in spec.claims:
        yield one(claim.name, claim.span)
    yield one("[controls]", head)
    yield one("[battery]", head)


class CircuitTest(pytest.Item):
    """A claim, or what else counts. All tests of a spec read one report."""

    def __init__(self, *, asked: Asked, span: Span, **rest: Any) -> None:
        super().__init__(**rest)
        self.asked, self.span = asked, span
        self.outcome: str | None = None
        self.add_marker(pytest.mark.xdist_group(str(asked)))  # for `--dist loadgroup`

    def runtest(self) -> None:
        stash = self.config.stash
        if _SHARED not in stash:
            stash[_SHARED] = Shared(self.config)
        result = result_of(stash[_SHARED].report(self.asked), self.name)
        self.outcome = result.outcome.value
        self.user_properties += [(name, value) for name, value in result.numbers]
        self.user_properties.append(("verdict", self.outcome))
        if result.outcome is not Outcome.PASS:
            message = f"{self.name}: {result.said}"
            shown = Diagnostic(self.outcome, message, self.span).render()
            raise NotPassed("\n".join((shown, *(f"  {visible(line)}" for line in result.more))))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, (NotPassed, CommandError, ProgramError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.span.line - 1, f"{self.asked.spec}: {self.name}"


def result_of(report: Report, name: str) -> Result:
    """What became of a test. What was not reached, as the model is not competent, is not measured."""
    if name == "[competence]":
        task = report.task
        numbers = [(metric, found.value) for metric, found in task.intervals.items()]
        said = task.note or report.note or words.meaning(report)
        return Result(task.outcome, said, numbers=numbers)
    if name in ("[controls]", "[battery]"):
        return _gates(report, name)
    wanted = name.removeprefix("[").removesuffix("]")
    claim = next((claim for claim in report.claims if claim.name == wanted), None)
    if claim is None:
        return Result(Outcome.NOT_MEASURED, report.note or "nothing was judged")
    more = [*([words.seeds(claim)] if words.seeds(claim) else []), *words.breaks(claim)]
    return Result(claim.verdict, words.sentence(claim), more, _numbers(claim))


def _gates(report: Report, name: str) -> Result:
    """What counts beside the claims; what is shown but does not count is left to the report."""
    battery = name == "[battery]"
    if not (report.battery if battery else report.controls) and report.circuit is None:
        return Result(Outcome.NOT_MEASURED, report.note or "there is no circuit")
    judged = [each for each in report.battery if each.gates] if battery else report.controls
    outcomes = {each.name: each.verdict for each in judged if each.verdict is not None}
    bad = {each: outcome for each, outcome in outcomes.items() if outcome is not Outcome.PASS}
    said = "; ".join(f"{each}: {outcome.value}" for each, outcome in bad.items())
    gates = (gate for gate in words.gates(report) if gate.name.removeprefix("control ") in bad)
    more = [f"{gate.name}: {gate.outcome.value}: {gate.said}" for gate in gates]
    numbers = [(each, outcome.value) for each, outcome in outcomes.items()]
    return Result(overall(bad.values()) if bad else Outcome.PASS, said, more, numbers)


def _numbers(claim: ClaimResult) -> list[tuple[str, object]]:
    found = {"value": claim.value, "low": claim.low, "high": claim.high, "prompts": claim.prompts}
    return [(name, value) for name, value in found.items() if value is not None]


def _short(path: Path, config: pytest.Config) -> Path:
    """As a reader in the folder that pytest was started in writes it."""
    folder = config.invocation_params.dir
    return path.relative_to(folder) if path.is_relative_to(folder) and Path.cwd() == folder else path
