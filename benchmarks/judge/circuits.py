"""True specs and their mutations, over variations of the planted circuits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.judge.mutate import Mutation, Mutator, without_weight
from benchmarks.judge.subject import Subject, Variation, outcome, precision_and_recall
from benchmarks.judge.truth import Truth
from benchmarks.planted.circuits import CIRCUITS, Size, induction, quotes
from circuitlang.claims.verdict import Outcome

SIZES = (Size(), Size(decoys=4, scatter=True), Size(48, 4, 64, 6, True), Size(64, 8, 64, 8, True))
NOISES = (0.0, 0.01, 0.02)
"""Sizes of the noise: small against the weights that were written, so that the planted nodes remain what does the
task. (With 0.05 the lookup's decoys compensate for it, and pruning keeps them: docs/log.md.)"""


def mutated(variation: Variation) -> bool:
    """Whether its spec is mutated, too."""
    return variation in MUTATED or variation in RESAMPLED[: len(CIRCUITS)]


def variations(quick: bool) -> list[Variation]:
    """Every circuit in every size with every noise, twice where the circuit alone is in the model, and every circuit in
    every size under `resample`; or one of each."""
    if quick:
        return [*MUTATED[: len(CIRCUITS)], RESAMPLED[0]]
    return [
        *(
            Variation(make.__name__, noise, seed, size)
            for make in CIRCUITS
            for size in SIZES
            for noise in NOISES
            for seed in range(2 if noise and not size.decoys else 1)
        ),
        *RESAMPLED,
    ]


MUTATED = tuple(
    Variation(make.__name__, noise, 0, size)
    for noise, size in ((0.01, SIZES[1]), (0.02, SIZES[0]))
    for make in (CIRCUITS if size.decoys else (quotes, induction))
)
"""The variations whose specs are mutated: one of each circuit, and two more of those with the most roles; under
`resample` one of each."""
RESAMPLED = tuple(
    Variation(make.__name__, 0.01, 0, size, ablate="resample") for size in SIZES for make in CIRCUITS
)


FEW = 128
"""Datapoints behind a true value where few mutations are judged."""


@dataclass(frozen=True)
class Pruned:
    """What became of one true spec. `failed`: what did not pass."""

    variation: Variation
    nodes: dict[str, float]
    edges: dict[str, float]
    decoys: int
    outcome: Outcome
    failed: tuple[str, ...]
    claims: int


@dataclass
class Mutated:
    """What became of the mutations, by operator: how often each outcome, `refused` by the checker being one of them.
    `passed`: every one that passed, in words."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)

    def add(self, other: Mutated) -> None:
        for operator, counts in other.counts.items():
            self.counts.setdefault(operator, Counter()).update(counts)
        self.passed += other.passed


def true_spec(subject: Subject) -> Pruned:
    """Searched for, matched and judged; and compared with what was planted."""
    planted, found = subject.planted, subject.found
    verdicts = subject.true_verdicts
    known = {e for e in planted.edges if e[0] in planted.nodes and e[1] in planted.nodes}
    nodes = set(found.pruned.nodes) - subject.spare
    return Pruned(
        subject.variation,
        precision_and_recall(nodes, set(planted.nodes)),
        precision_and_recall(set(subject.graph.weights), known),
        len(nodes & planted.decoys),
        outcome(verdicts),
        tuple(f"{v.name}: {v.outcome}, {v.interval}" for v in verdicts if v.outcome is not Outcome.PASS),
        len(verdicts),
    )


def mutated_specs(subject: Subject, most: int | None = None) -> Mutated:
    """Every mutation judged, or the first `most` that are spread over all."""
    result = Mutated()
    truth = Truth(subject) if most is None else Truth(subject, FEW)
    mutations = list(Mutator(subject, truth).all())
    if most is not None and len(mutations) > most:
        mutations = [mutations[i * len(mutations) // most] for i in range(most)]
    for mutation in mutations:
        became = "refused"
        if mutation.spec is not None:
            became = str(_judged(subject, mutation))
        result.counts.setdefault(mutation.operator, Counter())[became] += 1
        if became == Outcome.PASS:
            result.passed.append(f"{subject.variation}: {mutation.operator}: {mutation.detail}")
    return result


def _judged(subject: Subject, mutation: Mutation) -> Outcome:
    assert mutation.spec is not None
    if mutation.gone is not None:
        subject = subject.with_model(without_weight(subject.planted.checkpoint, mutation.gone))
    return outcome(subject.verdicts(mutation.spec, mutation.nodes))


def run(variation: Variation, mutate: bool, most: int | None = None) -> tuple[Pruned, Mutated]:
    """Both parts of one variation. What pruning did not find exactly is not mutated: then it is not known what is in
    the circuit."""
    subject = Subject(variation)
    return true_spec(subject), mutated_specs(subject, most) if mutate and subject.exact else Mutated()


def joined(results: Sequence[tuple[Pruned, Mutated]]) -> tuple[list[Pruned], Mutated]:
    whole = Mutated()
    for _, mutated in results:
        whole.add(mutated)
    return [pruned for pruned, _ in results], whole


def least(pruned: Sequence[Pruned]) -> Iterator[tuple[str, float]]:
    """Precision and recall, the worst of all."""
    for what in ("nodes", "edges"):
        for of in ("precision", "recall"):
            yield f"{what}, {of}", min(getattr(one, what)[of] for one in pruned)
