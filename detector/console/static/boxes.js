"use strict";
import { isRead, renew } from "./renew.js";

const boxes = document.getElementById("boxes");
const away = document.getElementById("away");
const EVERY_MS = 5000; // as often as a box hears of the others

async function ask() {
  if (!document.hidden && !isRead(boxes)) away.hidden = await renew(boxes, "/boxes/list");
  setTimeout(ask, EVERY_MS);
}
setTimeout(ask, EVERY_MS);
