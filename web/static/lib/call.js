/**
 * A call: one person's stay in a room, kept up over lost networks, restarted nodes and reloaded pages.
 *
 * It owns the signal and the connection and makes them anew as needed; what is published and what is
 * wanted are kept here, and told again to whatever connection there is. `states.js` says what leads where.
 *
 * Coming back: the node keeps a lost peer's place for a while under a resume token. With the token the
 * same PeerConnection goes on after an ICE restart; if the connection itself has failed, or the page was
 * reloaded, a fresh one takes the same place. When there is nothing left to resume, `enter` is asked
 * for a new ticket. This goes on until the person leaves or the node says it is final.
 */

import { backoffMs } from "./backoff.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { asParleyError, ParleyError } from "./errors.js";
import { applyDelta } from "./room.js";
import { Signal } from "./signal.js";
import { next } from "./states.js";
import { ViewSender } from "./view.js";

/**
 * @typedef {import("./states.js").State} State
 * @typedef {import("./protocol.js").Room} Room
 * @typedef {import("./protocol.js").Source} Source
 * @typedef {import("./protocol.js").Want} Want
 * @typedef {import("./protocol.js").DataDelivery} DataDelivery
 * @typedef {import("./connection.js").Publication} Publication
 * @typedef {import("./connection.js").Slot} Slot
 * @typedef {import("./api.js").Entry} Entry
 * @typedef {{resume: string, signal_url: string}} Place what it takes to come back to the same place
 * @typedef {{
 *   state: {state: State, error: ParleyError | null},
 *   place: Place | null,
 *   room: Room,
 *   speakers: string[],
 *   slots: Slot[],
 *   label: Slot,
 *   data: DataDelivery,
 *   refused: ParleyError,
 * }} CallEvents
 *   `place`: where to come back to has changed (null: nowhere); `slots`: the list of slots is new or longer;
 *   `label`: the node named what a slot shows; `refused`: the node did not do what was asked
 */

/** How long media may take to flow after the answer. */
const LINK_TIMEOUT_MS = 12_000;

/** Joining is tried again for so long before the person is told; nobody waits long at a closed door. */
const JOIN_PATIENCE_MS = 5_000;

/** HTTP statuses of a join that may well be different in a moment. */
const PASSING_STATUSES = new Set([429, 500, 502, 503, 504]);

/** @extends {Emitter<CallEvents>} */
export class Call extends Emitter {
  /** @type {State} */
  #state = "idle";
  /** @type {Place | null} */
  #place = null;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Signal | null} */
  #signal = null;
  /** @type {Map<Source, Publication>} */
  #published = new Map();
  /** @type {Want[]} */
  #wants = [];
  #views = new ViewSender((wants) => this.#sendView(wants));
  /** Offers go one after the other; each waits for the answer to the one before. */
  #turn = Promise.resolve();
  /** Whether the node has yet to be told what is published, or of more slots. */
  #offerDue = false;
  /** What ended the stay at hand; settled by the first `#break`. @type {Promise<ParleyError>} */
  #broken = new Promise(() => {});
  /** @type {(reason: ParleyError) => void} */
  #break = () => {};
  #wake = () => {};

  /** The room as of the last message, also while reconnecting. @type {Room | null} */
  room = null;
  /** Who speaks now, the most prominent first. @type {string[]} */
  speakers = [];
  /** This peer's id. @type {string | null} */
  peer = null;

  #enterRoom;

  /** @param {() => Promise<Entry>} enterRoom gets a new ticket */
  constructor(enterRoom) {
    super();
    this.#enterRoom = enterRoom;
  }

  get state() {
    return this.#state;
  }

  /** Where to come back to, if anywhere. */
  get place() {
    return this.#place;
  }

  get slots() {
    return this.#connection?.slots ?? [];
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
    this.#finish(new ParleyError("left", "You left the meeting."));
  }

  /** The network has changed or is back: do not wait to notice. */
  networkChanged() {
    if (this.#state === "connected") this.#break(new ParleyError("network_changed", undefined, { retry: "resume" }));
    this.#wake();
  }

  /**
   * Publish a source, or change how it is published.
   * @param {Source} source @param {Publication} publication
   */
  publish(source, publication) {
    const before = this.#published.get(source);
    if (!before && !publication.track) return; // never opened: nothing to tell of
    this.#published.set(source, publication);
    const resized = before?.width !== publication.width || before?.height !== publication.height;
    const toggled = before?.muted !== publication.muted;
    if (publication.muted && toggled) this.#sendMute(source, true);
    if (this.#connection?.sync(this.#published) || resized) this.#renegotiate();
    else if (!publication.muted && toggled) this.#sendMute(source, false);
  }

  /** Publish the source no more. @param {Source} source */
  unpublish(source) {
    if (this.#published.delete(source) && this.#connection?.sync(this.#published)) this.#renegotiate();
  }

  /** All the video that is wanted from now on; what is not named is not sent. @param {Want[]} wants */
  want(wants) {
    this.#wants = wants;
    this.#views.want(wants);
  }

  /**
   * Send to one peer of the room, or to all others.
   * @param {string} topic @param {unknown} body @param {{to?: string, lossy?: boolean}} [options]
   */
  send(topic, body, { to, lossy = false } = {}) {
    this.#connection?.send({ topic, body, to }, lossy ? "lossy" : "reliable");
  }

  /** The browser's statistics of the connection. */
  async stats() {
    return this.#connection?.stats() ?? null;
  }

  // --- staying -----------------------------------------------------------------------------------

  /** One stay after the other, until it is over. */
  async #keepUp() {
    for (;;) {
      this.#to("entered", null);
      if (this.#offerDue) this.#renegotiate();
      const reason = await this.#broken;
      if (this.#state !== "connected") return;
      if (isFinal(reason)) return this.#finish(reason);
      this.#giveUp(reason);
      this.#to("lost", reason);
      if (!(await this.#comeBack())) return;
    }
  }

  /** @returns {Promise<boolean>} whether the call goes on */
  async #comeBack() {
    for (let attempt = 0; ; attempt++) {
      const began = performance.now();
      try {
        await this.#enter();
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

  /** Say hello, by the resume token if there is one, else with a new ticket; done when media flows. */
  async #enter() {
    this.#broken = new Promise((resolve) => {
      this.#break = resolve;
    });
    const place = this.#place;
    const entry = place ? null : await this.#enterRoom();
    this.#assertGoingOn();
    const fresh = !place || !this.#connection?.usable;
    if (fresh) this.#connect();
    const url = /** @type {string} */ (place?.signal_url ?? entry?.signal_url);
    const permission = place ? { resume: place.resume } : { ticket: entry?.ticket };
    await this.#inTurn(() => this.#greet(url, permission, { iceRestart: !fresh }));
    await this.#linked();
  }

  /** @param {string} url @param {{ticket?: string, resume?: string}} permission @param {{iceRestart: boolean}} options */
  async #greet(url, permission, options) {
    const { sdp, tracks } = await this.#newOffer(options);
    const hello = { ...permission, offer: sdp, tracks };
    const { signal, welcome } = await Signal.enter(url, hello, (made) => this.#listen(made));
    this.#signal = signal;
    this.#assertGoingOn();
    await this.#welcomed(welcome, url);
  }

  /** @param {import("./protocol.js").Welcome} welcome @param {string} url */
  async #welcomed(welcome, url) {
    // Before anything is awaited: deltas to this snapshot may be the next messages.
    this.peer = welcome.peer;
    this.#setRoom(welcome.room);
    this.#setPlace({ resume: welcome.resume, signal_url: url });
    await this.#standing().accept(welcome.sdp);
    this.emit("slots", this.slots);
    this.#sendView(this.#wants);
  }

  /** Wait until media can flow. */
  #linked() {
    const connection = this.#standing();
    return new Promise((resolve, reject) => {
      const settle = (/** @type {ParleyError | null} */ error) => {
        clearTimeout(late);
        stop();
        if (error) reject(error);
        else resolve(undefined);
      };
      const late = setTimeout(() => settle(new ParleyError("link_failed", undefined, { retry: "resume" })), LINK_TIMEOUT_MS);
      const stop = connection.on("state", (state) => state === "connected" && settle(null));
      void this.#broken.then(settle);
      if (connection.state === "connected") settle(null);
    });
  }

  /** The person may have left while something was awaited. */
  #assertGoingOn() {
    if (this.#state !== "ended") return;
    this.#signal?.leave();
    throw new ParleyError("left", "You left the meeting.");
  }

  /** End this attempt or stay, and keep what the next one can use. @param {ParleyError} error */
  #giveUp(error) {
    this.#signal?.close();
    if (error.retry === "join") this.#forget();
  }

  /** @param {ParleyError} reason */
  #finish(reason) {
    this.#drop();
    this.#to("over", reason);
    this.#wake();
  }

  #drop() {
    this.#signal?.close();
    this.#signal = null;
    this.#forget();
    this.speakers = [];
  }

  /** Nothing is left to come back to. */
  #forget() {
    this.#setPlace(null);
    this.#disconnect();
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

  // --- the connection ------------------------------------------------------------------------------

  #connect() {
    this.#disconnect();
    const connection = new Connection();
    connection.on("data", (delivery) => this.emit("data", delivery));
    connection.on("state", (state) => {
      if (state === "disconnected" || state === "failed") {
        this.#break(new ParleyError("link_lost", undefined, { retry: "resume" }));
      }
    });
    this.#connection = connection;
  }

  #disconnect() {
    if (!this.#connection) return;
    this.#connection.close();
    this.#connection = null;
    this.emit("slots", []);
  }

  #standing() {
    if (!this.#connection) throw new ParleyError("link_lost", undefined, { retry: "resume" });
    return this.#connection;
  }

  /** @param {{iceRestart?: boolean}} [options] */
  #newOffer(options) {
    const connection = this.#standing();
    this.#offerDue = false;
    connection.sync(this.#published);
    connection.growVideoSlots(this.#wants.length);
    return connection.offer(this.#published, options);
  }

  /** Offer what is published and wanted now; while there is no connection, the next hello says it. */
  #renegotiate() {
    this.#offerDue = true;
    const done = this.#inTurn(async () => {
      if (!this.#offerDue || this.#state !== "connected" || !this.#signal) return;
      const { sdp, tracks } = await this.#newOffer();
      const answer = await this.#signal.offer(sdp, tracks);
      await this.#standing().accept(answer.sdp);
      this.emit("slots", this.slots);
    });
    done.catch((error) => this.emit("refused", asParleyError(error)));
  }

  /** @param {() => Promise<void>} exchange */
  #inTurn(exchange) {
    const done = this.#turn.then(exchange);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** @param {Want[]} wants */
  #sendView(wants) {
    if (this.#connection?.growVideoSlots(wants.length)) this.#renegotiate();
    this.#signal?.send({ type: "view", wants });
  }

  /** @param {Source} source @param {boolean} muted */
  #sendMute(source, muted) {
    const mid = this.#connection?.midOf(source);
    if (mid && this.#state === "connected") this.#signal?.send({ type: "mute", mid, muted });
    else this.#offerDue = true;
  }

  // --- what the node says --------------------------------------------------------------------------

  /** @param {Signal} signal */
  #listen(signal) {
    signal.on("message", (message) => this.#hear(message));
    signal.on("refused", (error) => this.emit("refused", error));
    signal.on("closed", (error) => this.#break(error));
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
        return message.slots.forEach((label) => this.#label(label));
      default:
        return undefined; // a message of a newer node
    }
  }

  /** @param {import("./protocol.js").Delta} delta */
  #change(delta) {
    if (!this.room) return;
    try {
      this.#setRoom(applyDelta(this.room, delta));
    } catch (cause) {
      this.#break(new ParleyError("room_gap", undefined, { retry: "resume", cause }));
    }
  }

  /** @param {import("./protocol.js").SlotLabel} label */
  #label({ mid, track, rtp_timestamp }) {
    const slot = this.#connection?.slot(mid);
    if (!slot) return;
    slot.labels.label(track, rtp_timestamp);
    this.emit("label", slot);
  }

  /** @param {Room} room */
  #setRoom(room) {
    this.room = room;
    this.emit("room", room);
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
