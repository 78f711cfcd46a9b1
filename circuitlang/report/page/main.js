// The page's start: zooming, the panel, the theme, places to go to.

function setView([x, y, width, height]) {
  const [, , whole, tall] = drawing.whole;
  const wide = Math.min(Math.max(width, whole / 12), whole);
  const high = (height * wide) / width;
  drawing.view = [
    Math.min(Math.max(x, -wide / 2), whole - wide / 2),
    Math.min(Math.max(y, -high / 2), tall - high / 2),
    wide,
    high,
  ];
  if (wide === whole) drawing.view = [...drawing.whole];
  drawing.svg.setAttribute("viewBox", drawing.view.map((value) => value.toFixed(1)).join(" "));
  drawing.svg.style.touchAction = wide === whole ? "pan-x pan-y" : "none"; // one finger scrolls the page until one zooms
}

// Moves a node into sight, where zooming has put it out of it.
function bringIntoView([x, y]) {
  const [left, top, width, height] = drawing.view;
  if (x < left || x > left + width || y < top || y > top + height)
    setView([x - width / 2, y - height / 2, width, height]);
}

const fit = () => setView(drawing.whole);

// Around a point of the drawing; its middle unless told.
function zoom(factor, at = null) {
  const [x, y, width, height] = drawing.view;
  const [cx, cy] = at ?? [x + width / 2, y + height / 2];
  setView([cx - (cx - x) * factor, cy - (cy - y) * factor, width * factor, height * factor]);
}

function placeOf(event) {
  const found = new DOMPoint(event.clientX, event.clientY).matrixTransform(
    drawing.svg.getScreenCTM().inverse(),
  );
  return [found.x, found.y];
}

function enableMoving(root) {
  const fingers = new Map();
  let moved = 0;
  root.style.touchAction = "pan-x pan-y";
  root.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(event.deltaY / 300), placeOf(event));
    },
    { passive: false },
  );
  root.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    if (fingers.size === 1) moved = 0;
  });
  root.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const scale = drawing.view[2] / root.getBoundingClientRect().width;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    moved += Math.abs(dx) + Math.abs(dy);
    const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
    if (other) {
      const apart = (finger) =>
        Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY) || 1;
      zoom(apart(before) / apart(event), placeOf(other));
    } else if (moved > 4) {
      root.classList.add("moving");
      setView([drawing.view[0] - dx * scale, drawing.view[1] - dy * scale, drawing.view[2], drawing.view[3]]);
    }
    fingers.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel", "pointerleave"])
    root.addEventListener(kind, (event) => {
      fingers.delete(event.pointerId);
      root.classList.remove("moving");
    });
  root.addEventListener(
    "click",
    (event) => {
      if (moved > 4) event.stopPropagation();
    },
    { capture: true },
  ); // a drag is no click
}

// --- the panel -------------------------------------------------------------------------------------------

let opened = null; // whose page the panel shows, so that only opening another one moves the focus
let drawn = null; // what of it

function showPanel() {
  const panel = byId("panel");
  const wanted = JSON.stringify([drawing.seed, state.node, state.head, state.role, state.prompt, state.show]);
  if (wanted === drawn) return redrawAttention?.();
  drawn = wanted;
  redrawAttention = null;
  const node = state.node === undefined ? null : findNode(state.node);
  const page = node ? nodePage(node) : (headPage(state.head) ?? rolePage(state.role));
  const whose = page ? `${drawing.seed} ${whoseNote()}` : null;
  const held = document.activeElement?.id;
  byId("workbench").classList.toggle("open", page !== null);
  panel.replaceChildren(...(page ?? restingPage()));
  for (const [name, group] of drawing.nodes) group.classList.toggle("chosen", name === state.node);
  openEdges(openedNodes());
  for (const box of drawing.svg.querySelectorAll(".headbox"))
    box.classList.toggle("chosen", box.dataset.head === state.head);
  if (whose !== opened && page) {
    panel.scrollTop = 0;
    panel.focus({ preventScroll: true });
    unpoint();
    if (node) rove(state.node);
  } else if (held && page) byId(held)?.focus({ preventScroll: true }); // a button that was made anew
  opened = whose;
}

// The nodes of the page that is shown.
function openedNodes() {
  if (state.node !== undefined) return new Set([state.node]);
  if (state.role !== undefined) return new Set(Object.hasOwn(rolesNow(), state.role) ? rolesNow()[state.role] : []);
  return new Set([...drawing.nodes.keys()].filter((name) => headOf(findNode(name)) === (state.head ?? 0)));
}

function closePanel() {
  if (!opened) return;
  go({ ...toNothing, show: null, from: null }, true);
  drawing.nodes.get(drawing.focus)?.focus({ preventScroll: true });
}

// --- theme, places, seeds --------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];

const themeShown = () => (THEMES.includes(state.theme) ? state.theme : THEMES[0]);

function showTheme() {
  const theme = themeShown();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `theme: ${theme}`;
}

// `claims`, or `claim:NAME`, `check:NAME`, `control:NAME`: scrolled to, and marked.
function showPlace(scroll) {
  const [kind, ...rest] = (state.at ?? "").split(":");
  for (const element of document.querySelectorAll("[data-find]")) {
    const here = element.dataset.find === kind && element.dataset.name === rest.join(":");
    element.classList.toggle("found", here);
    if (here && scroll) element.scrollIntoView({ block: "center" });
  }
  if (!scroll) return;
  if (state.at && !rest.length)
    document.querySelector(`main > [id="${CSS.escape(state.at)}"]`)?.scrollIntoView();
  else if (!state.at && opened) byId("workbench").scrollIntoView();
  else if (!state.at && state.prompt !== undefined) byId("tokens")?.scrollIntoView();
}

function showAll() {
  showTheme();
  if (!graphs.size || !byId("graph")) return;
  if (drawing.seed !== seedShown() || drawing.layout !== layoutNow()) drawGraph();
  byId("seed").value = seedShown();
  showPanel();
  showNotes();
  showPositions();
  showSize();
}

// Where the report names a node or a head of the circuit, `2.head[6]`, the name leads to its page.
function linkNames() {
  const heads = new Set(graphs.get(seeds[0]).graph.nodes.map(headOf));
  for (const place of document.querySelectorAll(".said, .remark, .check li")) {
    const parts = place.textContent.split(/(\b\d+\.[a-z_]+\[\d+\])/);
    place.replaceChildren(
      ...parts.map((part, i) => {
        const [, layer, kind, index] = i % 2 ? part.match(/(\d+)\.([a-z_]+)\[(\d+)\]/) : [];
        const head = kind === "head" && heads.has(`${layer}.${index}`) ? `${layer}.${index}` : null;
        if (!head && !findNode(part)) return part;
        const changes = head ? toHead(head) : toNode(part);
        const open = (event) => {
          event.preventDefault();
          go({ ...changes, at: null }, true);
          showPlace(true);
        };
        return el(
          "a",
          { class: "name", href: `#${new URLSearchParams(head ? { head } : { node: part })}`, onclick: open },
          part,
        );
      }),
    );
  }
}

function legend() {
  const sample = (said, ...shapes) =>
    el("span", {}, svg("svg", { class: "sample", width: 26, height: 14, "aria-hidden": "true" }, shapes), said);
  const line = (kind, said) =>
    sample(said, svg("path", { class: `edge ${kind}`, d: "M1 7H25", "stroke-width": 2 }));
  const box = (kind) => svg("g", { class: `node ${kind}` }, svg("rect", { x: 4, y: 1, width: 18, height: 12, rx: 3 }));
  const { graph, roles } = graphs.get(seeds[0]);
  const hidden = graph.edges.filter((edge) => edge.kind === "unneeded").length;
  byId("legend").replaceChildren(
    ...[
      el(
        "span",
        {},
        "loss without the node, nats: ",
        data.costs.names.map((name, i) => [el("span", { class: `swatch cost-${i}` }), `${name} `]),
      ),
      line("plus", "weight over 0"),
      line("minus", "weight under 0; wider: larger"),
      line("residual", "residual stream"),
      line("attention", "query × key"),
      line("answer", "writes to the answer"),
      sample("reads tokens", svg("path", { class: "reads", d: "M7 12h12l-6 -8z" })),
      sample("no line leads on: its page says how it acts", svg("circle", { class: "ring", cx: 13, cy: 7, r: 4 })),
      Object.keys(roles).length ? sample("plays a role", box("cost-0 played")) : null,
      sample("a head, with its kept channels", svg("rect", { class: "headbox", x: 1, y: 1, width: 24, height: 12, rx: 4 })),
      sample("has a note of yours", box("cost-0 noted")),
      hidden ? `${hidden} weights that are not needed are drawn only where their node is opened` : null,
    ].filter(Boolean),
  );
}

function start() {
  readFragment();
  watchers.push(showAll);
  byId("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(themeShown()) + 1) % THEMES.length];
    go({ theme: next === "auto" ? null : next });
  });
  for (const anchor of document.querySelectorAll('a[href^="#"]'))
    anchor.addEventListener("click", (event) => {
      event.preventDefault();
      const found = anchor.classList.contains("find") ? anchor.closest("[data-find]") : null;
      go(
        { at: found ? `${found.dataset.find}:${found.dataset.name}` : anchor.getAttribute("href").slice(1) },
        true,
      );
      showPlace(true);
    });
  for (const kind of ["popstate", "hashchange"])
    addEventListener(kind, () => {
      readFragment();
      tell();
      showPlace(kind === "hashchange");
    });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePanel();
  });
  if (graphs.size && byId("graph")) {
    byId("zoom-in").addEventListener("click", () => zoom(0.8));
    byId("zoom-out").addEventListener("click", () => zoom(1.25));
    byId("zoom-fit").addEventListener("click", fit);
    byId("seed").append(...seeds.map((seed) => el("option", { value: seed }, seed)));
    byId("seed-label").hidden = seeds.length < 2;
    byId("seed").addEventListener("change", (event) =>
      go({ seed: event.target.value === seeds[0] ? null : event.target.value, ...toNothing }),
    );
    byId("lines").addEventListener("click", () => {
      const all = !drawing.svg.classList.toggle("bundled");
      byId("lines").setAttribute("aria-pressed", String(all));
    });
    small.addEventListener("change", tell);
    legend();
    linkNames();
    if (exhibit) drawCurve();
  }
  tell();
  showPlace(true);
}

start();
