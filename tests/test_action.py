"""action.yml does what it says: its steps are run by bash, with a circuitlang that says what it was asked."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
INSTALL, CHECK = "Install circuitlang", "Check circuits"
FAKE = """#!/bin/bash
printf '%s\\n' "$@" > asked
mkdir -p runs/a runs/b
echo '# a: fail' > runs/a/report.md
echo '# b: pass' > runs/b/report.md
exit "${STATUS:-0}"
"""


def action() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def step(folder: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A step in a folder that has a `circuitlang` in `bin`, as a runner runs it."""
    script = next(each["run"] for each in action()["runs"]["steps"] if each["name"] == name)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "circuitlang").write_text(FAKE)
    (tmp_path / "bin" / "circuitlang").chmod(0o755)
    (tmp_path / "specs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "specs" / f"{name}.cir").touch()
    return tmp_path


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


@pytest.mark.parametrize("status", [0, 1, 2, 3])
def test_the_exit_status_and_the_summary_are_handed_on(folder: Path, status: int) -> None:
    done = step(folder, CHECK, SPECS="specs/*.cir", ARGUMENTS="--frozen", STATUS=str(status))
    assert done.returncode == status, done.stderr
    assert asked(folder) == ["check", "specs/a.cir", "specs/b.cir", "--format", "github", "--frozen"]
    assert (folder / "output").read_text() == f"status={status}\n"
    assert (folder / "summary").read_text() == "# a: fail\n# b: pass\n"


def test_no_argument_and_several(folder: Path) -> None:
    assert step(folder, CHECK, SPECS="specs/a.cir", ARGUMENTS="").returncode == 0
    assert asked(folder) == ["check", "specs/a.cir", "--format", "github"]
    step(folder, CHECK, SPECS="specs/a.cir", ARGUMENTS="--model zoo:python-small --no-battery")
    assert asked(folder)[4:] == ["--model", "zoo:python-small", "--no-battery"]


def test_what_is_put_in_is_not_run(folder: Path) -> None:
    hostile = "$(touch made) `touch made` ; touch made"
    step(folder, CHECK, SPECS=hostile, ARGUMENTS=hostile + " *")
    assert not (folder / "made").exists()
    assert asked(folder)[-1] == "*"


def test_what_is_put_in_stands_in_no_script() -> None:
    scripts = [each for each in action()["runs"]["steps"] if "run" in each]
    assert len(scripts) == 2
    assert not any("${{" in each["run"] for each in scripts)
    assert all(each["shell"] == "bash" for each in scripts)


def test_what_is_kept_is_where_the_check_looks() -> None:
    steps = {each["name"]: each for each in action()["runs"]["steps"]}
    assert list(steps) == ["Set up Python", "Keep what pip downloads", INSTALL, "Keep results", CHECK]
    assert steps["Keep what pip downloads"]["with"]["path"] == steps[INSTALL]["env"]["PIP_CACHE_DIR"]
    assert steps["Keep results"]["with"]["path"] == steps[CHECK]["env"]["CIRCUITLANG_CACHE"]


def test_one_that_is_installed_is_used(folder: Path) -> None:
    (folder / "bin" / "python3").write_text("#!/bin/bash\nexit 9\n")
    (folder / "bin" / "python3").chmod(0o755)
    done = step(folder, INSTALL, SOURCE=str(ROOT))
    assert done.returncode == 0, done.stderr


def test_one_that_is_not_is_installed_with_the_torch_for_processors(folder: Path) -> None:
    (folder / "bin" / "circuitlang").unlink()
    (folder / "bin" / "python3").write_text(
        '#!/bin/bash\nprintf "%s " "$@" >> installed\necho >> installed\n'
    )
    (folder / "bin" / "python3").chmod(0o755)
    path = f"{folder / 'bin'}:/usr/bin:/bin"  # without a circuitlang that is installed here
    done = step(folder, INSTALL, SOURCE=str(ROOT), PATH=path)
    assert done.returncode == 0, done.stderr
    torch, rest = (folder / "installed").read_text().splitlines()
    pinned = next(
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch==")
    )
    assert "--index-url https://download.pytorch.org/whl/cpu " in torch
    assert torch.split()[-1] == pinned
    assert rest.split()[-3:] == ["-c", f"{ROOT}/constraints.txt", str(ROOT)]


def test_actions_that_are_used_have_a_version() -> None:
    """In the action and in the recipe of docs/ci.md, whose own `uses` names the repository."""
    used = [each["uses"] for each in action()["runs"]["steps"] if "uses" in each]
    recipe = yaml.safe_load(
        (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").split("```yaml")[1].split("```")[0]
    )
    used += [each["uses"] for each in recipe["jobs"]["check"]["steps"]]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+|\./\.circuitlang", each) for each in used), used
