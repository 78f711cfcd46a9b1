"""A word that is known, only not where it stands -> where it belongs."""

from __future__ import annotations

from circuitlang.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    ROLE_KINDS,
    SPEC_SECTIONS,
    SPEC_SETTINGS,
)

_BEFORE = {
    "robust": "say what ablated nodes become: `ablate = resample` (another prompt of the task, the default) or "
    "`ablate = resample(text)`",
}
"""Words that the language had, and what is written in their place."""


def elsewhere(word: str) -> str | None:
    """What a word of models and specs is, and how it is written; None for other words."""
    if word in _BEFORE:
        return _BEFORE[word]
    if word in METRICS:
        return f"`{word}` is a metric: it begins a claim, before `given`"
    if word in INTERVENTIONS:
        return f"`{word}` is an intervention: it stands behind `given`, as `loss given {word}(circuit)`"
    for block, sections in (("model", MODEL_SECTIONS), ("spec", SPEC_SECTIONS)):
        if word in sections:
            return f"`{word}` is a section of a `{block}` block, written `{word} {{ … }}`"
    if word in SPEC_SETTINGS:
        return f"`{word}` is a setting of a `spec` block itself, outside of its sections"
    owners = [
        f"`{section.name} {{ {word} = … }}` in a `{block}` block"
        for block, sections in (("model", MODEL_SECTIONS), ("spec", SPEC_SECTIONS))
        for section in sections.values()
        if any(setting.name == word for setting in section.settings)
    ]
    if owners:
        return f"write {' or '.join(owners)}"
    return f"`{word}` is a kind of role, as `role NAME = {word} …`" if word in ROLE_KINDS else None
