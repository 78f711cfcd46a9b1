"""What is in the cache comes back as it was, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from circuitlang.storage.cache import PACKAGE, Cache, code_digest, distrusted, key_of

KEY = key_of("a", 1)


def stored(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_what_was_put_is_found(tmp_path: Path) -> None:
    Cache(tmp_path).put(KEY, b"content")
    assert Cache(tmp_path).get(KEY) == b"content"
    assert Cache(tmp_path).get(key_of("a", 2)) is None
    assert Cache(None).get(KEY) is None


@pytest.mark.parametrize("place", range(39))
def test_a_changed_byte_or_a_cut_file_is_as_if_it_were_not_there(tmp_path: Path, place: int) -> None:
    Cache(tmp_path).put(KEY, b"content")
    path = stored(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert Cache(tmp_path).get(KEY) is None
    path.write_bytes(whole[:place])
    assert Cache(tmp_path).get(KEY) is None


def test_parts_of_a_key_do_not_run_together() -> None:
    assert (
        len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of(1), key_of("1"), key_of(1.0)}) == 6
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's code."""
    return shutil.copytree(
        PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("zoo", "__pycache__")
    )


def edited(package: Path, file: str, old: str, new: str) -> bool:
    """Whether a change of a file is a change of the code's hash."""
    before, path = code_digest(package=package), package / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    code_digest.cache_clear()
    try:
        return code_digest(package=package) != before
    finally:
        path.write_text(text, "utf-8")
        code_digest.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("site.py", '"attn_in", 0,', '"attn_in", 1,'),
        ("model/score.py", "return ", "return 2 * "),
        ("claims/battery/necessity.py", "NEGLIGIBLE = ", "NEGLIGIBLE = 2 * "),
        ("prompts/stream.py", "return ", "return 0 or "),
        ("language/syntax/strings.py", "return ", "return 0 or "),
    ],
)
def test_whatever_computes_is_in_the_code_s_hash(package: Path, file: str, old: str, new: str) -> None:
    assert edited(package, file, old, new)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("circuit/mask.py", "the model has no node", "there is no such node:"),  # raised
        (
            "claims/pretraining_text.py",
            "no document of the model's",
            "none of the",
        ),  # raised after a computation
        ("language/program/errors.py", "files use files more than", "too many files"),  # a diagnostic
        ("site.py", "Raises ValueError for anything else", "ValueError otherwise"),  # a docstring
        ("claims/measure.py", "# both are plain data", "# plain data"),  # a comment
        ("report/terminal.py", "return ", "return 0 or "),  # computes nothing
        ("interfaces/cli/author_commands.py", "return ", "return 0 or "),
    ],
)
def test_a_reworded_message_voids_nothing(package: Path, file: str, old: str, new: str) -> None:
    assert not edited(package, file, old, new)


def test_two_results_that_changed_places_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    keys = [key_of("a", number) for number in range(2)]
    for key in keys:
        Cache(tmp_path).put(key, key.encode())
    first, second = (tmp_path / key[:2] / key[2:] for key in keys)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    assert [Cache(tmp_path).get(key) for key in keys] == [None, None]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"a": []}', b"PK\x03\x04", b"\xff"])
def test_what_nobody_wrote_is_found_again(tmp_path: Path, content: bytes) -> None:
    """Sealed, but of another form."""
    Cache(tmp_path).put(KEY, content)
    assert Cache(tmp_path).found(KEY, lambda stored: json.loads(stored)["pruned"]["nodes"]) is None


def test_a_seal_of_the_content_alone_is_none(tmp_path: Path) -> None:
    Cache(tmp_path).put(KEY, b"content")
    stored(tmp_path).write_bytes(hashlib.sha256(b"content").digest() + b"content")
    assert Cache(tmp_path).get(KEY) is None


def test_a_folder_that_everybody_may_write_is_not_used(tmp_path: Path) -> None:
    Cache(tmp_path).put(KEY, b"content")
    tmp_path.chmod(0o777)
    assert "can be written by everybody" in distrusted(tmp_path)
    assert Cache(tmp_path).get(KEY) is None
    tmp_path.chmod(0o755)
    assert Cache(tmp_path).get(KEY) == b"content"
    assert distrusted(tmp_path / "nowhere") == distrusted(None) == ""
