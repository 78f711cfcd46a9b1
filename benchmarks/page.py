"""First paint of a report's page in headless Chromium: `python -m benchmarks.page [REPORT]`.

Without a report: a made-up circuit of 200 nodes with all that a page can show. Prints the page's size and medians over
fresh loads: when the first text stands, when the script has drawn the graph, how long a node's page takes to open.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.browser import Browser, browser, find_browser

LOADS = 9
NODES = 200
_PAINT = "performance.getEntriesByType('paint').find(e => e.name === 'first-contentful-paint')?.startTime"
_LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
_OPENS = """(() => {
  const nodes = [...document.querySelectorAll('#graph [data-node]')].slice(0, 20);
  const began = performance.now();
  for (const node of nodes) {
    node.dispatchEvent(new MouseEvent('click'));
    document.getElementById('panel').getBoundingClientRect();
  }
  return (performance.now() - began) / nodes.length;
})()"""


def main() -> None:
    program = find_browser()
    if program is None:
        sys.exit("there is no Chromium here; $CIRCUITLANG_BROWSER names one")
    with tempfile.TemporaryDirectory() as folder, browser(program) as opened:
        opened.window(1280, 900)
        path = _given() if len(sys.argv) > 1 else _made_up(Path(folder) / "report.html")
        found = [_load(opened, path.resolve().as_uri()) for _ in range(LOADS + 1)][
            1:
        ]  # the first one warms up
        nodes = opened.run("document.querySelectorAll('#graph [data-node]').length")
        print(f"{path.name}: {nodes} nodes, {path.stat().st_size / 1e6:.2f} MB, {LOADS} loads")
        for number, name in enumerate(("first contentful paint", "graph drawn", "a node's page opens")):
            values = sorted(times[number] for times in found)
            print(f"{name:<24} {statistics.median(values):7.1f} ms  ({values[0]:.1f} … {values[-1]:.1f})")


def _load(opened: Browser, address: str) -> tuple[float, float, float]:
    opened.open(address)
    opened.until(f"{_PAINT} > 0")
    return opened.run(_PAINT), opened.run(_LOADED), opened.run(_OPENS)


def _given() -> Path:
    from circuitlang.report.saved import page_of

    return page_of(Path(sys.argv[1]))


def _made_up(path: Path) -> Path:
    from circuitlang.report.page.write import page
    from tests.report.conftest import make_exhibit, make_report, random_graph

    report = make_report(graph=random_graph(NODES))
    path.write_text(page(report, make_exhibit(report)), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
