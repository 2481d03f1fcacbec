/**
 * One m-line that sends a source: its track, in the layers that its picture allows and somebody needs.
 *
 * A browser refuses a change of a sender while another is under way, or one made of parameters that were
 * read before the last negotiation. So what is wished for is kept here, and brought about in turns, each
 * from parameters read anew; wishes that come meanwhile share the next turn.
 */

import { preferCodecs } from "./codecs.js";
import { amend, encodingsOf, layersOf } from "./layers.js";

/**
 * @typedef {import("./protocol.js").Source} Source
 * @typedef {{track: MediaStreamTrack | null, muted: boolean, width: number, height: number}} Publication
 *   what is published of a source; a null track sends nothing (camera off)
 */

export class Sending {
  #transceiver;
  #source;
  /** @type {Publication} */
  #publication;
  /** The RIDs of the layers that somebody needs; null: the node has not said, so all. @type {string[] | null} */
  #needed = null;
  #turn = Promise.resolve();
  #due = false;
  #ended = false;

  /** @param {RTCPeerConnection} pc @param {Source} source @param {Publication} publication */
  constructor(pc, source, publication) {
    const kind = kindOf(source);
    this.#source = source;
    this.#publication = publication;
    this.#transceiver = pc.addTransceiver(publication.track ?? kind, {
      direction: "sendonly",
      sendEncodings: encodingsOf(source, publication),
    });
    preferCodecs(this.#transceiver, RTCRtpSender.getCapabilities(kind), kind);
  }

  /** Its name on the wire, known once it was offered. */
  get mid() {
    return this.#transceiver.mid;
  }

  /** @param {Publication} publication @returns {boolean} whether a new offer is due */
  publish(publication) {
    this.#publication = publication;
    this.settle();
    return this.#turnTo("sendonly");
  }

  /** Send nothing until the source is published again, then all of it. @returns {boolean} whether a new offer is due */
  retire() {
    this.#publication = { ...this.#publication, track: null };
    this.#needed = null;
    this.settle();
    return this.#turnTo("inactive");
  }

  /** Send these layers only: nobody needs the others. @param {string[]} rids */
  need(rids) {
    this.#needed = rids;
    this.settle();
  }

  /** Make the sender what is wished for, as it may not be after a negotiation. */
  settle() {
    if (this.#due) return;
    this.#due = true;
    this.#turn = this.#turn.then(() => this.#work()).catch((error) => reportError(error));
  }

  /** The connection has been closed: what fails now does not matter. */
  end() {
    this.#ended = true;
  }

  async #work() {
    this.#due = false;
    const { sender } = this.#transceiver;
    const { track } = this.#publication;
    try {
      if (sender.track !== track) await sender.replaceTrack(track);
      if (this.#ended || kindOf(this.#source) === "audio") return;
      const parameters = sender.getParameters();
      const layers = layersOf(this.#source, this.#publication, this.#needed);
      if (amend(parameters.encodings, layers)) await sender.setParameters(parameters);
    } catch (error) {
      if (!this.#ended) throw error;
    }
  }

  /** @param {"sendonly" | "inactive"} direction @returns {boolean} whether that is new */
  #turnTo(direction) {
    const changed = this.#transceiver.direction !== direction;
    this.#transceiver.direction = direction;
    return changed;
  }
}

/** @param {Source} source @returns {"audio" | "video"} */
function kindOf(source) {
  return source === "camera" || source === "screen" ? "video" : "audio";
}
