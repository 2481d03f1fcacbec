/**
 * The stage: tiles for everybody, laid out over the space there is, with each slot's video in the tile
 * it belongs to; and from that, what video is wanted of the node.
 */

import { wantsOf } from "../lib/view.js";
import { find, make } from "./dom.js";
import { floating, focus, grid, selfFloats } from "./layout.js";
import { mainOf, Order, PER_PAGE, pageOf, tilesOf } from "./scene.js";
import { SlotVideo } from "./slot-video.js";
import { Tile } from "./tile.js";

/**
 * @typedef {import("../lib/meeting.js").Meeting} Meeting
 * @typedef {import("./scene.js").Tile} TileModel
 * @typedef {import("./layout.js").Rect} Rect
 * @typedef {import("../lib/protocol.js").Priority} Priority
 * @typedef {{model: TileModel, rect: Rect, priority: Priority, floating?: boolean}} Placed
 */

export class Stage {
  #meeting;
  #root = find('[data-part="stage"]');
  #tilesRoot = find('[data-part="tiles"]');
  #limbo = find('[data-part="limbo"]');
  #pager = find('[data-part="pager"]');
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {SlotVideo[]} */
  #videos = [];
  #selfVideo = make("video", { muted: true, autoplay: true, playsInline: true, tabIndex: -1 });
  #order = new Order();
  /** @type {string | null} */
  #pinned = null;
  #page = 0;
  #drawing = 0;

  /** @param {Meeting} meeting */
  constructor(meeting) {
    this.#meeting = meeting;
    const { call, local } = meeting;
    call.on("room", () => this.draw());
    call.on("speakers", () => this.draw());
    call.on("quality", () => this.draw());
    call.link.on("slots", () => this.#takeSlots());
    call.link.on("label", (slot) => this.#videos.find((video) => video.slot === slot)?.labelled());
    local.on("change", ({ source }) => source === "camera" && this.#showSelf());
    find('[data-action="page-back"]').onclick = () => this.#turnPage(-1);
    find('[data-action="page-on"]').onclick = () => this.#turnPage(1);
    new ResizeObserver(() => this.draw()).observe(this.#root);
    this.#showSelf();
  }

  /**
   * Draw anew, once for all that changes before the next frame; also while hidden, where frames do not come.
   */
  draw() {
    if (this.#drawing) return;
    this.#drawing = setTimeout(() => {
      this.#drawing = 0;
      this.#draw();
    }, 0);
  }

  /** @param {string} peer @param {string} emoji */
  cheer(peer, emoji) {
    this.#tiles.get(`${peer}/camera`)?.cheer(emoji);
  }

  #draw() {
    const { call } = this.#meeting;
    const size = { width: this.#root.clientWidth, height: this.#root.clientHeight };
    if (!call.room || size.width === 0) return;
    const present = call.room.peers.map(({ id }) => id).filter((id) => id !== call.peer);
    this.#order.update(
      present,
      call.speakers.filter((id) => id !== call.peer),
      PER_PAGE - 1,
    );
    const scene = tilesOf({
      room: call.room,
      me: call.peer ?? "",
      speakers: call.speakers,
      order: this.#order.peers,
      quality: call.quality,
    });
    const placed = this.#arrange(scene, size);
    this.#place(placed);
    this.#putVideos();
    this.#want(placed);
    find('[data-part="alone"]').hidden = present.length > 0;
  }

  /**
   * @param {ReturnType<typeof tilesOf>} scene
   * @param {import("./layout.js").Size} size
   * @returns {Placed[]}
   */
  #arrange({ others, screens, self }, size) {
    const main = mainOf([...others, ...screens, ...(self ? [self] : [])], screens, this.#pinned);
    const floats = self !== null && !main && selfFloats(others.length, size);
    const seated = floats || self === main ? null : self;
    const placed = main
      ? this.#arrangeFocus(
          main,
          [...screens, ...others].filter((tile) => tile !== main),
          seated,
          size,
        )
      : this.#arrangeGrid(others, seated, size);
    if (floats && self) {
      const rect = floating(
        placed.map((one) => one.rect),
        size,
      );
      placed.push({ model: self, rect, priority: "thumbnail", floating: true });
    }
    return placed;
  }

  /**
   * @param {TileModel} main
   * @param {TileModel[]} others
   * @param {TileModel | null} self
   * @param {import("./layout.js").Size} size
   */
  #arrangeFocus(main, others, self, size) {
    const layout = focus(others.length + (self ? 1 : 0), size);
    const { tiles } = this.#turnTo(pageOf(others, self, Math.max(1, layout.strip.length), this.#page));
    const priority = main.key === this.#pinned ? "pinned" : "screen";
    return [
      { model: main, rect: layout.main, priority: /** @type {Priority} */ (priority) },
      ...seat(tiles, layout.strip, "thumbnail"),
    ];
  }

  /** @param {TileModel[]} others @param {TileModel | null} self @param {import("./layout.js").Size} size */
  #arrangeGrid(others, self, size) {
    const { tiles } = this.#turnTo(pageOf(others, self, PER_PAGE, this.#page));
    const loudest = this.#meeting.call.speakers[0];
    return seat(tiles, grid(tiles.length, size), "grid").map((one) =>
      one.model.peer === loudest ? { ...one, priority: /** @type {Priority} */ ("speaker") } : one,
    );
  }

  /** @param {ReturnType<typeof pageOf>} turned */
  #turnTo(turned) {
    this.#page = turned.page;
    this.#pager.hidden = turned.pages === 1;
    find('[data-part="page"]', this.#pager).textContent = `${turned.page + 1} of ${turned.pages}`;
    /** @type {HTMLButtonElement} */ (find('[data-action="page-back"]')).disabled = turned.page === 0;
    /** @type {HTMLButtonElement} */ (find('[data-action="page-on"]')).disabled =
      turned.page === turned.pages - 1;
    return turned;
  }

  /** @param {number} by */
  #turnPage(by) {
    this.#page += by;
    this.draw();
  }

  /** @param {Placed[]} placed */
  #place(placed) {
    const kept = new Set(placed.map(({ model }) => model.key));
    for (const [key, tile] of this.#tiles) if (!kept.has(key)) this.#remove(key, tile);
    for (const { model, rect, floating } of placed) {
      const tile = this.#tiles.get(model.key) ?? this.#add(model);
      tile.update(model, model.key === this.#pinned);
      tile.place(rect, { floating });
      tile.element.classList.toggle("solo", placed.length === 1);
    }
  }

  /** @param {TileModel} model */
  #add(model) {
    const tile = new Tile(model, (key) => this.#togglePin(key));
    this.#tiles.set(model.key, tile);
    this.#tilesRoot.append(tile.element);
    return tile;
  }

  /** @param {string} key @param {Tile} tile */
  #remove(key, tile) {
    for (const video of this.#videos) {
      if (tile.element.contains(video.video)) this.#limbo.append(video.video);
    }
    tile.element.remove();
    this.#tiles.delete(key);
    if (this.#pinned === key) this.#pinned = null;
  }

  /** @param {string} key */
  #togglePin(key) {
    this.#pinned = this.#pinned === key ? null : key;
    this.#page = 0;
    this.draw();
  }

  // --- video ---------------------------------------------------------------------------------------

  #takeSlots() {
    const slots = this.#meeting.call.link.slots.filter(({ kind }) => kind === "video");
    for (const video of this.#videos) if (!slots.includes(video.slot)) video.close();
    this.#videos = slots.map((slot) => {
      const known = this.#videos.find((video) => video.slot === slot);
      if (known) return known;
      const video = new SlotVideo(slot, () => this.#putVideos());
      this.#limbo.append(video.video);
      return video;
    });
    this.#putVideos();
  }

  /**
   * Put each slot's video where its frames belong. A video whose next source has a tile, but whose frames
   * are still the last one's, waits behind that tile's face: hidden videos are not told of frames.
   */
  #putVideos() {
    for (const tile of this.#tiles.values()) {
      const { track, self, source } = tile.model;
      if (self && source === "camera")
        tile.show(this.#meeting.local.isOn("camera") ? this.#selfVideo : null, true);
      else this.#putVideo(tile, track);
    }
    for (const { video } of this.#videos) if (!video.parentNode) this.#limbo.append(video);
  }

  /** @param {Tile} tile @param {string | null} track */
  #putVideo(tile, track) {
    const live = track && this.#videos.find(({ shown }) => shown === track);
    const coming =
      track &&
      this.#videos.find(({ slot, shown }) => slot.labels.latest === track && !this.#isOnStage(shown));
    const video = live || coming || null;
    if (video) this.#tileHolding(video)?.release();
    tile.show(video ? video.video : null, Boolean(live));
  }

  /** @param {string | null} track */
  #isOnStage(track) {
    return track !== null && [...this.#tiles.values()].some(({ model }) => model.track === track);
  }

  /** @param {SlotVideo} video */
  #tileHolding({ video }) {
    return [...this.#tiles.values()].find(({ element }) => element.contains(video));
  }

  #showSelf() {
    const track = this.#meeting.local.track("camera");
    this.#selfVideo.srcObject = track ? new MediaStream([track]) : null;
    this.draw();
  }

  /** @param {Placed[]} placed */
  #want(placed) {
    const drawn = placed.flatMap(({ model: { track, self }, rect, priority }) =>
      track && !self ? [{ track, width: rect.width, height: rect.height, priority }] : [],
    );
    this.#meeting.call.link.want(wantsOf(drawn, devicePixelRatio));
  }
}

/** @param {TileModel[]} tiles @param {Rect[]} rects @param {Priority} priority @returns {Placed[]} */
function seat(tiles, rects, priority) {
  return tiles.flatMap((model, i) => {
    const rect = rects[i];
    return rect ? [{ model, rect, priority }] : [];
  });
}
