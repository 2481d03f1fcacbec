/** The start page: joining by code or link. */

import { find } from "./dom.js";
import { codeIn } from "./codes.js";
import { showFaults } from "./forms.js";

const form = /** @type {HTMLFormElement} */ (find('[data-form="by-code"]'));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const code = codeIn(String(new FormData(form).get("code") ?? ""));
  showFaults(
    form,
    code ? {} : { code: "That is no meeting code. Paste the whole link, or a code like abcd-efgh-jkmn." },
  );
  if (code) location.assign(`/m/${code}`);
});
