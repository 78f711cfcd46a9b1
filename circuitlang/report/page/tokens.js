// Tokens with their values as colour: blue above nought, orange below, stronger the larger.

// One token. `value` in units of the strongest colour, -1 … 1; null: there is none.
function token(text, value, title, options = {}) {
  const share = value === null ? 0 : Math.min(1, Math.abs(value));
  const kind = value === null ? " none" : value > 0 ? " plus" : value < 0 ? " minus" : "";
  const span = el(
    "span",
    {
      class: `token${kind}${share > 0.75 ? " strong" : ""}${options.here ? " here" : ""}${options.later ? " later" : ""}${options.onclick ? " pick" : ""}`,
      title,
      onclick: options.onclick,
    },
    text === "\n" ? "↵" : shown(text).replace(/\\n/g, "↵"),
  );
  span.style.setProperty("--share", share.toFixed(3));
  return span;
}

// Tokens in a row; a line ends where the text's does.
function strip(texts, make) {
  const row = el("div", { class: "tokens" });
  texts.forEach((text, i) => {
    row.append(make(text, i));
    if (text.endsWith("\n") && i + 1 < texts.length) row.append(el("br"));
  });
  return row;
}

// Says a token's number where the pointer or a finger is.
function readout(place, usual = "Point at a token for its number.") {
  const line = el("p", { class: "readout", "aria-live": "polite" }, usual);
  for (const kind of ["pointerover", "click"])
    place.addEventListener(kind, (event) => {
      const said = event.target.closest?.(".token")?.getAttribute("title");
      if (said) line.textContent = said;
    });
  return line;
}

const colours = (scale) =>
  el(
    "span",
    { class: "nobreak" },
    `−${number(scale)} `,
    el("span", { class: "scalebar" }),
    ` ${number(scale)}`,
  );

// Buttons of which one is pressed.
function choice(label, options, current, choose) {
  return el(
    "span",
    { class: "group", role: "group", "aria-label": label },
    options.map(([value, text]) =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": String(value === current),
          "data-value": value,
          id: `show-${value}`,
          onclick: () => choose(value),
        },
        text,
      ),
    ),
  );
}
