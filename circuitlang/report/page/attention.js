// A head's attention on the shown prompts: in the circuit and, beside it, in the untouched model; the sink included.

const headOf = (node) => (node.head === null ? null : `${partsOf(node.node).layer}.${node.head}`);
const headData = (name) => exhibit?.heads.find((head) => `${head.layer}.${head.head}` === name) ?? null;

// The shares of one token that attends: [sink, cut, shown tokens …].
function sharesFrom(packed, from) {
  const found = bytes(packed);
  const start = (from * (from + 1)) / 2 + 2 * from;
  return Array.from(found.slice(start, start + from + 3), (share) => share / 255);
}

let redrawAttention = null; // another token attends: all but this stays, the slider under the finger too

function attentionOf(head, rows) {
  const most = Math.max(...rows.map((row) => exhibit.prompts[row].tokens.length));
  const place = el("div");
  const cases = el("div", { class: "cases" });
  const said = el("span");
  const slider = el("input", {
    type: "range",
    id: "from",
    min: 0,
    max: most - 1,
    oninput: () => go({ from: most - 1 - Number(slider.value) || null }),
  });
  redrawAttention = () => {
    const back = chosen("from", most); // counted from the end, where the answer is
    slider.value = most - 1 - back;
    said.textContent = back ? ` ${back} before the end` : " at the end";
    cases.replaceChildren(...rows.map((row) => attentionCase(head, row, back)));
  };
  redrawAttention();
  place.append(
    el("h3", {}, `Attention of head ${head.head} in layer ${head.layer}`),
    el(
      "p",
      { class: "hint" },
      `Circuit and model are ${number(head.distance)} apart on these prompts `,
      "(total variation, mean over tokens; 0 is alike, 1 is disjoint).",
      exhibit.sink ? " The sink takes what goes to no token." : " This model has no sink.",
    ),
    el("label", { class: "controls" }, "from the token ", slider, said),
    cases,
    readout(place),
  );
  return place;
}

function attentionCase(head, row, back) {
  const prompt = exhibit.prompts[row];
  const from = Math.max(0, prompt.tokens.length - 1 - back);
  const both = el("div", { class: "shares" });
  for (const side of ["circuit", "model"]) {
    const [sink, cut, ...shares] = sharesFrom(head[side][row], from);
    const line = strip(prompt.tokens, (text, i) => {
      const gets = i > from ? "is later, and not seen" : `gets ${percent(shares[i])} in the ${side}`;
      return token(text, shares[i] ?? 0, `${quoted(text)} ${gets}`, {
        here: i === from,
        later: i > from,
        onclick: () => go({ from: prompt.tokens.length - 1 - i || null }),
      });
    });
    if (prompt.cut)
      line.prepend(
        token(`(${prompt.cut} earlier) `, cut, `the tokens in front that are not shown get ${percent(cut)}`),
      );
    if (exhibit.sink) line.prepend(token("sink", sink, `the sink gets ${percent(sink)} in the ${side}`), " ");
    both.append(el("b", {}, side), line);
  }
  return el("div", { class: "case" }, el("h4", {}, `case ${shown(prompt.case)}`), both);
}
