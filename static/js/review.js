// The review of an emergency by keyboard; every page works with this file blocked. Off with the switch of factureya.js.
(() => {
  "use strict";
  const links = [...document.querySelectorAll(".fy-acts1 a")];
  const form = document.querySelector("[data-fy-review]");
  const isOff = () => localStorage.getItem("fy-keys") === "off";
  const move = (step) => {
    const here = links.findIndex((link) => link.getAttribute("aria-current"));
    links[Math.min(links.length - 1, Math.max(0, here + step))]?.click();
  };
  const choose = (value, focus) => {
    const radio = form?.querySelector(`[name=verdict][value=${value}]`);
    if (!radio) return;
    radio.checked = true;
    form.querySelector(focus)?.focus();
  };
  const acts = {
    j: () => move(1),
    k: () => move(-1),
    c: () => choose("conform", "[type=submit]"),
    o: () => choose("observed", "textarea"),
  };
  addEventListener("keydown", (e) => {
    const isTyping = e.target.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])");
    const act = acts[e.key.toLowerCase()];
    if (!act || isTyping || isOff() || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    act();
  });
})();
