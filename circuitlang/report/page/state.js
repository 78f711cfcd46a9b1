// What is looked at, kept in the URL's fragment: a copied address shows the same again.

const KEYS = ["at", "seed", "node", "head", "role", "size", "prompt", "show", "from", "theme", "notes"];
const state = {};
const watchers = [];

// `#claims` alone is a place of the page, so that plain links work.
function readFragment() {
  const text = location.hash.slice(1);
  const found = new URLSearchParams(text && !text.includes("=") ? `at=${text}` : text);
  for (const key of KEYS) delete state[key];
  for (const key of KEYS) if (found.has(key)) state[key] = found.get(key);
}

function fragment() {
  const found = new URLSearchParams();
  for (const key of KEYS) if (state[key] !== undefined) found.set(key, state[key]);
  return found.size ? `#${found}` : "";
}

// Changes the state; null forgets. `step`: a step that the browser's Back undoes.
function go(changes, step = false) {
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete state[key];
    else state[key] = String(value);
  }
  const address = location.pathname + location.search + fragment();
  if (step) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  tell();
}

// Whose page the panel shows, as changes of the state.
const toNothing = { node: null, head: null, role: null };
const toNode = (node) => ({ ...toNothing, node });
const toHead = (head) => ({ ...toNothing, head });
const toRole = (role) => ({ ...toNothing, role });

function tell() {
  for (const watcher of watchers) watcher();
}

// The whole number under a key, if it is one of 0 … count - 1; otherwise the usual one.
function chosen(key, count, usual = 0) {
  const value = Number(state[key]);
  return state[key] !== undefined && Number.isInteger(value) && value >= 0 && value < count ? value : usual;
}
