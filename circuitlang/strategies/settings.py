"""Texts of model and spec blocks that the checker accepts: values drawn from what the vocabulary allows."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from circuitlang.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    SPEC_SECTIONS,
    Metric,
    Setting,
)
from circuitlang.syntax.strings import quoted


@dataclass(frozen=True)
class Written:
    """A task's text, and what a spec about it may name. Params are at least 0 and at most 3."""

    name: str
    text: str
    params: tuple[str, ...]
    cases: tuple[str, ...]


_HIGHEST = 10**6  # of settings without an upper bound


def _number(draw: st.DrawFn, setting: Setting) -> str:
    """A number that the setting accepts."""
    low = setting.low if setting.low is not None else setting.above if setting.above is not None else 0
    high = setting.high if setting.high is not None else setting.below if setting.below is not None else 10
    value = low + (high - low) * draw(st.integers(1, 999)) / 1000
    return repr(float(f"{value:.3g}")) if setting.accepts(float(f"{value:.3g}")) else repr(value)


def _integer(draw: st.DrawFn, setting: Setting) -> int:
    low = int(setting.low or 0)
    return draw(st.integers(low, min(int(setting.high or _HIGHEST), low + _HIGHEST)))


def _value(draw: st.DrawFn, setting: Setting) -> str | None:
    """A value of the setting, or None for a type of which none is made."""
    match setting.type:
        case "integer":
            return str(_integer(draw, setting))
        case "number":
            return _number(draw, setting)
        case "yes or no":
            return draw(st.sampled_from(("yes", "no")))
        case "choice":
            return draw(st.sampled_from(setting.choices))
        case "integers":
            numbers = sorted({_integer(draw, setting) for _ in range(draw(st.integers(1, 3)))})
            return f"({', '.join(map(str, numbers))})"
        case "numbers":
            texts = {_number(draw, setting) for _ in range(draw(st.integers(1, 3)))}
            return f"({', '.join(sorted(texts))})"
        case "integer range":
            low, high = sorted((_integer(draw, setting), _integer(draw, setting)))
            return f"{low}..{high}"
    return None


def _section(draw: st.DrawFn, name: str, settings: tuple[Setting, ...], fixed: dict[str, str]) -> str:
    """A section with some of its settings; those of `fixed` as they are."""
    words = [f"{key} = {value}" for key, value in fixed.items()]
    for setting in settings:
        if setting.name not in fixed and draw(st.booleans()):
            value = _value(draw, setting)
            words += [f"{setting.name} = {value}"] if value is not None else []
    return f"{name} {{ {'  '.join(words)} }}"


@st.composite
def model_text(draw: st.DrawFn, name: str, corpus: str) -> str:
    """A `model` block that trains on a corpus."""
    heads, each = draw(st.integers(1, 16)), draw(st.integers(1, 64))
    fixed = {
        "architecture": {
            "layers": str(draw(st.integers(1, 64))),
            "width": str(heads * each),
            "heads": str(heads),
        },
        "sparsity": {"floor": str(draw(st.integers(0, heads * each // 64))), "weights": "1/64"},
        "train": {"corpus": corpus, "tokens": draw(st.sampled_from(("1", "200K", "50M", "1G")))},
    }
    sections = [
        _section(draw, kind, section.settings, fixed.get(kind, {}))
        for kind, section in MODEL_SECTIONS.items()
        if kind in fixed or draw(st.booleans())
    ]
    return "\n  ".join([f"model {name} {{", *sections]) + "\n}\n"


def _quantity(draw: st.DrawFn, metric: Metric, task: Written, right: bool) -> str:
    """A metric with what it needs; on the right side nothing is taken one by one."""
    text = metric.name
    if metric.given == "must" or (metric.given == "may" and draw(st.booleans())):
        kinds = [kind for kind in INTERVENTIONS.values() if kind.built and "circuit" in kind.targets]
        kind = draw(st.sampled_from(kinds))
        targets = [target for target in kind.targets if target in ("circuit", "random")]
        targets += [f"each {member}" for member in kind.each if not right and member == "node"]
        text += f" given {kind.name}({draw(st.sampled_from(targets))})"
    if not metric.counts:
        if task.params and draw(st.booleans()):
            text += (
                f" where {draw(st.sampled_from(task.params))} = {draw(st.sampled_from(('0', '3', '0..4')))}"
            )
        if draw(st.integers(0, 3)) == 3:
            text += f" for case {draw(st.sampled_from(task.cases))}"
    return text


def _claim(draw: st.DrawFn, name: str, task: Written) -> str:
    metrics = [metric for metric in METRICS.values() if metric.built and not metric.takes]
    metric = draw(st.sampled_from(metrics))
    left = _quantity(draw, metric, task, right=False)
    relation = draw(
        st.sampled_from(("<", "<=", ">", ">=", "==") if metric.counts else ("<", "<=", ">", ">="))
    )
    if draw(st.integers(0, 3)) == 3:
        right = _quantity(
            draw, draw(st.sampled_from([m for m in metrics if m.unit == metric.unit])), task, True
        )
    elif metric.counts:
        right = str(draw(st.integers(1, 500)))
    elif metric.unit == "share":
        right = draw(st.sampled_from(("0.5", "95%", "1/3", "0.99")))
    else:
        right = draw(st.sampled_from(("0.15", "1", "2.5e-1", "7/10")))
    return f"claim {name}: {left} {relation} {right}"


@st.composite
def spec_text(draw: st.DrawFn, name: str, task: Written, models: list[str]) -> str:
    """A `spec` block about a task and one of the models, or one that ships."""
    model = draw(st.sampled_from([*models, quoted("zoo:python-small")]))
    lines = [f"task = {task.name}", f"model = {model}"]
    lines += [
        _section(draw, kind, section.settings, {})
        for kind, section in SPEC_SECTIONS.items()
        if draw(st.booleans())
    ]
    lines += [_claim(draw, f"k{i}", task) for i in range(draw(st.integers(1, 4)))]
    return "\n  ".join([f"spec {name} {{", quoted("A random spec."), *lines]) + "\n}\n"
