/**
 * The TURN servers a connection may go through, with credentials that are still good.
 *
 * They come with the permission to enter. Who comes back to a place needs no new permission: new
 * credentials are asked for when half the life of those at hand is over, or when a reloaded page has none.
 */

/** @typedef {RTCIceServer & {ttl_s: number}} IceServer `ttl_s`: how long its credentials are good, from when they came */

/** Nobody waits longer for new ones: without them, or with the old, the connection may do as well. */
const PATIENCE_MS = 2_000;

export class Relays {
  #renew;
  #now;
  /** @type {IceServer[]} */
  #servers = [];
  #renewAt = 0;

  /**
   * @param {() => Promise<IceServer[]>} renew gets the servers with new credentials
   * @param {() => number} [now] in milliseconds
   */
  constructor(renew, now = Date.now) {
    this.#renew = renew;
    this.#now = now;
  }

  /** Keep what has just been given out. @param {IceServer[]} servers */
  take(servers) {
    this.#servers = servers;
    this.#renewAt = this.#now() + Math.min(...servers.map(({ ttl_s }) => ttl_s * 500));
  }

  /** The servers, renewed if that is due and possible. @returns {Promise<IceServer[]>} */
  async current() {
    if (this.#now() >= this.#renewAt) {
      const late = new Promise((_, reject) => setTimeout(reject, PATIENCE_MS));
      try {
        this.take(await Promise.race([this.#renew(), /** @type {Promise<never>} */ (late)]));
      } catch {
        // Those at hand have to do.
      }
    }
    return this.#servers;
  }
}
