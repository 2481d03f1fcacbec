/**
 * A call: one person's stay in a room, kept up over lost networks, restarted nodes and reloaded pages.
 *
 * It enters, notices when the stay breaks, and comes back; the table in `states.js` says what leads where.
 *
 * Coming back: the node keeps a lost peer's place for a while under a resume token. With the token the
 * same PeerConnection goes on after an ICE restart; if the connection itself has failed, or the page was
 * reloaded, a fresh one takes the same place. When there is nothing left to resume, or the node cannot be
 * reached, a new ticket is asked for: it may name another node, where this person goes on as the same peer.
 * This goes on until the person leaves or the node says it is final.
 *
 * Moving on: when the node says that the room moves to another, the stay there is made while this one plays on,
 * and takes over once the others are there, too. Until control has said where, nothing here is given up.
 */

import { backoffMs } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { asParleyError, ParleyError } from "./errors.js";
import { Link } from "./link.js";
import { applyDelta } from "./room.js";
import { Signal } from "./signal.js";
import { next } from "./states.js";

/**
 * @typedef {import("./states.js").State} State
 * @typedef {import("./protocol.js").Room} Room
 * @typedef {import("./protocol.js").SlotQuality} SlotQuality
 * @typedef {import("./protocol.js").Welcome} Welcome
 * @typedef {import("./api.js").Entry} Entry
 * @typedef {{peer?: string, unreachable?: boolean}} Return who comes back, and whether their node was out of
 *   reach
 * @typedef {{node: string, peer: string, resume: string, signal_url: string}} Place what it takes to come back
 *   to the same place
 * @typedef {{
 *   state: {state: State, error: ParleyError | null},
 *   place: Place | null,
 *   room: Room,
 *   speakers: string[],
 *   quality: SlotQuality[],
 *   refused: ParleyError,
 * }} CallEvents
 *   `place`: where to come back to has changed (null: nowhere); `refused`: the node did not do what was asked
 */

/**
 * How long a welcome may take. A dead network answers nothing, so the first attempts are short: the one
 * after the network is back should not have to wait for them. A slow one gets its time later.
 */
const FIRST_PATIENCE_MS = 3_000;
const MOST_PATIENCE_MS = 10_000;

/** Joining is tried again for so long before the person is told; nobody waits long at a closed door. */
const JOIN_PATIENCE_MS = 5_000;

/** How long those are waited for who move with us, and how long our old stay goes on for those who wait for us. */
const MOVING_TOGETHER_MS = 3_000;
const FAREWELL_MS = 3_000;

/** HTTP statuses of a join that may well be different in a moment. */
const PASSING_STATUSES = new Set([429, 500, 502, 503, 504]);

/** @extends {Emitter<CallEvents>} */
export class Call extends Emitter {
  #enterRoom;
  #relays;
  /** @type {State} */
  #state = "idle";
  /** @type {Place | null} */
  #place = null;
  /** @type {Signal | null} */
  #signal = null;
  /** What ended the stay at hand; settled by the first `#break`. @type {Promise<ParleyError>} */
  #broken = new Promise(() => {});
  /** @type {(reason: ParleyError) => void} */
  #break = () => {};
  #wake = () => {};
  /** Where we were before, while we move: not heard any more. @type {Signal | null} */
  #former = null;
  /** The room where we move to, not shown yet. @type {Room | null} */
  #arriving = null;
  /** Called with each change of it. */
  #arrived = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #parting;
  /** Whether the node was out of reach, and control has not been asked about it since. */
  #isUnreachable = false;

  /** What is sent and wanted. */
  link = new Link();
  /** The room as of the last message, also while reconnecting. @type {Room | null} */
  room = null;
  /** Who speaks now, the most prominent first. @type {string[]} */
  speakers = [];
  /** What each video slot gets, and why. @type {SlotQuality[]} */
  quality = [];
  /** This peer's id. @type {string | null} */
  peer = null;

  /**
   * @param {(back: Return) => Promise<Entry>} enterRoom gets a new ticket
   * @param {import("./relays.js").Relays} relays for the way to the node
   */
  constructor(enterRoom, relays) {
    super();
    this.#enterRoom = enterRoom;
    this.#relays = relays;
    this.link.on("lost", (error) => this.#break(error));
    this.link.on("refused", (error) => this.emit("refused", error));
  }

  get state() {
    return this.#state;
  }

  /** Where to come back to, if anywhere. */
  get place() {
    return this.#place;
  }

  /**
   * Enter the room, or come back to `place`. Resolves when media flows.
   * @param {Place | null} [place]
   * @throws {ParleyError} why it was not possible; the call is idle again, or ended for good
   */
  async join(place = null) {
    this.#place = place;
    this.#to("join", null);
    const began = performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#enter();
        break;
      } catch (thrown) {
        const error = asParleyError(thrown);
        if (this.state !== "joining") throw error;
        if (isFinal(error) || performance.now() - began > JOIN_PATIENCE_MS) {
          this.#signal?.leave();
          this.#drop();
          this.#to("refused", error);
          throw error;
        }
        this.#giveUp(error);
        await this.#pause(backoffMs(attempt));
        if (this.state !== "joining") throw error;
      }
    }
    void this.#keepUp();
  }

  /** Leave for good. */
  leave() {
    if (this.#state === "idle" || this.#state === "ended") return;
    this.#signal?.leave();
    this.#finish(new ParleyError("left"));
  }

  /** The network has changed or is back: do not wait to notice. */
  networkChanged() {
    if (this.#state === "connected")
      this.#break(new ParleyError("link_lost", undefined, { retry: "resume" }));
    this.#wake();
  }

  // --- staying -----------------------------------------------------------------------------------

  /** One stay after the other, until it is over. */
  async #keepUp() {
    for (;;) {
      this.#to("entered", null);
      const reason = await this.#movedOn();
      if (this.#state !== "connected") return;
      if (isFinal(reason)) return this.#finish(reason);
      this.#giveUp(reason);
      this.#to("lost", reason);
      if (!(await this.#comeBack())) return;
    }
  }

  /** Stay, wherever the room moves. @returns {Promise<ParleyError>} what ended the last of these stays */
  async #movedOn() {
    for (;;) {
      const reason = await this.#broken;
      if (reason.code !== "room_moves" || this.#state !== "connected") return reason;
      try {
        await this.#move();
      } catch (thrown) {
        this.#farewell();
        this.link.close();
        return asParleyError(thrown);
      }
    }
  }

  /** Enter the room where it is now, and leave it here once the others have come there, too. */
  async #move() {
    this.#watch();
    const entry = await this.#insist();
    if (!entry) return;
    this.#farewell();
    this.#former = this.#signal;
    this.link.setAside();
    this.#place = null;
    this.#arriving = this.room;
    await this.#enterBy(entry, MOST_PATIENCE_MS);
    await this.#together();
    const room = this.#arriving;
    if (!room) throw new ParleyError("left");
    this.#arriving = null;
    this.link.takeOver();
    this.#setRoom(room);
    this.#parting = setTimeout(() => this.#farewell(), FAREWELL_MS);
  }

  /** Get a ticket, however long control cannot be asked; null if the stay at hand ends before. */
  async #insist() {
    const broken = this.#broken;
    for (let attempt = 0; ; attempt++) {
      try {
        const entry = await Promise.race([broken, this.#enterRoom({ peer: this.peer ?? undefined })]);
        return entry instanceof ParleyError ? null : entry;
      } catch (thrown) {
        if (isFinal(asParleyError(thrown))) throw thrown;
      }
      if (await Promise.race([broken, this.#pause(backoffMs(attempt))])) return null;
    }
  }

  /** End the stay we moved from. */
  #farewell() {
    clearTimeout(this.#parting);
    this.#former?.leave();
    this.#former = this.#arriving = null;
    this.link.retire();
  }

  /** Wait until all who were connected are where we move to, or no longer. */
  async #together() {
    const missing = () => {
      const there = new Set(this.#arriving?.peers.map(({ id }) => id));
      return this.room?.peers.some(({ id, connected }) => connected && !there.has(id));
    };
    const late = setTimeout(() => this.#arrived(), MOVING_TOGETHER_MS);
    await new Promise((resolve) => {
      const ends = performance.now() + MOVING_TOGETHER_MS;
      this.#arrived = () => {
        if (!missing() || performance.now() >= ends - 1) resolve(undefined);
      };
      this.#arrived();
    });
    clearTimeout(late);
    this.#arrived = () => {};
  }

  /** @returns {Promise<boolean>} whether the call goes on */
  async #comeBack() {
    for (let attempt = 0; ; attempt++) {
      const began = performance.now();
      try {
        await this.#enter(Math.min(MOST_PATIENCE_MS, FIRST_PATIENCE_MS * 1.4 ** attempt));
        return true;
      } catch (thrown) {
        const error = asParleyError(thrown);
        if (this.state !== "reconnecting") return false;
        if (isFinal(error)) {
          this.#finish(error);
          return false;
        }
        this.#giveUp(error);
      }
      // An attempt may itself have taken long: the wait is from one beginning to the next.
      await this.#pause(backoffMs(attempt) - (performance.now() - began));
      if (this.state !== "reconnecting") return false;
    }
  }

  /**
   * Say hello, by the resume token if there is one, else with a new ticket; done when media flows.
   * @param {number} [patienceMs]
   */
  async #enter(patienceMs = MOST_PATIENCE_MS) {
    this.#watch();
    await this.#enterBy(this.#place && !this.#isUnreachable ? null : await this.#ask(), patienceMs);
  }

  /** From here on it counts what ends a stay. */
  #watch() {
    this.#broken = new Promise((resolve) => {
      this.#break = resolve;
    });
  }

  /** @param {Entry | null} entry a new ticket, where one was asked for @param {number} patienceMs */
  async #enterBy(entry, patienceMs) {
    if (entry) this.#relays.take(entry.ice_servers);
    const iceServers = await this.#relays.current();
    this.#assertGoingOn();
    const place = this.#place;
    const iceRestart = place !== null && this.link.usable;
    if (iceRestart) this.link.relayBy(iceServers);
    else this.link.renew(iceServers);
    const url = /** @type {string} */ (place?.signal_url ?? entry?.signal_url);
    const permission = place ? { resume: place.resume } : { ticket: entry?.ticket };
    const greet = (/** @type {import("./link.js").Offer} */ { sdp, tracks }) =>
      this.#greet(url, { ...permission, offer: sdp, tracks }, patienceMs);
    await this.link.agree(greet, { iceRestart });
    this.link.attach(/** @type {Signal} */ (this.#signal));
    await this.link.up(this.#broken);
  }

  /** Get a ticket. If it names another node than that of the place at hand, that place is lost. */
  async #ask() {
    const unreachable = this.#isUnreachable;
    this.#isUnreachable = false;
    const entry = await this.#enterRoom({ peer: this.#place?.peer ?? this.peer ?? undefined, unreachable });
    if (this.#place && entry.node !== this.#place.node) this.#forget();
    return entry;
  }

  /**
   * @param {string} url
   * @param {import("./signal.js").Greeting} hello
   * @param {number} patienceMs
   * @returns {Promise<string>} the answer to its offer
   */
  async #greet(url, hello, patienceMs) {
    const listen = (/** @type {Signal} */ made) => this.#listen(made);
    const { signal, welcome } = await Signal.enter(url, hello, { patienceMs, listen });
    this.#signal = signal;
    this.#assertGoingOn();
    this.peer = welcome.peer;
    this.#setRoom(welcome.room);
    this.#setQuality([]);
    this.#setPlace({ node: welcome.node, peer: welcome.peer, resume: welcome.resume, signal_url: url });
    return welcome.sdp;
  }

  /** The person may have left while something was awaited. */
  #assertGoingOn() {
    if (this.#state !== "ended") return;
    this.#signal?.leave();
    throw new ParleyError("left");
  }

  /** End this attempt or stay, and keep what the next one can use. @param {ParleyError} error */
  #giveUp(error) {
    this.link.detach();
    this.#signal?.close();
    if (error.retry === "join") this.#forget();
    if (error.code === "node_unreachable") this.#isUnreachable = true;
  }

  /** @param {ParleyError} reason */
  #finish(reason) {
    this.#drop();
    this.#to("over", reason);
    this.#wake();
  }

  #drop() {
    this.#farewell();
    this.#signal?.close();
    this.#signal = null;
    this.#forget();
    this.speakers = [];
  }

  /** Nothing is left to come back to. */
  #forget() {
    this.#setPlace(null);
    this.link.close();
  }

  /** Wait, or until somebody wakes us. @param {number} ms */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  /** @param {import("./states.js").Event} event @param {ParleyError | null} error */
  #to(event, error) {
    this.#state = next(this.#state, event);
    this.emit("state", { state: this.#state, error });
  }

  // --- what the node says ------------------------------------------------------------------------

  /** @param {Signal} signal */
  #listen(signal) {
    const isHeard = () => signal !== this.#former;
    signal.on("message", (message) => isHeard() && this.#hear(message));
    signal.on("refused", (error) => isHeard() && this.emit("refused", error));
    signal.on("closed", (error) => isHeard() && this.#break(error));
  }

  /** @param {import("./protocol.js").NodeSignal} message */
  #hear(message) {
    switch (message.type) {
      case "delta":
        return this.#change(message);
      case "speakers":
        this.speakers = message.peers;
        return this.emit("speakers", message.peers);
      case "slots":
        return message.slots.forEach((label) => this.link.label(label));
      case "clocks":
        return message.slots.forEach((clock) => this.link.time(clock));
      case "encodings":
        return this.link.need(message);
      case "move":
        return this.#break(new ParleyError("room_moves", undefined, { retry: "join" }));
      case "quality":
        return this.#setQuality(message.slots);
      default:
        return undefined; // a message of a newer node
    }
  }

  /** @param {import("./protocol.js").Delta} delta */
  #change(delta) {
    try {
      this.#setRoom(applyDelta(/** @type {Room} */ (this.#arriving ?? this.room), delta));
    } catch (cause) {
      this.#break(new ParleyError("room_gap", undefined, { retry: "resume", cause }));
    }
  }

  /** @param {Room} room */
  #setRoom(room) {
    if (this.#arriving) {
      this.#arriving = room;
      return this.#arrived();
    }
    this.room = room;
    this.emit("room", room);
  }

  /** @param {SlotQuality[]} quality */
  #setQuality(quality) {
    this.quality = quality;
    this.emit("quality", quality);
  }

  /** @param {Place | null} place */
  #setPlace(place) {
    this.#place = place;
    this.emit("place", place);
  }
}

/** Whether trying again cannot help. @param {ParleyError} error */
function isFinal(error) {
  if (error.retry) return error.retry === "none";
  return error.status !== undefined && !PASSING_STATUSES.has(error.status);
}
