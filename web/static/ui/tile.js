/** One tile: a person or a shared screen. It shows what it is told and knows nothing of the call. */

import { find, fromTemplate, hueOf, initials, make } from "./dom.js";

/** @typedef {import("./scene.js").Tile} TileModel @typedef {import("./layout.js").Rect} Rect */

export class Tile {
  element = fromTemplate("tile");
  #media = find(".media", this.element);
  #name = find('[data-slot="name"]', this.element);
  #avatar = find(".avatar", this.element);
  #pin = /** @type {HTMLButtonElement} */ (find(".pin", this.element));
  /** @type {HTMLVideoElement | null} */
  #video = null;

  /** @param {TileModel} model @param {(key: string) => void} onPin */
  constructor(model, onPin) {
    this.model = model;
    this.#pin.onclick = () => onPin(this.model.key);
    this.update(model, false);
  }

  /** @param {TileModel} model @param {boolean} pinned */
  update(model, pinned) {
    this.model = model;
    const { peer, track, source, self, muted, speaking, connected, paused } = model;
    const data = {
      peer,
      track: track ?? "",
      source,
      self,
      muted,
      speaking,
      connected,
      paused,
      hue: hueOf(model.name),
    };
    for (const [key, value] of Object.entries(data)) setData(this.element, key, String(value));
    setText(this.#name, this.#label());
    setText(this.#avatar, initials(model.name));
    setData(this.#avatar, "hue", hueOf(model.name));
    setAttribute(this.element, "aria-label", this.#description());
    setAttribute(this.#pin, "aria-pressed", String(pinned));
    setAttribute(this.#pin, "aria-label", `${pinned ? "Unpin" : "Pin"} ${this.#label()}`);
  }

  /** @param {Rect} rect @param {{floating?: boolean}} [options] */
  place({ x, y, width, height }, { floating = false } = {}) {
    this.rect = { x, y, width, height };
    const { style } = this.element;
    style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    style.width = `${Math.round(width)}px`;
    style.height = `${Math.round(height)}px`;
    this.element.classList.toggle("floating", floating);
  }

  /**
   * Show a video element here, or none; it is drawn only when `live`, else the face stays before it.
   * @param {HTMLVideoElement | null} video @param {boolean} live
   */
  show(video, live) {
    if (video !== this.#video) {
      if (this.#video?.parentNode === this.#media) this.#video.remove();
      this.#video = video;
    }
    if (video && video.parentNode !== this.#media) move(video, this.#media);
    setData(this.element, "video", video && live ? "on" : "off");
  }

  /** Let the video go without stopping it: it is about to be shown elsewhere. */
  release() {
    this.#video = null;
  }

  /** Float a reaction over the tile. @param {string} emoji */
  cheer(emoji) {
    const element = make("span", { className: "cheer", ariaHidden: "true" }, emoji);
    element.onanimationend = () => element.remove();
    this.element.append(element);
  }

  #label() {
    const { name, self, source } = this.model;
    if (source === "screen") return `${name}’s screen`;
    return self ? `${name} (you)` : name;
  }

  #description() {
    const { source, muted, track, speaking, connected, paused } = this.model;
    const camera = source === "camera";
    const state = [
      connected ? "" : "reconnecting",
      camera && muted ? "muted" : "",
      camera && !track ? "camera off" : "",
      paused ? "video paused, your network is slow" : "",
      speaking ? "speaking" : "",
    ];
    return [this.#label(), ...state.filter(Boolean)].join(", ");
  }
}

/**
 * Move an element without ending its playback: at once, so that it is never outside the document.
 * @param {Element} element
 * @param {Element} parent
 */
function move(element, parent) {
  parent.append(element);
  if (element instanceof HTMLVideoElement && element.paused) void element.play().catch(() => {});
}

/**
 * Tiles are updated many times a second: what is the same is not touched.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {string} value
 */
function setData(element, key, value) {
  if (element.dataset[key] !== value) element.dataset[key] = value;
}

/** @param {Element} element @param {string} name @param {string} value */
function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
