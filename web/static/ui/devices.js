/**
 * The pickers for microphone, camera and speaker, in the lobby and in the settings: filled, followed, obeyed.
 */

import { listDevices } from "../lib/media.js";
import { find, make } from "./dom.js";
import { remembered } from "./settings.js";

/**
 * @typedef {import("../lib/local.js").LocalMedia} LocalMedia
 * @typedef {"microphone" | "camera" | "speaker"} Kind
 */

/** Every device picker of the page. */
export class DevicePickers {
  #local;

  /** @param {LocalMedia} local @param {() => void} onSpeaker another speaker was chosen */
  constructor(local, onSpeaker) {
    this.#local = local;
    this.onSpeaker = onSpeaker;
    for (const picker of this.#pickers()) {
      const select = /** @type {HTMLSelectElement} */ (find("select", picker));
      select.onchange = () => this.#choose(/** @type {Kind} */ (picker.dataset.picker), select.value);
    }
    navigator.mediaDevices?.addEventListener("devicechange", () => this.refresh());
    local.on("change", () => this.refresh());
    void this.refresh();
  }

  /** Fill the pickers with the devices there are. */
  async refresh() {
    const { microphones, cameras, speakers } = await listDevices();
    const lists = { microphone: microphones, camera: cameras, speaker: speakers };
    for (const picker of this.#pickers()) {
      const kind = /** @type {Kind} */ (picker.dataset.picker);
      this.#fill(picker, kind, lists[kind]);
    }
  }

  #pickers() {
    return /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-picker]"));
  }

  /** @param {HTMLElement} picker @param {Kind} kind @param {MediaDeviceInfo[]} devices */
  #fill(picker, kind, devices) {
    const select = /** @type {HTMLSelectElement} */ (find("select", picker));
    // The choice of a speaker is the system's where the browser has none to offer.
    picker.hidden =
      kind === "speaker" && (devices.length === 0 || !("setSinkId" in HTMLMediaElement.prototype));
    const options = devices.map(({ deviceId, label }, i) =>
      make("option", { value: deviceId }, label || `${NAMES[kind]} ${i + 1}`),
    );
    const none = make("option", { value: "" }, `No ${NAMES[kind].toLowerCase()} found, or not allowed yet`);
    select.replaceChildren(...(options.length ? options : [none]));
    select.disabled = options.length === 0;
    const current = this.#current(kind);
    if (devices.some(({ deviceId }) => deviceId === current)) select.value = /** @type {string} */ (current);
  }

  /** @param {Kind} kind */
  #current(kind) {
    if (kind === "speaker") return remembered.speaker;
    return this.#local.track(kind)?.getSettings().deviceId ?? this.#local.devices[kind];
  }

  /** @param {Kind} kind @param {string} deviceId */
  #choose(kind, deviceId) {
    remembered[kind] = deviceId;
    if (kind === "speaker") this.onSpeaker();
    else void this.#local.choose(kind, deviceId);
  }
}

const NAMES = { microphone: "Microphone", camera: "Camera", speaker: "Speaker" };
