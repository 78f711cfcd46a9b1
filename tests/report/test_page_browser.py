"""The page in a headless Chromium: it opens, nothing is asked for, every interaction does what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import Browser, browser, find_browser
from circuitlang.report.page.write import page
from tests.report.conftest import make_exhibit, make_report, random_graph
from tests.report.test_hostile import HOSTILE
from tests.report.test_page import MORE

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Chromium here ($CIRCUITLANG_BROWSER names one)"
)
TITLE = "document.getElementById('panel-title')?.textContent"
OPEN = "document.getElementById('workbench').classList.contains('open')"
FOCUSED = "document.activeElement.dataset.node"
NODE = "1.attn_out[83]"
ADDRESS = "#node=1.attn_out%5B83%5D"


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    assert PROGRAM is not None
    with browser(PROGRAM) as found:
        found.window(1280, 900)
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    report = make_report()
    named = report.battery[1].model_copy(update={"note": "see 1.head[82], 1.attn_out[83], 9.head[9]"})
    report = report.model_copy(update={"battery": (report.battery[0], named)})
    return written(tmp_path_factory.mktemp("page") / "report.html", page(report, make_exhibit(report)))


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(opened: Browser, address: str) -> Iterator[Browser]:
    """The page as it opens; at the end nothing was complained of, and nothing but the page was asked for."""
    opened.window(1280, 900)
    opened.media()
    opened.open(address)
    yield opened
    opened.run("1")  # whatever is still to be said
    assert opened.said == []
    assert [asked.split("#")[0] for asked in opened.asked] == [address] * len(opened.asked)


def fragment(shown: Browser) -> str:
    return shown.run("decodeURIComponent(location.hash)")


def focus(shown: Browser, node: str) -> None:
    shown.run(f"document.querySelector('[data-node=\"{node}\"]').focus()")


def test_it_opens_with_all_its_parts(shown: Browser) -> None:
    heads = shown.run("[...document.querySelectorAll('h2')].map(e => e.textContent)")
    assert [head.split(":")[0] for head in heads] == [
        "Claims",
        "The circuit",
        "At which token",
        "Loss against size",
        "Controls",
        "Battery",
        "Counterexamples",
        "To make it again",
    ]
    assert shown.run("document.querySelectorAll('#graph [data-node]').length") == 13
    assert shown.run("document.querySelectorAll('#curve .dot').length") == 4
    assert shown.run("document.querySelectorAll('svg.scale').length") == 5
    assert not shown.run(OPEN)


def test_a_click_opens_a_nodes_page_and_escape_closes_it(shown: Browser) -> None:
    shown.click(f'[data-node="{NODE}"] rect')
    assert shown.run(TITLE) == NODE
    assert fragment(shown) == f"#node={NODE}"
    said = shown.run("document.getElementById('panel').textContent")
    assert all(
        part in said for part in ("1.attn.resid_delta[83]", "case double", "largest", "Reads from (1)")
    )
    shown.key("Escape", 27)
    assert not shown.run(OPEN)
    assert "node" not in fragment(shown)
    assert shown.run(FOCUSED) == NODE


def test_keys_move_between_nodes_and_enter_opens_one(shown: Browser) -> None:
    focus(shown, "0.mlp_in[7]")
    layout = shown.run("JSON.parse(document.getElementById('data').textContent).layouts[0].nodes")
    for key, axis, sign in (("ArrowUp", 1, -1), ("ArrowDown", 1, 1), ("ArrowUp", 1, -1)):
        before = shown.run(FOCUSED)
        shown.key(key)
        after = shown.run(FOCUSED)
        assert (layout[after][axis] - layout[before][axis]) * sign > 0
    row = sorted((x, name) for name, (x, y) in layout.items() if y == layout[shown.run(FOCUSED)][1])
    focus(shown, row[0][1])
    for _, name in row[1:]:
        shown.key("ArrowRight")
        assert shown.run(FOCUSED) == name
    shown.key("ArrowRight")  # at the end it stays
    assert shown.run(FOCUSED) == row[-1][1]
    assert shown.run("document.querySelectorAll('#graph [tabindex=\"0\"]').length") == 1
    shown.key("Enter", 13, "\r")
    assert shown.run(TITLE) == row[-1][1]


def test_pointing_tells_index_weight_and_cost(shown: Browser) -> None:
    focus(shown, NODE)
    assert shown.run("document.getElementById('tip').textContent").startswith(
        f"{NODE}\n1.attn.resid_delta[83] in the authors’ names\nablated alone: loss +0.61 nats"
    )
    assert shown.run("document.querySelectorAll('#graph .edge.lit').length") == 2
    edge = "[...document.querySelectorAll('#graph .hit')]"
    shown.run(
        f"{edge}.map(e => e.dispatchEvent(new PointerEvent('pointermove', {{clientX: 5, clientY: 5}})))"
        ".length"
    )
    assert "→" in shown.run("document.getElementById('tip').textContent")


def test_the_fragment_restores_what_was_seen(shown: Browser, address: str) -> None:
    shown.open(f"{address}{ADDRESS}&show=difference&prompt=2&size=6&theme=dark")
    assert shown.run(TITLE) == NODE
    assert shown.run("document.querySelector('[data-value=difference]').ariaPressed") == "true"
    assert "prompts 3 of 6" in shown.run("document.getElementById('panel').textContent")
    assert shown.run("document.getElementById('size-text').textContent").startswith(" 6 nodes: loss")
    assert shown.run("document.documentElement.dataset.theme") == "dark"
    shown.run("location.hash = '#head=1.82'")
    shown.until(f"{TITLE} === 'head 82 in layer 1'")
    shown.run("history.back()")
    shown.until(f"{TITLE} === '{NODE}'")


@pytest.mark.parametrize(
    "wrong",
    [
        "#node=nothing",
        "#node=%22%5D",
        "#head=9.9",
        "#size=-1&prompt=99&from=x&show=y&seed=7&theme=z",
        "#%",
        "#at=%22",
    ],
)
def test_a_fragment_of_nonsense_shows_the_plain_page(shown: Browser, address: str, wrong: str) -> None:
    shown.open(address + wrong)
    assert not shown.run(OPEN)
    assert shown.run("document.querySelectorAll('#graph .out').length") == 0


def test_the_values_of_prompts_can_be_chosen(shown: Browser, address: str) -> None:
    shown.open(address + ADDRESS)

    def titles() -> list[str]:
        return shown.run("[...document.querySelectorAll('#panel .case .token')].map(e => e.title)")

    usual = titles()
    for value, words in (
        ("model", "in the model"),
        ("difference", "circuit − model"),
        ("cases", "between cases"),
    ):
        shown.click(f"[data-value={value}]")
        assert fragment(shown).endswith(f"show={value}")
        assert any(words in title for title in titles())
    assert any(title.endswith("has no counterpart") for title in titles())
    shown.click("[data-value=circuit]")
    assert titles() == usual
    shown.click("#next")
    assert fragment(shown).endswith("prompt=1")
    assert titles() != usual
    shown.click("#previous")
    assert titles() == usual


def test_a_difference_is_of_the_two_numbers_shown(shown: Browser, address: str) -> None:
    shown.open(f"{address}{ADDRESS}&show=difference")
    found = shown.run("[...document.querySelectorAll('#panel .case .token')].map(e => e.title)")
    numbers = [
        [float(n.replace("−", "-")) for n in re.findall(r"(?:: |circuit |model )(−?[\d.e-]+)", title)]
        for title in found
    ]
    assert len(numbers) > 20
    for difference, circuit, model in numbers:
        assert difference == pytest.approx(circuit - model, abs=0.02)


def test_a_heads_attention_follows_the_slider(shown: Browser, address: str) -> None:
    shown.open(f"{address}#head=1.82")
    assert (
        shown.run("document.querySelectorAll('#panel .token.here').length") == 4
    )  # two cases, circuit and model
    sinks = "[...document.querySelectorAll('#panel .token')].filter(e => e.textContent === 'sink').map(e => e.title)"
    before = shown.run(sinks)
    assert len(before) == 4
    assert all(re.fullmatch(r"the sink gets [\d.]+ % in the (circuit|model)", title) for title in before)
    focused = "document.getElementById('from').focus()"
    shown.run(focused)
    shown.key("ArrowLeft", 37)
    assert fragment(shown) == "#head=1.82&from=1"
    assert shown.run("document.activeElement.id") == "from"  # it keeps the focus, so that one can go on
    assert shown.run(sinks) != before
    left, right, y = shown.run(
        "(b => [b.x, b.right, b.y + b.height / 2])(document.getElementById('from').getBoundingClientRect())"
    )
    seen = set()
    shown.mouse("mousePressed", right - 9, y)
    for step in (0.75, 0.5, 0.25):  # and a finger or a mouse goes on too
        shown.mouse("mouseMoved", left + (right - left) * step, y, button="left", buttons=1)
        seen.add(fragment(shown))
    shown.mouse("mouseReleased", left + (right - left) / 4, y)
    assert len(seen) == 3
    shown.run("[...document.querySelectorAll('#panel .token.pick')].at(-1).click()")
    assert fragment(shown) == "#head=1.82"


def test_a_size_dims_what_is_not_in_it(shown: Browser) -> None:
    dimmed = "document.querySelectorAll('#graph .node.out').length"
    assert shown.run(dimmed) == 0
    shown.run("document.getElementById('sizes').focus()")
    shown.key("ArrowLeft", 37)
    assert fragment(shown) == "#size=6"
    assert shown.run(dimmed) == 13 - 6
    shown.key("ArrowRight", 39)
    shown.key("ArrowRight", 39)
    assert shown.run(dimmed) == 0
    assert "3.neuron[9]" in shown.run("document.getElementById('size-more').textContent")
    shown.click('#curve .dot[data-size="0"]')
    assert shown.run(dimmed) == 13


def test_the_theme_follows_the_system_until_it_is_chosen(shown: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = shown.run(paper)
    shown.media(scheme="dark")
    dark = shown.run(paper)
    assert light != dark
    shown.click("#theme")
    assert (fragment(shown), shown.run(paper)) == ("#theme=light", light)
    shown.click("#theme")
    assert (fragment(shown), shown.run(paper)) == ("#theme=dark", dark)
    shown.media("print", "dark")
    assert shown.run(paper) == light
    shown.media(scheme="dark")
    shown.click("#theme")
    assert (fragment(shown), shown.run(paper)) == ("", dark)


def test_a_claim_can_be_linked(shown: Browser, address: str) -> None:
    shown.run("document.querySelector('[data-name=faithful] a').click()")
    assert fragment(shown) == "#at=claim:faithful"
    shown.open(f"{address}#at=claim:faithful")
    assert shown.run("[...document.querySelectorAll('.found')].map(e => e.dataset.name)") == ["faithful"]
    shown.open(f"{address}#provenance")
    assert shown.run("document.getElementById('provenance').getBoundingClientRect().top < innerHeight")


def test_names_in_the_report_lead_to_their_pages(shown: Browser) -> None:
    names = "[...document.querySelectorAll('a.name')].map(e => e.textContent)"
    assert set(shown.run(names)) == {"1.attn_in[21]", "1.head[82]", NODE}  # of nodes and heads that are there
    shown.run("document.querySelector('[data-name=\"calibrated loss\"] a.name').click()")
    assert shown.run(TITLE) == "head 82 in layer 1"
    assert fragment(shown) == "#head=1.82"
    shown.run("[...document.querySelectorAll('a.name')].at(-1).click()")
    assert shown.run(TITLE) == NODE


def test_another_seed_is_drawn_without_the_firsts_values(shown: Browser) -> None:
    shown.run(
        "const s = document.getElementById('seed'); s.value = '1'; s.dispatchEvent(new Event('change'))"
    )
    assert fragment(shown) == "#seed=1"
    shown.click(f'[data-node="{NODE}"] rect')
    said = shown.run("document.getElementById('panel').textContent")
    assert "Reads from" in said
    assert "On prompts" not in said


def test_the_graph_zooms_moves_and_fits(shown: Browser) -> None:
    view = "document.querySelector('#graph svg').getAttribute('viewBox').split(' ').map(Number)"
    whole = shown.run(view)
    shown.click("#zoom-in")
    near = shown.run(view)
    assert near[2] == pytest.approx(whole[2] * 0.8, rel=0.01)
    x, y = shown.run(
        "(b => [b.x + 30, b.y + 30])(document.querySelector('#graph svg').getBoundingClientRect())"
    )
    shown.mouse("mousePressed", x, y)
    shown.mouse("mouseMoved", x + 40, y + 20, button="left", buttons=1)
    shown.mouse("mouseReleased", x + 40, y + 20)
    moved = shown.run(view)
    assert moved[0] < near[0]
    assert moved[1] < near[1]
    assert not shown.run(OPEN)  # a drag is no click
    shown.run("for (let i = 0; i < 9; i++) document.getElementById('zoom-in').click()")
    for node in ("0.mlp_in[7]", NODE):  # the keyboard reaches what is out of sight
        focus(shown, node)
        x, y = shown.run(
            f"JSON.parse(document.getElementById('data').textContent).layouts[0].nodes['{node}']"
        )
        left, top, width, height = shown.run(view)
        assert left <= x <= left + width
        assert top <= y <= top + height
    shown.click("#zoom-fit")
    assert shown.run(view) == whole


def test_it_reads_on_a_phone(shown: Browser, address: str) -> None:
    shown.window(390, 844, mobile=True)
    for where in ("", ADDRESS, "#head=1.82"):
        shown.open(address + where)
        assert shown.run("document.documentElement.scrollWidth") <= 390
    assert shown.run("document.getElementById('panel').getBoundingClientRect().width") == 390
    assert shown.run("document.querySelector('#graph .node rect').getBoundingClientRect().height") > 12


def test_it_prints(shown: Browser) -> None:
    assert shown.printed().startswith(b"%PDF")


@pytest.mark.parametrize(
    "name", ["script end", "tags", "attribute end", "bidi", "line ends", "surrogates", "comment", "json"]
)
def test_hostile_text_does_nothing(opened: Browser, tmp_path: Path, name: str) -> None:
    text = (HOSTILE | MORE)[name]
    report = make_report(text)
    address = written(tmp_path / "report.html", page(report, make_exhibit(report, text)))
    for where in (ADDRESS + "&show=cases", "#head=1.82"):
        opened.open(address + where)
        assert opened.said == []
        assert len(opened.asked) == 1
        assert opened.run("typeof hacked") == "undefined"
        assert (
            opened.run(
                "document.querySelectorAll('img, a:not([href^=\"#\"]), script[src], svg[onload], iframe, link').length"
            )
            == 0
        )
        assert opened.run("document.scripts.length") == 2
        seen = opened.run("document.body.innerText.replace(/[\\n\\t]/g, '')")
        assert not re.search(r"[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", seen)


def test_the_policy_stops_what_would_get_in_all_the_same(opened: Browser, address: str) -> None:
    opened.open(address)
    opened.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'hacked = 1'}))"
    )
    opened.run("document.body.setAttribute('onclick', 'hacked = 1'); document.body.click()")
    opened.run("document.body.append(Object.assign(new Image(), {src: 'https://evil.example/x.png'}))")
    assert opened.run("fetch('https://evil.example/').then(() => 'went', () => 'stopped')") == "stopped"
    assert opened.run("typeof hacked") == "undefined"
    assert len(opened.said) >= 4
    assert all("Content Security Policy" in said for said in opened.said)


def test_a_large_circuit_opens(opened: Browser, tmp_path: Path) -> None:
    report = make_report(graph=random_graph(200))
    opened.open(written(tmp_path / "report.html", page(report, make_exhibit(report))))
    assert opened.said == []
    assert opened.run("document.querySelectorAll('#graph [data-node]').length") >= 200
