/**
 * From what is on the screen to what is asked of the node: only video that is drawn, at the size it is drawn.
 *
 * Pure but for the timers that `ViewSender` is given.
 */

import { MAX_WANTS } from "./protocol.js";

/**
 * @typedef {import("./protocol.js").Want} Want
 * @typedef {import("./protocol.js").Priority} Priority
 * @typedef {{track: string, width: number, height: number, priority: Priority}} DrawnTile
 *   a tile on the screen, in CSS pixels
 */

/** @type {Priority[]} the most important first */
const RANKS = ["pinned", "screen", "speaker", "grid", "thumbnail"];

/** Sizes are rounded up to this, so that a window being dragged does not ask anew at every pixel. */
const GRAIN = 16;

const LARGEST = 16_384;

/**
 * The wants for the tiles drawn, most important first. A track drawn twice is wanted once, at its larger size.
 * @param {DrawnTile[]} tiles
 * @param {number} [pixelRatio] device pixels per CSS pixel
 * @returns {Want[]}
 */
export function wantsOf(tiles, pixelRatio = 1) {
  const ranked = tiles
    .filter(({ width, height }) => width > 0 && height > 0)
    .toSorted(
      (a, b) =>
        RANKS.indexOf(a.priority) - RANKS.indexOf(b.priority) || b.width * b.height - a.width * a.height,
    );
  /** @type {Map<string, Want>} */
  const wants = new Map();
  for (const { track, width, height, priority } of ranked) {
    if (!wants.has(track)) {
      wants.set(track, {
        track,
        width: pixels(width * pixelRatio),
        height: pixels(height * pixelRatio),
        priority,
      });
    }
  }
  return [...wants.values()].slice(0, MAX_WANTS);
}

/** @param {number} length */
function pixels(length) {
  return Math.min(LARGEST, Math.ceil(length / GRAIN) * GRAIN);
}

/** @param {Want[]} a @param {Want[]} b */
export function sameWants(a, b) {
  return (
    a.length === b.length &&
    a.every((want, i) =>
      /** @type {(keyof Want)[]} */ (["track", "width", "height", "priority"]).every(
        (key) => want[key] === b[i]?.[key],
      ),
    )
  );
}

/**
 * Sends a view at once, and what changes in the next moments together: a change of layout moves many
 * tiles, and is one message more.
 */
export class ViewSender {
  #send;
  #delayMs;
  #timers;
  /** @type {Want[]} */
  #sent = [];
  /** @type {Want[]} */
  #next = [];
  /** @type {any} */
  #timer = null;

  /**
   * @param {(wants: Want[]) => void} send
   * @param {{delayMs?: number, timers?: {setTimeout: (run: () => void, ms: number) => any}}} [options]
   */
  constructor(send, { delayMs = 60, timers = { setTimeout: (run, ms) => setTimeout(run, ms) } } = {}) {
    this.#send = send;
    this.#delayMs = delayMs;
    this.#timers = timers;
  }

  /** @param {Want[]} wants all that is wanted from now on */
  want(wants) {
    this.#next = wants;
    if (this.#timer === null) this.#settle();
  }

  #settle() {
    this.#timer = null;
    if (sameWants(this.#next, this.#sent)) return;
    this.#sent = this.#next;
    this.#timer = this.#timers.setTimeout(() => this.#settle(), this.#delayMs);
    this.#send(this.#sent);
  }
}
