"use strict";
// What changes, on every page: events `jikimi:change` and `jikimi:resync` of the document, a tone
// and a line once an incident opens, and times that go on.

(() => {
  const RETRY_MS = 5000; // after the server has refused the stream
  const PATIENCE_MS = 3000; // a stream that is connected to anew is no news
  const MOST_RUNG = 200;
  const RINGS_LATE_MS = 30000;

  const connection = document.getElementById("connection");
  const opened = document.getElementById("opened");
  const sound = document.getElementById("sound");
  let aheadMs = 0; // how far the server's clock is ahead of this one

  // --- the stream ---

  let doubt = null;

  function connected(is) {
    connection.dataset.state = is ? "connected" : "disconnected";
    connection.textContent = is ? connection.dataset.connected : connection.dataset.disconnected;
  }

  function tell(name, detail) {
    document.dispatchEvent(new CustomEvent(`jikimi:${name}`, { detail }));
  }

  function connect() {
    const stream = new EventSource("/events");
    stream.addEventListener("open", () => {
      clearTimeout(doubt);
      doubt = null;
      connected(true);
    });
    stream.addEventListener("resync", () => tell("resync"));
    stream.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      if (change.topic === "incident" && change.phase === "opened") {
        ring(change.key);
        opened.querySelector("span").textContent =
          opened.dataset.text.replace("{camera}", change.camera);
        opened.hidden = location.pathname === "/";
      }
      tell("change", change);
    });
    stream.addEventListener("error", () => {
      doubt ??= setTimeout(() => connected(false), PATIENCE_MS);
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    });
    addEventListener("pagehide", () => stream.close());
  }

  // --- the tone ---

  let context = null;
  let missedMs = null; // when a tone was due that the browser did not let sound

  const wanted = () => localStorage.getItem("sound") === "on";

  function shown() {
    const on = wanted();
    const sounds = on && context?.state === "running";
    sound.setAttribute("aria-pressed", String(on));
    sound.dataset.state = sounds ? "on" : on ? "waits" : "off";
    sound.textContent = sounds ? sound.dataset.on : on ? sound.dataset.waits : sound.dataset.off;
  }

  async function allow() {
    if (!wanted()) return;
    context ??= new AudioContext();
    await context.resume();
    if (missedMs !== null && Date.now() - missedMs < RINGS_LATE_MS) beep();
    missedMs = null;
    shown();
  }

  function beep() {
    for (const [at, pitch] of [[0, 880], [0.22, 1175], [0.44, 880]]) {
      const tone = context.createOscillator();
      const volume = context.createGain();
      const begin = context.currentTime + at;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.3, begin);
      volume.gain.exponentialRampToValueAtTime(0.001, begin + 0.2);
      tone.connect(volume).connect(context.destination);
      tone.start(begin);
      tone.stop(begin + 0.2);
    }
  }

  function ring(incident) {
    const rung = JSON.parse(sessionStorage.getItem("rung") ?? "[]");
    if (rung.includes(incident)) return;
    sessionStorage.setItem("rung", JSON.stringify([...rung, incident].slice(-MOST_RUNG)));
    if (!wanted()) return;
    if (context?.state === "running") beep();
    else missedMs = Date.now();
  }

  sound.addEventListener("click", () => {
    // A click that only lets the browser sound what is wanted already switches nothing off.
    if (wanted() && sound.dataset.state === "waits") return;
    localStorage.setItem("sound", wanted() ? "off" : "on");
    allow().then(shown);
  });
  for (const gesture of ["click", "keydown"]) document.addEventListener(gesture, allow);

  // --- times ---

  function span(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    const two = (n) => String(n).padStart(2, "0");
    return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  }

  function tick() {
    const now = Date.now() + aheadMs;
    for (const each of document.querySelectorAll("[data-since]")) {
      each.textContent = span(now - Date.parse(each.dataset.since));
    }
    for (const each of document.querySelectorAll("[data-until]")) {
      each.textContent = span(Date.parse(each.dataset.until) - now);
    }
  }

  function serverTime(text) {
    aheadMs = Date.parse(text) - Date.now();
    tick();
  }

  window.jikimi = { ring, serverTime };
  sound.hidden = false;
  shown();
  allow();
  tick();
  setInterval(tick, 1000);
  connect();
})();
