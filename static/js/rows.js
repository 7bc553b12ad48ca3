// <div data-live="rows">: rows on the screen change in place, new ones collect behind "3 new, show".
import { morph } from "./morph.js";

const rowsOf = (region) => [...region.querySelectorAll("tbody tr[id]")];

// The row at the top of the screen stays where it is while `change` makes what is above it higher or lower.
export const steady = (change) => {
  const top = (row) => row.getBoundingClientRect().top;
  const row = [...document.querySelectorAll("[data-live=rows] tbody tr[id]")].find((one) => top(one) >= 0);
  const before = row && top(row);
  change();
  if (row?.isConnected && before < innerHeight) scrollBy(0, top(row) - before);
};

const tint = (row) => {
  row.classList.add("changed");
  row.addEventListener("animationend", () => row.classList.remove("changed"), { once: true });
};

const show = (region, fresh) => {
  const known = new Set(rowsOf(region).map((row) => row.id));
  morph(region, fresh);
  for (const row of rowsOf(region)) if (!known.has(row.id)) tint(row);
  if (region.getBoundingClientRect().top < 0) region.scrollIntoView();
  region.dispatchEvent(new CustomEvent("rows", { bubbles: true }));
};

export const mergeRows = (region, fresh) => {
  if (!region.querySelector("tbody") || !fresh.querySelector("tbody")) return morph(region, fresh);
  const incoming = new Map(rowsOf(fresh).map((row) => [row.id, row]));
  for (const row of rowsOf(region)) {
    const next = incoming.get(row.id);
    if (!next) continue;
    incoming.delete(row.id);
    const changed = row.dataset.state !== next.dataset.state;
    morph(row, next.cloneNode(true));
    if (changed) tint(row);
  }
  const bar = region.querySelector(".new-rows");
  if (!bar) return;
  bar.hidden = incoming.size === 0;
  bar.querySelector("[data-count]").textContent = incoming.size;
  bar.querySelector("button").onclick = () => show(region, fresh);
};
