// Makes an element look like another one and keeps what the reader did to it: focus, open details, ticked boxes.
// Children are matched by id, else by place. An element with data-keep is left as it is.
const OWN = { DETAILS: ["open"], DIALOG: ["open"] };
const MARKS = ["selected", "cursor", "changed"];

const attributes = (old, fresh) => {
  const own = OWN[old.nodeName] ?? [];
  const marks = MARKS.filter((mark) => old.classList.contains(mark));
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !own.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (!own.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  old.classList.add(...marks);
  if (!old.classList.length) old.removeAttribute("class");
};

const alike = (old, fresh) => old?.nodeName === fresh.nodeName && (old.id ?? "") === (fresh.id ?? "");

export const morph = (old, fresh) => {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  attributes(old, fresh);
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const named = child.id && [...old.children].find((element) => element.id === child.id);
    const match = named || (alike(at, child) ? at : null);
    if (!match) {
      old.insertBefore(child, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
};
