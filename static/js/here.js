// <div data-here> scrolls by itself: what it marks as the current thing stands in its middle when the page opens.
for (const box of document.querySelectorAll("[data-here]")) {
  const here = box.querySelector("[aria-current]")?.getBoundingClientRect();
  if (!here) continue;
  const around = box.getBoundingClientRect();
  box.scrollLeft += here.left + here.width / 2 - around.left - around.width / 2;
  box.scrollTop += here.top + here.height / 2 - around.top - around.height / 2;
}
