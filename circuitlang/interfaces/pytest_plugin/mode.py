"""Whether the claims of .cir files are tests of this session, and how."""

from __future__ import annotations

import pytest

MODES = ("off", "auto", "frozen")
SHARED = "circuitlang_reports"
"""What a worker of pytest-xdist is told: the folder in which workers hand reports to each other."""


def mode(config: pytest.Config) -> str:
    """One of MODES."""
    chosen = str(config.getoption("circuits") or config.getini("circuits") or "off")
    if chosen not in MODES:
        raise pytest.UsageError(f"circuits = {chosen}: it can be {', '.join(MODES)}")
    return chosen
