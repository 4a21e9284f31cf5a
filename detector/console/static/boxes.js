"use strict";
import { renew } from "./renew.js";

const boxes = document.getElementById("boxes");
const away = document.getElementById("away");
const EVERY_MS = 5000; // as often as a box hears of the others

async function ask() {
  const isMarked = !getSelection().isCollapsed; // somebody is about to copy it
  if (!document.hidden && !isMarked) away.hidden = await renew(boxes, "/boxes/list");
  setTimeout(ask, EVERY_MS);
}
setTimeout(ask, EVERY_MS);
