"""A config whose texts are no text, or whose keys occur twice, is refused where it is read."""

from pathlib import Path

import pytest

from circuitlang.model.interop.inspect_folder import read_object
from circuitlang.source.diagnostic import CommandError


@pytest.mark.parametrize(
    ("text", "says"),
    [(r'{"name": "\udcff"}', "surrogates"), (r'{"\ud800": 1}', "surrogates"), ('{"a": 1, "a": 2}', "twice")],
)
def test_what_is_no_text_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=says):
        read_object(path)


def test_a_whole_pair_is_text(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(r'{"name": "\ud83d\ude00"}')
    assert read_object(path) == {"name": "\U0001f600"}
