"""Task to its cues: which surface features tell its cases apart, and how well, before a circuit is found for one.

A rule (a threshold, or a table of last tokens) is chosen on one half of some `train` datapoints and scored on the
other. Intervals hold all together: a task has one that misses with probability at most 1 - `CONFIDENCE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, pairwise
from math import log
from operator import gt, lt

from circuitlang.language.program.task import Task
from circuitlang.prompts.features import (
    ENDS,
    SHAPES,
    Cut,
    Feature,
    Surface,
    case_spans,
    numbers,
    surface,
    texts,
    words,
)
from circuitlang.prompts.generate import Generator, Where
from circuitlang.prompts.prompt import Datapoint, Split
from circuitlang.prompts.split import LONG
from circuitlang.source.diagnostic import Diagnostic

DATAPOINTS = 512  # half to choose rules, half to score them
CONFIDENCE = 0.99  # of all of a task's intervals together
CHANCE = 0.5  # a rule is asked about two cases, each as likely
BAR = 0.6  # a warning where the whole interval lies above: worth a look, and no accident

_WORTH_SCORING = 0.55  # a rule that does worse where it was chosen is not tried elsewhere
_HALVINGS = 40
_NAMED = 3  # further cues that a warning names


@dataclass(frozen=True, slots=True)
class Cue:
    """A feature that tells two cases apart. `own`: it counts what the cases' own text holds, so it may be the task
    itself; what is not own is a shortcut.

    threshold  the number from which on the rule says `upper`, else the other case; None for tokens
    table      the first or last tokens for which the rule says a case, most frequent first; None for numbers
    accuracy   share of prompts of the two cases for which it is right, each case counting half; chance is 0.5
    auroc      chance that a prompt of `upper` has the larger number than one of the other case (a tie counts half)
    larger     share of datapoints in which the prompt of `upper` has the larger number; `smaller` likewise
    """

    feature: Feature
    own: bool
    cases: tuple[str, str]
    threshold: int | None
    upper: str
    table: Mapping[str, str] | None
    accuracy: float
    low: float
    high: float
    auroc: float | None
    larger: float | None
    smaller: float | None

    @property
    def lower(self) -> str:
        """The case that the rule says below its threshold."""
        return self.cases[self.cases[0] == self.upper]

    @property
    def is_shortcut(self) -> bool:
        """Whether it deserves a warning."""
        return not self.own and self.low > BAR


@dataclass(frozen=True, slots=True)
class Cues:
    """`found`: strongest first. `scored`: how many rules were scored, and corrected for. `datapoints`: scored on."""

    found: tuple[Cue, ...]
    scored: int
    datapoints: int


def cues(
    task: Task,
    cut: Cut = words,
    seed: int = 0,
    count: int = DATAPOINTS,
    split: Split = "train",
    where: Where | None = None,
) -> Cues:
    """The cues of the first `count` datapoints (two at least; fewer where they are LONG together) of a split. `cut`
    makes a text's tokens."""
    datapoints: list[Datapoint] = []
    length = 0
    for datapoint in Generator(task, seed).datapoints(split, range(max(2, count)), where):
        datapoints.append(datapoint)
        length += sum(len(prompt.text) for prompt in datapoint.prompts)
        length += sum(map(len, datapoint.prompts[0].draws.values()))
        if length > LONG and len(datapoints) >= 2:
            break
    return find(task, datapoints, cut)


def find(task: Task, datapoints: Sequence[Datapoint], cut: Cut = words) -> Cues:
    """The cues of these datapoints, of which the first half decides what the second is asked."""
    own = case_spans(task)
    prompts = [prompt for datapoint in datapoints for prompt in datapoint.prompts]
    surfaces = [
        surface(prompt, tokens, own(prompt))
        for prompt, tokens in zip(prompts, cut([prompt.text for prompt in prompts]), strict=True)
    ]
    names = [case.name for case in task.cases]
    half = len(datapoints) // 2
    by_case = {name: surfaces[place :: len(names)] for place, name in enumerate(names)}
    chosen_on = {name: rows[:half] for name, rows in by_case.items()}
    scored_on = {name: rows[half:] for name, rows in by_case.items()}
    pairs = _asked_apart(datapoints, names)
    tried = [
        *(_by_number(feature, pair, chosen_on) for feature in _different(chosen_on) for pair in pairs),
        *(_by_text(Feature(kind), pair, chosen_on) for kind in ENDS for pair in pairs),
    ]
    rules = [rule for rule in tried if rule.share >= _WORTH_SCORING]
    found = [_scored(rule, scored_on, len(rules), _is_own(rule.feature, chosen_on)) for rule in rules]
    found.sort(key=lambda cue: (-cue.accuracy, cue.own, cue.cases, cue.feature))
    return Cues(tuple(found), len(rules), len(datapoints) - half)


def check_cues(task: Task, cut: Cut = words, options: str = "") -> list[Diagnostic]:
    """A warning at a case that a shortcut tells from another. `options`: what `preview` needs to count these tokens."""
    found = [cue for cue in cues(task, cut).found if cue.is_shortcut]
    if not found:
        return []
    first, *others = found
    span = next(case.span for case in task.cases if case.name == first.cases[1])
    of_two = len(task.cases) == 2
    named = [f"{cue.feature} ({'' if of_two else pair(cue)}{cue.accuracy:.0%})" for cue in others[:_NAMED]]
    named += [f"{len(others) - _NAMED} more"] if len(others) > _NAMED else []
    also = f"the same goes for {', '.join(named)}; " if named else ""
    see = f"`circuitlang preview {task.span.source.name} {task.name} --cues{options}`"
    hint = f"a circuit could use it and nothing else; {also}see {see}"
    return [Diagnostic("CIR-213", sentence(first), span, hint, "warning")]


def sentence(cue: Cue) -> str:
    """What a cue says, in words, without a full stop."""
    return (
        f"{cue.feature} alone tells {pair(cue)}{cue.accuracy:.0%} of the time "
        f"({cue.low:.0%} to {cue.high:.0%}; chance {CHANCE:.0%})"
    )


def pair(cue: Cue) -> str:
    return f"`{cue.cases[0]}` from `{cue.cases[1]}` "


def interval(mean: float, count: int, alpha: float) -> tuple[float, float]:
    """Where the expectation of the mean of `count` independent values in [0, 1] lies, missed with probability at
    most alpha: Hoeffding's bound in relative entropy (1963, theorem 1), which holds at every count.

    A value is a datapoint's share of right prompts: the prompts of a datapoint have nearly everything in common and
    are not independent.
    """
    reach = log(2 / alpha) / count
    return _limit(mean, 0.0, reach), _limit(mean, 1.0, reach)


def _limit(mean: float, end: float, reach: float) -> float:
    """The farthest point towards `end` that a mean is within reach of, by bisection; the outer side of it."""
    near, far = mean, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if _divergence(mean, middle) <= reach else (near, middle)
    return far


def _divergence(p: float, q: float) -> float:
    """Of a coin of chance p from one of chance q, in nats."""
    parts = ((p, q), (1 - p, 1 - q))
    return sum(0.0 if a == 0 else float("inf") if b == 0 else a * log(a / b) for a, b in parts)


Rows = Mapping[str, Sequence[Surface]]  # case -> its prompts' features, one per datapoint


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one feature says of a prompt. `share`: of right answers where it was chosen, half for what it cannot tell.
    `rises`: from the threshold on it says the pair's second case. `table`: as in a Cue, then there is no threshold."""

    feature: Feature
    pair: tuple[str, str]
    share: float
    threshold: int = 0
    rises: bool = True
    table: Mapping[str, str] | None = None


def _asked_apart(datapoints: Sequence[Datapoint], names: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of cases that ever have different answers; to tell other pairs apart is no use to anybody."""
    return [
        (names[i], names[j])
        for i, j in combinations(range(len(names)), 2)
        if any(
            (d.prompts[i].answer, d.prompts[i].negated) != (d.prompts[j].answer, d.prompts[j].negated)
            for d in datapoints
        )
    ]


def _different(rows: Rows) -> list[Feature]:
    """The features that could matter, one of those whose numbers are always the same: what stands elsewhere before
    what is own, and the longest text. What hardly any prompt has cannot be worth scoring."""
    often = [Feature(kind) for kind in SHAPES]
    least = (2 * _WORTH_SCORING - 1) * max(map(len, rows.values()))
    for kind in ("count elsewhere", "count"):
        seen: Counter[str] = Counter()
        for surfaces in rows.values():
            seen |= Counter(
                chain.from_iterable(each.elsewhere if kind != "count" else each.counts for each in surfaces)
            )
        found = [Feature(kind, text) for text, times in seen.items() if times >= least]
        often += sorted(found, key=lambda feature: (-len(feature.text), feature.text))
    kept: dict[tuple[int, ...], Feature] = {}
    for feature in often:
        column = tuple(chain.from_iterable(numbers(feature, surfaces) for surfaces in rows.values()))
        kept.setdefault(column, feature)
    return list(kept.values())


def _is_own(feature: Feature, rows: Rows) -> bool:
    """Whether something of what is counted stands in a case's own text."""
    elsewhere = feature._replace(kind="count elsewhere")
    return feature.kind == "count" and any(
        numbers(feature, surfaces) != numbers(elsewhere, surfaces) for surfaces in rows.values()
    )


def _by_number(feature: Feature, pair: tuple[str, str], rows: Rows) -> _Rule:
    """The best threshold of a number."""
    first, second = (Counter(numbers(feature, rows[name])) for name in pair)
    size = sum(first.values())
    best, threshold, below, rises = 0, 0, 0, True
    values = sorted(first | second)
    for low, high in pairwise(values):
        below += first[low] - second[low]  # how many more of the first case than of the second are below
        if abs(below) > best:
            best, threshold, rises = abs(below), (low + high) // 2 + 1, below > 0
    return _Rule(feature, pair, (size + best) / (2 * size), threshold=threshold, rises=rises)


def _by_text(feature: Feature, pair: tuple[str, str], rows: Rows) -> _Rule:
    """The best case for each token; none where both are as likely."""
    first, second = (Counter(texts(feature, rows[name])) for name in pair)
    sure = [text for text in first | second if first[text] != second[text]]
    sure.sort(key=lambda text: (-abs(first[text] - second[text]), text))
    table = {text: pair[second[text] > first[text]] for text in sure}
    size = sum(first.values())
    gained = sum(abs(first[text] - second[text]) for text in sure)
    return _Rule(feature, pair, (2 * size + gained) / (4 * size), table=table)


def _scored(rule: _Rule, rows: Rows, tests: int, own: bool) -> Cue:
    """The rule on datapoints that did not choose it."""
    auroc = larger = smaller = None
    if rule.table is None:
        first, second = (numbers(rule.feature, rows[name]) for name in rule.pair)
        rights = [
            ((b >= rule.threshold) == rule.rises) - ((a >= rule.threshold) == rule.rises)
            for a, b in zip(first, second, strict=True)
        ]
        ups, downs = (second, first) if rule.rises else (first, second)
        larger = sum(map(gt, ups, downs)) / len(ups)
        smaller = sum(map(lt, ups, downs)) / len(ups)
        auroc = _auroc(ups, downs)
    else:
        columns = [texts(rule.feature, rows[name]) for name in rule.pair]
        says = {text: 1 if case == rule.pair[1] else -1 for text, case in rule.table.items()}
        rights = [(says.get(b, 0) - says.get(a, 0)) / 2 for a, b in zip(*columns, strict=True)]
    shares = [(1 + right) / 2 for right in rights]  # of a datapoint's two prompts
    accuracy = sum(shares) / len(shares)
    low, high = interval(accuracy, len(shares), (1 - CONFIDENCE) / tests)
    return Cue(
        feature=rule.feature,
        own=own,
        cases=rule.pair,
        threshold=None if rule.table is not None else rule.threshold,
        upper=rule.pair[rule.rises],
        table=rule.table,
        accuracy=accuracy,
        low=low,
        high=high,
        auroc=auroc,
        larger=larger,
        smaller=smaller,
    )


def _auroc(ups: Sequence[int], downs: Sequence[int]) -> float:
    up, down = Counter(ups), Counter(downs)
    wins = below = 0.0
    for value in sorted(up | down):
        wins += up[value] * (below + down[value] / 2)
        below += down[value]
    return wins / (len(ups) * len(downs))
