"""Settings of a section -> the frozen value they fill; types and ranges from the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from circuitlang.language.program import errors, errors_spec
from circuitlang.language.program.recipe import Corpus
from circuitlang.language.program.signature import Section, Setting
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic, Span

_EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "yes or no": "`yes` or `no`",
    "name": "a name",
    "name or text": "a name or a text in quotes",
    "integers": "a whole number, a range as 0..2, or several as (0, 3)",
    "numbers": "a number, or several as (0.001, 0.01)",
    "integer range": "a range of whole numbers, as 512..8192",
}


def first_of_each(
    settings: Iterable[tree.Setting], known: Mapping[str, Setting], found: list[Diagnostic]
) -> dict[str, tree.Setting]:
    """The settings by name; unknown ones and repetitions are reported and left out."""
    by_name: dict[str, tree.Setting] = {}
    for setting in settings:
        name = setting.name.text
        if name not in known:
            found.append(errors.unknown("setting", setting.name.span, known))
        elif name in by_name:
            found.append(errors.declared_twice("setting", setting.name.span, by_name[name].name.span))
        else:
            by_name[name] = setting
    return by_name


def block_sections(
    block: tree.Model | tree.Spec | tree.Bridge, known: Iterable[str], found: list[Diagnostic]
) -> dict[str, tree.Section]:
    """The sections of a block by name; unknown ones and repetitions are reported and left out."""
    sections: dict[str, tree.Section] = {}
    for item in block.items:
        if not isinstance(item, tree.Section):
            continue
        name = item.name.text
        if name not in known:
            also = ["circuit"] if isinstance(block, tree.Spec) else []
            found.append(errors.unknown("section", item.name.span, [*known, *also]))
        elif name in sections:
            found.append(errors.declared_twice("section", item.name.span, sections[name].name.span))
        else:
            sections[name] = item
    return sections


def find_corpus(
    train: Mapping[str, Any],
    sections: Mapping[str, tree.Section],
    corpora: Mapping[str, Corpus],
    found: list[Diagnostic],
) -> Corpus | None:
    """The corpus that a `train` section names; None where it names none or one that there is not."""
    if "corpus" in train and train["corpus"] not in corpora:
        at = next(item.value.span for item in sections["train"].items if item.name.text == "corpus")
        found.append(errors.unknown("corpus", at, corpora))
    return corpora.get(train.get("corpus", ""))


def section_values(
    section: Section, written: tree.Section | None, owner: Span, found: list[Diagnostic]
) -> dict[str, Any]:
    """Every value of a section by name: the written one, or the default; absent where it is wrong or missing.
    A name setting stays the name's text."""
    known = {setting.name: setting for setting in section.settings}
    settings = first_of_each(written.items if written else (), known, found)
    values: dict[str, Any] = {}
    for setting in section.settings:
        if setting.name in settings:
            value = setting_value(setting, settings[setting.name].value, found)
            values |= {} if value is None else {setting.name: value}
        elif setting.name in section.defaults:
            values[setting.name] = section.defaults[setting.name]
        else:
            at = written.name.span if written else owner
            example = f"{section.name} {{ {setting.name} = … }}"
            found.append(errors_spec.missing("setting", setting.name, at, example))
    return values


def setting_value(setting: Setting, value: tree.Value, found: list[Diagnostic]) -> Any:
    """The value as Python has it, or None if it is wrong."""
    read = _read(setting, value)
    if read is None:
        expected = setting.values if setting.choices else _EXPECTED[setting.type]
        if setting.type == "number" and isinstance(value, tree.Percent):
            expected += f" in {setting.unit}" * bool(setting.unit)
        found.append(errors_spec.wrong_type(value.span, setting.name, expected, _meant(setting, value)))
        return None
    if setting.type in ("integer", "number", "integers", "numbers", "integer range"):
        numbers: tuple[Any, ...] = read if isinstance(read, tuple) else (read,)
        if setting.type == "integer range" and numbers[0] > numbers[1]:
            found.append(errors.empty_range(value.span))
            return None
        if not all(map(setting.accepts, numbers)):
            found.append(
                errors_spec.out_of_range(value.span, setting.name, setting.bounds, _meant(setting, value))
            )
            return None
    if setting.name == "seeds" and isinstance(value, tree.Int) and value.value > 1:
        found.append(errors_spec.one_seed(value.span, value.value))
    return read


def _meant(setting: Setting, value: tree.Value) -> str | None:
    """How the value would be written that was probably meant."""
    match value:
        case tree.Percent() if setting.type == "number" and not setting.share:
            return f"write {float(value.value):g}"
        case tree.Int() | tree.Float() if setting.share and 1 < value.value <= 100:
            return f"write {value.value:g}%"
    return None


def _read(setting: Setting, value: tree.Value) -> Any:
    match setting.type, value:
        case "integer", tree.Int():
            return value.value
        case "number", tree.Int() | tree.Float() | tree.Fraction():
            return float(value.value)
        case "number", tree.Percent() if setting.share:
            return float(value.value)
        case "yes or no", tree.Name("yes" | "no"):
            return value.text == "yes"
        case "choice", tree.Name() | tree.Called() if value.text in setting.choices:
            return value.text
        case "choices", tree.Name() | tree.Several():
            return _chosen(setting, value)
        case (("name" | "name or text"), tree.Name()):
            return value.text
        case "name or text", tree.String() if value.text:
            return value.text
        case "integer range", tree.Range():
            return value.low.value, value.high.value
    return _several(setting, value)


def _chosen(setting: Setting, value: tree.Name | tree.Several) -> tuple[str, ...] | None:
    """Names in the order of the choices, whichever they were written in; None for another name or one twice."""
    each = value.values if isinstance(value, tree.Several) else (value,)
    names = [part.text for part in each if isinstance(part, tree.Name)]
    chosen = tuple(choice for choice in setting.choices if choice in names)
    return chosen if len(chosen) == len(names) == len(each) else None


def _several(setting: Setting, value: tree.Value) -> tuple[Any, ...] | None:
    """A setting that takes several numbers takes one as well."""
    if setting.type not in ("integers", "numbers"):
        return None
    if isinstance(value, tree.Range):
        low, high = value.low.value, value.high.value
        return tuple(range(low, high + 1)) if setting.type == "integers" and 0 <= high - low < 1000 else None
    each = value.values if isinstance(value, tree.Several) else (value,)
    if setting.type == "integers":
        numbers = [part.value for part in each if isinstance(part, tree.Int)]
    else:
        kinds = (tree.Int, tree.Float, tree.Fraction, tree.Percent)
        numbers = [float(part.value) for part in each if isinstance(part, kinds)]
    distinct = len(set(numbers)) == len(numbers) == len(each)
    return tuple(numbers) if distinct else None
