"""The page in a headless Chromium as somebody meets it: from a link, on a phone, with notes, with a huge circuit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from benchmarks.browser import Browser, browser, find_browser
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.page.write import page
from circuitlang.report.report import Report
from tests.report.conftest import make_exhibit, make_report, random_graph
from tests.report.test_hostile import HOSTILE
from tests.report.test_page import MORE

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Chromium here ($CIRCUITLANG_BROWSER names one)"
)
SIZES = [(1400, 900), (1000, 800), (390, 844)]
NODE = "1.attn_out[83]"
TITLE = "document.getElementById('panel-title')?.textContent"
DRAWN = "[...document.querySelectorAll('#graph .edge')].filter(e => getComputedStyle(e).display !== 'none').length"


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    assert PROGRAM is not None
    with browser(PROGRAM) as found:
        yield found


def with_roles(roles: dict[str, tuple[str, ...]]) -> Report:
    report = make_report()
    assert report.circuit is not None
    first, *others = report.circuit.per_seed
    played = [first.model_copy(update={"roles": roles}), *others]
    return report.model_copy(
        update={"circuit": report.circuit.model_copy(update={"per_seed": tuple(played)})}
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    report = with_roles({"mover": (NODE, "1.v[1312]"), "gone": ()})
    return written(tmp_path_factory.mktemp("page"), report, make_exhibit(report))


def written(folder: Path, report: Report, exhibit: Exhibit | None) -> str:
    path = folder / "report.html"
    path.write_text(page(report, exhibit), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(opened: Browser, address: str) -> Iterator[Browser]:
    opened.window(1400, 900)
    opened.media()
    opened.open(address)
    yield opened
    opened.run("1")  # whatever is still to be said
    assert opened.said == []


def box(shown: Browser, selector: str) -> list[float]:
    """Left, top, right, bottom in the window."""
    return shown.run(
        f"(b => [b.left, b.top, b.right, b.bottom])(document.querySelector({json.dumps(selector)})"
        ".getBoundingClientRect())"
    )


def test_a_click_moves_nothing(shown: Browser) -> None:
    shown.run("document.getElementById('workbench').scrollIntoView()")
    for node in (NODE, "0.mlp_in[7]"):
        before = [shown.run("scrollY"), box(shown, "#graph svg"), box(shown, "#size")]
        left, top, _, _ = box(shown, f'[data-node="{node}"] rect')
        x, y = left + 20, top + 10
        shown.mouse("mousePressed", x, y)
        shown.mouse("mouseReleased", x, y)
        assert shown.run(TITLE) == node
        assert [shown.run("scrollY"), box(shown, "#graph svg"), box(shown, "#size")] == before
        left, top, right, bottom = box(shown, "#panel")  # beside the graph, and in sight
        assert box(shown, "#graph svg")[2] < left < right <= 1400
        assert 0 < top < bottom <= 900


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("fragment", "title"),
    [
        (f"#node={NODE}", NODE),
        ("#head=1.82", "head 82 in layer 1"),
        ("#role=mover", "role mover"),
        ("#role=gone", "role gone"),
    ],
)
def test_a_link_opens_what_it_names(
    shown: Browser, address: str, size: tuple[int, int], fragment: str, title: str
) -> None:
    shown.window(*size, mobile=size[0] < 500)
    shown.open(address + fragment)
    assert shown.run(TITLE) == title
    left, top, right, bottom = box(shown, "#panel-title")
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


def test_a_link_to_a_prompt_opens_its_tokens(shown: Browser, address: str) -> None:
    shown.open(address + "#prompt=3")
    assert 0 <= box(shown, "#tokens h2")[1] < 200
    assert "prompts 4 of 6" in shown.run("document.getElementById('positions').textContent")
    shown.click("#tokens-next")
    assert shown.run("location.hash") == "#prompt=4"


def test_a_role_leads_to_its_nodes_and_a_node_to_its_role(shown: Browser, address: str) -> None:
    shown.open(address + "#role=gone")
    assert "No node of the circuit plays it." in shown.run("document.getElementById('panel').textContent")
    shown.open(f"{address}#node={NODE}")
    shown.run("[...document.querySelectorAll('#panel .link')].find(e => e.textContent === 'mover').click()")
    assert shown.run(TITLE) == "role mover"
    listed = shown.run("[...document.querySelectorAll('#panel .links .link')].map(e => e.textContent)")
    assert listed == [NODE, "1.v[1312]"]
    shown.run("history.back()")
    shown.until(f"{TITLE} === '{NODE}'")
    shown.run("history.forward()")
    shown.until(f"{TITLE} === 'role mover'")


def test_a_note_lives_in_the_link(shown: Browser, address: str) -> None:
    shown.click(f'[data-node="{NODE}"] rect')
    shown.click("#note")
    for letter in "it moves":
        shown.key(letter, text=letter)
    shown.click("#panel-title")
    link = shown.run("location.href")
    shown.open(link)
    assert shown.run("document.getElementById('note').value") == "it moves"
    assert shown.run("[...document.querySelectorAll('#graph .noted')].map(e => e.dataset.node)") == [NODE]
    shown.key("Escape", 27)
    assert shown.run("document.getElementById('notes').textContent") == f"{NODE} it moves"
    shown.open(f"{address}#node=0.mlp_in[7]")
    assert shown.run("document.getElementById('note').value") == ""


@pytest.mark.parametrize(
    "notes", ["{", "[]", "3", "null", '{"x":3}', '{"__proto__":"x"}', json.dumps(HOSTILE | MORE)]
)
def test_a_note_of_nonsense_does_nothing(shown: Browser, address: str, notes: str) -> None:
    for where in ("", f"node={NODE}&"):
        shown.open(f"{address}#{where}notes={quote(notes, errors='replace')}")
        assert shown.run("document.scripts.length") == 2
        assert shown.run("typeof hacked") == "undefined"
        assert shown.run("document.querySelectorAll('#panel img, #panel script').length") == 0


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off(shown: Browser, address: str, size: tuple[int, int]) -> None:
    shown.window(*size, mobile=size[0] < 500)
    for where in ("", f"#node={NODE}"):
        shown.open(address + where)
        assert shown.run("document.documentElement.scrollWidth") <= size[0]
        left, _, right, _ = box(shown, "#graph svg")
        assert 0 <= left < right <= size[0]
        assert shown.run("document.querySelector('#graph svg').viewBox.baseVal.width") > 0


def test_no_name_lies_on_a_box_or_on_a_name(opened: Browser, tmp_path: Path) -> None:
    report = make_report(graph=random_graph(80))
    for size in SIZES:
        opened.window(*size, mobile=size[0] < 500)
        opened.open(written(tmp_path, report, None))
        boxes = opened.run(
            "['#graph .headname', '#graph .rowname, #graph .layername', '#graph .node rect'].map(kind => "
            "[...document.querySelectorAll(kind)].map(e => (b => [b.left, b.top, b.right, b.bottom])"
            "(e.getBoundingClientRect())))"
        )
        heads, rows, nodes = boxes
        assert heads
        assert rows
        names = heads + rows
        for number, one in enumerate(names):
            for other in names[number + 1 :] + nodes:
                apart = (
                    one[2] <= other[0]
                    or other[2] <= one[0]
                    or one[3] <= other[1] + 2
                    or other[3] <= one[1] + 2
                )
                assert apart, (size, one, other)


def test_a_node_that_no_line_leads_on_from_says_how_it_acts(opened: Browser, tmp_path: Path) -> None:
    graph = random_graph(60)
    report = make_report(graph=graph)
    opened.window(1400, 900)
    opened.open(written(tmp_path, report, make_exhibit(report)))
    ringed = set(
        opened.run(
            "[...document.querySelectorAll('.ring')].map(e => e.parentNode.dataset.node).filter(Boolean)"
        )
    )
    leading = {str(edge.source) for edge in graph.drawn}
    assert ringed == {str(node) for node in graph.kept} - leading
    assert ringed
    for node in sorted(ringed)[:5]:
        opened.run(f"document.querySelector('[data-node=\"{node}\"]').dispatchEvent(new MouseEvent('click'))")
        assert "no drawn line leads on: " in opened.run("document.getElementById('panel').textContent")


def test_a_large_circuit_is_bundled_until_a_node_is_opened(opened: Browser, tmp_path: Path) -> None:
    report = make_report(graph=random_graph(500))
    opened.window(1400, 900)
    opened.open(written(tmp_path, report, None))
    bundles = opened.run("document.querySelectorAll('#graph .bundle').length")
    every = opened.run("document.querySelectorAll('#graph .edge.plus, #graph .edge.minus').length")
    before = opened.run(DRAWN)
    assert 0 < bundles < every / 3
    opened.run("document.querySelector('#graph [data-node]').dispatchEvent(new MouseEvent('click'))")
    assert opened.run("document.querySelectorAll('#graph .opened').length") > 0
    assert before < opened.run(DRAWN) < every
    opened.key("Escape", 27)
    opened.run("document.activeElement.blur()")
    assert opened.run(DRAWN) == before
    opened.click("#lines")
    assert opened.run(DRAWN) >= every
    assert opened.said == []


def test_a_circuit_of_no_node_has_a_page(opened: Browser, tmp_path: Path) -> None:
    report = make_report(graph=CircuitGraph((), (), 5632))
    opened.window(390, 844, mobile=True)
    opened.open(written(tmp_path, report, None))
    assert opened.said == []
    assert "This circuit has no node" in opened.run("document.getElementById('panel').textContent")


def test_a_page_of_eighty_nodes_is_under_two_megabytes() -> None:
    report = make_report(graph=random_graph(80))
    assert len(page(report, make_exhibit(report)).encode()) < 2e6


def test_every_square_has_its_number(shown: Browser, address: str) -> None:
    """The packed values of the exhibit, circuit on the left and model on the right."""
    shown.open(address + "#prompt=1")
    said = shown.run("[...document.querySelectorAll('#positions [data-said]')].map(e => e.dataset.said)")
    values = shown.run(
        """(() => {
          const exhibit = JSON.parse(document.getElementById('data').textContent).exhibit;
          const row = 2;
          const start = exhibit.prompts.slice(0, row).reduce((sum, one) => sum + one.tokens.length, 0);
          const found = {};
          for (const node of exhibit.nodes)
            for (const side of ['circuit', 'model']) {
              const packed = Uint8Array.from(atob(node[side]), c => c.charCodeAt(0));
              found[node.node + ' ' + side] = [...new Int8Array(packed.buffer)]
                .slice(start, start + exhibit.prompts[row].tokens.length).map(v => v * node.scale / 127);
            }
          return found;
        })()"""
    )
    assert len(values) == 26
    for key, expected in values.items():
        node, side = key.split()
        lines = [one for one in said if one.startswith(f"{node} at ") and f"in the {side}: " in one]
        numbers = [float(one.rsplit(": ", 1)[1].replace("−", "-")) for one in lines[: len(expected)]]
        assert numbers == pytest.approx(expected, abs=0.006)
