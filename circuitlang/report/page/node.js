// The page of a node or a head: prompts of each case side by side, contexts in pretraining text, edges.

const graphs = new Map(
  (report.circuit?.per_seed ?? []).filter((one) => one.graph).map((one) => [String(one.seed), one]),
);
const seeds = [...graphs.keys()];
const seedShown = () => (graphs.has(state.seed) ? state.seed : seeds[0]);
const exhibited = () => exhibit !== null && seedShown() === String(exhibit.seed);
const words = {
  circuit: "in the circuit",
  model: "in the model",
  difference: "circuit − model",
  cases: "between cases",
};
const sideNames = { top: "largest", bottom: "smallest" };

function rolesOf(name) {
  return Object.entries(graphs.get(seedShown()).roles)
    .filter(([, nodes]) => nodes.includes(name))
    .map(([role]) => role);
}

function findNode(name) {
  return graphs.get(seedShown())?.graph.nodes.find((node) => node.node === name) ?? null;
}

// "1.neuron[37]" -> its parts, as texts.
function partsOf(name) {
  const [, layer, place, index] = name.match(/^(\d+)\.(\w+)\[(\d+)\]$/);
  return { layer, place, index };
}

const isNode = (end) => typeof end === "string";
const endText = (end) => (isNode(end) ? end : quoted(end.token));

// What is said of a node where the pointer is, a line each.
function nodeLines(node) {
  return [
    [node.node, ...rolesOf(node.node)].map(shown).join(" · "),
    `${data.sites[node.node]}[${partsOf(node.node).index}] in the authors’ names`,
    node.head === null ? null : `head ${node.head}, channel ${node.channel}`,
    `ablated alone: loss ${number(node.cost, true)} nats`,
    `mean over pretraining text: ${number(node.mean)}`,
    ...actsBy(node).map((said, i) => (i ? said : `no drawn line leads on: ${said}`)),
  ].filter(Boolean);
}

function nodePage(node) {
  const found = exhibited() ? exhibit.nodes.find((one) => one.node === node.node) : null;
  const page = [top(node.node)];
  page.push(el("p", {}, nodeLines(node).slice(1).join("; ") + "."));
  const roles = rolesOf(node.node);
  if (roles.length) page.push(el("p", {}, "plays ", roles.map((role) => [link(role, toRole(role)), " "])));
  if (found) page.push(promptsOf(found));
  const head = headOf(node);
  if (head && exhibited() && headData(head)) page.push(attentionOf(headData(head), rowsShown()));
  if (head)
    page.push(
      el("p", {}, link(`all of head ${node.head} in layer ${head.split(".")[0]}`, toHead(head))),
    );
  if (found) page.push(contextsOf(found));
  page.push(edgesOf(node));
  if (found && found.tokens.length) page.push(vocabularyOf(node, found));
  return page;
}

function headPage(name) {
  if (name === undefined) return null;
  const inside = graphs.get(seedShown()).graph.nodes.filter((node) => headOf(node) === name);
  if (!inside.length) return null;
  const [layer, head] = name.split(".");
  const page = [
    top(`head ${head} in layer ${layer}`),
    el(
      "p",
      {},
      "kept: ",
      inside.map((node) => [link(node.node, toNode(node.node)), " "]),
    ),
  ];
  const kinds = new Set(inside.map((node) => partsOf(node.node).place));
  if (!kinds.has("q") || !kinds.has("k"))
    page.push(
      el(
        "p",
        { class: "note" },
        "No query and key of this head are kept together: in the circuit its attention does not depend on the tokens as it does in the model.",
      ),
    );
  if (exhibited() && headData(name)) page.push(pager(), attentionOf(headData(name), rowsShown()));
  return page;
}

function top(title) {
  return el(
    "div",
    {},
    el(
      "div",
      { class: "bar-top" },
      el("h3", { id: "panel-title" }, title),
      el("button", { type: "button", id: "copy", onclick: copyAddress }, "copy link"),
      el(
        "button",
        { type: "button", id: "close", onclick: closePanel, "aria-label": "close (Escape)" },
        "close",
      ),
    ),
    noteField(),
  );
}

function copyAddress(event) {
  const done = () => (event.target.textContent = "copied");
  navigator.clipboard
    ?.writeText(location.href)
    .then(done, () => prompt("The address of what you see:", location.href));
}

const link = (text, changes) =>
  el("button", { type: "button", class: "link", onclick: () => go(changes, true) }, shown(text));

// --- prompts ---------------------------------------------------------------------------------------------

const datapoints = () => [...new Set(exhibit.prompts.map((prompt) => prompt.datapoint))];

function rowsShown() {
  const all = datapoints();
  const wanted = all[chosen("prompt", all.length)];
  return exhibit.prompts.map((_, row) => row).filter((row) => exhibit.prompts[row].datapoint === wanted);
}

function pager(where = "") {
  const count = datapoints().length;
  const now = chosen("prompt", count);
  const turn = (step) => () => go({ prompt: (now + step + count) % count || null });
  return el(
    "span",
    { class: "group" },
    el(
      "button",
      { type: "button", id: `${where}previous`, "aria-label": "previous prompts", onclick: turn(-1) },
      "‹",
    ),
    el("button", { type: "button", disabled: true }, `prompts ${now + 1} of ${count}`),
    el("button", { type: "button", id: `${where}next`, "aria-label": "next prompts", onclick: turn(1) }, "›"),
  );
}

// (prompt row) -> the node's values on its tokens, in the node's own units.
function valuesOf(found, side) {
  const all = scaled(found[side], found.scale);
  let start = 0;
  return exhibit.prompts.map((prompt) => {
    const part = all.slice(start, start + prompt.tokens.length);
    start += prompt.tokens.length;
    return part;
  });
}

function promptsOf(found) {
  const show = Object.hasOwn(words, state.show) ? state.show : "circuit";
  const model = valuesOf(found, "model");
  const circuit = valuesOf(found, "circuit");
  const place = el("div");
  const options = Object.entries(words).filter(
    ([key]) => key !== "cases" || exhibit.prompts[0].against !== null,
  );
  place.append(
    el("h3", {}, "On prompts of each case"),
    el(
      "div",
      { class: "controls" },
      pager(),
      choice("values", options, show, (value) => go({ show: value === "circuit" ? null : value })),
      colours(found.scale),
    ),
  );
  const likeness =
    found.likeness === null
      ? "one of the two is constant on these prompts"
      : `their correlation on these prompts is ${number(found.likeness)}`;
  place.append(
    el(
      "p",
      { class: "hint" },
      show === "cases"
        ? "In the circuit, less the value at the same place of the other case; struck out where there is none."
        : `Circuit and untouched model: ${likeness}.`,
    ),
  );
  const rows = rowsShown();
  const cases = el("div", { class: "cases" });
  for (const row of rows) {
    const prompt = exhibit.prompts[row];
    const other = rows.find((one) => exhibit.prompts[one].case === prompt.against);
    const values = prompt.tokens.map((_, i) => {
      if (show === "difference") return circuit[row][i] - model[row][i];
      if (show !== "cases") return (show === "model" ? model : circuit)[row][i];
      return prompt.partners[i] < 0 ? null : circuit[row][i] - circuit[other][prompt.partners[i]];
    });
    const unit = found.scale || 1;
    cases.append(
      el(
        "div",
        { class: "case" },
        el(
          "h4",
          {},
          `case ${shown(prompt.case)}${show === "cases" ? ` less case ${shown(prompt.against)}` : ""}`,
        ),
        prompt.cut ? el("p", { class: "hint" }, `${prompt.cut} tokens in front are not shown`) : null,
        strip(prompt.tokens, (text, i) =>
          token(
            text,
            values[i] === null ? null : values[i] / unit,
            values[i] === null
              ? `${quoted(text)} has no counterpart`
              : `${quoted(text)} ${words[show]}: ${number(values[i])}; circuit ${number(circuit[row][i])}, model ${number(model[row][i])}`,
          ),
        ),
        answers(prompt),
      ),
    );
  }
  place.append(cases, readout(place));
  return place;
}

function answers(prompt) {
  const said = (name, one) =>
    el(
      "span",
      { class: one.right ? "sign-plus" : "sign-minus" },
      `${name} ${quoted(one.says)}${one.right ? "" : " (wrong)"} `,
      el("small", {}, `p = ${number(one.probability)}`),
    );
  return el(
    "p",
    {},
    `expected ${quoted(prompt.answer)}; `,
    said("the model predicts", prompt.model),
    "; ",
    said("the circuit", prompt.circuit),
  );
}

// --- pretraining text ------------------------------------------------------------------------------------

let text = null; // the excerpt's tokens, unpacked when first looked at

function contextsOf(found) {
  text ??= numbers16(exhibit.text).map((i) => exhibit.words[i]);
  const place = el("div");
  place.append(
    el("h3", {}, "In pretraining text"),
    el(
      "p",
      { class: "hint" },
      `Of the untouched model on held-out text, at several quantiles; the outlined token has the value. It is 0 on ${percent(found.silent)} of the tokens. Quantiles whose value was shown already are left out.`,
    ),
    colours(found.text_scale),
  );
  const unit = found.text_scale || 1;
  for (const band of found.bands) {
    band.contexts.forEach((context, number_) => {
      const values = scaled(context.values, found.text_scale);
      const texts = text.slice(context.start, context.start + values.length);
      place.append(
        el(
          "div",
          { class: "context" },
          el(
            "div",
            { class: "band" },
            number_ ? null : el("b", {}, bandName(band)),
            number_ ? null : el("br"),
            number(context.value),
          ),
          strip(texts, (one, i) => {
            const value = i === context.at ? context.value : values[i];
            return token(one, value / unit, `${quoted(one)}: ${number(value)}`, { here: i === context.at });
          }),
        ),
      );
    });
  }
  place.append(readout(place));
  return place;
}

function bandName(band) {
  if (band.share === 0) return sideNames[band.side];
  if (band.share === 0.5) return "the middle";
  return `${sideNames[band.side]} ${percent(band.share)}`;
}

// --- edges -----------------------------------------------------------------------------------------------

const signedText = (weight, text) => el("span", { class: weight > 0 ? "plus" : "minus" }, text);

function edgesOf(node) {
  const edges = graphs.get(seedShown()).graph.edges;
  const place = el("div");
  const lists = [
    ["Reads from", edges.filter((edge) => edge.target === node.node), "source"],
    ["Writes to", edges.filter((edge) => edge.source === node.node), "target"],
  ];
  for (const [title, found, end] of lists) {
    found.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
    place.append(el("h3", {}, `${title} (${found.length})`));
    if (!found.length) place.append(el("p", { class: "hint" }, "nothing of the circuit"));
    const list = el("ul", { class: "links" });
    for (const edge of found) {
      const other = edge[end];
      const sign =
        edge.kind === "residual" || edge.kind === "attention"
          ? edge.kind
          : number(edge.weight, true) + (edge.kind === "unneeded" ? " (not needed, not drawn)" : "");
      list.append(
        el(
          "li",
          {},
          isNode(other) ? link(other, toNode(other)) : `token ${endText(other)} `,
          signedText(edge.weight, ` ${sign}`),
        ),
      );
    }
    place.append(list);
  }
  return place;
}

// The tokens of the whole vocabulary with the largest and the smallest weights in the node's channel.
function vocabularyOf(node, found) {
  const reads = partsOf(node.node).place.endsWith("_in");
  const list = el("ul", { class: "links" });
  for (const { token, weight } of found.tokens)
    list.append(el("li", {}, `${quoted(token)} `, signedText(weight, number(weight, true))));
  return el(
    "div",
    {},
    el("h3", {}, reads ? "In the embedding" : "In the unembedding"),
    el(
      "p",
      { class: "hint" },
      `Of the whole vocabulary, the largest and the smallest weights in the channel that it ${reads ? "reads" : "writes"}.`,
    ),
    list,
  );
}
