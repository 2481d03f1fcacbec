/**
 * The sound of the others: one audio element per audio slot, on the chosen speaker. Where the browser
 * wants a click before it plays anything, a button asks for it.
 */

import { find, make } from "./dom.js";
import { remembered } from "./settings.js";

/** @typedef {import("../lib/connection.js").Slot} Slot */

export class Sound {
  /** @type {Map<Slot, HTMLAudioElement>} */
  #players = new Map();
  #button = find('[data-action="hear"]');

  /** @param {import("../lib/call.js").Call} call */
  constructor(call) {
    call.link.on("slots", (slots) => this.#take(slots.filter(({ kind }) => kind === "audio")));
    this.#button.onclick = () => this.#play();
  }

  /** Play on the speaker chosen in the settings. */
  useSpeaker() {
    for (const player of this.#players.values()) this.#route(player);
  }

  /** @param {Slot[]} slots */
  #take(slots) {
    for (const [slot, player] of this.#players) {
      if (slots.includes(slot)) continue;
      player.srcObject = null;
      player.remove();
      this.#players.delete(slot);
    }
    for (const slot of slots) {
      if (this.#players.has(slot)) continue;
      const player = make("audio", { autoplay: true });
      player.srcObject = slot.stream;
      this.#route(player);
      this.#players.set(slot, player);
      find('[data-part="limbo"]').append(player);
    }
    this.#play();
  }

  async #play() {
    const results = await Promise.allSettled([...this.#players.values()].map((player) => player.play()));
    const blocked = results.some(
      (result) => result.status === "rejected" && result.reason?.name === "NotAllowedError",
    );
    this.#button.hidden = !blocked;
  }

  /** @param {HTMLAudioElement} player */
  #route(player) {
    const speaker = remembered.speaker;
    if (speaker && "setSinkId" in player) player.setSinkId(speaker).catch(() => {});
  }
}
