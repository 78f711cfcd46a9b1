"""What all tests share: golden text, accepted with `pytest --promote`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from circuitlang.model.hardware import pin

pin()  # before a test loads torch: numbers of tests are those of any machine

settings.register_profile("circuitlang", deadline=None)  # no timing is ever a test
settings.load_profile("circuitlang")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promote", action="store_true", help="accept the new golden texts")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`golden(name, text)`: text equals the file golden/NAME beside the test; or, given a path, that file."""

    def check(name: str | Path, text: str) -> None:
        path = name if isinstance(name, Path) else request.path.parent / "golden" / name
        if request.config.getoption("--promote"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), "if the new text is right: pytest --promote"

    return check
