/**
 * The video element of one slot. It plays the slot for good, and is moved into whichever tile the
 * slot's frames belong to at the moment, judged frame by frame by their RTP timestamps.
 */

import { make } from "./dom.js";

/** @typedef {import("../lib/connection.js").Slot} Slot */

export class SlotVideo {
  /** The track whose frames are on the screen now. @type {string | null} */
  shown = null;
  video = make("video", { muted: true, autoplay: true, playsInline: true, tabIndex: -1 });
  #closed = false;
  /** The frame on the screen, by its timestamp. @type {number | null} */
  #frame = null;

  /** @param {Slot} slot @param {() => void} onShown another track's frames began, or all ended */
  constructor(slot, onShown) {
    this.slot = slot;
    this.onShown = onShown;
    this.video.disablePictureInPicture = true;
    this.video.srcObject = slot.stream;
    this.video.onresize = () =>
      this.video.classList.toggle("tall", this.video.videoHeight > this.video.videoWidth);
    this.#watch();
  }

  /**
   * The node has said what the slot shows. Nothing: hide at once, as no frame will come to tell. A track:
   * its first frame may be on the screen already, and of a screen that stands still there is no second.
   */
  labelled() {
    const { latest } = this.slot.labels;
    if (latest === null) this.#frame = null;
    if (latest === null || !("requestVideoFrameCallback" in this.video)) this.#show(latest);
    else if (this.#frame !== null) this.#show(this.slot.labels.trackAt(this.#frame));
  }

  close() {
    this.#closed = true;
    this.video.srcObject = null;
    this.video.remove();
  }

  #watch() {
    if (this.#closed || !("requestVideoFrameCallback" in this.video)) return;
    this.video.requestVideoFrameCallback((_now, frame) => {
      const { labels } = this.slot;
      this.#frame = frame.rtpTimestamp ?? null;
      this.#show(this.#frame === null ? labels.latest : labels.trackAt(this.#frame));
      this.#watch();
    });
  }

  /** @param {string | null} track */
  #show(track) {
    if (track === this.shown) return;
    this.shown = track;
    this.onShown();
  }
}
