"use strict";
// One camera on a page: its picture, state, scores and motion box, as /…/state.json has them.

const boxes = new WeakMap();

/** Draws where something moves, as the picture lies in its frame. */
function drawBox(tile) {
  const { naturalWidth: width, naturalHeight: height } = tile.querySelector(".picture img");
  const box = tile.querySelector(".box");
  const sides = boxes.get(tile);
  box.classList.toggle("empty", !sides || !width);
  if (!sides || !width) return;
  box.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const rect = box.querySelector("rect");
  rect.setAttribute("x", sides[0] * width);
  rect.setAttribute("y", sides[1] * height);
  rect.setAttribute("width", sides[2] * width);
  rect.setAttribute("height", sides[3] * height);
}

/** Shows how a camera stands; `tile`: the element that `tile.html` has made. */
export function show(tile, state) {
  tile.dataset.look = state.look;
  tile.toggleAttribute("data-stale", state.stale);
  tile.toggleAttribute("data-muted", state.muted !== "");
  for (const [name, text] of [["state", state.state], ["age", state.age], ["muted", state.muted]]) {
    const element = tile.querySelector(`.${name}`);
    if (element && element.textContent !== text) element.textContent = text;
  }
  const alarm = tile.querySelector(".alarm");
  if (alarm) alarm.hidden = state.incident === null;
  const muted = tile.querySelector(".muted");
  if (muted) muted.hidden = state.muted === "";
  boxes.set(tile, state.box);
  drawBox(tile);
  for (const { label, score, threshold, told } of state.scores) {
    const bar = tile.querySelector(`.score[data-label="${CSS.escape(label)}"]`);
    if (!bar) continue;
    const value = bar.querySelector(".value");
    value.setAttribute("width", 100 * score);
    value.classList.toggle("high", score >= threshold);
    const line = bar.querySelector("line");
    line.setAttribute("x1", 100 * threshold);
    line.setAttribute("x2", 100 * threshold);
    bar.setAttribute("aria-label", told);
    bar.querySelector("title").textContent = told;
  }
}

/** Fetches the picture with this number, unless it is shown, or another one is on its way. */
export function picture(tile, number, side) {
  const image = tile.querySelector(".picture img");
  const wanted = `${number}-${side}`;
  if (number === null || tile.dataset.loading || tile.dataset.picture === wanted) return;
  const next = new Image();
  tile.dataset.loading = wanted;
  const over = () => delete tile.dataset.loading;
  next.onerror = over;
  next.onload = () => {
    over();
    tile.dataset.picture = wanted;
    image.onload = () => drawBox(tile);
    image.src = next.src;
    image.hidden = false;
    tile.querySelector(".none").hidden = true;
  };
  const name = encodeURIComponent(tile.dataset.camera);
  next.src = `/camera/${name}/picture.jpg?side=${side}&n=${number}`;
}

/**
 * Asks `url` once a second while the page is seen, and hands what it answers to `take`.
 *
 * The next question waits for the last answer. Returns what asks at once.
 */
export function watch(url, take) {
  const away = document.getElementById("away");
  let timer = 0;
  let asking = false;
  async function ask() {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    const started = performance.now();
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (answer.redirected || answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      take(await answer.json());
      away.hidden = true;
    } catch {
      away.hidden = false;
    } finally {
      asking = false;
      timer = setTimeout(ask, Math.max(200, 1000 - (performance.now() - started)));
    }
  }
  document.addEventListener("visibilitychange", ask);
  ask();
  return ask;
}
