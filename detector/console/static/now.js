"use strict";
// Keeps the list of *Now* as the server has it, without touching what has not changed, and says
// which incident is chosen.

(() => {
  const LEAST_MS = 500; // between two requests, whatever happens
  const IDLE_MS = 5000; // what no event tells of, such as deliveries

  const list = document.getElementById("list");
  const sources = new WeakMap(); // what the server has sent for an element
  let again = null; // an incident that is to be judged once more
  let chosen = null; // its element's id
  let asking = false;
  let wanted = false;
  let lastMs = 0;
  let timer = null;

  // --- renewing ---

  function remember(element) {
    for (const each of element.querySelectorAll("[id]")) sources.set(each, each.outerHTML);
  }

  function isPlaying(element) {
    return [...element.querySelectorAll("video")].some(
      (video) => !video.paused || (video.currentTime > 0 && !video.ended),
    );
  }

  function replace(old, fresh) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const button = focused?.dataset.do;
    old.replaceWith(fresh);
    if (button) fresh.querySelector(`[data-do="${button}"]`)?.focus();
  }

  function renew(old, fresh) {
    const source = fresh.outerHTML;
    if (sources.get(old) === source) return;
    if ("parts" in old.dataset && "parts" in fresh.dataset) {
      for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
      renewChildren(old, fresh);
    } else if (!isPlaying(old)) {
      sources.set(fresh, source);
      replace(old, fresh);
      return;
    }
    sources.set(old, source);
  }

  // A clip that plays goes on, though its incident is somewhere else now.
  function move(parent, element, place) {
    const playing = [...element.querySelectorAll("video")].filter((video) => !video.paused);
    if (parent.moveBefore) parent.moveBefore(element, place);
    else parent.insertBefore(element, place);
    for (const video of playing) if (video.paused) video.play().catch(() => {});
  }

  function renewChildren(old, fresh) {
    const kept = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
    for (const child of [...old.children]) if (!kept.has(child.id)) child.remove();
    let place = old.firstElementChild;
    for (const child of [...fresh.children]) {
      const here = [...old.children].find((each) => each.id === child.id);
      if (!here) {
        sources.set(child, child.outerHTML);
        remember(child);
        old.insertBefore(child, place);
        continue;
      }
      if (here === place) place = place.nextElementSibling;
      else move(old, here, place);
      renew(here, child);
    }
  }

  async function ask() {
    timer = null;
    if (asking) {
      wanted = true;
      return;
    }
    asking = true;
    lastMs = performance.now();
    try {
      const answer = await fetch(list.dataset.source + (again ? `?again=${again}` : ""));
      if (answer.redirected || [401, 403].includes(answer.status)) return location.reload();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      renew(list.firstElementChild, page.body.firstElementChild);
      renewed();
    } catch {
      // Not reachable: the line on top says so, and it is asked again by itself.
    } finally {
      asking = false;
      if (wanted) soon();
      wanted = false;
    }
  }

  function soon() {
    timer ??= setTimeout(ask, Math.max(0, LEAST_MS - (performance.now() - lastMs)));
  }

  function renewed() {
    window.jikimi.serverTime(list.firstElementChild.dataset.now);
    for (const each of list.querySelectorAll(".incident.open")) {
      window.jikimi.ring(each.dataset.incident);
    }
    mark();
  }

  // --- choosing ---

  const items = () => [...list.querySelectorAll("[data-incident]")];

  function mark() {
    for (const each of items()) {
      if (each.id === chosen) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    }
  }

  function choose(element) {
    if (!element) return;
    chosen = element.id;
    mark();
    if (!element.contains(document.activeElement)) element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const all = items();
    const at = all.findIndex((each) => each.id === chosen);
    choose(all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]);
  }

  document.addEventListener("keydown", (event) => {
    const key = window.jikimi.keyOf(event);
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[key];
    if (!by || (key.length > 1 && event.target.closest("video"))) return;
    event.preventDefault();
    step(by);
  });
  list.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-incident]");
    if (item && item.id !== chosen) choose(item);
  });
  list.addEventListener("click", (event) => choose(event.target.closest("[data-incident]")));

  document.addEventListener("jikimi:done", (event) => {
    const { what, incident } = event.detail;
    if (["real", "false-alarm", "exercise"].includes(what)) {
      const all = items();
      const at = all.findIndex((each) => each.dataset.incident === incident);
      const next = all[at + 1] ?? all[at - 1];
      all[at]?.remove();
      if (again === incident) again = null;
      choose(next);
    }
    soon();
  });
  document.addEventListener("jikimi:again", (event) => {
    again = event.detail;
    chosen = `i-${again}`;
    soon();
  });

  document.addEventListener("jikimi:change", soon);
  document.addEventListener("jikimi:resync", soon);
  setInterval(() => {
    if (!document.hidden && performance.now() - lastMs >= IDLE_MS) soon();
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || soon());

  remember(list);
  renewed();
})();
