"""One number on every machine: what the environment says of instruction sets changes no byte of a report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from benchmarks.kills import project
from circuitlang.model import hardware

INSTALLED = any(each.name == "circuitlang" for each in entry_points(group="pytest11"))

ENVIRONMENTS = {
    "nothing": {},
    "less": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "MKL_CBWR": "COMPATIBLE",
    },
    "more": {"ATEN_CPU_CAPABILITY": "avx512", "DNNL_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "3"},
}
avx2 = pytest.mark.skipif(hardware.remarks() != [], reason="this processor cannot be pinned to AVX2")


def check(place: Path, name: str, *options: str, **variables: str) -> tuple[str, str]:
    """A short check's report without its times, its command and its kernels; and the name of these."""
    usual = {key: value for key, value in os.environ.items() if key not in hardware.PINNED}
    arguments = ("check", "killed.cir", "--no-battery", "--no-controls", "--fresh", "--out", name, *options)
    done = subprocess.run(
        [sys.executable, "-m", "circuitlang", *arguments],
        cwd=place,
        env={**usual, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    data = json.loads((place / name / "report.json").read_text("utf-8"))
    del data["seconds"]
    made = data["provenance"]
    for each in ("command", "threads"):
        del made[each]
    return json.dumps(data), made["versions"].pop("kernels")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernels") / "project"
    project(folder)
    spec = folder / "killed.cir"
    spec.write_text(spec.read_text().replace("steps = 40", "steps = 10").replace("seeds = 0..1", "seeds = 0"))
    return folder


@avx2
@pytest.mark.slow
def test_the_environment_changes_no_byte_of_a_report(place: Path) -> None:
    found = {name: check(place, name, **variables) for name, variables in ENVIRONMENTS.items()}
    assert {kernel.partition(",")[0] for _, kernel in found.values()} == {"avx2"}
    assert len(set(found.values())) == 1, [name for name in found if found[name] != found["nothing"]]


@avx2
@pytest.mark.slow
def test_native_takes_what_the_environment_says_and_the_report_names_it(place: Path) -> None:
    _, kernel = check(place, "native", "--native", ATEN_CPU_CAPABILITY="default")
    assert kernel == "native, default"


def of_python(code: str) -> str:
    usual = {key: value for key, value in os.environ.items() if key not in hardware.PINNED}
    done = subprocess.run([sys.executable, "-c", code], env=usual, capture_output=True, text=True, check=True)
    return done.stdout.strip()


SHOW = "from circuitlang.model.hardware import in_use; print(in_use())"


@avx2
def test_from_python_they_are_pinned_where_torch_is_not_loaded_yet() -> None:
    assert of_python(f"import circuitlang; circuitlang.check; {SHOW}").startswith("avx2")
    assert of_python(f"import torch, circuitlang; circuitlang.check; {SHOW}").startswith("native")


def test_the_pytest_plugin_pins_before_a_conftest_can_load_torch(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import os; print(os.environ.get('MKL_CBWR'))")
    usual = {key: value for key, value in os.environ.items() if key not in hardware.PINNED}
    plugin = () if INSTALLED else ("-p", "circuitlang.interfaces.pytest_plugin.plugin")

    def said(*options: str) -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-s", *plugin, *options, str(tmp_path)]
        return subprocess.run(command, env=usual, capture_output=True, text=True).stdout.split()[0]

    assert said("--circuits") == ("None" if hardware.remarks() else "AVX2")
    assert said("--circuits", "--circuits-native") == said() == "None"


def test_a_package_that_is_only_imported_leaves_the_environment_alone() -> None:
    code = "import os; before = dict(os.environ); import circuitlang; circuitlang.Report; print(before == os.environ)"
    assert of_python(code) == "True"


def test_a_processor_without_avx2_is_left_as_it_is_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_processor", lambda: ("GenuineIntel", frozenset({"sse4_2"})))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(os, "environ", {})
    hardware.pin()
    assert os.environ == {}
    assert "last digits may differ" in hardware.remarks()[0]
    monkeypatch.setattr(hardware, "_processor", lambda: ("GenuineIntel", frozenset({"avx2"})))
    hardware.pin()
    assert os.environ == hardware.PINNED
