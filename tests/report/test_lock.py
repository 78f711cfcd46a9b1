"""A lock as text: what is written comes back, and whatever is done to it is noticed."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.checking.status import INPUTS, differing
from circuitlang.report.lock import Lock, LockedSpec, beside, read_lock
from circuitlang.source.diagnostic import CommandError
from tests.report.conftest import make_report, random_graph

SIZES = {"layers": 4, "width": 128, "heads": 8, "hidden": 512}
LOCK = Lock(specs={name: LockedSpec.of(make_report(), SIZES) for name in ("b", "a")})
TEXT = LOCK.text().encode()


def test_what_is_written_comes_back(tmp_path):
    path = tmp_path / "quotes.cir.lock"
    LOCK.write(path)
    again = read_lock(path)
    assert again.text().encode() == path.read_bytes() == TEXT
    assert list(again.specs) == ["a", "b"]
    assert again.specs["a"].sizes == SIZES
    assert again.specs["a"].report.circuit.plain_graph() == LOCK.specs["a"].report.circuit.plain_graph()


def test_what_differs_from_run_to_run_is_left_out():
    report = make_report()
    other = report.model_copy(update={"seconds": {"load": 99.0}, "cached": True})
    other = other.model_copy(
        update={"provenance": other.provenance.model_copy(update={"command": ("check", "--out", "/home/me")})}
    )
    locks = [Lock(specs={"a": LockedSpec.of(each, SIZES)}).text() for each in (report, other)]
    assert locks[0] == locks[1]
    assert "/home/me" not in locks[1]


def test_the_code_is_no_part_of_a_lock():
    report = make_report()
    hashes = {**report.provenance.hashes, "code": "c" * 64}
    made = report.provenance.model_copy(update={"hashes": hashes})
    report = report.model_copy(update={"provenance": made})
    assert "c" * 64 not in Lock(specs={"a": LockedSpec.of(report, SIZES)}).text()


def test_a_lock_that_names_its_code_is_read(tmp_path):
    """As they once did; no difference of the code makes it out of date."""
    report = make_report()
    hashes = {name: "a" * 64 for name in (*INPUTS, "code") if name != "seed"}
    made = report.provenance.model_copy(update={"hashes": hashes})
    old = LockedSpec(sizes=SIZES, report=report.model_copy(update={"provenance": made}))
    Lock(specs={"a": old}).write(tmp_path / "x.cir.lock")
    locked = read_lock(tmp_path / "x.cir.lock").specs["a"]
    assert locked.report.provenance.hashes["code"] == "a" * 64
    found = {name: found for name, found in hashes.items() if name != "code"}
    assert differing(locked, found, report.provenance.seed) == ()
    (other,) = differing(locked, {**found, "task": "b" * 64}, report.provenance.seed)
    assert other.name == "task"


def test_a_node_and_an_edge_stand_on_a_line_each():
    lock = Lock(specs={"a": LockedSpec.of(make_report(graph=random_graph(40)), SIZES)})
    graph = lock.specs["a"].report.circuit.plain_graph()
    lines = lock.text().splitlines()
    seeds = len(lock.specs["a"].report.circuit.seeds)
    assert sum(bool(re.match(r' *\{"node": .*\},?$', line)) for line in lines) == seeds * graph.node_count
    assert sum(bool(re.match(r' *\{"source": .*\},?$', line)) for line in lines) == seeds * len(graph.edges)
    assert lock.text().isascii()
    json.loads(lock.text())


@given(
    place=st.integers(0, len(TEXT) - 1), kind=st.sampled_from(["put", "cut", "set"]), byte=st.integers(0, 255)
)
def test_every_change_of_a_byte_is_noticed(tmp_path_factory, place, kind, byte):
    new = bytes([byte])
    changed = TEXT[:place] + (b"" if kind == "cut" else new) + TEXT[place + (kind != "put") :]
    path = tmp_path_factory.getbasetemp() / "edited.cir.lock"
    path.write_bytes(changed)
    if changed.replace(b"\r\n", b"\n") == TEXT:
        assert (
            read_lock(path).text().encode() == TEXT
        )  # the same text, or with the line ends of another system
        return
    with pytest.raises(CommandError, match=r"(?s)edited\.cir\.lock.*write a new one.*--update-lock"):
        read_lock(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"there is no lock .*x\.cir\.lock; write a new one: circuitlang check .*x\.cir --update-lock"),
        (TEXT.replace(b'"schema": 1', b'"schema": 2', 1), "version 2, and this circuitlang reads version 1"),
        (b"<<<<<<< HEAD\n" + TEXT, "is not a lock, or its first line was changed"),
        (b"", "is not a lock"),
        (TEXT[: len(TEXT) // 2], "was changed after it was written"),
        (TEXT.replace(b'"value": 0.1213', b'"value": 0.1113', 1), "was changed after it was written"),
        (b"\xff\xfe", "is not a lock: it is not text"),
    ],
)
def test_a_lock_that_cannot_be_used_says_how_to_make_another(tmp_path, content, said):
    path = beside(tmp_path / "x.cir")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=said) as caught:
        read_lock(path)
    assert "\n" not in str(caught.value)


def test_a_lock_of_a_version_to_come_is_refused_even_with_its_own_checksum(tmp_path):
    """Whatever it holds: the checksum fits and the content does not."""
    from circuitlang.report.lock import _checksum

    rest = '"specs": {"a": {"sizes": {}, "report": {}}}}\n'
    path = tmp_path / "x.cir.lock"
    path.write_text(f'{{"schema": 1, "checksum": "{_checksum(rest)}",\n{rest}')
    with pytest.raises(CommandError, match="cannot be read by this circuitlang"):
        read_lock(path)
