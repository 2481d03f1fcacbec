/**
 * What this person sends: microphone, camera, screen; on or off, and by which device.
 *
 * Turned off, the camera is let go, so that its light goes out; the microphone stays open but silent,
 * so that it is back at once. A device that is unplugged is replaced by the system's default.
 */

import { Emitter } from "./emitter.js";
import { asParleyError, ParleyError } from "./errors.js";
import { openCamera, openMicrophone, openScreen } from "./media.js";

/**
 * @typedef {import("./protocol.js").Source} Source
 * @typedef {import("./sending.js").Publication} Publication
 * @typedef {{source: Source, publication: Publication | null}} LocalChange null: no longer published
 * @typedef {{device: "microphone" | "camera" | "screen", error: ParleyError}} LocalProblem
 * @typedef {{change: LocalChange, problem: LocalProblem}} LocalEvents
 */

/** @extends {Emitter<LocalEvents>} */
export class LocalMedia extends Emitter {
  /** @type {Record<Source, MediaStreamTrack | null>} */
  #tracks = { microphone: null, camera: null, screen: null, screen_audio: null };
  #on = { microphone: false, camera: false };
  /**
   * Sizes outlive their tracks: a camera that is off keeps its place.
   * @type {Partial<Record<Source, {width: number, height: number}>>}
   */
  #sizes = {};
  /** @type {Record<"microphone" | "camera", string | null>} the devices chosen; null: the system's default */
  devices = { microphone: null, camera: null };
  /** Opening takes time and can be overtaken by closing: one change of a device after the other. */
  #turns = { microphone: Promise.resolve(), camera: Promise.resolve() };

  /** @param {"microphone" | "camera"} device */
  isOn(device) {
    return this.#on[device];
  }

  get isSharing() {
    return this.#tracks.screen !== null;
  }

  /** The track of a source, while it is open. @param {Source} source */
  track(source) {
    return this.#tracks[source];
  }

  /**
   * What is published now, for a call that begins. A source never opened is not in it.
   * @returns {LocalChange[]}
   */
  publications() {
    const sources = /** @type {Source[]} */ (Object.keys(this.#tracks));
    return sources
      .filter((source) => this.#tracks[source])
      .map((source) => ({ source, publication: this.#publication(source) }));
  }

  /**
   * Turn a device on or off. Why it did not turn on is told as a `problem`; it is then off.
   * @param {"microphone" | "camera"} device @param {boolean} on
   */
  turn(device, on) {
    this.#turns[device] = this.#turns[device].then(async () => {
      try {
        await (on ? this.#open(device) : this.#shut(device));
      } catch (thrown) {
        this.#on[device] = false;
        this.#changed(device);
        this.emit("problem", { device, error: asParleyError(thrown) });
      }
    });
    return this.#turns[device];
  }

  /** Use another device from now on. @param {"microphone" | "camera"} device @param {string} deviceId */
  async choose(device, deviceId) {
    this.devices[device] = deviceId;
    if (!this.#tracks[device]) return;
    const on = this.#on[device];
    this.#release(device);
    if (on || device === "microphone") await this.turn(device, true);
    if (!on) await this.turn(device, false);
  }

  /** Let the person choose a screen, and publish it with its sound. */
  async share() {
    try {
      const { screen, audio } = await openScreen();
      this.#keep("screen", screen);
      if (audio) this.#keep("screen_audio", audio);
    } catch (error) {
      this.emit("problem", { device: "screen", error: asParleyError(error) });
    }
  }

  stopSharing() {
    for (const source of /** @type {const} */ (["screen", "screen_audio"])) {
      if (!this.#tracks[source]) continue;
      this.#release(source);
      this.emit("change", { source, publication: null });
    }
  }

  /** Let go of every device. */
  close() {
    this.stopSharing();
    this.#on = { microphone: false, camera: false };
    for (const source of /** @type {const} */ (["microphone", "camera"])) {
      this.#release(source);
      this.emit("change", { source, publication: null });
    }
  }

  /** @param {"microphone" | "camera"} device */
  async #open(device) {
    let track = this.#tracks[device];
    if (!track) {
      const open = device === "microphone" ? openMicrophone : openCamera;
      track = await open(this.devices[device]);
    }
    track.enabled = true;
    this.#on[device] = true;
    this.#keep(device, track);
  }

  /** @param {"microphone" | "camera"} device */
  async #shut(device) {
    this.#on[device] = false;
    const track = this.#tracks[device];
    if (track && device === "microphone") track.enabled = false;
    else this.#release(device);
    this.#changed(device);
  }

  /** @param {Source} source @param {MediaStreamTrack} track */
  #keep(source, track) {
    this.#tracks[source] = track;
    if (track.kind === "video") this.#sizes[source] = sizeOf(track);
    track.onended = () => this.#ended(source, track);
    this.#changed(source);
  }

  /** @param {Source} source */
  #release(source) {
    const track = this.#tracks[source];
    if (!track) return;
    track.onended = null;
    track.stop();
    this.#tracks[source] = null;
  }

  /**
   * A track ended by itself: unplugged, or sharing stopped in the browser's own bar.
   * @param {Source} source
   * @param {MediaStreamTrack} track
   */
  #ended(source, track) {
    if (this.#tracks[source] !== track) return;
    if (source === "screen" || source === "screen_audio") return this.stopSharing();
    const wasOn = this.#on[source];
    this.#release(source);
    this.devices[source] = null;
    this.emit("problem", { device: source, error: new ParleyError("device_gone") });
    void this.turn(source, wasOn);
  }

  /** @param {Source} source */
  #changed(source) {
    this.emit("change", { source, publication: this.#publication(source) });
  }

  /** @param {Source} source @returns {Publication} */
  #publication(source) {
    const muted = source === "microphone" || source === "camera" ? !this.#on[source] : false;
    return { track: this.#tracks[source], muted, ...(this.#sizes[source] ?? { width: 0, height: 0 }) };
  }
}

/** @param {MediaStreamTrack} track */
function sizeOf(track) {
  const { width = 0, height = 0 } = track.getSettings();
  return { width, height };
}
