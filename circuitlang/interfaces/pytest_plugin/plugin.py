"""pytest plugin: with `--circuits` every claim of every .cir file under the given paths is a test.

This file is loaded by every pytest of an environment that has circuitlang: it asks for options and hands over.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from circuitlang.interfaces.pytest_plugin.check_once import MODES, SHARED, mode


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("circuitlang", "circuits")
    group.addoption(
        "--circuits",
        dest="circuits",
        action="store_const",
        const="auto",
        help="Test the claims of .cir files: on the locked circuit where there is a lock, else after a search.",
    )
    group.addoption(
        "--circuits-frozen",
        dest="circuits",
        action="store_const",
        const="frozen",
        help="Test the claims of .cir files on their locked circuits; without a lock a test is an error.",
    )
    group.addoption(
        "--circuits-model",
        metavar="MODEL",
        help="Test the claims about this model instead: zoo:NAME, a folder, or the name of a model block.",
    )
    group.addoption(
        "--circuits-fresh", action="store_true", help="Compute everything anew, without circuitlang's cache."
    )
    group.addoption(
        "--circuits-cluster",
        metavar="ADDRESS",
        default=os.environ.get("DASK_SCHEDULER_ADDRESS"),
        help="Dask's scheduler, whose workers search (default: $DASK_SCHEDULER_ADDRESS).",
    )
    group.addoption(
        "--circuits-native",
        action="store_true",
        help="Compute with all that this processor has: last digits differ from other machines'.",
    )
    parser.addini("circuits", f"Whether claims are tested: {', '.join(MODES)}.", default="off")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before a conftest.py can load torch, which settles what it computes with."""
    asked = early_config.known_args_namespace
    chosen = getattr(asked, "circuits", None) or early_config.getini("circuits")
    if chosen != "off" and not getattr(asked, "circuits_native", False):
        from circuitlang.model.hardware import pin

        pin()


def pytest_configure(config: pytest.Config) -> None:
    if mode(config) != "off" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Hands(), "circuitlang-workers")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".cir" or mode(parent.config) == "off":
        return None
    from circuitlang.interfaces.pytest_plugin.items import CircuitFile

    return CircuitFile.from_parent(parent, path=file_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The outcome of a claim goes with its report, also from one process to another."""
    report = yield
    outcome = getattr(item, "outcome", None)
    if report.when == "call" and isinstance(outcome, str):
        vars(report)["circuit"] = outcome  # an attribute of its own, which pytest-xdist hands over too
    return report


_SHOWN = {"void": "V", "undecided": "U", "not measured": "N"}
"""Outcomes that pytest has no name for. None of them is green: the session's exit status is 1."""


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> Any:
    outcome = getattr(report, "circuit", None)
    if outcome not in _SHOWN or getattr(report, "when", "") != "call" or hasattr(report, "wasxfail"):
        return None
    return outcome, _SHOWN[outcome], (outcome.upper(), {"yellow": True})


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """pytest itself shows at the end only what it calls failures."""
    for outcome in _SHOWN:
        found = [r for r in terminalreporter.stats.get(outcome, ()) if hasattr(r, "circuit")]
        if not found:
            continue
        terminalreporter.write_sep("=", outcome.upper())
        for report in found:
            terminalreporter.write_sep("_", report.nodeid.rpartition("::")[2], yellow=True, bold=True)
            terminalreporter.write_line(report.longreprtext)


class _Hands:
    """In the process that starts the workers: gives them a folder, and takes it away."""

    def __init__(self) -> None:
        self.folder: Path | None = None

    @pytest.hookimpl(optionalhook=True)  # of pytest-xdist
    def pytest_configure_node(self, node: Any) -> None:
        self.folder = self.folder or Path(tempfile.mkdtemp(prefix="circuitlang-"))
        node.workerinput[SHARED] = str(self.folder)

    def pytest_unconfigure(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
