"""What is in the cache comes back as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuitlang.cache import Cache, key_of

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
