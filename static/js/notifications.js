// The tray of the top bar. It is asked for at first, when the socket says that something of its kinds changed, and now
// and then without one. An operation of one's own that ends is a toast as well; what is new is also read out.
import { morph } from "./morph.js";

const body = document.querySelector("[data-tray]");
const KINDS = ["operation", "approval", "alert"], POLL = 10000, SAFETY = 30000, SOON = 1500, SHOWN = 12000;
let timer = 0, last = 0;

const kept = (keys) => {
  const name = `z4j.told ${body.dataset.tray}`;
  try {
    if (keys) sessionStorage.setItem(name, JSON.stringify(keys));
    return JSON.parse(sessionStorage.getItem(name));
  } catch { return null; }
};

const toast = (line) => {
  const link = line.querySelector("a");
  if (new URL(link.href).pathname === location.pathname) return;
  const note = document.querySelector("[data-toast]").content.firstElementChild.cloneNode(true);
  note.classList.add(line.querySelector(".ok-i") ? "good" : "bad");
  note.prepend(line.querySelector("svg").cloneNode(true));
  note.querySelector("b").textContent = link.textContent;
  note.querySelector("p").textContent = line.querySelector(".why").textContent;
  note.querySelector("a").href = link.href;
  note.querySelector("button").onclick = () => note.remove();
  document.querySelector("[data-toasts]").append(note);
  setTimeout(() => note.remove(), SHOWN);
};

const tell = (unread) => {
  const before = kept(), lines = [...body.querySelectorAll("[data-notification]:not([data-read])")];
  const fresh = before ? lines.filter((line) => !before.includes(line.dataset.notification)) : [];
  for (const line of fresh) if ("own" in line.dataset) toast(line);
  const other = fresh.filter((line) => !("own" in line.dataset)).map((line) => line.querySelector("a").textContent);
  if (other.length) document.querySelector("[data-announce]").textContent = other.join(". ");
  kept([...new Set([...(before ?? []), ...lines.map((line) => line.dataset.notification)])].slice(-100));
  for (const mark of document.querySelectorAll("[data-tray-count]")) {
    mark.hidden = !unread;
    mark.firstElementChild.textContent = unread;
  }
};

const ask = async () => {
  clearTimeout(timer);
  [timer, last] = [0, Date.now()];
  try {
    const answer = await fetch(body.dataset.tray, { headers: { "X-Live": "1" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-unread]");
    if (body.firstElementChild.matches("[data-unread]")) morph(body.firstElementChild, fresh);
    else body.replaceChildren(fresh);
    tell(Number(fresh.dataset.unread));
  } catch { /* the brain is away: the next turn asks again */ }
};

const read = (key) => fetch(body.dataset.readAt, {
  method: "POST", keepalive: true, headers: { "X-Live": "1", "X-CSRFToken": body.dataset.token },
  body: new URLSearchParams(key ? { key } : {}),
}).then(ask);

if (body) {
  ask();
  document.addEventListener("nudge", ({ detail }) => {
    if (KINDS.includes(detail.kind)) timer ||= setTimeout(ask, Math.max(0, last + SOON - Date.now()));
  });
  setInterval(() => {
    const live = document.documentElement.dataset.live;
    if (!document.hidden && live !== "off" && Date.now() - last >= (live === "live" ? SAFETY : POLL)) ask();
  }, 1000);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-read-all]")) return read();
    const line = event.target.closest("a")?.closest("[data-notification]:not([data-read])");
    if (line) read(line.dataset.notification);
  });
}
