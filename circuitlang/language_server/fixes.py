"""A diagnostic whose hint says `did you mean` -> the change that it offers."""

from __future__ import annotations

import re

from circuitlang.source import Diagnostic

_MEANT = re.compile(r"did you mean `([^`]+)`\?")


def fix(diagnostic: Diagnostic) -> str | None:
    """What to write instead of the diagnostic's span."""
    found = _MEANT.fullmatch(diagnostic.hint or "")
    return found[1] if found else None
