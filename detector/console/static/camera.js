"use strict";
import { renew } from "./renew.js";
import { picture, show, watch } from "./tile.js";

const tile = document.querySelector(".tile");
const at = `/camera/${encodeURIComponent(tile.dataset.camera)}`;
const unmute = document.querySelector(".unmute");
const FIGURES_MS = 5000;
const DRILL_MS = 1000;

const ask = watch(`${at}/state.json`, (state) => {
  show(tile, state);
  picture(tile, state.picture, 1280);
  if (unmute) unmute.hidden = state.muted === "";
});
document.addEventListener("jikimi:change", ({ detail }) => {
  if (detail.camera === tile.dataset.camera || detail.camera === "") ask();
});

document.addEventListener("jikimi:resync", ask);

const figures = document.getElementById("figures");
setInterval(() => {
  const reading = figures.contains(document.activeElement) || !getSelection().isCollapsed;
  if (!document.hidden && !reading) renew(figures, `${at}/figures`);
}, FIGURES_MS);

const drill = document.getElementById("drill");
async function follow() {
  await renew(drill, `${at}/drill/${drill.dataset.incident}`);
  const table = drill.querySelector("table");
  if (table && table.dataset.waiting !== "0") setTimeout(follow, DRILL_MS);
}
if (drill && drill.dataset.incident) follow();
