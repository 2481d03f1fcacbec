/** Reactions: a palette of a few, sent to everybody in the room, floated over the tile of whoever sent it. */

import { find, make } from "./dom.js";

/** @typedef {import("../lib/meeting.js").Meeting} Meeting */

const TOPIC = "reaction";
const CHOICE = new Map([
  ["👍", "thumbs up"],
  ["👏", "applause"],
  ["😂", "laughing"],
  ["❤️", "heart"],
  ["🎉", "celebrating"],
  ["✋", "raised hand"],
]);

export class Reactions {
  #palette = find('[data-part="palette"]');
  #key = find('[data-action="react"]');

  /** @param {Meeting} meeting @param {import("./stage.js").Stage} stage */
  constructor(meeting, stage) {
    this.meeting = meeting;
    this.stage = stage;
    for (const [emoji, name] of CHOICE) {
      const button = make(
        "button",
        { type: "button", ariaLabel: name, onclick: () => this.#send(emoji) },
        emoji,
      );
      button.dataset.testid = `reaction-${name.replace(" ", "-")}`;
      this.#palette.append(button);
    }
    meeting.call.link.on("data", ({ topic, body, from }) => {
      if (topic === TOPIC && CHOICE.has(body)) this.#show(from, body);
    });
    document.addEventListener("pointerdown", ({ target }) => {
      const inside =
        this.#palette.contains(/** @type {Node} */ (target)) ||
        this.#key.contains(/** @type {Node} */ (target));
      if (!inside) this.close();
    });
  }

  toggle() {
    this.#open(Boolean(this.#palette.hidden));
  }

  close() {
    if (!this.#palette.hidden) this.#open(false);
  }

  /** @param {boolean} open */
  #open(open) {
    const hadFocus = this.#palette.contains(document.activeElement);
    this.#palette.hidden = !open;
    this.#key.setAttribute("aria-expanded", String(open));
    if (open) find("button", this.#palette).focus();
    else if (hadFocus) this.#key.focus();
  }

  /** @param {string} emoji */
  #send(emoji) {
    this.meeting.call.link.send(TOPIC, emoji);
    this.#show(this.meeting.call.peer ?? "", emoji);
    this.close();
  }

  /** @param {string} peer @param {string} emoji */
  #show(peer, emoji) {
    this.stage.cheer(peer, emoji);
    const name = this.meeting.call.room?.peers.find(({ id }) => id === peer)?.name ?? "Somebody";
    const said = find('[data-part="reactions"]');
    said.textContent = `${name}: ${CHOICE.get(emoji)}`;
    said.dataset.last = emoji;
  }
}
