/** Short messages that come and go at the bottom of the page; a screen reader says them politely. */

import { find, icon, make } from "./dom.js";

/**
 * @param {string} text
 * @param {{action?: {label: string, run: () => void}, seconds?: number}} [options]
 */
export function toast(text, { action, seconds = 6 } = {}) {
  const element = make("div", { className: "toast" }, make("span", {}, text));
  const close = () => element.remove();
  if (action) {
    const run = () => {
      close();
      action.run();
    };
    element.append(make("button", { type: "button", onclick: run }, action.label));
  }
  element.append(make("button", { type: "button", ariaLabel: "Dismiss", onclick: close }, icon("close")));
  const toasts = find('[data-part="toasts"]');
  toasts.append(element);
  while (toasts.childElementCount > 3) toasts.firstElementChild?.remove();
  setTimeout(close, seconds * 1000);
}
