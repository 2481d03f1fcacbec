/**
 * The link to the node: what this person sends and what they want to see, told to whatever
 * PeerConnection and signal there are at the moment.
 *
 * A link outlives its connections. What is published and wanted is kept here: a fresh connection's first
 * offer says all of it, and while there is a signal each change is told at once. Offers go one after the
 * other, so an answer always belongs to the offer that is out.
 */

import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { asParleyError, ParleyError } from "./errors.js";
import { ViewSender } from "./view.js";

/**
 * @typedef {import("./protocol.js").Source} Source
 * @typedef {import("./protocol.js").Want} Want
 * @typedef {import("./protocol.js").PublishedTrack} PublishedTrack
 * @typedef {import("./protocol.js").DataDelivery} DataDelivery
 * @typedef {import("./sending.js").Publication} Publication
 * @typedef {import("./connection.js").Slot} Slot
 * @typedef {import("./signal.js").Signal} Signal
 * @typedef {{sdp: string, tracks: PublishedTrack[]}} Offer
 * @typedef {{slots: Slot[], label: Slot, data: DataDelivery, lost: ParleyError, refused: ParleyError}} LinkEvents
 *   `slots`: the list of slots is new or longer; `label`: the node named what a slot shows;
 *   `lost`: the path to the node is gone; `refused`: the node did not take an offer
 */

/** How long media may take to flow after the answer. */
const UP_TIMEOUT_MS = 12_000;

/** @extends {Emitter<LinkEvents>} */
export class Link extends Emitter {
  /** @type {Connection | null} */
  #connection = null;
  /** The one before it, which goes on for a while. @type {Connection | null} */
  #former = null;
  /** The one of the two whose slots are shown. @type {Connection | null} */
  #shown = null;
  /** Where changes are told; null: the next first offer says them. @type {Signal | null} */
  #signal = null;
  /** @type {Map<Source, Publication>} */
  #published = new Map();
  /** @type {Want[]} */
  #wants = [];
  #views = new ViewSender((wants) => this.#tellView(wants));
  #turn = Promise.resolve();
  /** Whether something changed that no offer has said yet. */
  #offerDue = false;

  get slots() {
    return this.#shown?.slots ?? [];
  }

  /** Whether the connection at hand can be used again after an ICE restart. */
  get usable() {
    return this.#connection?.usable ?? false;
  }

  /**
   * Publish a source, or change how it is published.
   * @param {Source} source @param {Publication} publication
   */
  publish(source, publication) {
    const before = this.#published.get(source);
    if (!before && !publication.track) return; // never opened: nothing to tell of
    this.#published.set(source, publication);
    this.#former?.sync(this.#published);
    const resized = before?.width !== publication.width || before?.height !== publication.height;
    const toggled = before?.muted !== publication.muted;
    if (publication.muted && toggled) this.#tellMute(source, true);
    if (this.#connection?.sync(this.#published) || resized) this.#offerAnew();
    else if (!publication.muted && toggled) this.#tellMute(source, false);
  }

  /** Publish the source no more. @param {Source} source */
  unpublish(source) {
    if (!this.#published.delete(source)) return;
    this.#former?.sync(this.#published);
    if (this.#connection?.sync(this.#published)) this.#offerAnew();
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

  // --- for the call ------------------------------------------------------------------------------

  /** Go by these relays, if by any, after the next ICE restart. @param {RTCIceServer[]} iceServers */
  relayBy(iceServers) {
    this.#connection?.relayBy(iceServers);
  }

  /** Begin anew with a fresh PeerConnection. @param {RTCIceServer[]} iceServers relays it may go by */
  renew(iceServers) {
    if (this.#connection || !this.#former) this.close();
    const connection = new Connection(iceServers);
    connection.on("data", (delivery) => this.emit("data", delivery));
    connection.on("state", (state) => {
      if (this.#connection === connection && (state === "disconnected" || state === "failed")) {
        this.emit("lost", new ParleyError("link_lost", undefined, { retry: "resume" }));
      }
    });
    this.#connection = connection;
    this.#shown ??= connection;
  }

  /** Let the connection go on, and be shown, while the next one is made. */
  setAside() {
    this.detach();
    this.retire();
    this.#former = this.#connection;
    this.#connection = null;
  }

  /** Show what the new connection brings; the former one still sends. */
  takeOver() {
    this.#shown = this.#connection;
    this.emit("slots", this.slots);
  }

  /** End the former connection. */
  retire() {
    this.#former?.close();
    this.#former = null;
  }

  close() {
    this.detach();
    this.retire();
    this.#connection?.close();
    this.#connection = null;
    if (!this.#shown) return;
    this.#shown = null;
    this.emit("slots", []);
  }

  /** Tell changes to this signal from now on, beginning with what is wanted. @param {Signal} signal */
  attach(signal) {
    this.#signal = signal;
    this.#tellView(this.#wants);
    if (this.#offerDue) this.#offerAnew();
  }

  /** There is no signal now. */
  detach() {
    this.#signal = null;
  }

  /**
   * Make an offer of all there is, have it answered, and take the answer.
   * @param {(offer: Offer) => Promise<string>} exchange gets the offer to the node; returns its answer
   * @param {{iceRestart?: boolean}} [options]
   */
  agree(exchange, options) {
    return this.#inTurn(() => this.#exchange(exchange, options));
  }

  /** Wait until media can flow, or what `broken` says. @param {Promise<ParleyError>} broken */
  up(broken) {
    const connection = this.#standing();
    return new Promise((resolve, reject) => {
      const settle = (/** @type {ParleyError | null} */ error) => {
        clearTimeout(late);
        stop();
        if (error) reject(error);
        else resolve(undefined);
      };
      const tooLate = new ParleyError("link_failed", undefined, { retry: "resume" });
      const late = setTimeout(() => settle(tooLate), UP_TIMEOUT_MS);
      const stop = connection.on("state", (state) => state === "connected" && settle(null));
      void broken.then(settle);
      if (connection.state === "connected") settle(null);
    });
  }

  /** The node named what a slot shows. @param {import("./protocol.js").SlotLabel} label */
  label({ mid, track, rtp_timestamp }) {
    const slot = this.#connection?.slot(mid);
    if (!slot) return;
    if (track !== slot.labels.latest) slot.clock = null;
    slot.labels.label(track, rtp_timestamp);
    this.emit("label", slot);
  }

  /** The node told when what a slot shows was captured. @param {import("./protocol.js").SlotClock} clock */
  time(clock) {
    const slot = this.#connection?.slot(clock.mid);
    if (slot) slot.clock = clock;
  }

  /** The node told which layers are needed of what is sent. @param {import("./protocol.js").Encodings} told */
  need({ mid, rids }) {
    this.#connection?.need(mid, rids);
  }

  // -----------------------------------------------------------------------------------------------

  #standing() {
    if (!this.#connection) throw new ParleyError("link_lost", undefined, { retry: "resume" });
    return this.#connection;
  }

  /** @param {(offer: Offer) => Promise<string>} exchange @param {{iceRestart?: boolean}} [options] */
  async #exchange(exchange, options) {
    const connection = this.#standing();
    this.#offerDue = false;
    connection.sync(this.#published);
    connection.growVideoSlots(this.#wants.length);
    const answer = await exchange(await connection.offer(this.#published, options));
    await connection.accept(answer);
    if (this.#shown === connection) this.emit("slots", connection.slots);
  }

  /** Offer what there is when the turn comes; changes made until then share the offer. */
  #offerAnew() {
    this.#offerDue = true;
    const signal = this.#signal;
    if (!signal) return;
    const done = this.#inTurn(async () => {
      if (!this.#offerDue || signal !== this.#signal) return;
      await this.#exchange(async ({ sdp, tracks }) => (await signal.offer(sdp, tracks)).sdp);
    });
    done.catch((thrown) => {
      const error = asParleyError(thrown);
      if (!error.retry) this.emit("refused", error); // else the signal has ended, which tells for itself
    });
  }

  /** @param {() => Promise<void>} work */
  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** @param {Want[]} wants */
  #tellView(wants) {
    if (this.#connection?.growVideoSlots(wants.length)) this.#offerAnew();
    this.#signal?.send({ type: "view", wants });
  }

  /** @param {Source} source @param {boolean} muted */
  #tellMute(source, muted) {
    const mid = this.#connection?.midOf(source);
    if (mid && this.#signal) this.#signal.send({ type: "mute", mid, muted });
    else this.#offerDue = true;
  }
}
