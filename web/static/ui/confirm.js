/** Asking before what cannot be undone. */

import { find } from "./dom.js";

/**
 * Show the dialog; the answer is whether its button with the value `confirmed` was pressed.
 * @param {string} part @returns {Promise<boolean>}
 */
export function confirmed(part) {
  const dialog = /** @type {HTMLDialogElement} */ (find(`dialog[data-part="${part}"]`));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "confirmed");
  });
}
