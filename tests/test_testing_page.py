"""The examples of docs/testing.md run as they stand, and the tests in them hold."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=["tests", "smallest"])
def test_examples_run(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    tests = [function for name, function in names.items() if name.startswith("test_")]
    assert len(tests) == block.count("\ndef ")
    for test in tests:
        assert callable(test)
        test()


def test_every_command_is_there() -> None:
    for module in re.findall(r"python -m ([\w.]+)", PAGE.read_text(encoding="utf-8")):
        path = ROOT / Path(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
