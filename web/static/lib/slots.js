/**
 * Which track a slot's frames belong to.
 *
 * The node may change what a slot shows at any frame, and its message can arrive before or after
 * that frame does. So a label says from which RTP timestamp on it holds, and every frame is judged
 * by its own timestamp. Judging by the time the message arrives shows one person under another's
 * name for a moment.
 */

const HALF = 2 ** 31;

/** More unfinished changes than this at once only happen while nothing is drawn; the oldest go. */
const MOST_CUTS = 16;

/** Whether RTP timestamp `a` is not before `b`, modulo 2^32. @param {number} a @param {number} b */
export function notBefore(a, b) {
  return (a - b) >>> 0 < HALF;
}

/** The labels of one slot, in the order they were given. */
export class SlotLabels {
  /** @type {{track: string, from: number | null}[]} `from` null: it holds for every frame that comes */
  #cuts = [];

  /**
   * What the slot shows by the node's last word, whether or not a frame of it has come.
   * @type {string | null}
   */
  get latest() {
    return this.#cuts.at(-1)?.track ?? null;
  }

  /**
   * The slot shows `track` from the frame at `rtpTimestamp` on (from the next frame, if not given); null
   * empties it at once.
   * @param {string | null} track @param {number | null} [rtpTimestamp]
   */
  label(track, rtpTimestamp = null) {
    if (track === null) this.#cuts = [];
    else if (rtpTimestamp === null) this.#cuts = [{ track, from: null }];
    else this.#cuts = [...this.#cuts, { track, from: rtpTimestamp }].slice(-MOST_CUTS);
  }

  /**
   * The track that the frame with this timestamp belongs to, or null for a leftover of an emptied slot.
   *
   * Frames come in order, so labels before the one found are done with, and the one found holds
   * without its timestamp from here on: after 2^31 ticks (6.6 hours) the comparison would turn around.
   * @param {number} rtpTimestamp @returns {string | null}
   */
  trackAt(rtpTimestamp) {
    const index = this.#cuts.findLastIndex(({ from }) => from === null || notBefore(rtpTimestamp, from));
    const found = this.#cuts[index];
    if (!found) return null;
    found.from = null;
    this.#cuts = this.#cuts.slice(index);
    return found.track;
  }
}
