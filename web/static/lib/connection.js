/**
 * The one PeerConnection to a node: what is sent, the slots to receive in, the data channels.
 *
 * The client makes every offer and the node answers, so there is no glare. An m-line is added when a
 * source is first published, and kept: `sync` says whether the node must be told by a new offer.
 * Slots are only ever added. It knows SDP as something to pass on, not to read.
 */

import { acceptDescriptors, preferCodecs } from "./codecs.js";
import { Emitter } from "./emitter.js";
import { Sending } from "./sending.js";
import { SlotLabels } from "./slots.js";

/**
 * @typedef {import("./protocol.js").Source} Source
 * @typedef {import("./protocol.js").PublishedTrack} PublishedTrack
 * @typedef {import("./protocol.js").DataDelivery} DataDelivery
 * @typedef {import("./sending.js").Publication} Publication
 * @typedef {{state: RTCPeerConnectionState, data: DataDelivery}} ConnectionEvents
 */

const AUDIO_SLOTS = 3;
const VIDEO_SLOTS = 9;
const SLOTS_STEP = 8;

/** One receiving m-line: what is shown in it changes without negotiation. */
export class Slot {
  /** Which track its frames belong to. */
  labels = new SlotLabels();
  /** When they were captured, as far as that is known. @type {import("./protocol.js").SlotClock | null} */
  clock = null;

  /** @param {RTCRtpTransceiver} transceiver */
  constructor(transceiver) {
    this.transceiver = transceiver;
    /** A stream of this slot's track alone, to be played by one element for good. */
    this.stream = new MediaStream([transceiver.receiver.track]);
    this.kind = /** @type {"audio" | "video"} */ (transceiver.receiver.track.kind);
  }

  /** Its name on the wire, known once it was offered. */
  get mid() {
    return this.transceiver.mid;
  }
}

/** @extends {Emitter<ConnectionEvents>} */
export class Connection extends Emitter {
  #pc;
  /** @type {Map<Source, Sending>} */
  #sending = new Map();
  /** @type {Record<"reliable" | "lossy", RTCDataChannel>} */
  #channels;
  /** @type {RTCPeerConnectionState} */
  #told = "new";
  /** @type {Slot[]} */
  slots = [];

  /** @param {RTCIceServer[]} iceServers relays, where nothing else leads to the node */
  constructor(iceServers) {
    super();
    this.#pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers });
    this.#channels = {
      reliable: this.#channel("reliable", {}),
      lossy: this.#channel("lossy", { ordered: false, maxRetransmits: 0 }),
    };
    this.#addSlots("audio", AUDIO_SLOTS);
    this.#addSlots("video", VIDEO_SLOTS);
    this.#pc.onconnectionstatechange = () => this.#follow();
    this.#pc.oniceconnectionstatechange = () => this.#follow();
  }

  /**
   * How the connection is. The path counts where it is worse than the whole: browsers differ in when
   * their connectionState follows a lost path, and in whether it shows an ICE restart.
   * @returns {RTCPeerConnectionState}
   */
  get state() {
    const { iceConnectionState: path, connectionState: whole } = this.#pc;
    if (whole !== "connected") return whole;
    if (path === "checking") return "connecting";
    return path === "disconnected" || path === "failed" ? path : whole;
  }

  /** Whether an ICE restart can still bring it back; otherwise a new connection must be made. */
  get usable() {
    return this.#pc.connectionState !== "failed" && this.#pc.connectionState !== "closed";
  }

  /**
   * Send what is published, and no more.
   * @param {ReadonlyMap<Source, Publication>} publications
   * @returns {boolean} whether the m-lines changed, so that a new offer is due
   */
  sync(publications) {
    let changed = false;
    for (const [source, publication] of publications) {
      const sending = this.#sending.get(source);
      if (!sending) this.#sending.set(source, new Sending(this.#pc, source, publication));
      if (!sending || sending.publish(publication)) changed = true;
    }
    for (const [source, sending] of this.#sending) {
      if (!publications.has(source) && sending.retire()) changed = true;
    }
    return changed;
  }

  /** Use these relays from the next ICE restart on. @param {RTCIceServer[]} iceServers */
  relayBy(iceServers) {
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers });
  }

  /** Have at least so many video slots. @param {number} count @returns {boolean} whether some were added */
  growVideoSlots(count) {
    const have = this.slots.filter(({ kind }) => kind === "video").length;
    if (have >= count) return false;
    this.#addSlots("video", Math.ceil((count - have) / SLOTS_STEP) * SLOTS_STEP);
    return true;
  }

  /**
   * Make the offer of what is there now. Candidates are not waited for: the node has fixed addresses
   * and learns ours from our checks.
   * @param {ReadonlyMap<Source, Publication>} publications @param {{iceRestart?: boolean}} [options]
   * @returns {Promise<{sdp: string, tracks: PublishedTrack[]}>}
   */
  async offer(publications, { iceRestart = false } = {}) {
    const offer = await this.#pc.createOffer({ iceRestart });
    await this.#pc.setLocalDescription(offer);
    const tracks = [...publications].flatMap(([source, { muted, width, height }]) => {
      const mid = this.midOf(source); // null: published since the offer was made, so in the next one
      return mid === null ? [] : [{ mid, source, muted, width, height }];
    });
    return { sdp: /** @type {string} */ (offer.sdp), tracks };
  }

  /** @param {string} sdp the node's answer */
  async accept(sdp) {
    await this.#pc.setRemoteDescription({ type: "answer", sdp });
    for (const sending of this.#sending.values()) sending.settle();
  }

  /** Send only those layers of an m-line that somebody needs. @param {string} mid @param {string[]} rids */
  need(mid, rids) {
    const wanted = [...this.#sending.values()].find((sending) => sending.mid === mid);
    wanted?.need(rids);
  }

  /** The m-line a source is sent on. @param {Source} source */
  midOf(source) {
    return this.#sending.get(source)?.mid ?? null;
  }

  /** @param {string} mid */
  slot(mid) {
    return this.slots.find((slot) => slot.mid === mid);
  }

  /**
   * Send to others of the room over a data channel; dropped while the channel is not open.
   * @param {{topic: string, body: unknown, to?: string}} message @param {"reliable" | "lossy"} label
   */
  send(message, label) {
    const channel = this.#channels[label];
    if (channel.readyState === "open") channel.send(JSON.stringify(message));
  }

  /** The browser's statistics, for tests and for finding out why. */
  stats() {
    return this.#pc.getStats();
  }

  close() {
    this.#pc.onconnectionstatechange = null;
    this.#pc.oniceconnectionstatechange = null;
    for (const sending of this.#sending.values()) sending.end();
    this.#pc.close();
  }

  /** Tell of a change once: the two events of the browser come one after the other. */
  #follow() {
    if (this.state === this.#told) return;
    this.#told = this.state;
    this.emit("state", this.state);
  }

  /** @param {string} label @param {RTCDataChannelInit} options */
  #channel(label, options) {
    const channel = this.#pc.createDataChannel(label, options);
    channel.onmessage = ({ data }) => this.emit("data", JSON.parse(data));
    return channel;
  }

  /** @param {"audio" | "video"} kind @param {number} count */
  #addSlots(kind, count) {
    for (let i = 0; i < count; i++) {
      const transceiver = this.#pc.addTransceiver(kind, { direction: "recvonly" });
      preferCodecs(transceiver, RTCRtpReceiver.getCapabilities(kind), kind);
      if (kind === "video") acceptDescriptors(transceiver);
      this.slots.push(new Slot(transceiver));
    }
  }
}
