"use strict";
/* One story at a time: moments in order, lives of entries. State is in the address, so that a place can be sent on. */

const told = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const NODES = 150, ROUNDS = 160;   // most names that are drawn; rounds of the layout

const place = { story: 0, step: 0, entry: "", tab: "held", which: "all", find: "" };
let layout = null;   // of the names of the story in view

/* Text from memory is only ever set as text; what cannot be seen is shown by its number. */
function visible(text) {
  return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

function make(tag, more = {}, ...inside) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(more)) {
    if (name === "class") one.className = value;
    else if (name === "click") one.addEventListener("click", value);
    else if (value !== null && value !== undefined) one.setAttribute(name, value);
  }
  one.append(...inside.filter((x) => x !== null).map((x) => (x instanceof Node ? x : visible(x))));
  return one;
}

function draw(tag, more = {}, text = null) {
  const one = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(more)) {
    if (name === "click") one.addEventListener("click", value); else one.setAttribute(name, value);
  }
  if (text !== null) one.textContent = visible(text);
  return one;
}

const story = () => told.stories[place.story];
const moment = () => story().moments[place.step];
const trusted = (trust) => `hsl(${Math.round(130 * Math.max(0, Math.min(1, trust)))} 55% 45%)`;
const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const lives = (id) => Object.hasOwn(story().lives, id) ? story().lives[id] : null;
const heldAt = (life, t) => life.born <= t && (life.gone === null || t < life.gone);
const changed = (m) => m.born.length + m.gone.length > 0;

/* Which ids took the place of others: [replaced by others, replacing, untouched]. */
function changes(m) {
  const over = new Map(m.born.filter((id) => m.gone.includes(lives(id).replaces)).map((id) => [lives(id).replaces, id]));
  return {
    over: [...over],
    born: m.born.filter((id) => ![...over.values()].includes(id)),
    gone: m.gone.filter((id) => !over.has(id)),
  };
}

function go(more) {
  Object.assign(place, more);
  if ("story" in more) layout = null;
  const last = Math.max(0, story().moments.length - 1);
  place.step = Math.max(0, Math.min(last, place.step));
  history.replaceState(null, "", "#" + new URLSearchParams(place));
  show("which" in more || "find" in more || "story" in more);
}

function show(anew) {
  at("slider").max = Math.max(0, story().moments.length - 1);
  at("slider").value = place.step;
  at("stories").value = place.story;
  at("which").value = place.which;
  if (at("find").value !== place.find) at("find").value = place.find;
  const m = moment();
  at("clock").value = m ? `step ${place.step} of ${story().moments.length - 1}` : "nothing was told";
  at("about").replaceChildren(...Object.entries(story().about).map(([k, v]) => make("div", {}, make("dt", {}, k), make("dd", {}, v))));
  if (anew) list();
  for (const one of at("list").children) {
    const here = one.dataset.step === String(place.step);
    one.setAttribute("aria-current", here);
    if (here) one.scrollIntoView({ block: "nearest" });
  }
  at("step").replaceChildren(...(m ? detail(m) : []));
  for (const one of at("tabs").children) one.setAttribute("aria-selected", one.dataset.tab === place.tab);
  at("panel").replaceChildren(...{ held, graph, life }[place.tab]());
}

/* ---- left: the steps ---- */

function wanted(m) {
  const kinds = { all: true, changes: changed(m), asked: m.asks, wrong: m.score !== null && m.score < 1 };
  return kinds[place.which] && m.text.toLowerCase().includes(place.find.toLowerCase());
}

function list() {
  at("list").replaceChildren(...story().moments.flatMap((m, t) => {
    if (!wanted(m)) return [];
    const { over, born, gone } = changes(m), marks = make("span");
    for (const [count, sign, kind] of [[born.length, "+", "born"], [gone.length, "−", "gone"], [over.length, "~", "soft"]]) {
      if (count) marks.append(make("span", { class: kind }, ` ${sign}${count > 1 ? count : ""}`));
    }
    if (m.score !== null) marks.append(make("span", { class: m.score >= 1 ? "right" : "wrong" }, m.score >= 1 ? " ✓" : " ✗"));
    return [make("li", { "data-step": t, click: () => go({ step: t }) },
      make("span", { class: "n" }, String(t)), make("span", { class: "text" }, m.text), marks)];
  }));
}

/* ---- middle: one step ---- */

function detail(m) {
  const from = [m.id, `clock ${m.clock}`, m.source, m.trust < 1 ? `trust ${m.trust}` : ""].filter(Boolean).join(" · ");
  const out = [make("h2", {}, m.asks ? "asked" : "observed"), make("p", { class: "told" }, m.text), make("p", { class: "soft" }, from)];
  if (m.answer !== null) {
    out.push(make("h2", {}, "answered"), make("p", { class: "told" }, m.answer || "(nothing)"));
    if (m.expected !== null) {
      out.push(make("p", { class: m.score >= 1 ? "right" : "wrong" }, m.score >= 1 ? "right" : `expected: ${m.expected} (score ${m.score})`));
    }
  }
  if (m.reward) out.push(make("p", { class: "soft" }, `reward ${Number(m.reward.toFixed(4))}`));
  if (m.view.length) out.push(make("h2", {}, "why: in view when it answered"), facts(m.view));
  if (m.lacked.length) {
    out.push(make("h2", {}, "why not: what the right answer rests on"), make("ul", { class: "facts" }, ...m.lacked.map((one) =>
      make("li", { click: () => go({ step: one.step }) }, make("span", { class: "gone" }, one.fate), ` — step ${one.step}: ${one.text}`))));
  }
  const { over, born, gone } = changes(m);
  if (changed(m)) {
    out.push(make("h2", {}, "what changed"));
    const lines = [
      ...born.map((id) => [id, "born", `+ ${id}  ${lives(id).text}`]),
      ...gone.map((id) => [id, "gone", `− ${id}  ${lives(id).text}`]),
      ...over.map(([old, now]) => [now, "soft", `~ ${old} → ${now}  ${lives(old).text}  ⇒  ${lives(now).text}`]),
    ];
    out.push(make("ul", { class: "facts" }, ...lines.map(([id, kind, text]) => make("li", { class: kind, click: () => go({ entry: id, tab: "life" }) }, text))));
  }
  for (const one of m.decisions) out.push(...decided(one));
  return out;
}

function decided(one) {
  const credit = one.credit === null ? "" : ` · credit ${one.credit >= 0 ? "+" : ""}${one.credit.toFixed(3)}`;
  const out = [make("h2", {}, `${one.actor}${one.refused ? " (refused)" : ""}${credit}`)];
  if (!one.offers.length) return [...out, make("p", { class: "fact" }, one.said || "(nothing)")];
  for (const offer of one.offers) {
    const share = offer.share === null ? "" : (100 * offer.share).toFixed(offer.share < 0.1 ? 1 : 0) + " %";
    out.push(make("div", { class: offer.chosen ? "offer chosen" : "offer" },
      make("div", { class: "fill", style: `width:${100 * (offer.share || 0)}%` }), make("span", { class: "share" }, share), make("span", {}, offer.op)));
  }
  if (one.left_out) out.push(make("p", { class: "soft" }, `and ${one.left_out} more`));
  return out;
}

function facts(ids) {
  return make("ul", { class: "facts" }, ...ids.filter(lives).map((id) => {
    const life = lives(id);
    return make("li", { style: `border-left-color:${trusted(life.trust)}`, "aria-current": id === place.entry, title: `${life.store}, trust ${life.trust}`,
      click: () => go({ entry: id, tab: "life" }) }, make("span", { class: "soft" }, `${id} `), life.text);
  }));
}

/* ---- right: what is held ---- */

function held() {
  const ids = Object.keys(story().lives).filter((id) => heldAt(lives(id), place.step));
  const used = ids.reduce((sum, id) => sum + lives(id).tokens, 0), most = story().budget;
  const out = [make("p", { class: "soft" }, `${ids.length} entries, ${used}${most ? ` of ${most}` : ""} tokens after this step`)];
  if (most) out.push(make("div", { class: "room" }, make("div", { style: `width:${Math.min(100, (100 * used) / most)}%` })));
  for (const [name, title] of [["token", "in view at all times"], ["graph", "edges"], ["archive", "archive"]]) {
    const own = ids.filter((id) => lives(id).store === name);
    if (own.length) out.push(make("h2", {}, `${title} (${own.length})`), facts(own));
  }
  return out;
}

/* ---- right: the graph, dashed where an edge does not hold any more ---- */

function laidOut() {
  const edges = Object.keys(story().lives).filter((id) => lives(id).ends), weight = new Map();
  for (const id of edges) for (const name of [lives(id).ends[0], lives(id).ends[2]]) weight.set(name, (weight.get(name) || 0) + 1);
  const names = [...weight.keys()].sort((a, b) => weight.get(b) - weight.get(a)).slice(0, NODES);
  const number = new Map(names.map((name, i) => [name, i])), n = names.length;
  const pairs = edges.map((id) => [number.get(lives(id).ends[0]), number.get(lives(id).ends[2])]).filter(([a, b]) => a !== undefined && b !== undefined);
  // Springs and repulsion (Fruchterman and Reingold 1991), begun on a spiral so that every drawing is the same.
  const spot = names.map((_, i) => [Math.cos(2.4 * i) * Math.sqrt(i + 1), Math.sin(2.4 * i) * Math.sqrt(i + 1)]);
  for (let round = 0; round < ROUNDS; round++) {
    const push = spot.map(() => [0, 0]), most = 1.5 * (1 - round / ROUNDS) + 0.02;
    for (let a = 0; a < n; a++) for (let b = a + 1; b < n; b++) {
      const dx = spot[a][0] - spot[b][0], dy = spot[a][1] - spot[b][1], d2 = dx * dx + dy * dy + 1e-6;
      push[a][0] += dx / d2; push[a][1] += dy / d2; push[b][0] -= dx / d2; push[b][1] -= dy / d2;
    }
    for (const [a, b] of pairs) {
      const dx = spot[a][0] - spot[b][0], dy = spot[a][1] - spot[b][1], d = Math.sqrt(dx * dx + dy * dy) / 4;
      push[a][0] -= dx * d; push[a][1] -= dy * d; push[b][0] += dx * d; push[b][1] += dy * d;
    }
    spot.forEach((one, i) => {
      const size = Math.hypot(...push[i]) + 1e-9, step = Math.min(size, most) / size;
      one[0] += push[i][0] * step - 0.01 * one[0]; one[1] += push[i][1] * step - 0.01 * one[1];
    });
  }
  const [xs, ys] = [0, 1].map((k) => spot.map((one) => one[k]));
  const scale = (v, low, high, size) => 50 + ((v - low) / Math.max(high - low, 1e-6)) * (size - 100);
  const where = new Map(names.map((name, i) => [name, [scale(xs[i], Math.min(...xs), Math.max(...xs), 640), scale(ys[i], Math.min(...ys), Math.max(...ys), 520)]]));
  return { edges, where, dropped: weight.size - n };
}

function graph() {
  layout = layout || laidOut();
  if (!layout.edges.length) return [make("p", { class: "soft" }, "This memory has no edges: it holds texts alone.")];
  const picture = draw("svg", { viewBox: "0 0 640 520", role: "img", "aria-label": "graph of what is remembered" }), seen = new Set();
  for (const id of layout.edges) {
    const one = lives(id), a = layout.where.get(one.ends[0]), b = layout.where.get(one.ends[2]);
    if (one.born > place.step || !a || !b) continue;
    const past = !heldAt(one, place.step), colour = past ? "var(--soft)" : trusted(one.trust);
    const bend = a === b ? 40 : 12, mx = (a[0] + b[0]) / 2 + ((b[1] - a[1]) / (Math.hypot(b[0] - a[0], b[1] - a[1]) + 1)) * bend;
    const my = (a[1] + b[1]) / 2 - ((b[0] - a[0]) / (Math.hypot(b[0] - a[0], b[1] - a[1]) + 1)) * bend;
    const line = draw("path", { d: `M${a[0]} ${a[1]} Q${mx} ${my} ${b[0]} ${b[1]}`, class: past ? "edge past" : "edge", "data-id": id,
      style: `stroke:${colour};stroke-width:${id === place.entry ? 3.5 : 1.6}`, click: () => go({ entry: id, tab: "life" }) });
    line.append(draw("title", {}, `${one.text} (steps ${one.born} to ${one.gone ?? "now"}, trust ${one.trust})`));
    picture.append(line);
    if (!past) picture.append(draw("text", { x: mx, y: my, class: "label", "text-anchor": "middle" }, short(one.ends[1], 18)));
    seen.add(one.ends[0]); seen.add(one.ends[2]);
  }
  for (const name of seen) {
    const [x, y] = layout.where.get(name);
    picture.append(draw("circle", { cx: x, cy: y, r: 5, class: "node" }), draw("text", { x: x + 7, y: y + 4 }, short(name, 22)));
  }
  const note = "Solid: holds at this step. Dashed: superseded or removed. Colour: trust, from red to green." + (layout.dropped > 0 ? ` ${layout.dropped} names with the fewest edges are not drawn.` : "");
  return [picture, make("p", { class: "soft" }, note)];
}

/* ---- right: a fact, and all that stood in its place ---- */

function versions(id) {
  const all = story().lives, next = new Map(Object.keys(all).filter((x) => all[x].replaces).map((x) => [all[x].replaces, x]));
  let first = id;
  while (lives(first) && lives(lives(first).replaces)) first = lives(first).replaces;
  const chain = [];
  for (let one = first; one && lives(one) && !chain.includes(one); one = next.get(one)) chain.push(one);
  return chain;
}

function life() {
  if (!lives(place.entry)) return [make("p", { class: "soft" }, "Choose an entry or an edge: here is then when it came, what took its place, who wrote it and when it was used.")];
  const chain = versions(place.entry), last = Math.max(1, story().moments.length - 1), x = (t) => 10 + (620 * t) / last;
  const picture = draw("svg", { viewBox: `0 0 640 ${22 * chain.length + 16}`, role: "img", "aria-label": "life of a fact" });
  chain.forEach((id, i) => {
    const one = lives(id), y = 10 + 22 * i;
    picture.append(draw("rect", { x: x(one.born), y, width: Math.max(3, x(one.gone ?? last) - x(one.born)), height: 12, rx: 3, class: "span",
      style: `fill:${trusted(one.trust)};opacity:${id === place.entry ? 1 : 0.55}`, click: () => go({ entry: id }) }));
    for (const t of one.uses) picture.append(draw("circle", { cx: x(t), cy: y + 6, r: 3, style: "fill:var(--ink)" }));
  });
  picture.append(draw("line", { x1: x(place.step), x2: x(place.step), y1: 0, y2: 22 * chain.length + 16, style: "stroke:var(--pick)" }));
  const out = [picture, make("p", { class: "soft" }, "A bar from when it came to when it went; a dot where it was in view; the line is this step.")];
  for (const id of chain) {
    const one = lives(id), from = story().moments.findIndex((m) => m.id === one.source);
    out.push(make("h2", {}, `${id} · ${one.store} · ${one.tokens} tokens`), make("p", { class: "told" }, one.text),
      make("p", { class: "soft" }, `steps ${one.born} to ${one.gone ?? "the end"} · written by ${one.writer || "nobody named"} · trust ${one.trust} · in view ${one.uses.length} times`));
    if (from >= 0) out.push(make("ul", { class: "facts" }, make("li", { click: () => go({ step: from }) }, make("span", { class: "soft" }, `from step ${from}: `), story().moments[from].text)));
  }
  return out;
}

/* ---- begin ---- */

at("title").textContent = visible(told.title);
document.title = visible(told.title);
told.stories.forEach((one, i) => at("stories").append(make("option", { value: i }, one.name)));
at("stories").hidden = told.stories.length < 2;
at("stories").addEventListener("change", (e) => go({ story: Number(e.target.value), step: 0, entry: "" }));
at("slider").addEventListener("input", (e) => go({ step: Number(e.target.value) }));
at("find").addEventListener("input", (e) => go({ find: e.target.value }));
at("which").addEventListener("change", (e) => go({ which: e.target.value }));
at("back").addEventListener("click", () => go({ step: place.step - 1 }));
at("on").addEventListener("click", () => go({ step: place.step + 1 }));
for (const one of at("tabs").children) one.addEventListener("click", () => go({ tab: one.dataset.tab }));
document.addEventListener("keydown", (e) => {
  if (e.target.matches("input, select")) return;
  if (e.key === "ArrowLeft" || e.key === "ArrowRight") { e.preventDefault(); go({ step: place.step + (e.key === "ArrowRight" ? 1 : -1) }); }
});

const asked = new URLSearchParams(location.hash.slice(1));
for (const [name, value] of asked) if (name in place) place[name] = typeof place[name] === "number" ? Number(value) || 0 : value;
if (!told.stories[place.story]) place.story = 0;
if (!["held", "graph", "life"].includes(place.tab)) place.tab = "held";
if (told.stories.length) go({ story: place.story });
