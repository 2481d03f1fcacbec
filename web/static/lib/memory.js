/**
 * What a tab remembers of its call, so that a reloaded page takes its own place again instead of
 * leaving a ghost behind.
 *
 * It is kept per tab (sessionStorage), so two tabs of one person are two peers. A duplicated tab gets
 * a copy of it: a lock, held while the call goes on, tells the original from the copy. Without locks
 * (plain http) a reloaded page joins anew.
 */

/**
 * @typedef {import("./call.js").Place} Place
 * @typedef {{code: string, place: Place, name: string, microphone: boolean, camera: boolean, at: number}} Memory
 */

const KEY = "parley:call";

/** The old page of a reload lets go of its lock when it is gone; that takes a moment. */
const LOCK_PATIENCE_MS = 1_500;

/** Older than this it is not a reload but a tab opened again: the person is asked before entering. */
const FRESH_MS = 60_000;

export class TabMemory {
  #storage;
  #locks;
  #letGo = () => {};
  /** @type {string | null} the token whose lock is held */
  #held = null;

  /**
   * @param {{storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">, locks?: Pick<LockManager,
   *   "request">}} [browser]
   */
  constructor({ storage = globalThis.sessionStorage, locks = globalThis.navigator?.locks } = {}) {
    this.#storage = storage;
    this.#locks = locks;
  }

  /** Remember the call, and hold its lock. @param {Memory} memory */
  async keep(memory) {
    this.#storage.setItem(KEY, JSON.stringify(memory));
    await this.#hold(memory.place.resume);
  }

  /** The call was left or lost for good. */
  forget() {
    this.#storage.removeItem(KEY);
    this.#letGo();
    this.#held = null;
  }

  /**
   * The call that this tab was in a moment ago, if this is that tab.
   * @param {string} code @param {number} [now] @returns {Promise<Memory | null>}
   */
  async recall(code, now = Date.now()) {
    /** @type {Memory | null} */
    const memory = JSON.parse(this.#storage.getItem(KEY) ?? "null");
    if (!memory || memory.code !== code || now - memory.at > FRESH_MS) return null;
    return (await this.#hold(memory.place.resume)) ? memory : null;
  }

  /** The page goes away now: the time counts from here. @param {number} [now] */
  touch(now = Date.now()) {
    const text = this.#storage.getItem(KEY);
    if (text) this.#storage.setItem(KEY, JSON.stringify({ ...JSON.parse(text), at: now }));
  }

  /** @param {string} token @returns {Promise<boolean>} whether this tab has the lock */
  #hold(token) {
    if (!this.#locks) return Promise.resolve(false);
    if (this.#held === token) return Promise.resolve(true);
    this.#letGo();
    this.#held = token;
    return new Promise((resolve) => {
      const held = new Promise((letGo) => {
        this.#letGo = () => letGo(undefined);
      });
      const taken = () => {
        resolve(true);
        return held;
      };
      this.#locks
        .request(`parley:${token}`, { signal: AbortSignal.timeout(LOCK_PATIENCE_MS) }, taken)
        .catch(() => resolve(false));
    });
  }
}
