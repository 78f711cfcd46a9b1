"""The page is one file that asks for nothing, and text in it is text, whatever it says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.claims.verdict import Outcome
from circuitlang.report.escape import lone_surrogates_spelled
from circuitlang.report.exhibit import Exhibit, pack_shares, pack_tokens, pack_values
from circuitlang.report.page.layout import CELL, HEIGHT, layout
from circuitlang.report.page.write import FOLDER, SCRIPTS, WIDTH, json_block, page, page_data, reasons, scale
from circuitlang.report.report import Report
from tests.report.conftest import make_exhibit, make_report, random_graph
from tests.report.test_hostile import HOSTILE
from tests.test_architecture import LONGEST

MORE = {
    "script end": "</script><script>hacked = 1</script>",
    "comment": "<!-- <script> --!> <!--><script>hacked = 1//",
    "style end": "</style><style>*{display:none}</style>",
    "title end": "</title></head><body onload='hacked = 1'>",
    "template": "{{ 7 * 7 }} {% raw %} ${hacked = 1} {# #}",
    "json": '"},"report":null,"x":"\\',
    "entities in JSON": "&quot;},&lt;/script&gt;",
}


class Page(HTMLParser):
    """The elements with their attributes' names, the text outside scripts and styles, and what is inside those."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.inside: list[tuple[str, str]] = []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open = tag

    def handle_data(self, data: str) -> None:
        (self.inside if self._open in ("script", "style") else self.texts).append(
            (self._open, data) if self._open in ("script", "style") else data  # type: ignore[arg-type]
        )

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", ()))


def block(text: str) -> dict[str, object]:
    """The data, as the page's script reads them."""
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert len(found) == 1
    return json.loads(found[0])


def made(text: str | None = None) -> tuple[Report, Exhibit, str]:
    report = make_report(text)
    exhibit = make_exhibit(report, text)
    return report, exhibit, page(report, exhibit)


@cache
def plain_elements() -> list[tuple[str, tuple[str, ...]]]:
    return Page(without_mechanism(made("x")[2])).elements


def without_mechanism(written: str) -> str:
    """Longer texts take more lines there; tests/report/test_mechanism.py says what may be in it."""
    begin, end = written.index('<div id="mechanism"'), written.index("</svg>\n</div>")
    return written[:begin] + written[end:]


def test_nothing_but_the_two_hashed_parts_may_run() -> None:
    _, _, text = made()
    parsed = Page(text)
    (policy,) = [
        v for tag, name, v in parsed.attributes if tag == "meta" and name == "content" and "src" in v
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    hashes = {
        tag: f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        for tag, code in parsed.inside
        if not code.startswith("{")
    }
    assert rules == {
        "script-src": hashes["script"],
        "style-src": hashes["style"],
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert [tag for tag, _ in parsed.inside] == ["style", "script", "script"]


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(FOLDER.iterdir()) if path.suffix in (".js", ".css", ".html")],
    ids=lambda path: path.name,
)
def test_a_part_of_the_page_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert path.suffix != ".js" or text.startswith("// "), "a script says what it is"
    assert path.suffix != ".js" or path.stem in SCRIPTS


def test_nothing_is_asked_for() -> None:
    _, _, text = made()
    parsed = Page(text)
    assert not [
        tag for tag, _ in parsed.elements if tag in ("link", "img", "iframe", "object", "base", "form")
    ]
    for _, name, value in parsed.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "action", "style", "data")
        assert name != "href" or value.startswith("#")
    code = "".join(code for _, code in parsed.inside)
    assert set(re.findall(r"https?://[^\"'\s]*", code)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"@import|url\(|fetch\(|XMLHttp|WebSocket|sendBeacon|import\(|\beval\b|Function\(", code
    )
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|createContextual", code)


@pytest.mark.parametrize("text", (HOSTILE | MORE).values(), ids=(HOSTILE | MORE).keys())
def test_hostile_text_is_text(text: str) -> None:
    report, exhibit, written = made(text)
    parsed = Page(written)
    assert Page(without_mechanism(written)).elements == plain_elements()
    for said in parsed.texts:
        assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in said)
    found = block(written)
    assert found == json.loads(json.dumps(page_data(report, exhibit)))
    said = lone_surrogates_spelled(text)
    assert found["report"]["spec"] == found["exhibit"]["prompts"][0]["tokens"][0] == said  # type: ignore[index]
    assert found["report"]["claims"][0]["text"] == found["exhibit"]["words"][0] == said  # type: ignore[index]


@given(
    st.recursive(
        st.text() | st.none() | st.booleans() | st.integers(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
@settings(max_examples=200)
def test_the_block_holds_any_text_and_no_markup(data: object) -> None:
    written = json_block(data)
    assert written.isascii()
    assert not set(written) & set("<>&\n\r")
    assert json.loads(written) == data


def test_a_large_circuit_stays_small() -> None:
    report = make_report(graph=random_graph(200))
    exhibit = make_exhibit(report)
    assert len(exhibit.nodes) >= 200
    assert len(page(report, exhibit).encode()) < 5_000_000


def test_the_same_bytes_for_the_same_report() -> None:
    report, exhibit, _ = made()
    again = Exhibit.from_json(exhibit.to_json())
    assert page(Report.from_json(report.to_json()), again) == page(
        Report.from_json(report.to_json()), exhibit
    )
    assert again.to_json() == exhibit.to_json()


def test_without_exhibit_the_page_says_so() -> None:
    report, exhibit, _ = made()
    assert block(page(report))["exhibit"] is None
    assert "Made without exhibit.json" in page(report)
    for change in ({"hashes": {"task": "other"}}, {"seed": 1}, {"nodes": exhibit.nodes[1:]}):
        other = exhibit.model_copy(update=change)
        assert block(page(report, other))["exhibit"] is None
        assert "exhibit.json is of another check" in page(report, other)
    bare = report.model_copy(update={"circuit": None, "claims": (), "controls": (), "battery": ()})
    assert block(page(bare))["layouts"] == {}
    assert "<h2>The circuit</h2>" not in page(bare)


def test_why_it_fails_comes_first() -> None:
    report, _, text = made()
    said = reasons(report)
    assert [(outcome, name) for outcome, name, _ in said] == [
        ("fail", "minimal"),
        ("void", "control random"),
        ("not measured", "dilutes"),
    ]
    head = text[: text.index('id="claims"')]
    assert all(name in head for _, name, _ in said)
    assert report.verdict is Outcome.FAIL


# --- layout ----------------------------------------------------------------------------------------------


@given(st.integers(1, 220), st.integers(0, 50))
@settings(max_examples=25)
def test_no_two_boxes_overlap_and_time_runs_upward(size: int, seed: int) -> None:
    graph = random_graph(size, seed)
    found = layout(graph)
    places = found["nodes"]
    assert set(places) == {str(node.node) for node in graph.nodes}
    by_line: dict[int, list[int]] = {}
    for x, y in places.values():
        assert CELL / 2 <= x <= found["width"] - CELL / 2
        assert HEIGHT / 2 <= y <= found["height"] - HEIGHT / 2
        by_line.setdefault(y, []).append(x)
    for xs in by_line.values():
        assert all(right - left > CELL for left, right in pairwise(sorted(xs)))
    lines = sorted(by_line)
    assert all(below - above > HEIGHT for above, below in pairwise(lines))
    for edge in graph.edges:
        ends = [places.get(str(end)) for end in (edge.source, edge.target)]
        if edge.kind in ("weight", "residual") and None not in ends:
            assert ends[0][1] > ends[1][1]


def test_the_same_graph_the_same_places() -> None:
    graph = random_graph(60)
    again = CircuitGraph(graph.nodes[::-1], graph.edges[::-1], graph.total_nodes)
    assert layout(graph) == layout(again)


def test_an_empty_circuit_has_a_layout() -> None:
    assert layout(CircuitGraph((), (), 10))["nodes"] == {}


# --- claims ----------------------------------------------------------------------------------------------


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(0, 1e3), st.floats(-1e6, 1e6))
def test_a_claim_is_drawn_to_scale(value: float, below: float, above: float, bound: float) -> None:
    claim = make_report().claims[0]
    low, high = value - below, value + above
    drawn = scale(claim.model_copy(update={"value": value, "low": low, "high": high, "bound": bound}))
    assert drawn is not None
    assert 0 <= drawn.low <= drawn.value <= drawn.high <= WIDTH
    assert 0 <= drawn.bar <= WIDTH
    assert (drawn.high <= drawn.bar) >= (high <= bound)
    assert drawn.held == (0.0, drawn.bar)  # of `<=`


def test_what_was_not_measured_is_not_drawn() -> None:
    report = make_report()
    assert [claim.name for claim in report.claims if scale(claim) is None] == ["dilutes"]


# --- packing ---------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-8, 8)), st.floats(8, 100))
def test_values_are_packed_to_half_a_unit(values: list[float], largest: float) -> None:
    found = base64.b64decode(pack_values(values, largest))
    unit = largest / 127
    back = [(byte - 256 if byte > 127 else byte) * unit for byte in found]
    assert all(abs(a - b) <= unit / 2 + 1e-9 for a, b in zip(values, back, strict=True))


@given(st.lists(st.integers(0, 65535)))
def test_tokens_are_packed_exactly(numbers: list[int]) -> None:
    found = base64.b64decode(pack_tokens(numbers))
    assert [int.from_bytes(found[i : i + 2], "little") for i in range(0, len(found), 2)] == numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_packed(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        pack_values([0.5, value], 1.0)


def test_nought_has_a_scale_too() -> None:
    assert pack_values([0.0, 0.0], 0.0) == "AAA="
    assert base64.b64decode(pack_shares([0.0, 0.5, 1.0])) == bytes([0, 128, 255])
