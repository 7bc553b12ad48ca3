// Reads a chart out under the pointer or by the arrow keys; a click opens the tasks of a bar, a drag looks closer.
// <svg data-chart="start" data-step="seconds" data-words="a,b" data-figures="1,2 3,4" data-open="?..." data-zoom="?...">
const SVG = "http://www.w3.org/2000/svg", WIDTH = 600;
let drag = null;

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

const words = (svg, at) => {
  const [start, step] = [Number(svg.dataset.chart) + at * svg.dataset.step, Number(svg.dataset.step)];
  const values = pieces(svg)[at].split(",");
  const said = svg.dataset.words.split(",")
    .map((word, index) => [word, values[index]])
    .filter(([word, value]) => value && (value !== "0" || word === "succeeded"))
    .map(([word, value]) => svg.dataset.unit ? `${word} ${spoken(value, svg.dataset.unit)}` : `${spoken(value)} ${word}`);
  const day = step < 86400 ? stamp(start).slice(11) + " to " + stamp(start + step).slice(11) : stamp(start).slice(0, 10);
  const date = step >= 3600 && step < 86400 ? `${stamp(start).slice(5, 10)} ` : "";
  return `${date}${day}: ${said.join(", ") || "nothing"}`;
};

const mark = (svg, from, to) => {
  const rect = svg.querySelector(".brush") ?? svg.appendChild(document.createElementNS(SVG, "rect"));
  const width = WIDTH / pieces(svg).length;
  for (const [name, value] of Object.entries({ class: "brush", x: from * width, width: (to - from) * width, height: 100 })) {
    rect.setAttribute(name, value);
  }
  svg.dataset.at = from;
  const read = svg.parentElement.querySelector(".chart-read");
  read.hidden = false;
  read.textContent = to - from > 1 ? "Let go for a closer look" : words(svg, from);
};

const clear = (svg) => {
  svg.querySelector(".brush")?.remove();
  svg.parentElement.querySelector(".chart-read").hidden = true;
  delete svg.dataset.at;
};

const place = (svg, event) => {
  const box = svg.getBoundingClientRect(), many = pieces(svg).length;
  return Math.max(0, Math.min(many - 1, Math.floor(((event.clientX - box.left) / box.width) * many)));
};

const chart = (event) => event.target.closest?.("svg[data-chart]");
const open = (svg, at) => svg.dataset.open && go(svg.dataset.open, limits(svg, at, at + 1));

document.addEventListener("pointermove", (event) => {
  const svg = drag?.svg ?? chart(event);
  if (!svg) return;
  const at = place(svg, event), from = drag?.at ?? at;
  mark(svg, Math.min(at, from), Math.max(at, from) + 1);
});
document.addEventListener("pointerout", (event) => {
  const svg = chart(event);
  if (svg && !drag && !svg.contains(event.relatedTarget)) clear(svg);
});
document.addEventListener("pointerdown", (event) => {
  const svg = event.button === 0 && event.pointerType === "mouse" && chart(event);
  if (!svg) return;
  event.preventDefault();
  drag = { svg, at: place(svg, event) };
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { svg, at } = drag, to = place(svg, event);
  drag = null;
  if (to === at) return open(svg, at);
  if (svg.dataset.zoom) go(svg.dataset.zoom, limits(svg, Math.min(at, to), Math.max(at, to) + 1));
});
document.addEventListener("pointercancel", () => { if (drag) clear(drag.svg); drag = null; });
document.addEventListener("focusin", (event) => {
  const svg = chart(event), many = svg && pieces(svg).length;
  if (svg && !svg.dataset.at) mark(svg, many - 1, many);
});
document.addEventListener("focusout", (event) => { if (chart(event)) clear(chart(event)); });
document.addEventListener("keydown", (event) => {
  const svg = chart(event);
  if (!svg) return;
  const at = Number(svg.dataset.at ?? 0), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Enter") return open(svg, at);
  if (!step) return;
  event.preventDefault();
  const next = Math.max(0, Math.min(pieces(svg).length - 1, at + step));
  mark(svg, next, next + 1);
});
