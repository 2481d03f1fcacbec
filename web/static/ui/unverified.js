/** The notice that one's address is not verified, where there is one: sending the letter again. */

import { Api } from "../lib/api.js";
import { asParleyError, sentenceOf } from "../lib/errors.js";
import { find } from "./dom.js";

const notice = /** @type {HTMLElement | null} */ (document.querySelector('[data-part="unverified"]'));
if (notice) {
  const button = /** @type {HTMLButtonElement} */ (find('[data-action="send-again"]', notice));
  const outcome = find('[data-part="outcome"]', notice);
  button.onclick = async () => {
    button.disabled = true;
    outcome.textContent = "";
    try {
      await new Api().sendVerification();
      outcome.textContent = "The letter is on its way.";
    } catch (error) {
      outcome.textContent = sentenceOf(asParleyError(error));
    }
    button.disabled = false;
    button.focus();
  };
}
