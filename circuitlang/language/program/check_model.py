"""`corpus` and `model` blocks of the tree -> checked Corpus and Recipe, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from circuitlang.language.program import errors, errors_spec
from circuitlang.language.program.check_settings import block_sections, find_corpus, section_values
from circuitlang.language.program.check_task import (
    check_draws,
    check_rule,
    declared,
    kinds_of,
    rules_of,
    sizes_of,
    too_many,
    unused,
)
from circuitlang.language.program.recipe import (
    PACKAGE,
    Architecture,
    Corpus,
    Document,
    Files,
    Recipe,
    Sparsity,
    Training,
)
from circuitlang.language.program.rules import recursion
from circuitlang.language.program.scope import Scope
from circuitlang.language.program.vocabulary import ARCHITECTURE, MODEL_SECTIONS, SPARSITY, TRAIN
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import bare_text
from circuitlang.source.diagnostic import Diagnostic


def check_corpus(corpus: tree.Corpus) -> tuple[Corpus, list[Diagnostic]]:
    """The corpus, valid if no diagnostic is an error."""
    found = too_many(corpus.items)
    spans = declared(corpus.items, found)
    scope = Scope(kinds_of(corpus.items), {}, found)
    written = rules_of(corpus.items)
    rules = {name: check_rule(rule, scope) for name, rule in written.items()}
    found += recursion(written, rules)
    draws = check_draws(corpus.items, rules, spans, scope)
    documents = tuple(
        _document(item, rules, scope) for item in corpus.items if isinstance(item, tree.Document)
    )
    files = tuple(_files(item, scope) for item in corpus.items if isinstance(item, tree.Files))
    if not any(problem.severity == "error" for problem in found):
        found += sizes_of(rules, {name: draw.body for draw in draws for name in draw.names}, {}, spans)
    if not documents and not files:
        found.append(errors.empty_corpus(corpus.name.span))
    found += unused(scope, spans)
    return Corpus(corpus.name.text, rules, documents, files, bare_text(corpus), draws), found


def _document(item: tree.Document, rules: Mapping[str, object], scope: Scope) -> Document:
    if item.name.text not in rules:
        scope.found.append(errors.unknown("rule", item.name.span, rules))
    scope.used.add(item.name.text)
    return Document(item.name.text, scope.weight(item.weight))


def _files(item: tree.Files, scope: Scope) -> Files:
    files = Files(item.pattern.text, scope.weight(item.weight))
    if files.leads_out:
        scope.found.append(errors.bad_pattern(item.pattern.span))
    elif files.pattern.startswith(PACKAGE) and files.package is None:
        scope.found.append(errors.bad_pattern(item.pattern.span, of_package=True))
    return files


def check_model(
    model: tree.Model, corpora: Mapping[str, Corpus], models: Collection[str]
) -> tuple[Recipe | None, list[Diagnostic]]:
    """The recipe, or None where something in it is missing or wrong. `models`: the names of the visible blocks."""
    found: list[Diagnostic] = []
    sections = block_sections(model, MODEL_SECTIONS, found)
    values = {
        section.name: section_values(section, sections.get(section.name), model.name.span, found)
        for section in (ARCHITECTURE, SPARSITY, TRAIN)
    }
    train = values["train"]
    corpus = find_corpus(train, sections, corpora, found)
    start = _written(sections, "train", "start")
    if start is not None and isinstance(start.value, tree.Name):
        others = [name for name in models if name != model.name.text]
        if train["start"] not in others:
            found.append(errors.unknown("other model", start.value.span, others))
    if found or corpus is None:
        return None, found
    architecture = Architecture(**values["architecture"])
    sparsity = Sparsity(**values["sparsity"])
    found += _fits(architecture, sparsity, sections)
    trained: dict[str, Any] = {**train, "corpus": corpus}
    training = Training(**trained)
    doc = model.doc.text if model.doc else None
    text = f"{bare_text(model)}\n{corpus.text}"
    return Recipe(model.name.text, doc, architecture, sparsity, training, text), found


def _fits(
    architecture: Architecture, sparsity: Sparsity, sections: Mapping[str, tree.Section]
) -> list[Diagnostic]:
    """What single settings cannot show."""
    found: list[Diagnostic] = []
    if architecture.width % architecture.heads:
        found.append(
            errors_spec.heads_do_not_divide(_at(sections, "architecture", "heads"), architecture.width)
        )
    if architecture.smear >= architecture.context:
        at = _at(sections, "architecture", "smear")
        found.append(errors_spec.out_of_range(at, "smear", f"below the context, {architecture.context}"))
    # Each block matrix has as many weights per neuron or attention channel as the model is wide.
    allowed = sparsity.weights * architecture.width
    if sparsity.weights < 1 and sparsity.floor > allowed:
        name = "floor" if _written(sections, "sparsity", "floor") else "weights"
        found.append(errors_spec.floor_too_high(_at(sections, "sparsity", name), f"{allowed:g}"))
    return found


def _written(sections: Mapping[str, tree.Section], section: str, name: str) -> tree.Setting | None:
    items = sections[section].items if section in sections else ()
    return next((item for item in items if item.name.text == name), None)


def _at(sections: Mapping[str, tree.Section], section: str, name: str):
    setting = _written(sections, section, name)
    assert setting is not None, f"{section}.{name} was checked although it was not written"
    return setting.value.span
