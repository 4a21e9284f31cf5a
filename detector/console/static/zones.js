"use strict";
// Zones over a camera's picture. Corners are buttons: mouse, touch and keyboard alike.
import { picture, show, watch } from "./tile.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.01; // of the picture, an arrow key; with Shift a fifth of that
const PREVIEW_MS = 150; // after the last change
const SQUARE = [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]]; // a new zone by button

const drawing = document.getElementById("drawing");
const words = drawing.dataset;
const canvas = drawing.querySelector(".canvas");
const polygons = drawing.querySelector(".polygons");
const corners = drawing.querySelector(".corners");
const mask = drawing.querySelector(".mask");
const [list, share, saved, yaml, save, finish] =
  ["list", "share", "saved", "yaml", "save", "finish"].map((id) => document.getElementById(id));
const at = `/camera/${encodeURIComponent(words.camera)}`;

const given = JSON.parse(words.zones);
const zones = ["watch", "ignore"].flatMap((kind) =>
  given[kind].map((polygon) => ({ kind, corners: polygon })));
let active = null; // the zone that clicks on the picture add corners to
let timer = 0;
let newest = 0;

const within = (value) => Math.min(1, Math.max(0, value));
const said = (text, values) => text.replace(/%(\w+)/g, (all, key) => values[key] ?? all);
const chosenKind = () => drawing.querySelector("[name=kind]:checked").value;
const whole = () => zones.filter((zone) => zone.corners.length >= 3);
const points = (zone) => zone.corners.map((corner) => corner.join(",")).join(" ");

function placed(event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
}

function told(zone, index) {
  const [x, y] = zone.corners[index].map((part) => Math.round(100 * part));
  return said(words.corner, { n: zones.indexOf(zone) + 1, corner: index + 1, x, y });
}

function place(button, zone, index) {
  const [x, y] = zone.corners[index];
  button.style.left = `${100 * x}%`;
  button.style.top = `${100 * y}%`;
  button.setAttribute("aria-label", told(zone, index));
}

function move(button, zone, index, [x, y]) {
  zone.corners[index] = [within(x), within(y)];
  place(button, zone, index);
  zone.shape.setAttribute("points", points(zone));
  changed();
}

function cornerButton(zone, index) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `corner ${zone.kind}`;
  button.classList.toggle("first", zone === active && index === 0 && zone.corners.length >= 3);
  place(button, zone, index);
  let dragged = false;
  button.addEventListener("pointerdown", (event) => {
    dragged = false;
    button.setPointerCapture(event.pointerId);
  });
  button.addEventListener("pointermove", (event) => {
    if (!button.hasPointerCapture(event.pointerId)) return;
    dragged ||= Math.abs(event.movementX) + Math.abs(event.movementY) > 0;
    if (dragged) move(button, zone, index, placed(event));
  });
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    if (!dragged && zone === active && index === 0 && zone.corners.length >= 3) end();
  });
  button.addEventListener("keydown", (event) => key(event, button, zone, index));
  return button;
}

function key(event, button, zone, index) {
  const step = event.shiftKey ? STEP / 5 : STEP;
  const [x, y] = zone.corners[index];
  const moves = {
    ArrowLeft: [x - step, y],
    ArrowRight: [x + step, y],
    ArrowUp: [x, y - step],
    ArrowDown: [x, y + step],
  };
  if (event.key in moves) move(button, zone, index, moves[event.key]);
  else if (event.key === "Enter") {
    const [nextX, nextY] = zone.corners[(index + 1) % zone.corners.length];
    zone.corners.splice(index + 1, 0, [(x + nextX) / 2, (y + nextY) / 2]);
    redraw(zone, index + 1);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    zone.corners.splice(index, 1);
    if (zone.corners.length) redraw(zone, Math.min(index, zone.corners.length - 1));
    else remove(zone);
  } else if (event.key === "Escape") end();
  else return;
  event.preventDefault();
}

/** Draws all anew; the corner `index` of `focused` has the focus then. */
function redraw(focused, index) {
  polygons.replaceChildren();
  corners.replaceChildren();
  list.replaceChildren();
  zones.forEach((zone, n) => {
    zone.shape = document.createElementNS(SVG, zone === active ? "polyline" : "polygon");
    zone.shape.setAttribute("points", points(zone));
    zone.shape.setAttribute("vector-effect", "non-scaling-stroke");
    zone.shape.setAttribute("class", zone.kind);
    polygons.append(zone.shape);
    zone.corners.forEach((_, corner) => {
      const button = cornerButton(zone, corner);
      corners.append(button);
      if (zone === focused && corner === index) button.focus({ preventScroll: true });
    });
    const item = document.createElement("li");
    const text = document.createElement("span");
    const button = document.createElement("button");
    text.textContent = said(words.named, {
      n: n + 1, kind: words[zone.kind], corners: zone.corners.length,
    });
    button.type = "button";
    button.textContent = words.remove;
    button.setAttribute("aria-label", `${words.remove}: ${text.textContent}`);
    button.addEventListener("click", () => remove(zone));
    item.append(text, button);
    list.append(item);
  });
  finish.disabled = active === null;
  changed();
}

function remove(zone) {
  zones.splice(zones.indexOf(zone), 1);
  if (active === zone) active = null;
  redraw();
}

function begin(shape) {
  end();
  const zone = { kind: chosenKind(), corners: shape };
  zones.push(zone);
  return zone;
}

function end() {
  if (active === null) return;
  const zone = active;
  active = null;
  redraw(zone, 0);
}

canvas.addEventListener("click", (event) => {
  active ??= begin([]);
  active.corners.push(placed(event));
  redraw();
});
finish.addEventListener("click", end);
document.getElementById("new").addEventListener("click", () => {
  redraw(begin(SQUARE.map((corner) => [...corner])), 0);
});

function drawn() {
  const of = (kind) => whole().filter((zone) => zone.kind === kind).map((zone) => zone.corners);
  return { watch: of("watch"), ignore: of("ignore") };
}

function send(url) {
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.csrf },
    body: JSON.stringify(drawn()),
  });
}

function changed() {
  saved.textContent = JSON.stringify(drawn()) === before ? "" : words.unsaved;
  clearTimeout(timer);
  timer = setTimeout(preview, PREVIEW_MS);
}

async function preview() {
  const asked = ++newest;
  const answer = await send(`${at}/zones/preview`).catch(() => null);
  if (!answer?.ok || asked !== newest) return; // a later one is on its way
  const found = await answer.json();
  mask.src = found.mask;
  mask.hidden = false;
  yaml.textContent = found.yaml;
  share.textContent = zones.length
    ? said(words.share, { share: `${Math.round(100 * found.share)} %` })
    : words.none;
}

save.addEventListener("click", async () => {
  if (whole().length < zones.length) {
    saved.textContent = words.short;
    return;
  }
  save.disabled = true;
  const sent = JSON.stringify(drawn());
  try {
    const answer = await send(`${at}/zones`);
    if (answer.ok) {
      before = sent;
      saved.textContent = words.saved;
    } else {
      const { error } = await answer.json().catch(() => ({ error: answer.statusText }));
      saved.textContent = said(words.refused, { reason: error });
    }
  } catch {
    document.getElementById("away").hidden = false;
  } finally {
    save.disabled = false;
  }
});

addEventListener("beforeunload", (event) => {
  if (JSON.stringify(drawn()) !== before) event.preventDefault();
});

let before = JSON.stringify(drawn());
redraw();
watch(`${at}/state.json`, (state) => {
  show(canvas, state);
  picture(canvas, state.picture, 1280);
});
