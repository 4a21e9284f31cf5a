"use strict";
import { picture, show, watch } from "./tile.js";

const wall = document.querySelector(".wall");
const form = document.querySelector(".filters");
const count = form.querySelector(".count");
const tiles = new Map([...wall.children].map((tile) => [tile.dataset.camera, tile]));
const seen = new Set();
const SIDES = { small: 320, medium: 320, large: 640 };

const onScreen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target);
    else seen.delete(target);
  }
}, { rootMargin: "100px" });
for (const tile of tiles.values()) onScreen.observe(tile);

function filter() {
  const { site, state, size } = Object.fromEntries(new FormData(form));
  wall.dataset.size = size;
  let shown = 0;
  for (const tile of tiles.values()) {
    const stands = state === "muted" ? "muted" in tile.dataset : tile.dataset.look === state;
    tile.hidden = (site && tile.dataset.site !== site) || (state !== "" && !stands);
    shown += !tile.hidden;
  }
  const told = count.dataset.told.replace("%shown", shown).replace("%all", tiles.size);
  if (count.textContent !== told) count.textContent = told;
}

function remember() {
  const chosen = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `?${chosen}`);
  filter();
}

for (const [name, value] of new URLSearchParams(location.search)) {
  const select = form.elements[name];
  if (select && [...select.options].some((option) => option.value === value)) select.value = value;
}
form.addEventListener("change", remember);
form.addEventListener("submit", (event) => event.preventDefault());
filter();

const ask = watch("/wall/state.json", ({ cameras }) => {
  const names = new Set(cameras.map((state) => state.name));
  if (cameras.some(({ name }) => !tiles.has(name))) return location.reload();
  for (const [name, tile] of tiles) if (!names.has(name)) tile.dataset.look = "trouble";
  for (const state of cameras) {
    const tile = tiles.get(state.name);
    show(tile, state);
    if (seen.has(tile)) picture(tile, state.picture, SIDES[wall.dataset.size]);
  }
  filter();
});

document.addEventListener("jikimi:change", ({ detail }) => {
  const tile = tiles.get(detail.camera);
  if (tile && detail.topic === "incident" && detail.phase === "opened") {
    tile.dataset.look = "incident";
    tile.querySelector(".alarm").hidden = false;
    filter();
  }
  ask();
});
document.addEventListener("jikimi:resync", ask);
