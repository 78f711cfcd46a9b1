"""Texts of model and spec blocks that the checker accepts: values drawn from what the vocabulary allows."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from circuitlang.language.program.signature import Metric, Setting
from circuitlang.language.program.vocabulary import INTERVENTIONS, METRICS, MODEL_SECTIONS, SPEC_SECTIONS
from circuitlang.language.syntax.strings import quoted


@dataclass(frozen=True)
class Written:
    """A task's text, and what a spec about it may name. Params are at least 0 and at most 3. `contrast`: every
    case has other cases, whose answers are its foils."""

    name: str
    text: str
    params: tuple[str, ...]
    cases: tuple[str, ...]
    contrast: bool


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
        case "choices":
            names = draw(st.lists(st.sampled_from(setting.choices), min_size=1, unique=True))
            return f"({', '.join(names)})"
        case "integers":
            numbers = sorted({_integer(draw, setting) for _ in range(draw(st.integers(1, 3)))})
            return f"({', '.join(map(str, numbers))})"
        case "name or text":
            return draw(st.sampled_from(('"zoo:python-small"', "'models/mine'")))
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
            "layers": str(draw(st.integers(4, 64))),
            "width": str(heads * each),
            "heads": str(heads),
            "smear": str(draw(st.integers(0, 1))),
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


@dataclass(frozen=True)
class _Roles:
    """The roles of a circuit: their names by kind. `group`: the one that is a group, or none. `arrows`: that can be
    between them, whatever the circuit says."""

    neurons: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    group: str = ""
    arrows: tuple[str, ...] = ()


def _circuit(draw: st.DrawFn) -> tuple[_Roles, str]:
    """A circuit in which every arrow goes to a later layer, and the roles that it has."""
    group = "+" * draw(st.booleans())
    layers = ("", " in layer 1..2", " in layer 1")
    lines = [
        'role early = neuron in layer 0 "reads"',
        f"role copier = head{draw(st.sampled_from(layers))}",
        f"role late{group} = neuron in layer 3",
    ]
    arrows = [
        "early -> copier.key",
        "early ~> copier.value",
        "copier -> late",
        "copier.out ~> answer",
        "early ~> late",
    ]
    arrows += ["late -> answer", "copier -> late -> answer", "never late ~> copier.query"]
    some = draw(st.lists(st.sampled_from(arrows[:-2]), min_size=1, max_size=3, unique=True))
    text = "\n    ".join(["circuit {", *lines, *some]) + "\n  }"
    singles = ("early",) if group else ("early", "late")
    possible = ("early -> copier.key", "early ~> late", "copier ~> answer")
    return _Roles(singles, ("copier",), "late" if group else "", possible), text


def _quantity(draw: st.DrawFn, metric: Metric, task: Written, roles: _Roles, right: bool) -> str:
    """A metric with what it needs; on the right side nothing is taken one by one."""
    several = len(task.cases) > 2
    text = metric.name
    over = any(each.type == "choice" for each in metric.parameters)
    if over and not right and draw(st.integers(0, 3)) == 3:
        role, token = draw(st.sampled_from(roles.neurons)), draw(st.sampled_from(("[", '"', "]\n")))
        return f"{text}({role}, over=text, at={quoted(token)})"
    if metric.role is not None:
        role = draw(st.sampled_from(roles.heads if metric.role.kinds == ("head",) else roles.neurons))
        names = [each.name for each in metric.parameters if each.type in ("mark", "mark or text")]
        marks = [f"{name}={'start' if name == 'to' else 'end'}" for name in names]  # attention looks back
        text += f"({', '.join([role, *marks])})"
    elif metric.contrast and several:
        text += f"(to={task.cases[0]})"
    if metric.given == "must" or (metric.given == "may" and draw(st.booleans())):
        text += f" given {_intervention(draw, task, roles, right or metric.contrast)}"
    if not metric.counts:
        if task.params and draw(st.booleans()):
            text += (
                f" where {draw(st.sampled_from(task.params))} = {draw(st.sampled_from(('0', '3', '0..4')))}"
            )
        if not metric.contrast and " swap(" not in text and draw(st.integers(0, 3)) == 3:
            text += f" for case {draw(st.sampled_from(task.cases))}"
    return text


def _intervention(draw: st.DrawFn, task: Written, roles: _Roles, one: bool) -> str:
    """What can be done to the circuit, to random ones, or to a role; `one`: not to each member in turn."""
    kinds = [
        kind
        for kind in INTERVENTIONS.values()
        if "spec" in kind.blocks
        and (roles.neurons or "circuit" in kind.forms)
        and (task.contrast or not kind.contrast)
    ]
    kind = draw(st.sampled_from(kinds))
    targets = [form for form in ("circuit", "random") if form in kind.forms]
    targets += roles.neurons if "role" in kind.forms else ()
    targets += roles.arrows if "arrow" in kind.forms else ()
    if not one:
        targets += [form for form in ("each node", "each edge") if form in kind.forms]
        targets += [f"each {roles.group}"] if roles.group and "each ROLE" in kind.forms else []
    number = " = 0.5" if kind.value is not None else ""
    to = f", to={task.cases[0]}" if kind.contrast and len(task.cases) > 2 else ""
    return f"{kind.name}({draw(st.sampled_from(targets))}{number}{to})"


def _claim(draw: st.DrawFn, name: str, task: Written, roles: _Roles) -> str:
    metrics = [
        metric
        for metric in METRICS.values()
        if "spec" in metric.blocks
        and (metric.role is None or roles.neurons)
        and (task.contrast or not metric.contrast)
    ]
    metric = draw(st.sampled_from(metrics))
    left = _quantity(draw, metric, task, roles, right=False)
    relation = draw(
        st.sampled_from(("<", "<=", ">", ">=", "==") if metric.counts else ("<", "<=", ">", ">="))
    )
    alike = [other for other in metrics if other.unit == metric.unit and not other.contrast]
    if alike and "over=text" not in left and not metric.contrast and draw(st.integers(0, 3)) == 3:
        right = _quantity(draw, draw(st.sampled_from(alike)), task, roles, right=True)
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
    # One case may have one answer for all prompts, and then other prompts of the task say nothing.
    fixed = {"prune": {"ablate": "mean"}} if len(task.cases) == 1 else {}
    lines += [
        _section(draw, kind, section.settings, fixed.get(kind, {}))
        for kind, section in SPEC_SECTIONS.items()
        if kind in fixed or draw(st.booleans())
    ]
    roles = _Roles()
    if draw(st.booleans()):
        roles, circuit = _circuit(draw)
        lines.append(circuit)
    lines += [_claim(draw, f"k{i}", task, roles) for i in range(draw(st.integers(1, 4)))]
    return "\n  ".join([f"spec {name} {{", quoted("A random spec."), *lines]) + "\n}\n"
