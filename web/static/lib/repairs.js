/**
 * Room for repairs: on a network that loses packets, a picture is played late enough for what was lost to
 * have come again. Browsers leave such room only after they have stuttered for a while. Pure.
 */

/** With so many requests for each packet received, repairs are the rule. */
const LOSSY = 0.02;

/** A loss is noticed when a later packet comes, and asked for a little later still. */
const NOTICED_MS = 100;

/** A round trip while none is known. */
const USUAL_RTT_MS = 100;

export const MOST_MS = 400;

/** What is no longer needed is given up by so much with every step. */
const RELEASE_MS = 20;

/** @typedef {{requests: number, packets: number}} Counts of one slot, as they grow: NACKs sent, packets received */

export class RepairRoom {
  /** @type {Map<string, Counts & {ms: number}>} */
  #slots = new Map();

  /**
   * Take one slot's counts; to be called once a second.
   * @param {string} id of the slot @param {Counts} counts @param {number} [rttMs]
   * @returns {number} how long its picture is to stay in the jitter buffer at least, in ms
   */
  step(id, { requests, packets }, rttMs = USUAL_RTT_MS) {
    const before = this.#slots.get(id) ?? { requests, packets, ms: 0 };
    const isLossy = requests - before.requests > LOSSY * (packets - before.packets);
    const needed = isLossy ? Math.min(rttMs + NOTICED_MS, MOST_MS) : 0;
    const ms = Math.max(needed, before.ms - RELEASE_MS, 0);
    this.#slots.set(id, { requests, packets, ms });
    return Math.round(ms);
  }
}
