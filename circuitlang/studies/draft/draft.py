"""`circuitlang draft`: a task and a model to a first spec, from what a search finds and prompts of `select` show.

The model is run on no prompt of `test`: the draft's numbers are chosen after looking, and `check` judges them where
nobody has looked.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.stages import search
from circuitlang.checking.static import check_text
from circuitlang.circuit.find import SELECTED, Found
from circuitlang.claims.assess import Assessor
from circuitlang.claims.measure import UNTOUCHED, Meter
from circuitlang.language.files import choose
from circuitlang.language.program.hypothesis import Circuit
from circuitlang.language.program.load import bytes_of, find_project, load, project_root
from circuitlang.language.program.spec import PruneSettings, Spec, VerdictSettings
from circuitlang.language.program.task import Task
from circuitlang.language.starter import check_name
from circuitlang.source.diagnostic import CommandError, Diagnostic, ProgramError
from circuitlang.storage.atomic import create_whole, require_writable, write_whole
from circuitlang.studies.draft.claim import (
    CONFIDENCE,
    FRESH,
    NATS_MARGIN,
    SHARE_MARGIN,
    beats_random,
    bounded,
    candidates,
)
from circuitlang.studies.draft.guess import Guess, guess
from circuitlang.studies.draft.spec_text import ClaimText, Frame, RoleText, draft_text
from circuitlang.studies.training import is_competent

ROOM = 0.1
"""Nats above the untouched model's own loss that a circuit is given where the usual target leaves less room."""
SIZE_MARGIN = 0.2
"""How much larger than the circuit that was found one may be, as a share of its nodes."""


@dataclass(frozen=True)
class Drafted:
    """What was written, and sentences for whoever asked for it. `warnings`: what `check --no-run` says of it."""

    path: Path
    notes: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class _Place:
    """Where a draft will lie, and what a text would be there."""

    path: Path
    frame: Frame

    def check(self, text: str) -> tuple[Spec, tuple[Diagnostic, ...]]:
        """The spec that the text is, and all that can be said of it without computing. ProgramError."""
        programs, warnings = check_text([self.path], measure=True, reader=self._reader(text))
        return programs[0].specs[self.frame.name], tuple(warnings)

    def load(self, text: str) -> Spec | None:
        """The spec, or None where the language refuses the text or warns of it."""
        try:
            program = load(self.path, reader=self._reader(text))
        except ProgramError:
            return None
        own = [d for d in program.warnings if d.span.source.name == str(self.path)]
        return None if own else program.specs[self.frame.name]

    def _reader(self, text: str) -> Callable[[Path], bytes]:
        here = self.path.resolve()
        return lambda path: text.encode() if path.resolve() == here else bytes_of(path)


def draft(
    path: Path,
    name: str | None,
    model: str,
    out: Path | None = None,
    loss: float | None = None,
    seed: int = 0,
    force: bool = False,
    options: Options | None = None,
) -> Drafted:
    """Writes a first spec for a task of a file, whole or not at all. `loss`: the search's target, in nats per prompt;
    `seed`: of the search. Raises CommandError where the model is not competent, the search finds nothing, or the file
    exists and `force` does not say otherwise; ProgramError for mistakes in the task's file."""
    options = options or Options()
    program = check_text([path], measure=True)[0][0]
    task = choose(program.tasks, name, "task", path)
    place = _place(path, task, model, out, loss, seed)
    if not force and (place.path.exists() or place.path.is_symlink()):
        raise CommandError(f"{place.path} exists already; --force writes over it, --out says another file")
    require_writable(next(folder for folder in place.path.absolute().parents if folder.exists()))
    spec, _ = place.check(draft_text(place.frame, claims=[_PROBE]))
    job = Job(spec, project_root(place.path), options)
    bench = Bench.of(job)
    meter = bench.meter
    own = require_competent(meter, spec.verdict, task.name)
    if loss is None:
        place = replace(place, frame=replace(place.frame, target=target_for(own)))
        spec, _ = place.check(draft_text(place.frame, claims=[_PROBE]))
    (found,), _ = search(replace(job, spec=spec), bench)
    if found.pruned.stopped is not None:
        raise CommandError(
            f"no circuit was found, and nothing is written: the search {found.pruned.stopped}; "
            f"the target is {spec.prune.loss:g} nats, the untouched model's own loss {own:.3g}"
        )
    if not found.graph.node_count:
        raise CommandError(
            f"`{task.name}` needs no circuit, and nothing is written: with everything ablated its loss is "
            f"{found.pruned.loss:.3g} nats, and the target is {spec.prune.loss:g}; a smaller --loss asks for more"
        )
    options.told("look", 0.0)
    roles, arrows, claims = _contents(place, task, meter, found, seed, options)
    frame = replace(place.frame, head=_head(place.frame, task, found, own), doc=_doc(found))
    text = draft_text(frame, [each.role for each in roles], arrows, claims)
    _, warnings = place.check(text)
    if force:
        write_whole(place.path, text)
    else:
        create_whole({place.path: text})
    return Drafted(place.path, tuple(_notes(place, found, roles, claims)), warnings)


_PROBE = ClaimText("small", "nodes", ">=", "1")


def _place(path: Path, task: Task, model: str, out: Path | None, loss: float | None, seed: int) -> _Place:
    """NAME_draft.cir in the project's folder specs, or beside the task's file where there is no project."""
    if out is None:
        project = find_project(path.parent)
        folder = path.parent if project is None else Path(os.path.relpath(project)) / "specs"
        out = folder / f"{task.name}_draft.cir"
    if out.suffix != ".cir":
        raise CommandError(f"{out}: a spec's file ends in .cir")
    check_name(out.stem)
    used = Path(os.path.relpath(path, out.parent)).as_posix()
    target = PruneSettings().loss if loss is None else loss
    return _Place(out, Frame(out.stem, used, task.name, model, target, seed))


def require_competent(meter: Meter, needed: VerdictSettings, task: str) -> float:
    """The untouched model's loss on `select`, in nats per prompt. CommandError where it does not do the task."""
    tables = {
        name: meter.table(UNTOUCHED.on_select, name, SELECTED + FRESH)[SELECTED:]
        for name in ("choice", "mass", "loss")
    }
    accuracy = float((tables["choice"] == 0).mean())
    mass, loss = (float(tables[each].mean(dtype="float64")) for each in ("mass", "loss"))
    if not is_competent(accuracy, mass, needed):
        raise CommandError(
            f"the model is not competent at `{task}`, and nothing is written: on `select` it is right on "
            f"{100 * accuracy:.1f}% of the prompts (needed: more than {100 * needed.competence:g}%) and gives answer "
            f"and foils {100 * mass:.2g}% of its probability (needed: {100 * needed.mass:g}%)"
        )
    return loss


def target_for(own: float) -> float:
    """The usual target, or as much above the untouched model's own loss as leaves a circuit room; to a hundredth."""
    return max(PruneSettings().loss, math.ceil(100 * (own + ROOM) - 1e-9) / 100)


def _contents(
    place: _Place, task: Task, meter: Meter, found: Found, seed: int, options: Options
) -> tuple[list[Guess], list[str], list[ClaimText]]:
    frame, graph = place.frame, found.graph

    def check(roles: Sequence[RoleText], arrows: Sequence[str]) -> Circuit | None:
        spec = place.load(draft_text(frame, roles, arrows, [_PROBE]))
        return None if spec is None else spec.circuit

    bare = Assessor(meter, graph, VerdictSettings(), seed)
    cases = [case.name for case in task.cases]
    roles, arrows = guess(graph, meter, bare.effect, check, [*cases, *_marks(task)])
    written = [each.role for each in roles]
    claims: list[ClaimText] = []
    possible = list(candidates(task, roles))
    for number, (text, unit, least) in enumerate(possible):
        options.told(f"measure: {text.name}", number / len(possible))
        spec = place.load(draft_text(frame, written, arrows, [text]))
        if spec is None:
            continue
        assessor = Assessor(meter, graph, spec.verdict, seed, spec.circuit)
        claim = bounded(assessor, spec.claims[0], text, unit, least)
        claims += [claim] if claim else []
    size = math.ceil((1 + SIZE_MARGIN) * graph.node_count)
    claims.append(ClaimText("small", "nodes", "<=", str(size), f"It has {graph.node_count}."))
    random = ClaimText("no_luck", "loss given keep(circuit)", "<", "loss given keep(random)")
    spec = place.load(draft_text(frame, written, arrows, [random]))
    options.told("measure: random circuits", 0.95)
    if spec is not None and beats_random(
        Assessor(meter, graph, spec.verdict, seed, spec.circuit), spec.claims[0]
    ):
        claims.append(random)
    return roles, arrows, claims


def _marks(task: Task) -> list[str]:
    return [*task.param_names, *task.rules, *(name for draw in task.draws for name in draw.names)]


def _doc(found: Found) -> str:
    return f"A draft: {found.graph.node_count} nodes do the task, and some of them what is guessed below."


def _head(frame: Frame, task: Task, found: Found, own: float) -> list[str]:
    pruned = found.pruned
    missed = "" if pruned.reached else " THE SEARCH MISSED ITS TARGET: this is the best that it found."
    held = (
        f" On `test`, half of the prompts use choices of {', '.join(sorted(task.hold_out))} that are held out from "
        "`select`: losses may be larger there."
        if task.hold_out
        else ""
    )
    return [
        "A DRAFT, yet to be judged. `circuitlang draft` chose every role, arrow and bound below after looking "
        "at this model on prompts of `select`. It ran the model on no prompt of `test`, on which `circuitlang "
        "check` judges. If that passes, the numbers hold on fresh prompts; that a role does what its guess says "
        "is then still yours to claim, and to test with claims that could fail. Rename, delete, add; then remove "
        "this comment.",
        f"The circuit: {found.graph.node_count} of {found.graph.total_nodes:,} nodes; its loss on `select` is "
        f"{pruned.loss:.3g} nats, the target {frame.target:g}, the untouched model's loss {own:.3g}.{missed}{held}",
        f"A bound is the far end of the {100 * CONFIDENCE:g}% interval over datapoints {SELECTED} to "
        f"{SELECTED + FRESH - 1} of `select` (the search chose on those before), and beyond it {100 * SHARE_MARGIN:g} "
        f"percentage points of a share or {100 * NATS_MARGIN:g}% of a loss; for the size, {100 * SIZE_MARGIN:g}% "
        "more nodes. A role's number is of the untouched model, unless it says `keep(circuit)`.",
    ]


def _notes(place: _Place, found: Found, roles: Sequence[Guess], claims: Sequence[ClaimText]) -> Iterator[str]:
    if not found.pruned.reached:
        yield (
            f"the search missed its target of {place.frame.target:g} nats: the circuit's loss on `select` is "
            f"{found.pruned.loss:.3g}; the draft says so"
        )
    plural = "s" * (len(roles) != 1)
    yield f"{found.graph.node_count} nodes, {len(roles)} role{plural}, {len(claims)} claims"
    yield f"wrote {place.path}; judge it on fresh prompts: circuitlang check {place.path}"
