"""Write down what a circuit is claimed to do; find out whether it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circuitlang.pipeline import check_file as check
    from circuitlang.report.report import Report

__version__ = "0.1.0"
__all__ = ["Report", "__version__", "check"]


def __getattr__(name: str) -> Any:
    """The public names, each loaded when it is first asked for, so that importing the package costs nothing."""
    if name == "check":
        from circuitlang.pipeline import check_file

        return check_file
    if name == "Report":
        from circuitlang.report.report import Report

        return Report
    if name == "strategies":
        from importlib import import_module

        return import_module("circuitlang.strategies")
    raise AttributeError(f"module 'circuitlang' has no attribute {name!r}")
