/** The control bar of the call, its keyboard shortcuts, and the dialogs it opens. */

import { asParleyError } from "../lib/errors.js";
import { copy } from "./clipboard.js";
import { find, setIcon } from "./dom.js";
import { showKey } from "./lobby.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/meeting.js").Meeting} Meeting */

export class Controls {
  #meeting;
  #root = find('section[data-view="call"]');

  /**
   * @param {Meeting} meeting
   * @param {{togglePanel: (panel: "people" | "chat") => void, toggleReactions: () => void, closeAll: () => void}} page
   */
  constructor(meeting, page) {
    this.#meeting = meeting;
    this.page = page;
    const { local } = meeting;
    local.on("change", () => this.show());
    local.on("problem", ({ device, error }) => this.#explain(device, error));
    for (const key of document.querySelectorAll("[data-action]")) {
      const action = key.getAttribute("data-action") ?? "";
      if (action in this.#actions) key.addEventListener("click", () => this.#actions[action]?.());
    }
    addEventListener("keydown", (event) => this.#shortcut(event));
  }

  /** @type {Record<string, () => void>} what each button and key does */
  #actions = {
    microphone: () => void this.#meeting.local.turn("microphone", !this.#meeting.local.isOn("microphone")),
    camera: () => void this.#meeting.local.turn("camera", !this.#meeting.local.isOn("camera")),
    share: () =>
      this.#meeting.local.isSharing ? this.#meeting.local.stopSharing() : void this.#meeting.local.share(),
    react: () => this.page.toggleReactions(),
    people: () => this.page.togglePanel("people"),
    chat: () => this.page.togglePanel("chat"),
    leave: () => this.#meeting.leave(),
    "copy-link": () =>
      void copy(
        `${location.origin}/m/${this.#meeting.code}`,
        "The link is copied. Send it to whom you want here.",
      ),
    settings: () => /** @type {HTMLDialogElement} */ (find('dialog[data-part="settings"]')).showModal(),
    end: () => this.#confirmEnd(),
  };

  /** Show the buttons as things are. */
  show() {
    const { local } = this.#meeting;
    const key = (/** @type {string} */ action) => find(`.controls [data-action="${action}"]`);
    showKey(key("microphone"), local.isOn("microphone"), "mic", "microphone", "m");
    showKey(key("camera"), local.isOn("camera"), "camera", "camera", "v");
    const share = key("share");
    const label = local.isSharing ? "Stop sharing" : "Share a screen";
    share.dataset.on = String(local.isSharing || undefined);
    share.classList.toggle("sharing", local.isSharing);
    share.setAttribute("aria-label", label);
    share.dataset.tip = `${label} (s)`;
    setIcon(share, local.isSharing ? "screen-stop" : "screen");
    find('[data-action="end"]', this.#root).hidden = !this.#meeting.isHost;
  }

  /** @param {KeyboardEvent} event */
  #shortcut(event) {
    if (this.#root.hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = /** @type {Element} */ (event.target);
    if (event.key === "Escape") return this.page.closeAll();
    if (target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    const actions = /** @type {Record<string, string>} */ ({
      m: "microphone",
      v: "camera",
      s: "share",
      r: "react",
      p: "people",
      c: "chat",
    });
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    this.#actions[action]?.();
  }

  /**
   * @param {"microphone" | "camera" | "screen"} device
   * @param {import("../lib/errors.js").ParleyError} error
   */
  #explain(device, error) {
    if (this.#root.hidden || error.code === "share_cancelled") return;
    toast(`${{ microphone: "Microphone", camera: "Camera", screen: "Screen" }[device]}: ${error.message}`, {
      seconds: 10,
    });
  }

  #confirmEnd() {
    const dialog = /** @type {HTMLDialogElement} */ (find('dialog[data-part="end"]'));
    dialog.returnValue = "";
    dialog.onclose = async () => {
      if (dialog.returnValue !== "end") return;
      try {
        await this.#meeting.end();
      } catch (error) {
        toast(asParleyError(error).message);
      }
    };
    dialog.showModal();
  }
}
