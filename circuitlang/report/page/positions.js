// What happens at which token of a chosen prompt: nodes and heads down, tokens across, circuit and model side by side.

const STEP = 20; // nodes that are shown at first, those that cost most; and how many each press adds
const [TALL, NAMES, HEADS] = [18, 118, 74]; // a cell's height; room for the names of rows and for the tokens
const cellWidth = () => (small.matches ? 13 : 24);
let rowsWanted = STEP;
let positionsDrawn = null;

function showPositions() {
  const place = byId("positions");
  const wanted = JSON.stringify([exhibited(), state.prompt, rowsWanted, small.matches]);
  if (!place || wanted === positionsDrawn) return;
  positionsDrawn = wanted;
  if (!exhibited() || !exhibit.prompts.length)
    return place.replaceChildren(el("p", { class: "note" }, "There are prompts of the first seed’s circuit only."));
  const held = document.activeElement?.id;
  const ranked = [...graphs.get(seedShown()).graph.nodes].sort((a, b) => b.cost - a.cost);
  const nodes = new Set(ranked.slice(0, rowsWanted).map((node) => node.node));
  const said = readout(place, "Point at a square for its numbers.");
  place.replaceChildren(
    el(
      "div",
      { class: "controls" },
      pager("tokens-"),
      rowsWanted < ranked.length
        ? el("button", { type: "button", id: "more-rows", onclick: moreRows }, `${STEP} more nodes`)
        : null,
      colours(1),
      " of a node’s largest value; violet: attention from the last token, 0 to 100 %",
    ),
    said,
    ...rowsShown().map((row) => positionsOf(row, nodes, said)),
  );
  if (held) byId(held)?.focus({ preventScroll: true });
}

function moreRows() {
  rowsWanted += STEP;
  showPositions();
}

function positionsOf(row, names, said) {
  const prompt = exhibit.prompts[row];
  const rows = [
    ...exhibit.heads.map((head) => ({
      name: `head ${head.layer}.${head.head}`,
      layer: head.layer,
      order: 1.5,
      to: toHead(`${head.layer}.${head.head}`),
      values: (side) => sharesFrom(head[side][row], prompt.tokens.length - 1).slice(2),
      kind: "share",
      scale: 1,
    })),
    ...exhibit.nodes
      .filter((found) => names.has(found.node))
      .map((found) => ({
        name: found.node,
        layer: Number(partsOf(found.node).layer),
        order: ORDER.indexOf(partsOf(found.node).place),
        to: toNode(found.node),
        values: (side) => valuesOf(found, side)[row],
        scale: found.scale || 1,
      })),
  ].sort((a, b) => b.layer - a.layer || b.order - a.order);
  return el(
    "article",
    { class: "positions" },
    el("h3", {}, `case ${shown(prompt.case)}`),
    answers(prompt),
    el(
      "p",
      { class: "hint" },
      "probability of the right answer over the whole vocabulary ",
      [
        ["model", prompt.model],
        ["circuit", prompt.circuit],
      ].map(([side, one]) => [
        el(
          "span",
          { class: "nobreak" },
          `${side} `,
          el("meter", { min: 0, max: 1, value: one.probability }),
          ` ${number(one.probability)}`,
        ),
        " ",
      ]),
    ),
    prompt.cut ? el("p", { class: "hint" }, `${prompt.cut} tokens in front are not shown`) : null,
    el(
      "div",
      { class: "sides" },
      ["circuit", "model"].map((side) =>
        el("div", { class: "scroll", tabindex: 0 }, el("b", {}, `in the ${side}`), gridOf(prompt, rows, side, said)),
      ),
    ),
  );
}

const ORDER = ["attn_in", "q", "k", "v", "attn_out", "mlp_in", "neuron", "mlp_out"];

function gridOf(prompt, rows, side, said) {
  const wide = cellWidth();
  const across = prompt.tokens.length * wide;
  const whole = NAMES + across + 22;
  const picture = svg("svg", {
    class: "grid",
    viewBox: `0 0 ${whole} ${HEADS + rows.length * TALL + 4}`,
    role: "img",
    "aria-label": `values at each token in the ${side}, case ${shown(prompt.case)}`,
    onpointerover: (event) => {
      if (event.target.dataset.said) said.textContent = event.target.dataset.said;
    },
  });
  picture.style.maxWidth = `${whole}px`;
  picture.style.minWidth = `${0.78 * whole}px`; // longer prompts scroll
  prompt.tokens.forEach((text, i) => {
    const x = NAMES + (i + 0.5) * wide + 4;
    const label = text === "\n" ? "↵" : shown(text).replace(/^ /, "␣").replace(/ +$/, "");
    picture.append(
      svg("text", { class: "across", transform: `translate(${x} ${HEADS - 6}) rotate(-60)` }, label.slice(0, 10)),
    );
  });
  rows.forEach(({ name, to, values, kind, scale, layer }, number_) => {
    const y = HEADS + number_ * TALL;
    if (number_ && rows[number_ - 1].layer !== layer)
      picture.append(svg("line", { class: "layerline", x1: 0, x2: NAMES + across, y1: y, y2: y }));
    picture.append(
      svg(
        "text",
        {
          class: "down",
          x: NAMES - 6,
          y: y + TALL - 5,
          onclick: () => {
            go({ ...to, at: null }, true);
            showPlace(true);
          },
        },
        name,
      ),
    );
    values(side).forEach((value, i) => {
      const told = kind ? percent(value) : number(value);
      picture.append(
        svg("rect", {
          class: `cell ${kind ?? (value > 0 ? "plus" : "minus")}`,
          x: NAMES + i * wide,
          y,
          width: wide - 1,
          height: TALL - 1,
          "fill-opacity": Math.min(1, Math.abs(value) / scale).toFixed(3),
          "data-said": `${name} at ${quoted(prompt.tokens[i])}, token ${i + prompt.cut}, in the ${side}: ${told}`,
        }),
      );
    });
  });
  return picture;
}
