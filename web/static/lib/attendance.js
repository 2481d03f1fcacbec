/** Who was in a meeting and when, by the control service: also those who have left. */

import { Emitter } from "./emitter.js";

/** @typedef {import("./api.js").Attendance} Stay */

/** @extends {Emitter<{stays: Stay[]}>} */
export class Attendance extends Emitter {
  #api;
  #code;
  /** @type {Map<string, Stay>} by peer */
  #stays = new Map();

  /** @param {import("./api.js").Api} api @param {string} code @param {import("./feed.js").Feed} feed */
  constructor(api, code, feed) {
    super();
    this.#api = api;
    this.#code = code;
    feed.on("joined", (stay) => this.#put([stay]));
    feed.on("left", (stay) => this.#put([stay]));
    feed.on("reset", () => void this.refresh());
  }

  /** Fetch the latest hundred. */
  async refresh() {
    const page = await this.#api.people(this.#code);
    this.#put(page.items);
  }

  /** Those who were here and left, the latest to leave first. @returns {(Stay & {left_at: string})[]} */
  get departed() {
    const left = [...this.#stays.values()].flatMap((stay) =>
      stay.left_at ? [{ ...stay, left_at: stay.left_at }] : [],
    );
    return left.sort((a, b) => Date.parse(b.left_at) - Date.parse(a.left_at));
  }

  /** @param {Stay[]} stays */
  #put(stays) {
    for (const stay of stays) this.#stays.set(stay.peer, stay);
    this.emit("stays", [...this.#stays.values()]);
  }
}
