"""Hostile text in every text field of every format: `python -m benchmarks.hostile --count 1000`.

The texts are those of the tests, and mixtures of them: markup, control characters, bidirectional marks, commands to CI
runners, what is special in XML, DOT, Markdown, HTML and JSON. For each, a report that says it everywhere is written in
every format. It must have the structure that a harmless report has, show nothing that commands a terminal or a runner,
and where a machine reads it give back the text as it was. Prints how often each format was written; the exit status is
1 where one of them broke.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pygraphviz

from circuitlang.report.annotations import concise, github
from circuitlang.report.diagram import dot
from circuitlang.report.diff import diff_lines, diff_reports
from circuitlang.report.drift import Changed
from circuitlang.report.drift_lines import LockStatus, lock_status_lines
from circuitlang.report.edges import edge_list, read_edge_list
from circuitlang.report.escape import lone_surrogates_spelled, visible
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.junit import junit
from circuitlang.report.lock import Lock, LockedSpec, read_lock
from circuitlang.report.markdown import markdown
from circuitlang.report.page.write import page, page_data
from circuitlang.report.report import Report
from circuitlang.report.report_folder import badge
from circuitlang.report.sarif import sarif
from circuitlang.report.terminal import terminal
from circuitlang.source.diagnostic import Source
from tests.report.conftest import make_exhibit, make_report
from tests.report.test_hostile import HOSTILE, harmless, structure
from tests.report.test_page import MORE, Page, block

HARMLESS = "x"
MARKS = [
    "\n",
    "\r",
    "\x1b[",
    "\u202e",
    "\u2028",
    "::",
    "##[",
    '"',
    "'",
    "<",
    ">",
    "&",
    "|",
    "`",
    "\\",
    "]]>",
    "\x00",
    "%0A",
]


def texts(count: int) -> Iterator[str]:
    """The known ones, and then pieces of two to four of them with marks between; the same for the same number."""
    known = [*HOSTILE.values(), *MORE.values()]
    yield from known[:count]
    for number in range(len(known), count):
        draw = random.Random(number)
        parts = []
        for whole in draw.sample(known, draw.randint(2, 4)):
            start = draw.randrange(len(whole))
            parts += [whole[start : start + draw.randint(1, 60)], draw.choice(MARKS)]
        yield "".join(parts)


@cache
def exhibit_of(text: str) -> Exhibit:
    return make_exhibit(make_report(text), text)


def in_terminal(report: Report, text: str) -> None:
    harmless(terminal(report))
    harmless(terminal(report, colour=True), colour=True)


def in_markdown(report: Report, text: str) -> None:
    written = markdown(report, "circuit.svg")
    harmless(written)
    assert structure(written) == structure(markdown(make_report(HARMLESS), "circuit.svg"))


def in_json(report: Report, text: str) -> None:
    written = report.to_json()
    harmless(written)
    assert json.loads(written)["claims"][0]["text"] == lone_surrogates_spelled(text)
    assert Report.from_json(written).to_json() == written


def in_lock(report: Report, text: str) -> None:
    lock = Lock(specs={"one": LockedSpec.of(report, {"layers": 4})})
    harmless(lock.text())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.cir.lock"
        lock.write(path)
        again = read_lock(path)
    assert again.text() == lock.text()
    assert again.specs["one"].report.claims[0].text == report.claims[0].text


def in_lines(report: Report, text: str) -> None:
    for write in (github, concise):
        written, usual = write(report, text), write(make_report(HARMLESS), HARMLESS)
        assert len(written.splitlines()) == len(usual.splitlines())
        assert "##[" not in written
    harmless(concise(report, text))
    for line in github(report, text).splitlines():
        assert line.startswith(("::error file=", "::warning file=", "::notice file="))


def in_junit(report: Report, text: str) -> None:
    root, usual = (
        ElementTree.fromstring(junit(make_report(said), said).encode()) for said in (text, HARMLESS)
    )
    assert [each.tag for each in root.iter()] == [each.tag for each in usual.iter()]
    assert root.get("name") == visible(lone_surrogates_spelled(text))


def in_sarif(report: Report, text: str) -> None:
    def results(said: str) -> list[object]:
        written = sarif([], {}, "1.0", [(make_report(said), Source("a.cir", "x\n" * 30))])
        harmless(written)
        return json.loads(written)["runs"][0]["results"]

    assert len(results(text)) == len(results(HARMLESS))


def in_dot(report: Report, text: str) -> None:
    assert report.circuit is not None

    def parts(said: str) -> tuple[object, ...]:
        source = dot(graph_of(make_report(said)), said, [said])
        harmless(source)
        graph = pygraphviz.AGraph(string=source)
        return {node: sorted(node.attr) for node in graph.nodes()}, sorted(graph.edges())

    assert parts(text) == parts(HARMLESS)


def in_graphs(report: Report, text: str) -> None:
    graph = graph_of(report)
    assert type(graph).from_json(graph.to_json()) == graph
    assert set(read_edge_list(edge_list(graph))) == set(graph.edges)
    assert text in {edge.source for edge in graph.edges}


def in_diff(report: Report, text: str) -> None:
    harmless("\n".join(diff_lines(diff_reports(report, make_report(text)))))


def in_status(report: Report, text: str) -> None:
    """A file, a spec and a lock's notes that are called so."""
    made = Changed(name=text, old=text, new=HARMLESS)
    lines = list(lock_status_lines([LockStatus(text, text, "out of date", text, (made,), text)]))
    assert len(lines) == 2
    harmless("\n".join(lines))


def in_badge(report: Report, text: str) -> None:
    kinds = [each.tag for each in ElementTree.fromstring(badge(report)).iter()]
    assert kinds == [each.tag for each in ElementTree.fromstring(badge(make_report(HARMLESS))).iter()]


def in_page(report: Report, text: str) -> None:
    exhibit = exhibit_of(text)
    written = page(report, exhibit)
    harmless = page(make_report(HARMLESS), exhibit_of(HARMLESS))
    assert set(Page(written).elements) <= set(Page(harmless).elements)
    # How much of a prompt the mechanism has room for depends on the text; the rest of the page does not.
    assert Page(_without_mechanism(written)).elements == Page(_without_mechanism(harmless)).elements
    assert block(written) == json.loads(json.dumps(page_data(report, exhibit)))


def _without_mechanism(written: str) -> str:
    before, found, after = written.partition('<div id="mechanism"')
    return before + after.partition("</div>")[2] if found else written


def graph_of(report: Report):
    assert report.circuit is not None
    return report.circuit.plain_graph()


FORMATS: dict[str, Callable[[Report, str], None]] = {
    "terminal": in_terminal,
    "report.md": in_markdown,
    "report.json": in_json,
    "lock": in_lock,
    "github, concise": in_lines,
    "junit": in_junit,
    "sarif": in_sarif,
    "dot": in_dot,
    "circuit.json, edges": in_graphs,
    "diff": in_diff,
    "status": in_status,
    "badge": in_badge,
    "report.html": in_page,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="texts")
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=list(FORMATS))
    options = parser.parse_args()
    held, broken = Counter[str](), Counter[str]()
    for text in texts(options.count):
        report = make_report(text)
        for name in options.formats:
            try:
                FORMATS[name](report, text)
                held[name] += 1
            except Exception as error:  # whatever it is, this text broke this format
                broken[name] += 1
                print(f"{name}: {text!a}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    for name in options.formats:
        print(f"{name:22}{held[name]:>7,} held{broken[name]:>5,} broken")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
