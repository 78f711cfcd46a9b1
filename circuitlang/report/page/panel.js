// The panel's other pages: a role, and what stands there before anything is opened; and the reader's own notes.

const LISTED = 12; // nodes to begin with

function rolePage(name) {
  const nodes = Object.hasOwn(rolesNow(), name ?? "") ? rolesNow()[name] : null;
  if (!nodes) return null;
  const claims = report.claims.filter((claim) => claim.text.split(/\W+/).includes(name));
  return [
    top(`role ${shown(name)}`),
    nodes.length
      ? el("p", {}, `${nodes.length} nodes of the circuit play it.`)
      : el("p", { class: "note" }, "No node of the circuit plays it."),
    nodeList(nodes.map(findNode).filter(Boolean)),
    claims.length ? el("h3", {}, "Claims that name it") : null,
    el(
      "ul",
      { class: "plainlist" },
      claims.map((claim) =>
        el("li", {}, `${claim.verdict}: ${shown(claim.name)} `, el("code", {}, shown(claim.text))),
      ),
    ),
  ].filter(Boolean);
}

const rolesNow = () => graphs.get(seedShown()).roles;

const nodeList = (nodes) =>
  el(
    "ul",
    { class: "links" },
    nodes.map((node) => el("li", {}, link(node.node, toNode(node.node)), ` ${number(node.cost, true)}`)),
  );

// Before anything is opened: where to begin.
function restingPage() {
  const { graph } = graphs.get(seedShown());
  const dearest = [...graph.nodes].sort((a, b) => b.cost - a.cost).slice(0, LISTED);
  const heads = [...new Set(graph.nodes.map(headOf))].filter(Boolean);
  const roles = Object.keys(rolesNow());
  const listed = (title, names, to) =>
    names.length ? [el("h3", {}, title), el("p", {}, names.map((name) => [link(name, to(name)), " "]))] : [];
  return [
    el("h3", {}, graph.nodes.length ? "Open a node for what it does" : "This circuit has no node"),
    ...listed("Roles", roles, toRole),
    el("h3", {}, "The nodes that cost most when ablated alone, loss in nats"),
    nodeList(dearest),
    ...listed("Heads (layer.head)", heads, toHead),
    ...notesList(),
  ];
}

// --- notes: text of the reader's, by what it is about; it stands in the address and nowhere else ---------

const whoseNote = () => state.node ?? (state.head ? `head ${state.head}` : `role ${state.role}`);

function notes() {
  try {
    const found = JSON.parse(state.notes ?? "{}");
    return new Map(Object.entries(found ?? {}).filter(([, text]) => typeof text === "string"));
  } catch {
    return new Map(); // an address that was cut
  }
}

function noteField() {
  const whose = whoseNote();
  const field = el("textarea", {
    id: "note",
    rows: 1,
    maxlength: 2000,
    placeholder: "own note: kept in the link, nowhere else",
    "aria-label": `own note on ${shown(whose)}`,
    onchange: () => {
      const all = notes();
      if (field.value.trim()) all.set(whose, field.value);
      else all.delete(whose);
      go({ notes: all.size ? JSON.stringify(Object.fromEntries(all)) : null });
    },
  });
  field.value = notes().get(whose) ?? "";
  return field;
}

const notesList = () => {
  const all = [...notes()];
  if (!all.length) return [];
  const to = (whose) =>
    whose.startsWith("head ")
      ? toHead(whose.slice(5))
      : whose.startsWith("role ")
        ? toRole(whose.slice(5))
        : toNode(whose);
  const lines = all.map(([whose, text]) => el("li", {}, link(whose, to(whose)), ` ${shown(text)}`));
  return [el("h3", {}, "Notes of this link"), el("ul", { class: "plainlist", id: "notes" }, lines)];
};

// A node with a note has a mark.
function showNotes() {
  const all = notes();
  for (const [name, group] of drawing.nodes) group.classList.toggle("noted", all.has(name));
}
