// The pages work without this script. It animates cards to their new places and lets the page Live be paused.
"use strict";
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const key = (card) => card.dataset.list + " " + card.dataset.item;
  let places = new Map();

  document.addEventListener("htmx:beforeSwap", () => {
    places = new Map();
    for (const card of document.querySelectorAll(".card[data-item]"))
      places.set(key(card), card.getBoundingClientRect());
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (calm.matches || event.detail.target.id !== "try") return;
    for (const card of document.querySelectorAll(".card[data-item]")) {
      const was = places.get(key(card)), is = card.getBoundingClientRect();
      const frames = was
        ? [{ transform: `translate(${was.left - is.left}px, ${was.top - is.top}px)` }, { transform: "none" }]
        : [{ opacity: 0, transform: "translateY(8px)" }, { opacity: 1, transform: "none" }];
      if (!was || Math.abs(was.top - is.top) > 1)
        card.animate(frames, { duration: was ? 320 : 260, easing: "cubic-bezier(.2, .7, .2, 1)" });
    }
  });

  // The page Live: no requests while it is paused or hidden.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const live = event.detail.elt.closest("[data-live]");
    if (live && (document.hidden || live.dataset.live === "paused")) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pause]");
    if (!button) return;
    const live = document.querySelector("[data-live]");
    const paused = live.dataset.live !== "paused";
    live.dataset.live = paused ? "paused" : "running";
    button.setAttribute("aria-pressed", String(paused));
  });

  // Each colour of a bar is a past item: pointing at the item highlights its part in every bar.
  const light = (event) => {
    const chip = event.target.closest && event.target.closest(".chip[data-shade]");
    const root = document.getElementById("try");
    if (root) root.dataset.light = chip && event.type !== "mouseout" && event.type !== "focusout" ? chip.dataset.shade : "";
  };
  for (const kind of ["mouseover", "mouseout", "focusin", "focusout"]) document.addEventListener(kind, light);
})();
