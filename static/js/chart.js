// Reads a chart out under the pointer or by the arrow keys; a click or Enter opens the tasks of a bar. A drag, by mouse
// or finger, or Shift and the arrows hold several: letting go, or Enter, looks closer. Escape leaves.
// <svg data-chart="start" data-step="seconds" data-words="a,b" data-figures="1,2 3,4" data-open="?..." data-zoom="?...">
// data-zero: the place of the word that is also said of nothing. How it is put, its .chart-read says: stats/_read.html.
const SVG = "http://www.w3.org/2000/svg", WIDTH = 600;
let drag = null; // the bar under the finger, and where it came down
let held = null; // { svg, from, at }: the bars that are marked, at both ends

const pieces = (svg) => svg.dataset.figures.split(" ");
const stamp = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16);
const limits = (svg, from, to) => {
  const [start, step] = [Number(svg.dataset.chart), Number(svg.dataset.step)];
  return `after=${stamp(start + from * step)}Z&before=${stamp(start + to * step)}Z`;
};
const go = (base, query) => location.assign(`${base}${/[?&]$/.test(base) ? "" : base.includes("?") ? "&" : "?"}${query}`);

const spoken = (value, unit) => {
  if (unit !== "ms") return Number(value).toLocaleString("en");
  if (value < 1000) return `${Math.round(value)} ms`;
  return value < 60000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value / 60000)} min`;
};

const readout = (svg) => svg.parentElement.querySelector(".chart-read");
const put = (words, first, then) => words.replace("{1}", first).replace("{2}", then);

const span = (svg, from, to) => {
  const stretch = readout(svg).dataset.stretch;
  const step = Number(svg.dataset.step), [start, end] = [from, to].map((at) => Number(svg.dataset.chart) + at * step);
  const day = stamp(start).slice(5, 10), [until, last] = [stamp(end).slice(5, 10), stamp(end - 1).slice(5, 10)];
  if (step >= 86400) return to - from > 1 ? put(stretch, day, last) : stamp(start).slice(0, 10);
  const clock = (step >= 3600 ? `${day} ` : "") + stamp(start).slice(11);
  return put(stretch, clock, (step >= 3600 && day !== until ? `${until} ` : "") + stamp(end).slice(11));
};

const words = (svg, at) => {
  const values = pieces(svg)[at].split(",");
  const said = svg.dataset.words.split(",")
    .map((word, index) => [word, values[index]])
    .filter(([, value], index) => value && (value !== "0" || svg.dataset.zero === String(index)))
    .map(([word, value]) => svg.dataset.unit ? `${word} ${spoken(value, svg.dataset.unit)}` : `${spoken(value)} ${word}`);
  return `${span(svg, at, at + 1)}: ${said.join(", ") || readout(svg).dataset.nothing}`;
};

const ends = ({ from, at }) => [Math.min(from, at), Math.max(from, at) + 1];

// What is read just now stays as it is, whatever comes in: see morph.js.
const mark = (svg, at, from = at) => {
  if (held && held.svg !== svg) clear();
  held = { svg, from, at };
  const [first, end] = ends(held), width = WIDTH / pieces(svg).length;
  const rect = svg.querySelector(".brush") ?? svg.appendChild(document.createElementNS(SVG, "rect"));
  for (const [name, value] of Object.entries({ class: "brush", x: first * width, width: (end - first) * width, height: 100 })) {
    rect.setAttribute(name, value);
  }
  svg.parentElement.dataset.keep = "";
  const read = readout(svg), closer = drag ? read.dataset.drag : read.dataset.keys;
  read.hidden = false;
  read.textContent = end - first > 1 ? put(closer, span(svg, first, end)) : words(svg, at);
};

const clear = () => {
  if (!held) return;
  held.svg.querySelector(".brush")?.remove();
  readout(held.svg).hidden = true;
  delete held.svg.parentElement.dataset.keep;
  held = drag = null;
};

const place = (svg, event) => {
  const box = svg.getBoundingClientRect(), many = pieces(svg).length;
  return Math.max(0, Math.min(many - 1, Math.floor(((event.clientX - box.left) / box.width) * many)));
};

// Several bars are looked at closer, one is opened.
const take = ({ svg, from, at }) => {
  const base = from === at ? svg.dataset.open : svg.dataset.zoom;
  if (base) go(base, limits(svg, ...ends({ from, at })));
};

const chart = (event) => event.target.closest?.("svg[data-chart]");

document.addEventListener("pointermove", (event) => {
  const svg = drag?.svg ?? (event.pointerType === "touch" ? null : chart(event));
  if (svg) mark(svg, place(svg, event), drag?.from);
});
document.addEventListener("pointerout", (event) => {
  const svg = chart(event);
  if (svg && !drag && !svg.contains(event.relatedTarget)) clear();
});
document.addEventListener("pointerdown", (event) => {
  const svg = event.button === 0 && chart(event);
  if (!svg) return;
  if (event.pointerType === "mouse") event.preventDefault();
  drag = { svg, from: place(svg, event) };
  mark(svg, drag.from);
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const chosen = { ...drag, at: place(drag.svg, event) };
  clear();
  take(chosen);
});
document.addEventListener("pointercancel", clear); // a finger that scrolls the page after all
document.addEventListener("focusin", (event) => {
  const svg = chart(event);
  if (svg && held?.svg !== svg) mark(svg, pieces(svg).length - 1);
});
document.addEventListener("focusout", (event) => { if (chart(event)) clear(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && held) {
    held.svg.blur();
    return clear();
  }
  const svg = chart(event);
  if (!svg) return;
  const last = pieces(svg).length - 1, { from, at } = held?.svg === svg ? held : { from: last, at: last };
  if (event.key === "Enter") return take({ svg, from, at });
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = Math.max(0, Math.min(last, to));
  mark(svg, next, event.shiftKey ? from : next);
});
