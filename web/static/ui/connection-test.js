/** The test of the connection in the settings. */

import { Api } from "../lib/api.js";
import { asParleyError, sentenceOf } from "../lib/errors.js";
import { tryConnection } from "../lib/trial.js";
import { find } from "./dom.js";
import { showNotice } from "./forms.js";

const root = find('section[data-part="connection"]');
const button = /** @type {HTMLButtonElement} */ (find('[data-action="test"]', root));
const outcome = find('[data-part="outcome"]', root);
const api = new Api();

button.onclick = async () => {
  button.disabled = true;
  showNotice(root, "");
  outcome.textContent = "Asking the server…";
  try {
    const path = await tryConnection(api, () => {
      outcome.textContent = "The server answers. Connecting to its media server…";
    });
    outcome.textContent = `Calls work from here.${path ? ` ${pathText(path)}` : ""}`;
  } catch (error) {
    outcome.textContent = "";
    showNotice(root, sentenceOf(asParleyError(error)));
  }
  button.disabled = false;
  button.focus();
};

/** @param {import("../lib/trial.js").Path} path */
function pathText({ protocol, relayed, roundTripMs }) {
  const way = `Sound and picture go by ${protocol.toUpperCase()}${relayed ? " through a relay (TURN)" : ""}`;
  return roundTripMs === null ? `${way}.` : `${way}, and are there and back in ${roundTripMs} ms.`;
}
