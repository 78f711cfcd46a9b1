"""The files of a pattern: those that glob finds, without a look outside."""

from pathlib import Path

import pytest

from circuitlang.prompts.corpus_files import matching

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "pattern",
    [
        "**/*.task",
        "tasks/*.task",
        "tasks/python.task",
        "*/python.task",
        "tests/**/test_[a-f]*.py",
        "**/language/*",
        "?asks/*",
    ],
)
def test_it_finds_what_glob_finds(pattern: str) -> None:
    assert sorted(matching(ROOT, pattern)) == sorted(path for path in ROOT.glob(pattern) if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for place in (tmp_path / "outside", inside, inside / "sub", inside / "sub" / "deep"):
        (place / "a.txt").write_text("a")
    (inside / "out").symlink_to(tmp_path / "outside")
    (inside / "out.txt").symlink_to(tmp_path / "outside" / "a.txt")
    (inside / "in").symlink_to("sub")
    (inside / "loop").symlink_to("loop")
    (inside / "up").symlink_to("..")
    return inside


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", {"a.txt"}),
        ("**/*.txt", {"a.txt", "sub/a.txt", "sub/deep/a.txt"}),
        ("*/*", {"sub/a.txt", "in/a.txt"}),
        ("in/**/*", {"in/a.txt", "in/deep/a.txt"}),
        ("out/*", set()),
        ("up/*", set()),
        ("up/inside/*", set()),
        ("loop/*", set()),
        ("loop", set()),
        ("a/" * 3000, set()),
        ("**/" * 300 + "a.txt", {"a.txt", "sub/a.txt", "sub/deep/a.txt"}),
        ("a" * 300, set()),
        (".", set()),
        ("[", set()),
        ("**", set()),
    ],
)
def test_links_lead_nowhere_outside(folder: Path, pattern: str, found: set[str]) -> None:
    assert {path.relative_to(folder).as_posix() for path in matching(folder, pattern)} == found


def test_each_file_comes_once(folder: Path) -> None:
    files = list(matching(folder, "**/**/*.txt"))
    assert len(files) == len(set(files)) == 3
