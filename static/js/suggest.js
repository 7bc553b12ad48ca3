// <input role="combobox" data-suggest aria-controls="list">: suggestions for the word at the cursor, which htmx fetches.
// Arrows move, Enter or Tab takes the one that is marked, Escape closes; without a mark Enter searches.
const input = document.querySelector("[data-suggest]");
const WORD = /(?:[^\s":]+:)?(?:"[^"]*|\S*)$/;

if (input) {
  const list = document.getElementById(input.getAttribute("aria-controls"));
  const options = () => [...list.children];
  let at = -1;

  const mark = (next) => {
    const all = options();
    at = all.length ? (next + all.length) % all.length : -1;
    all.forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
    input.setAttribute("aria-activedescendant", all[at]?.id ?? "");
    all[at]?.scrollIntoView({ block: "nearest" });
  };

  const show = (open) => {
    at = -1;
    list.hidden = !open || !options().length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  };

  const word = () => input.value.slice(0, input.selectionStart).match(WORD)[0];

  const take = (option) => {
    const end = input.selectionStart, start = end - word().length, { text } = option.dataset;
    const more = text.endsWith(":");
    input.setRangeText(more ? text : `${text} `, start, end, "end");
    show(false);
    if (more) input.dispatchEvent(new Event("input", { bubbles: true }));
  };

  input.addEventListener("htmx:configRequest", ({ detail }) => { detail.parameters.q = word(); });
  list.addEventListener("htmx:afterSwap", () => show(document.activeElement === input));
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const option = event.target.closest('[role="option"]');
    if (option) take(option);
  });
  input.addEventListener("blur", () => show(false));
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const marked = list.hidden ? undefined : options()[at];
    if (step && options().length) {
      if (list.hidden) show(true);
      mark(at < 0 && step < 0 ? options().length - 1 : at + step);
    } else if (marked && (event.key === "Enter" || event.key === "Tab")) take(marked);
    else if (event.key === "Escape" && !list.hidden) show(false);
    else return;
    event.preventDefault();
  });
}
