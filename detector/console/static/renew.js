"use strict";

const details = (element) =>
  [...element.querySelectorAll("details")].map((each, index) => [each.dataset.key ?? index, each]);

/**
 * Puts what `url` answers in the place of what `element` holds; whether it could.
 *
 * What was opened stays so, by `data-key` or else by its place; the focus goes to the link or summary
 * with the same `data-key`.
 */
export async function renew(element, url) {
  try {
    const answer = await fetch(url);
    if (answer.redirected) location.reload(); // to log in
    if (!answer.ok || answer.redirected) return false;
    const text = await answer.text();
    const opened = new Map(details(element).map(([key, each]) => [key, each.open]));
    const focused = element.contains(document.activeElement) && document.activeElement.dataset.key;
    element.innerHTML = text;
    for (const [key, each] of details(element)) each.open = opened.get(key) ?? each.open;
    const keyed = [...element.querySelectorAll("a[data-key], summary[data-key]")];
    if (focused) keyed.find((each) => each.dataset.key === focused)?.focus({ preventScroll: true });
    return true;
  } catch {
    return false;
  }
}
