/** Forms: faults beside their fields, a busy button while the server works. */

import { asParleyError } from "../lib/errors.js";
import { find } from "./dom.js";

/**
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} faults by field name; none clears them all
 */
export function showFaults(form, faults) {
  for (const field of form.querySelectorAll("[name][aria-describedby]")) {
    const input = /** @type {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} */ (field);
    const fault = faults[input.name] ?? "";
    find(`#${faultOf(input)}`, form).textContent = fault;
    input.setAttribute("aria-invalid", String(fault !== ""));
  }
  /** @type {HTMLElement | null} */ (form.querySelector('[aria-invalid="true"]'))?.focus();
}

/** The id of the place for what is wrong with a field; boxes of one name share theirs. @param {Element} field */
function faultOf(field) {
  const described = field.getAttribute("aria-describedby") ?? "";
  return described.split(" ").find((id) => id.endsWith("-fault")) ?? "";
}

/** @param {ParentNode} root holds the notice @param {string} text empty hides it */
export function showNotice(root, text) {
  const notice = find('[data-part="fault"]', root);
  find("div", notice).textContent = text;
  notice.hidden = text === "";
}

/**
 * Run `work` with the form's values when it is sent; show what the server refuses. `data` has those of
 * several boxes with one name.
 * @param {HTMLFormElement} form
 * @param {(values: Record<string, string>, data: FormData) => Promise<void>} work
 */
export function onSend(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = find("button[type=submit]", form);
    if (button.ariaBusy === "true") return;
    showFaults(form, missing(form));
    if (form.querySelector('[aria-invalid="true"]')) return;
    button.ariaBusy = "true";
    try {
      const data = new FormData(form);
      await work(Object.fromEntries(/** @type {Iterable<[string, string]>} */ (data)), data);
    } catch (thrown) {
      const error = asParleyError(thrown);
      showFaults(form, error.fields);
      if (Object.keys(error.fields).length === 0) showNotice(form, error.message);
    } finally {
      button.ariaBusy = "false";
    }
  });
}

/** What the browser itself knows to be wrong, in its own words. @param {HTMLFormElement} form */
function missing(form) {
  const faults = /** @type {Record<string, string>} */ ({});
  for (const element of form.elements) {
    if (element instanceof HTMLInputElement && !element.checkValidity())
      faults[element.name] = element.validationMessage;
  }
  return faults;
}
