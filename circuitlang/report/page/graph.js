// The circuit as a graph: drawn once per seed; what is looked at changes classes only.

// The bin of a node's cost, as in circuit.svg.
const costClass = (cost) => {
  const i = data.costs.limits.findIndex((limit) => cost < limit);
  return i < 0 ? data.costs.limits.length : i;
};
const drawing = { seed: null, svg: null, nodes: new Map(), edges: [], view: null, whole: null, focus: null };

const small = matchMedia("(max-width: 44rem)"); // fewer nodes a line, so that they can be read and hit
const layoutNow = () => (small.matches ? data.narrow : data.layouts)[seedShown()];
const BUNDLED = 150; // lines from which on only bundles are drawn until a node is opened

function drawGraph() {
  const seed = seedShown();
  const { graph } = graphs.get(seed);
  const layout = layoutNow();
  const whole = [0, 0, layout.width, layout.height];
  const root = svg("svg", {
    viewBox: whole.join(" "),
    role: "application",
    "aria-label": "the circuit's graph: arrow keys move between nodes, Enter opens one",
  });
  root.style.maxWidth = `${1.05 * layout.width}px`; // a small circuit is not blown up
  root.style.minHeight = small.matches ? "" : `${0.6 * layout.height}px`; // a large one scrolls in its frame
  Object.assign(drawing, { seed, layout, svg: root, nodes: new Map(), edges: [], view: [...whole], whole });
  for (const [layer, above, below] of layout.layers)
    root.append(
      svg("rect", { class: "layer", x: 4, y: above, width: layout.width - 8, height: below - above, rx: 8 }),
      svg("text", { class: "layername", x: 12, y: above + 16 }, `layer ${layer}`),
    );
  for (const [name, y] of layout.rows) root.append(svg("text", { class: "rowname", x: 14, y: y + 14 }, name));
  for (const [layer, head, x, y, width, height] of layout.heads)
    root.append(
      svg("rect", {
        class: "headbox",
        x,
        y,
        width,
        height,
        rx: 6,
        "data-head": `${layer}.${head}`,
        onclick: () => go(toHead(`${layer}.${head}`), true),
      }),
    );
  const largest =
    Math.max(
      ...graph.edges.filter((edge) => edge.kind === "weight").map((edge) => Math.abs(edge.weight)),
      0,
    ) || 1;
  const writers = new Map();
  const between = graph.edges.filter((edge) => isNode(edge.source) && isNode(edge.target));
  for (const edge of graph.edges)
    if (isNode(edge.source) && !isNode(edge.target))
      writers.set(edge.source, [...(writers.get(edge.source) ?? []), edge]);
  const lines = between.filter((edge) => edge.kind !== "unneeded");
  drawing.bundles = lines.length > BUNDLED;
  root.classList.toggle("bundled", drawing.bundles);
  if (drawing.bundles) drawBundles(root, layout, lines);
  if (writers.size) drawBus(root, layout, writers);
  for (const edge of between) drawEdge(root, layout, edge, largest);
  for (const [, head, x, y] of layout.heads)
    root.append(svg("text", { class: "headname", x: x + 4, y: y - 2 }, `head ${head}`));
  for (const node of graph.nodes)
    drawNode(
      root,
      layout,
      node,
      graph.edges.some((edge) => edge.target === node.node && !isNode(edge.source)),
    );
  byId("graph").replaceChildren(root);
  byId("lines").hidden = !drawing.bundles;
  enableMoving(root);
  drawing.focus = drawing.nodes.has(state.node) ? state.node : graph.nodes[0]?.node;
  drawing.nodes.get(drawing.focus)?.setAttribute("tabindex", "0");
}

// What writes to the answer, as one line: up from each such node, to the side, and to the answer. The residual stream
// carries it there; a line from every node would cross all others.
function drawBus(root, layout, writers) {
  const [x, y] = layout.answer;
  const side = layout.width - 15;
  const rows = new Map();
  for (const [source, edges] of writers) {
    const [nx, ny] = layout.nodes[source];
    const above = ny - layout.cell[1] / 2;
    const lines = edges
      .filter((edge) => edge.kind !== "residual")
      .map((edge) => `${endText(edge.target)} ${number(edge.weight, true)}`);
    const path = `M${nx} ${above}V${above - 8}H${side}V${y}H${x + 36}`;
    addEdge(root, path, "edge answer own", 2, [source], [`${source} → answer`, ...lines]);
    root.append(svg("path", { class: "edge answer", d: `M${nx} ${above}V${above - 8}`, "stroke-width": 1.6 }));
    rows.set(above - 8, Math.min(nx, rows.get(above - 8) ?? side));
  }
  const low = Math.max(...rows.keys());
  const joined = [...rows].map(([at, from]) => `M${from} ${at}H${side}`).join("");
  root.append(
    svg("path", { class: "edge answer", d: `${joined}M${side} ${low}V${y}H${x + 36}`, "stroke-width": 1.6 }),
    svg("rect", { class: "answerbox", x: x - 36, y: y - 14, width: 72, height: 28, rx: 6 }),
    svg("g", { class: "node" }, svg("text", { x, y }, "answer")),
  );
}

// A line between two groups in place of those between their nodes: a role's, a head's, or a row's.
function drawBundles(root, layout, lines) {
  const groupOf = (name) => {
    const { layer, place } = partsOf(name);
    return rolesOf(name)[0] ?? headOf(findNode(name)) ?? `${layer}.${place}`;
  };
  const middle = (names) =>
    [0, 1].map((axis) => names.reduce((sum, name) => sum + layout.nodes[name][axis], 0) / names.length);
  const found = new Map();
  for (const edge of lines) {
    const ends = [groupOf(edge.source), groupOf(edge.target)];
    const key = JSON.stringify(ends);
    if (!found.has(key)) found.set(key, { ends, edges: [] });
    found.get(key).edges.push(edge);
  }
  for (const { ends, edges } of found.values()) {
    const [from, to] = ["source", "target"].map((side) => middle(edges.map((edge) => edge[side])));
    const line = svg("path", {
      class: "edge bundle",
      d: curveBetween(from, to, layout.cell[1] / 2),
      "stroke-width": (1 + 2 * Math.log2(edges.length)).toFixed(1),
    });
    line.append(svg("title", {}, `${ends.map(shown).join(" → ")}: ${edges.length} lines`));
    root.append(line);
  }
}

// How a node acts that no drawn line leads on from, a sentence each.
function actsBy(node) {
  const { layer, place, index } = partsOf(node.node);
  const { edges, nodes } = graphs.get(seedShown()).graph;
  const out = edges.filter((edge) => edge.source === node.node);
  if (out.some((edge) => edge.kind !== "unneeded")) return [];
  const said = [];
  if (out.length)
    said.push(
      `${out.length} weights lead on and are not drawn: ablated with all others of their kind, the circuit still reaches its target`,
    );
  const kept = (other) => nodes.some((one) => one.node === `${layer}.${other}[${index}]`);
  if (place === "k" && !kept("q"))
    said.push(
      "its query is ablated: multiplied with the query’s ablation value it weighs a token whatever the circuit asks for, and so, through attention’s denominator, all other tokens",
    );
  if (place === "k" && kept("q")) said.push("through its query");
  if (place === "q")
    said.push(
      kept("k")
        ? "through the pattern: it weighs its key, and through attention’s denominator all other tokens"
        : "its key is ablated: it weighs the key’s ablation value, and through attention’s denominator all tokens",
    );
  if (place.endsWith("_out"))
    said.push("no kept node reads its channel: it acts on the scale that every later norm divides by");
  return said.length ? said : ["nothing that is kept reads it"];
}

function drawNode(root, layout, node, reads) {
  const [x, y] = layout.nodes[node.node];
  const [width, height] = layout.cell;
  const { place, index } = partsOf(node.node);
  const roles = rolesOf(node.node);
  const group = svg(
    "g",
    {
      class: `node cost-${costClass(node.cost)}${roles.length ? " played" : ""}`,
      tabindex: -1,
      role: "button",
      "aria-label": nodeLines(node).join("; "),
      "data-node": node.node,
      onclick: () => go(toNode(node.node), true),
      onpointerenter: (event) => event.pointerType !== "touch" && point(node.node, event),
      onpointerleave: unpoint,
      onfocus: () => {
        rove(node.node);
        bringIntoView(layout.nodes[node.node]);
        point(node.node);
      },
      onblur: unpoint,
      onkeydown: (event) => keyOnNode(event, node.node),
    },
    svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 6 }),
    svg("text", { x, y }, node.head === null ? index : `${place} ${index}`),
    reads ? svg("path", { class: "reads", d: `M${x - 6} ${y + height / 2 + 8}h12l-6 -6z` }) : null,
    actsBy(node).length
      ? svg("circle", { class: "ring", cx: x + width / 2, cy: y - height / 2, r: 4 })
      : null,
    roles.length
      ? svg("text", { class: "role", x, y: y - height / 2 - 6 }, roles.map(shown).join(", "))
      : null,
  );
  drawing.nodes.set(node.node, group);
  root.append(group);
}

function curveBetween([x1, y1], [x2, y2], half) {
  if (Math.abs(y1 - y2) < 1)
    return `M${x1} ${y1 - half}C${x1} ${y1 - half - 26} ${x2} ${y2 - half - 26} ${x2} ${y2 - half}`;
  const bend = Math.max(22, Math.abs(y1 - y2) / 2.6);
  return `M${x1} ${y1 - half}C${x1} ${y1 - half - bend} ${x2} ${y2 + half + bend} ${x2} ${y2 + half}`;
}

function drawEdge(root, layout, edge, largest) {
  const kind = edge.kind === "weight" ? (edge.weight >= 0 ? "plus" : "minus") : edge.kind;
  const path = curveBetween(layout.nodes[edge.source], layout.nodes[edge.target], layout.cell[1] / 2);
  const width = edge.kind === "weight" ? 0.8 + (3.4 * Math.abs(edge.weight)) / largest : 1.4;
  const what =
    edge.kind === "weight"
      ? `weight ${number(edge.weight, true)}`
      : edge.kind === "attention"
        ? "query × key"
        : edge.kind === "unneeded"
          ? `weight ${number(edge.weight, true)}, not needed`
          : "residual stream";
  addEdge(
    root,
    path,
    `edge ${kind}`,
    width,
    [edge.source, edge.target],
    [`${edge.source} → ${edge.target}`, what],
  );
}

function addEdge(root, d, kind, width, ends, lines) {
  const line = svg("path", { class: kind, d, "stroke-width": width.toFixed(2) });
  const hit = svg("path", {
    class: "hit",
    d,
    onpointermove: (event) => tip(lines, event),
    onpointerleave: unpoint,
  });
  drawing.edges.push({ line, ends });
  root.append(hit, line);
}

// The lines of what is opened are drawn, those too that else are not.
function openEdges(names) {
  for (const { line, ends } of drawing.edges)
    line.classList.toggle("opened", ends.some((end) => names.has(end)));
}

// --- pointing --------------------------------------------------------------------------------------------

function point(name, event = null) {
  const node = findNode(name);
  if (!node) return;
  const near = new Set([name]);
  for (const { line, ends } of drawing.edges) {
    const lit = ends.includes(name);
    line.classList.toggle("lit", lit);
    if (lit) ends.forEach((end) => near.add(end));
  }
  for (const [other, group] of drawing.nodes) group.classList.toggle("lit", near.has(other));
  drawing.svg.classList.add("near");
  const box = drawing.nodes.get(name).getBoundingClientRect();
  tip(nodeLines(node), event ?? { clientX: box.right, clientY: box.bottom });
}

function unpoint() {
  drawing.svg.classList.remove("near");
  byId("tip").hidden = true;
}

function tip(lines, event) {
  const box = byId("tip");
  box.textContent = lines.join("\n");
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  box.style.top = `${Math.max(4, event.clientY + 16 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 16)}px`;
}

// --- keys ------------------------------------------------------------------------------------------------

function rove(name) {
  drawing.nodes.get(drawing.focus)?.setAttribute("tabindex", "-1");
  drawing.focus = name;
  drawing.nodes.get(name).setAttribute("tabindex", "0");
}

function keyOnNode(event, name) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === "Enter" || event.key === " ") go(toNode(name), true);
  else if (event.key === "+" || event.key === "=") zoom(0.8);
  else if (event.key === "-") zoom(1.25);
  else if (event.key === "0") fit();
  else if (steps[event.key]) {
    const next = neighbour(name, ...steps[event.key]);
    if (next) drawing.nodes.get(next).focus();
  } else return;
  event.preventDefault();
}

// The nearest node in a direction: of the same row for left and right, of the next row for up and down.
function neighbour(name, dx, dy) {
  const places = Object.entries(drawing.layout.nodes);
  const [x, y] = drawing.layout.nodes[name];
  const ahead = places.filter(([, [ox, oy]]) => (dx ? oy === y && (ox - x) * dx > 0 : (oy - y) * dy > 0));
  const far = ([, [ox, oy]]) => (dx ? Math.abs(ox - x) : Math.abs(oy - y) * 1e4 + Math.abs(ox - x));
  return ahead.sort((a, b) => far(a) - far(b))[0]?.[0] ?? null;
}
