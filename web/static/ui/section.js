/**
 * A section of the settings: a list that comes page by page, with what is said while it loads, when it is empty
 * and when something failed; a dialog that makes something; and the secret of what was just made.
 */

import { asParleyError, sentenceOf } from "../lib/errors.js";
import { copy } from "./clipboard.js";
import { find } from "./dom.js";
import { onSend, showFaults, showNotice } from "./forms.js";
import { toast } from "./toast.js";

/** @template Item */
export class Section {
  #root;
  #heading;
  #list;
  #more;
  #load;
  #card;
  /** @type {string | null} */
  #cursor = null;

  /**
   * @param {string} part
   * @param {{
   *   load: (cursor: string | null) => Promise<import("../lib/api.js").Page<Item>>,
   *   card: (item: Item) => HTMLElement,
   *   make: (values: Record<string, string>, data: FormData) => Promise<{item: Item, secret: string}>,
   * }} how
   */
  constructor(part, { load, card, make }) {
    this.#root = find(`section[data-part="${part}"]`);
    this.#heading = find("h2", this.#root);
    this.#list = find('[data-part="list"]', this.#root);
    this.#more = find('[data-action="more"]', this.#root);
    this.#load = load;
    this.#card = card;
    this.#more.onclick = () => this.more();
    this.#offer(/** @type {HTMLDialogElement} */ (find(`dialog[data-part="new-${part}"]`)), make);
    find('[data-action="kept"]', this.#root).onclick = () => this.#forgetSecret();
  }

  /** Show the next page of the list, the first one to begin with. */
  async more() {
    if (this.#list.ariaBusy === "true") return;
    const loading = find('[data-part="loading"]', this.#root);
    this.#list.ariaBusy = this.#more.ariaBusy = "true";
    loading.hidden = false;
    const arrived = await this.attempt(async () => {
      const page = await this.#load(this.#cursor);
      this.#cursor = page.next_cursor;
      this.#list.append(...page.items.map(this.#card));
    });
    loading.hidden = true;
    this.#list.ariaBusy = this.#more.ariaBusy = "false";
    this.#more.textContent = arrived ? "Show more" : "Try again";
    const wasAtMore = document.activeElement === this.#more;
    this.#more.hidden = arrived && this.#cursor === null;
    if (wasAtMore && this.#more.hidden) this.#heading.focus();
    if (arrived) this.#showWhetherEmpty();
  }

  /** Take an item that is no more off the list. @param {HTMLElement} element @param {string} said */
  remove(element, said) {
    element.remove();
    this.#showWhetherEmpty();
    this.#heading.focus();
    toast(said);
  }

  /** Whether it worked; if not, the section says why. @param {() => Promise<void>} work */
  async attempt(work) {
    showNotice(this.#root, "");
    try {
      await work();
      return true;
    } catch (error) {
      showNotice(this.#root, sentenceOf(asParleyError(error)));
      return false;
    }
  }

  /**
   * @param {HTMLDialogElement} dialog
   * @param {(values: Record<string, string>, data: FormData) => Promise<{item: Item, secret: string}>} make
   */
  #offer(dialog, make) {
    const form = /** @type {HTMLFormElement} */ (find("form", dialog));
    find('[data-action="new"]', this.#root).onclick = () => {
      form.reset();
      showFaults(form, {});
      showNotice(form, "");
      dialog.showModal();
    };
    find('[data-action="cancel"]', form).onclick = () => dialog.close();
    onSend(form, async (values, data) => {
      const { item, secret } = await make(values, data);
      dialog.close();
      this.#list.prepend(this.#card(item));
      this.#showWhetherEmpty();
      this.#showSecret(secret);
    });
  }

  /** @param {string} secret */
  #showSecret(secret) {
    const panel = find('[data-part="secret"]', this.#root);
    /** @type {HTMLInputElement} */ (find("input", panel)).value = secret;
    find('[data-action="copy"]', panel).onclick = () => copy(secret, "The secret is copied.");
    panel.hidden = false;
    panel.focus();
  }

  #forgetSecret() {
    const panel = find('[data-part="secret"]', this.#root);
    /** @type {HTMLInputElement} */ (find("input", panel)).value = "";
    find('[data-action="copy"]', panel).onclick = null;
    panel.hidden = true;
    this.#heading.focus();
  }

  #showWhetherEmpty() {
    find('[data-part="empty"]', this.#root).hidden = this.#list.childElementCount > 0;
  }
}
