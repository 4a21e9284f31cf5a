"use strict";

/** Puts what `url` answers in the place of what `element` holds; whether it could. */
export async function renew(element, url) {
  try {
    const answer = await fetch(url);
    if (answer.redirected) location.reload(); // to log in
    if (!answer.ok || answer.redirected) return false;
    const opened = [...element.querySelectorAll("details")].map((each) => each.open);
    element.innerHTML = await answer.text();
    element.querySelectorAll("details").forEach((each, index) => (each.open = opened[index]));
    return true;
  } catch {
    return false;
  }
}

/** Whether somebody reads in `element` with keyboard or mouse, so that it had better stay. */
export function isRead(element) {
  return element.contains(document.activeElement) || !getSelection().isCollapsed;
}
