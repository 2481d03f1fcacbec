/** What an endpoint was told: the latest deliveries first, older ones when they are asked for. */

/**
 * @typedef {import("./api.js").Delivery} Delivery
 * @typedef {Pick<import("./api.js").Api, "deliveries" | "replay">} Server
 */

const PAGE = 20;

/** What the API gives at once. */
const LIMIT = 100;

export class Deliveries {
  #server;
  #webhook;
  #latest;

  /** Newest first. @type {Delivery[]} */
  items = [];

  /** Whether there may be deliveries before those in `items`. */
  hasOlder = false;

  /** @param {Server} server @param {{id: string, last_number: number}} webhook */
  constructor(server, { id, last_number }) {
    this.#server = server;
    this.#webhook = id;
    this.#latest = last_number;
  }

  /** Get the latest, with those that have come since, in place of what was there. */
  async refresh() {
    this.items = await this.#read(Math.max(0, this.#latest - PAGE), LIMIT);
    this.#latest = this.items[0]?.number ?? this.#latest;
  }

  /** Get some that are older than those in `items`, if they are still kept. */
  async older() {
    const oldest = this.items.at(-1)?.number ?? 1;
    const found = await this.#read(Math.max(0, oldest - 1 - PAGE), PAGE);
    this.items = [...this.items, ...found.filter(({ number }) => number < oldest)];
  }

  /** Have the endpoint told again, from this delivery on. @param {number} number */
  replay(number) {
    return this.#server.replay(this.#webhook, number - 1);
  }

  /** @param {number} after @param {number} limit @returns {Promise<Delivery[]>} */
  async #read(after, limit) {
    const { items } = await this.#server.deliveries(this.#webhook, after, limit);
    this.hasOlder = after > 0 && items[0]?.number === after + 1;
    return items.reverse();
  }
}
