// <time data-since="ago" datetime="..."> and <time data-age datetime="..."> counts on between two answers of the server, in the server's words.
const SAID = document.querySelector("meta[name=z4j-words]").dataset;
const words = (seconds) => {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
};

// <time data-local datetime="..."> says the moment in the reader's own zone, as `Fri 27 Nov 14:30` in the language of the
// page; [data-zone] names that zone.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const { lang } = document.documentElement;
const local = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

const moment = (date) => {
  const told = Object.fromEntries(local.formatToParts(date).map(({ type, value }) => [type, value.replace(".", "")]));
  return `${told.weekday} ${told.day} ${told.month} ${told.hour}:${told.minute}`;
};

const place = () => {
  for (const time of document.querySelectorAll("time[data-local]")) {
    const shown = moment(new Date(time.dateTime));
    if (time.textContent !== shown) time.textContent = shown;
  }
  for (const name of document.querySelectorAll("[data-zone]")) if (name.textContent !== zone) name.textContent = zone;
};

const tick = () => {
  if (document.hidden) return;
  place();
  for (const time of document.querySelectorAll("time[data-since], time[data-age]")) {
    const seconds = Math.trunc((Date.now() - Date.parse(time.dateTime)) / 1000);
    const text = words(Math.abs(seconds));
    const full = (seconds < 0 ? SAID.in : SAID.ago).replace("…", text);
    const shown = "age" in time.dataset ? text : full;
    if (time.textContent !== shown) time.textContent = shown;
    if (!time.title) time.title = time.dateTime.replace("T", " ");
  }
};

place();
setInterval(tick, 1000);
