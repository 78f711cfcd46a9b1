// Elements, text and numbers. Text of the data becomes text nodes and nothing else.

const data = JSON.parse(document.getElementById("data").textContent);
const report = data.report;
const exhibit = data.exhibit;
const byId = (id) => document.getElementById(id);

// An element with attributes and children; a string is a text node. `on…` is a listener.
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// What could hide, move or reorder characters is spelled out, as circuitlang/visible.py does.
function shown(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|[\ufffe\uffff]/gu, (character) => {
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e" }[character];
    const code = character.codePointAt(0);
    const hex = (digits) => code.toString(16).padStart(digits, "0");
    return short ?? (code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`);
  });
}

const quoted = (text) => `“${shown(text)}”`;

// Four significant digits at most; a sign where asked for.
function number(value, signed = false) {
  if (value === null || value === undefined) return "–";
  const text =
    Math.abs(value) < 1e-12 ? "0" : String(Number(value.toPrecision(Math.abs(value) < 0.01 ? 2 : 3)));
  return (signed && value > 0 ? "+" : "") + text.replace("-", "−");
}

const percent = (share) => `${number(100 * share)} %`;

// Round numbers from 0 to about `most`, four or so.
function ticks(most, whole = false) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough && !(whole && size < 1)) ?? 1;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
}

const bytes = (packed) => Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
// Values in units of the largest, as they were packed -> in their own.
const scaled = (packed, scale) =>
  Array.from(new Int8Array(bytes(packed).buffer), (value) => (value * scale) / 127);

function numbers16(packed) {
  const found = bytes(packed);
  return Array.from({ length: found.length / 2 }, (_, i) => found[2 * i] + 256 * found[2 * i + 1]);
}
