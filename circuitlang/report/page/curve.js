// Loss against size, the model's own loss as a line, and the selector of a size.

const sizeList = () => exhibit?.sizes ?? [];

function ownSize() {
  const kept = graphs.get(String(exhibit.seed))?.nodes;
  return Math.max(
    0,
    sizeList().findIndex((size) => size.nodes === kept),
  );
}

// The chosen size, by its number of nodes; the circuit's own unless told.
function sizeShown() {
  const wanted = sizeList().findIndex((size) => String(size.nodes) === state.size);
  return wanted < 0 ? ownSize() : wanted;
}

function drawCurve() {
  const place = byId("curve");
  if (!place || !sizeList().length) return;
  const sizes = sizeList();
  const [left, right, above, below] = [52, 620, 26, 260];
  const most = sizes.at(-1).nodes || 1;
  const target = report.circuit.target;
  const highest =
    Math.max(...sizes.map((size) => size.loss + size.error), exhibit.model_loss, target ?? 0) * 1.05 || 1;
  const x = (nodes) => left + ((right - left) * nodes) / most;
  const y = (loss) => below - ((below - above) * loss) / highest;
  const agree = (share) => below - (below - above) * share;
  const picture = svg("svg", {
    viewBox: "0 0 720 300",
    role: "img",
    "aria-label": "loss against the number of nodes",
  });
  for (const loss of ticks(highest))
    picture.append(
      svg("line", { class: "grid", x1: left, x2: right, y1: y(loss), y2: y(loss) }),
      svg("text", { x: left - 6, y: y(loss) + 4, "text-anchor": "end" }, number(loss)),
    );
  for (const nodes of ticks(most, true))
    picture.append(svg("text", { x: x(nodes), y: below + 18, "text-anchor": "middle" }, String(nodes)));
  picture.append(
    svg(
      "text",
      { x: (left + right) / 2, y: below + 36, "text-anchor": "middle" },
      "nodes, the most needed first",
    ),
  );
  picture.append(svg("text", { x: left - 44, y: 10 }, "loss, nats"));
  const level = (loss, kind, said, lift) =>
    picture.append(
      svg("line", { class: kind, x1: left, x2: right, y1: y(loss), y2: y(loss) }),
      svg("text", { class: kind, x: right + 6, y: y(loss) + lift }, said),
    );
  const close = target !== null && Math.abs(y(target) - y(exhibit.model_loss)) < 15;
  level(
    exhibit.model_loss,
    "own",
    `model ${number(exhibit.model_loss)}`,
    close && target > exhibit.model_loss ? 14 : 4,
  );
  if (target !== null)
    level(target, "target", `target ${number(target)}`, close && target > exhibit.model_loss ? -2 : 4);
  picture.append(
    svg("path", {
      class: "agree",
      d: sizes.map((size, i) => `${i ? "L" : "M"}${x(size.nodes)} ${agree(size.agreement)}`).join(""),
    }),
  );
  for (const share of [0.5, 1])
    picture.append(
      svg("text", { class: "agree", x: right + 6, y: agree(share) + 4 }, `${percent(share)} agree`),
    );
  picture.append(
    svg("path", {
      class: "line",
      d: sizes.map((size, i) => `${i ? "L" : "M"}${x(size.nodes)} ${y(size.loss)}`).join(""),
    }),
  );
  sizes.forEach((size, i) => {
    picture.append(
      svg("line", {
        class: "error",
        x1: x(size.nodes),
        x2: x(size.nodes),
        y1: y(size.loss - size.error),
        y2: y(size.loss + size.error),
      }),
    );
    picture.append(
      svg(
        "circle",
        {
          class: "dot",
          "data-size": i,
          cx: x(size.nodes),
          cy: y(size.loss),
          r: 4,
          onclick: () => chooseSize(i),
        },
        svg("title", {}, sizeText(size)),
      ),
    );
  });
  place.replaceChildren(
    picture,
    el(
      "label",
      { class: "controls" },
      "show the ",
      el("input", {
        type: "range",
        id: "sizes",
        min: 0,
        max: sizes.length - 1,
        oninput: (event) => chooseSize(Number(event.target.value)),
      }),
      el("output", { id: "size-text" }),
    ),
    el("p", { class: "hint", id: "size-more" }),
    el(
      "p",
      { class: "hint" },
      `On ${exhibit.sized_on} prompts of select, the same for every size; bars are standard errors. Agreement, dashed: how often the choice is the untouched model’s, 0 % at the bottom.`,
    ),
  );
}

const sizeText = (size) =>
  `${size.nodes} nodes: loss ${number(size.loss)} ± ${number(size.error)} nats, agreement ${percent(size.agreement)}`;

function chooseSize(i) {
  go({ size: i === ownSize() ? null : sizeList()[i].nodes });
}

// What the size changes: the dot, the words, and which nodes of the graph are there.
function showSize() {
  const known = exhibited() && sizeList().length > 0;
  const kept = known ? new Set(exhibit.order.slice(0, sizeList()[sizeShown()].nodes)) : null;
  for (const [name, group] of drawing.nodes) group.classList.toggle("out", kept !== null && !kept.has(name));
  for (const { line, ends } of drawing.edges)
    line.classList.toggle("out", kept !== null && !ends.every((end) => kept.has(end)));
  if (!sizeList().length || !byId("sizes")) return;
  const size = sizeList()[sizeShown()];
  byId("sizes").value = sizeShown();
  byId("size-text").textContent = ` ${sizeText(size)}`;
  for (const dot of document.querySelectorAll("#curve .dot"))
    dot.classList.toggle("chosen", Number(dot.dataset.size) === sizeShown());
  const beyond = exhibit.order.slice(graphs.get(String(exhibit.seed)).nodes, size.nodes);
  byId("size-more").textContent = beyond.length
    ? `beyond the circuit, not in the graph: ${beyond.join(", ")}`
    : "";
}
