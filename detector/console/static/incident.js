"use strict";
// The page of one incident: read anew after a verdict and, while it is open, when it goes on.

(() => {
  const PAUSE_MS = 2000;
  const page = document.querySelector("[data-incident]");
  let soon = null;

  // What is played or being written is not taken away.
  function isBusy() {
    const typing = document.activeElement?.matches("input, textarea");
    const playing = [...document.querySelectorAll("video")].some((one) => one.currentTime > 0);
    return typing || playing || document.querySelector("dialog[open]");
  }

  // What a link asked for is done: it is not asked for again.
  document.addEventListener("jikimi:done", () => {
    if (location.search) location.replace(location.pathname);
    else location.reload();
  });
  document.addEventListener("jikimi:change", (event) => {
    if (event.detail.key !== page.dataset.incident || soon) return;
    soon = setTimeout(() => {
      soon = null;
      if (!isBusy()) location.reload();
    }, PAUSE_MS);
  });
})();
