// Keeps a page fresh: a nudge over the websocket, or every 10 seconds without one, fetches this same page again and
// swaps its [data-live] regions. <main data-watch="task operation"> follows kinds, data-watch="task:12" one thing: the
// brain is told, and says something of what is watched only, as often as is good for it. A page that asks again says
// of when the nudge was, so that others who saw the same asked for it once. How it stands is said in [data-live-word],
// in the words of its data-word-live, -poll, -off, -out and -stale.
import { morph } from "./morph.js";
import { mergeRows, steady } from "./rows.js";

const main = document.querySelector("main[data-environment]");
const PAUSE = 400, POLL = 10000, SAFETY = 30000, RETRY = [1000, 2000, 5000, 10000];
// What every page watches, for the tray of the top bar.
const TRAY = ["operation", "approval", "alert"];

const watch = (main?.dataset.watch ?? "").split(" ").filter(Boolean);
const watched = watch.map((entry) => entry.split(":"));
let socket = null;
let tries = 0;
let open = false;
let over = false;
let timer = 0;
let last = Date.now();
let busy = false;
let failed = 0;
let heard = new Date();
let told = 1;

const chosen = () => {
  try { return localStorage.getItem("z4j.live") ?? "live"; } catch { return "live"; }
};

const state = () => {
  if (over) return "out";
  if (failed > 1 && chosen() !== "off") return "stale";
  return chosen() === "live" && !open ? "poll" : chosen();
};

const say = () => {
  const now = state();
  for (const word of document.querySelectorAll("[data-live-word]")) word.textContent = word.getAttribute(`data-word-${now}`);
  for (const dot of document.querySelectorAll("[data-live-dot]")) dot.className = `live-dot ${now}`;
  for (const item of document.querySelectorAll("[data-set-live]")) {
    item.setAttribute("aria-checked", String(item.dataset.setLive === chosen()));
  }
  document.documentElement.dataset.live = now;
  for (const notice of document.querySelectorAll("[data-stale]")) {
    notice.hidden = now !== "stale";
    notice.querySelector("[data-stale-since]").textContent = heard.toLocaleTimeString("en-GB");
  }
};

const swap = (html) => {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    if (region.dataset.live === "rows" && next.nodeName === region.nodeName) mergeRows(region, next);
    else morph(region, next);
  }
};

const refresh = async () => {
  clearTimeout(timer);
  timer = 0;
  if (!watched.length || document.hidden || busy || over || chosen() === "off") return;
  busy = true;
  try {
    const since = told;
    told = 1;
    const answer = await fetch(location.href, { headers: { "X-Live": String(since) } });
    over = answer.redirected || answer.status === 403 || answer.status === 404;
    failed = answer.status < 500 ? 0 : failed + 1;
    if (answer.ok && !over) {
      const html = await answer.text();
      steady(() => swap(html));
    }
  } catch { failed += 1; /* the brain is away: the next turn tries again */ }
  if (!failed) heard = new Date();
  busy = false;
  last = Date.now();
  say();
};

const soon = () => {
  if (!timer) timer = setTimeout(refresh, PAUSE * (1 + Math.random()));
};

const concerns = ({ kind, ids }) =>
  watched.some(([name, id]) => name === kind && (!id || !ids.length || ids.includes(id)));

const connect = () => {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/`);
  const said = { subscribe: main.dataset.environment, watch: [...new Set([...watch, ...TRAY])] };
  socket.onopen = () => socket.send(JSON.stringify(said));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.kind === "subscribed") {
      open = true;
      if (tries) soon();
      tries = 0;
      return say();
    }
    if (chosen() !== "live") return;
    document.dispatchEvent(new CustomEvent("nudge", { detail: message }));
    if (!concerns(message)) return;
    told = message.at;
    soon();
  };
  socket.onclose = () => {
    open = false;
    say();
    if (!over) setTimeout(connect, RETRY[Math.min(tries++, RETRY.length - 1)]);
  };
};

// What is shown for a while is hidden when that is over, also where nothing is fetched anew.
const shown = document.querySelector("[data-hide-at]");
if (shown) {
  setTimeout(() => { if (document.querySelector("[data-hide-at]")) location.reload(); },
    Math.max(1000, Date.parse(shown.dataset.hideAt) - Date.now() + 1000));
}

if (main) {
  document.documentElement.dataset.live = "connecting";
  connect();
  setInterval(() => {
    if (Date.now() - last >= (state() === "live" ? SAFETY : POLL) - 500) refresh();
  }, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  document.addEventListener("click", (event) => {
    const item = event.target.closest("[data-set-live]");
    if (!item) return;
    try { localStorage.setItem("z4j.live", item.dataset.setLive); } catch { /* private window */ }
    say();
    soon();
  });
}
