"""Real files of a corpus: in one order, read alike everywhere, and only those that another machine has too."""

from importlib.metadata import version
from pathlib import Path

import pytest

from circuitlang.language.program.recipe import Corpus, Files
from circuitlang.prompts.corpus_files import files_of, real_files
from circuitlang.source.diagnostic import CommandError


def test_files_are_sorted_and_read_alike_everywhere(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "z.py").write_bytes(b"one\r\ntwo\xff\rthree")
    (tmp_path / "a.py").write_text("first")
    (tmp_path / "c.txt").write_text("no")
    assert files_of(Files("**/*.py", 1.0), tmp_path) == [("a.py", "first"), ("b/z.py", "one\ntwo\nthree")]


def test_patterns_stay_inside(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.py").write_text("outside")
    (root / "link.py").symlink_to(tmp_path / "secret.py")
    for pattern in ("../*.py", "/etc/*", "", "stdlib:../*", "stdlib:"):
        with pytest.raises(CommandError, match="inside the project"):
            files_of(Files(pattern, 1.0), root)
    with pytest.raises(CommandError, match="no file matches"):
        files_of(Files("*.py", 1.0), root)


def test_the_library_without_its_tests(tmp_path: Path):
    names = [name for name, _ in files_of(Files("stdlib:json/**/*.py", 1.0), tmp_path)]
    assert "stdlib:json/decoder.py" in names
    assert names == sorted(names)
    names = [name for name, _ in files_of(Files("stdlib:unittest/**/*.py", 1.0), tmp_path)]
    assert names
    assert not any("/test/" in name or "/tests/" in name for name in names)


def test_the_entries_of_a_corpus_come_one_after_another(tmp_path: Path):
    for name in "abc":
        (tmp_path / f"{name}.py").write_text(name)
    entries = (Files("b.py", 1.0), Files("*.py", 1.0))
    assert [text for _, text in real_files(Corpus("c", {}, (), entries, ""), tmp_path)] == [
        "b",
        "a",
        "b",
        "c",
    ]


def test_a_package_s_own_files_without_its_tests(tmp_path: Path):
    pattern = f"package:hypothesis=={version('hypothesis')}/**/*.py"
    found = dict(files_of(Files(pattern, 1.0), tmp_path))
    prefix = pattern.removesuffix("**/*.py")
    assert all(
        name.startswith(f"{prefix}hypothesis/")
        or name == f"{prefix}_hypothesis_pytestplugin.py"
        or "/" not in name.removeprefix(prefix)
        for name in found
    )
    assert "class" in found[f"{prefix}hypothesis/core.py"]
    assert not any({"test", "tests"} & set(name.split("/")) for name in found)
    one = pattern.replace("**/*.py", "hypothesis/core.py")
    assert [name for name, _ in files_of(Files(one, 1.0), tmp_path)] == [f"{prefix}hypothesis/core.py"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "package:hypothesis==0.0.1/**/*.py",
            r"version .* is installed, other text: pip install 'hypothesis==0.0.1'",
        ),
        ("package:no-such-package-here==1.0/*.py", "not installed: pip install 'no-such-package-here==1.0'"),
        (f"package:hypothesis=={version('hypothesis')}/numpy/**/*.py", "no file matches"),
        (f"package:hypothesis=={version('hypothesis')}/../*.py", "inside the project"),
    ],
)
def test_what_a_package_does_not_have_is_said(tmp_path: Path, pattern: str, message: str):
    with pytest.raises(CommandError, match=message):
        files_of(Files(pattern, 1.0), tmp_path)
