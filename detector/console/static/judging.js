"use strict";
// Verdicts, notes, mutes, by button and by key, on elements with `data-incident` or `data-camera`.
// After each the document hears `jikimi:done`, with what was done to which incident.

(() => {
  const KEYS = {
    r: "real", f: "false-alarm", e: "exercise", n: "note", m: "mute", M: "mute",
    c: "confirm", d: "dismiss", p: "play",
  };
  const VERDICTS = ["real", "false-alarm", "exercise"];

  const status = document.getElementById("status");
  const undo = document.getElementById("undo");
  const note = document.getElementById("note");
  let judged = null; // the last that was judged: {id, name}

  function say(key, values = {}) {
    const text = status.dataset[key.replace(/-(.)/g, (_, letter) => letter.toUpperCase())];
    status.textContent = text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    status.classList.toggle("failed", key === "failed");
  }

  async function post(path, body) {
    const answer = await fetch(path, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRF-Token": document.body.dataset.csrf,
      },
      body: JSON.stringify(body),
    });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.detail ?? told.title ?? `HTTP ${answer.status}`);
    return told;
  }

  function requestOf(what, element, button) {
    const { incident, camera } = element.dataset;
    if (what === "mute") return ["/api/silence", { camera, for_s: Number(button.dataset.for) }];
    if (what === "unmute") return ["/api/unsilence", { camera: camera || null }];
    if (VERDICTS.includes(what)) {
      return [`/api/incidents/${incident}/verdict`, { verdict: what, note: button?.note ?? "" }];
    }
    return [`/api/incidents/${incident}/${what}`, {}];
  }

  async function act(what, element, button) {
    const name = element.dataset.name ?? element.dataset.camera;
    if (what === "note") return openNote(element);
    if (what === "play") return play(element);
    try {
      const told = await post(...requestOf(what, element, button));
      say(what, { name: what.endsWith("mute") ? element.dataset.camera : name });
      if (told.in_memory_only) {
        const said = status.textContent;
        say("memory", { why: told.in_memory_only });
        status.textContent = `${said} ${status.textContent}`;
      }
      if (VERDICTS.includes(what)) {
        judged = { id: element.dataset.incident, name };
        undo.hidden = false;
      }
      document.dispatchEvent(
        new CustomEvent("jikimi:done", { detail: { what, incident: element.dataset.incident } }),
      );
    } catch (error) {
      say("failed", { why: error.message });
    }
  }

  function play(element) {
    const video = element.querySelector("video");
    if (!video) return;
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  }

  function openNote(element) {
    document.getElementById("note-name").textContent = element.dataset.name;
    document.getElementById("note-text").value = "";
    note.returnValue = "";
    note.onclose = () => {
      const text = document.getElementById("note-text").value;
      if (note.returnValue) act(note.returnValue, element, { note: text });
      else element.focus();
    };
    note.showModal();
  }

  function again() {
    if (!judged) return;
    undo.hidden = true;
    document.dispatchEvent(new CustomEvent("jikimi:again", { detail: judged.id }));
    status.textContent = "";
    judged = null;
  }

  // A clip of several parts goes on with the next one; what cannot be played is said.
  document.addEventListener("ended", (event) => {
    const video = event.target;
    const [next, ...rest] = (video.dataset.partsAfter ?? "").split(" ").filter(Boolean);
    if (!next) return;
    video.dataset.partsAfter = rest.join(" ");
    video.src = next;
    video.play().catch(() => {});
  }, true);
  document.addEventListener("error", (event) => {
    const said = event.target.tagName === "VIDEO" && event.target.nextElementSibling;
    if (said) said.hidden = false;
  }, true);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) act(button.dataset.do, button.closest("[data-incident], [data-camera]"), button);
  });
  undo.addEventListener("click", again);

  // With a Korean input method a key is called "ㄱ", not "r": then its place counts.
  function keyOf(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return "";
    if (note?.open) return "";
    if (event.target.closest("input, textarea, select, [contenteditable]")) return "";
    if (/^[\x20-\x7e]$/.test(event.key)) return event.key;
    const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
    if (!letter) return event.key;
    return event.shiftKey ? letter : letter.toLowerCase();
  }

  document.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (key === "u") return again();
    if (!KEYS[key]) return;
    const chosen = document.querySelector("[data-incident][aria-current]");
    if (!chosen) return say("choose");
    if (key === "p") return play(chosen);
    const buttons = [...chosen.querySelectorAll("button[data-do]")];
    buttons.find((button) => button.querySelector("kbd")?.textContent === key)?.click();
    event.preventDefault();
  });

  window.jikimi.keyOf = keyOf;
})();
