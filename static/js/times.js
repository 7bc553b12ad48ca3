// <time data-since="ago|age" datetime="..."> counts on between two answers of the server, in the server's words.
const words = (seconds) => {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
};

const tick = () => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-since]")) {
    const seconds = Math.trunc((Date.now() - Date.parse(time.dateTime)) / 1000);
    const text = words(Math.abs(seconds));
    const full = seconds < 0 ? `in ${text}` : `${text} ago`;
    const shown = time.dataset.since === "age" ? text : full;
    if (time.textContent !== shown) time.textContent = shown;
    if (!time.title) time.title = time.dateTime.replace("T", " ");
  }
};

setInterval(tick, 1000);
