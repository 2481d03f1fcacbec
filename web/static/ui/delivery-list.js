/** What a webhook was told lately, in its card: opened by a button, brought up to date, told again. */

import { Deliveries } from "../lib/deliveries.js";
import { find, fromTemplate } from "./dom.js";
import { outcomeText, replayText } from "./outcomes.js";
import { timeText } from "./times.js";
import { toast } from "./toast.js";

/**
 * @typedef {import("../lib/api.js").Delivery} Delivery
 * @typedef {import("../lib/api.js").Webhook} Webhook
 * @typedef {{attempt: (work: () => Promise<void>) => Promise<boolean>}} Section
 */

export class DeliveryList {
  #deliveries;
  #section;
  #isTold;
  #opener;
  #panel;
  #list;
  #refresh;
  #older;

  /** The rows by their deliveries' numbers: kept, so that none goes from under a pointer. @type {Map<number, HTMLElement>} */
  #rows = new Map();

  /**
   * @param {import("../lib/api.js").Api} api
   * @param {Webhook} webhook
   * @param {HTMLElement} card
   * @param {Section} section is where it is said when something fails
   */
  constructor(api, webhook, card, section) {
    this.#deliveries = new Deliveries(api, webhook);
    this.#section = section;
    this.#isTold = webhook.disabled_at === null;
    this.#opener = find('[data-action="deliveries"]', card);
    this.#panel = find('[data-part="deliveries"]', card);
    this.#list = find("ol", this.#panel);
    this.#refresh = find('[data-action="refresh"]', this.#panel);
    this.#older = find('[data-action="older"]', this.#panel);
    this.#panel.id = `deliveries-${webhook.id}`;
    this.#panel.ariaLabel = `Deliveries to ${webhook.url}`;
    this.#opener.setAttribute("aria-controls", this.#panel.id);
    this.#opener.onclick = () => this.#toggle();
    this.#refresh.onclick = () => this.#read(() => this.#deliveries.refresh());
    this.#older.onclick = () => this.#read(() => this.#deliveries.older());
  }

  #toggle() {
    this.#panel.hidden = !this.#panel.hidden;
    this.#opener.ariaExpanded = String(!this.#panel.hidden);
    if (!this.#panel.hidden) void this.#read(() => this.#deliveries.refresh());
  }

  /** @param {() => Promise<void>} work */
  async #read(work) {
    if (this.#list.ariaBusy === "true") return;
    const state = find('[data-slot="state"]', this.#panel);
    this.#list.ariaBusy = "true";
    state.textContent = "Loading…";
    const arrived = await this.#section.attempt(work);
    this.#list.ariaBusy = "false";
    state.textContent = this.#deliveries.items.length || !arrived ? "" : "It was told nothing yet.";
    this.#show(this.#deliveries.items);
    const wasAtOlder = document.activeElement === this.#older;
    this.#older.hidden = !this.#deliveries.hasOlder;
    if (wasAtOlder && this.#older.hidden) this.#refresh.focus();
  }

  /** @param {Delivery[]} deliveries */
  #show(deliveries) {
    this.#rows = new Map(
      deliveries.map((delivery) => [delivery.number, this.#rows.get(delivery.number) ?? this.#row(delivery)]),
    );
    this.#list.replaceChildren(...this.#rows.values());
    for (const delivery of deliveries) {
      const outcome = find('[data-slot="outcome"]', this.#rows.get(delivery.number));
      outcome.textContent = outcomeText(delivery);
      outcome.classList.toggle("failed", delivery.state === "failed");
    }
  }

  /** @param {Delivery} delivery */
  #row(delivery) {
    const element = fromTemplate("delivery");
    const slot = (/** @type {string} */ name) => find(`[data-slot="${name}"]`, element);
    const time = /** @type {HTMLTimeElement} */ (slot("time"));
    time.dateTime = delivery.created_at;
    time.textContent = timeText(delivery.created_at);
    slot("number").textContent = String(delivery.number);
    slot("kind").textContent = delivery.kind;
    const button = find('[data-action="replay"]', element);
    button.hidden = !this.#isTold;
    button.ariaLabel = `Send again from here: delivery ${delivery.number}`;
    button.onclick = () => this.#replay(delivery.number);
    return element;
  }

  /** @param {number} number */
  async #replay(number) {
    const isTaken = await this.#section.attempt(async () => {
      toast(replayText(number, await this.#deliveries.replay(number)));
    });
    if (!isTaken) return;
    await this.#read(() => this.#deliveries.refresh());
    this.#refresh.focus();
  }
}
