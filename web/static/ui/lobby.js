/**
 * Before the call: the camera's picture, the microphone's level, the devices, the name; and what to do when
 * one fails.
 */

import { Level } from "../lib/level.js";
import { find, icon, make, setIcon } from "./dom.js";
import { onSend, showNotice } from "./forms.js";
import { remembered } from "./settings.js";

/**
 * @typedef {import("../lib/meeting.js").Meeting} Meeting
 * @typedef {import("../lib/errors.js").ParleyError} ParleyError
 */

/** @typedef {"microphone" | "camera"} Device */

/** What trying again can mend, once the person has done as told. */
const MENDABLE = new Set([
  "permission_denied",
  "device_in_use",
  "device_failed",
  "no_microphone",
  "no_camera",
]);

export class Lobby {
  #meeting;
  #root = find('section[data-view="lobby"]');
  #form = /** @type {HTMLFormElement} */ (find('[data-form="join"]'));
  #preview = find('[data-part="preview"]');
  #video = /** @type {HTMLVideoElement} */ (find("video", this.#preview));
  #meter = find('[data-part="level"]');
  #problems = find('[data-part="device-problems"]');
  /** @type {Level | null} */
  #level = null;
  /** @type {MediaStreamTrack | null} */
  #measured = null;
  #metering = 0;
  /** @type {Map<Device, ParleyError>} why each device is not on */
  #faults = new Map();

  /** @param {Meeting} meeting */
  constructor(meeting) {
    this.#meeting = meeting;
    const { local } = meeting;
    local.on("change", () => this.#show());
    local.on("problem", ({ device, error }) => {
      if (device !== "screen") this.#faults.set(device, error);
      this.#explain();
    });
    find('[data-action="lobby-mic"]').onclick = () => local.turn("microphone", !local.isOn("microphone"));
    find('[data-action="lobby-camera"]').onclick = () => local.turn("camera", !local.isOn("camera"));
    onSend(this.#form, ({ name = "" }) => this.#join(name.trim()));
  }

  /** Come on: fill in what is known, and open the devices. @param {{devices?: boolean}} [options] */
  async enter({ devices = true } = {}) {
    const { info, local } = this.#meeting;
    find('[data-part="title"]', this.#root).textContent = info?.title ?? "Meeting";
    find('[data-part="host"]', this.#root).textContent = info ? `Hosted by ${info.host.name}` : "";
    const name = /** @type {HTMLInputElement | null} */ (this.#form.querySelector("[name=name]"));
    if (name && name.value === "") name.value = remembered.name ?? "";
    this.#show();
    if (!devices) return;
    await Promise.all([local.turn("microphone", true), local.turn("camera", true)]);
  }

  /** The call begins, or another view. */
  leave() {
    this.#closeLevel();
    this.#video.srcObject = null;
  }

  /** @param {ParleyError} error why joining did not work */
  fail(error) {
    showNotice(this.#form, error.message);
  }

  /** @param {string} name */
  async #join(name) {
    if (name) remembered.name = name;
    showNotice(this.#form, "");
    try {
      await this.#meeting.join({ name });
    } catch (error) {
      if (this.#meeting.call.state === "idle") throw error; // else the person has left meanwhile
    }
  }

  #show() {
    if (this.#root.hidden) return;
    const { local } = this.#meeting;
    showKey(find('[data-action="lobby-mic"]'), local.isOn("microphone"), "mic", "microphone");
    showKey(find('[data-action="lobby-camera"]'), local.isOn("camera"), "camera", "camera");
    const camera = local.track("camera");
    this.#preview.dataset.video = camera ? "on" : "off";
    if (camera && /** @type {MediaStream | null} */ (this.#video.srcObject)?.getVideoTracks()[0] !== camera) {
      this.#video.srcObject = new MediaStream([camera]);
    }
    const mended = [...this.#faults.keys()].filter(
      (device) => local.isOn(device) && this.#faults.delete(device),
    );
    if (mended.length > 0) this.#explain();
    const microphone = local.isOn("microphone") ? local.track("microphone") : null;
    if (microphone === this.#measured) return;
    this.#closeLevel();
    if (microphone) this.#openLevel(microphone);
  }

  /** Say why devices are not on; once, where both fail for one reason. */
  #explain() {
    if (this.#root.hidden) return;
    const [microphone, camera] = [this.#faults.get("microphone"), this.#faults.get("camera")];
    const notices = [];
    if (microphone && microphone.code === camera?.code) {
      notices.push(this.#notice("Camera and microphone", microphone, ["microphone", "camera"]));
    } else {
      if (microphone) notices.push(this.#notice("Microphone", microphone, ["microphone"]));
      if (camera) notices.push(this.#notice("Camera", camera, ["camera"]));
    }
    this.#problems.replaceChildren(...notices);
  }

  /** @param {string} title @param {ParleyError} error @param {Device[]} devices */
  #notice(title, error, devices) {
    const again = () => devices.forEach((device) => void this.#meeting.local.turn(device, true));
    const button = MENDABLE.has(error.code)
      ? make("button", { type: "button", className: "button compact", onclick: again }, "Try again")
      : null;
    const text = make("div", {}, make("strong", {}, title), error.message);
    return make("div", { className: "notice", dataset: { code: error.code } }, icon("alert"), text, button);
  }

  /** @param {MediaStreamTrack} track */
  #openLevel(track) {
    const level = new Level(track);
    const bars = [...this.#meter.children];
    const draw = () => {
      const loudness = level.read();
      bars.forEach((bar, i) => bar.classList.toggle("lit", loudness > 0.25 + (i * 0.65) / bars.length));
      this.#meter.setAttribute("aria-valuenow", String(Math.round(loudness * 100)));
      this.#metering = requestAnimationFrame(draw);
    };
    this.#level = level;
    this.#measured = track;
    draw();
  }

  #closeLevel() {
    cancelAnimationFrame(this.#metering);
    this.#level?.close();
    this.#level = null;
    this.#measured = null;
    for (const bar of this.#meter.children) bar.classList.remove("lit");
    this.#meter.setAttribute("aria-valuenow", "0");
  }
}

/**
 * Show a device's button as on or off: its icon, its colour, what a press would do.
 * @param {HTMLElement} key @param {boolean} on @param {string} iconName @param {string} device @param {string} [shortcut]
 */
export function showKey(key, on, iconName, device, shortcut) {
  const label = `Turn ${on ? "off" : "on"} ${device}`;
  key.dataset.on = String(on);
  key.setAttribute("aria-label", label);
  if (shortcut) key.dataset.tip = `${label} (${shortcut})`;
  setIcon(key, on ? iconName : `${iconName}-off`);
}
