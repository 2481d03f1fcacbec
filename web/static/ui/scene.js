/**
 * What is on the stage: which tiles, in which order, which one large, which page. Pure.
 *
 * People stay where they are: somebody who speaks from a later page takes the place of the one on the
 * first page who has been silent longest, and nobody else moves.
 */

/**
 * @typedef {import("../lib/protocol.js").PeerInfo} PeerInfo
 * @typedef {import("../lib/protocol.js").Room} Room
 * @typedef {import("../lib/protocol.js").SlotQuality} SlotQuality
 * @typedef {{key: string, peer: string, name: string, source: "camera" | "screen", track: string | null, self: boolean,
 *   muted: boolean, speaking: boolean, connected: boolean, paused: boolean}} Tile
 *   `track`: the video to show, null while there is none; `paused`: it is held back, as the network here is
 *   too slow for it; `key` names the tile for as long as it exists
 */

export const PER_PAGE = 9;

/**
 * All tiles of a room: the others' cameras in `order`, every screen shared by others, and oneself last.
 * @param {{room: Room, me: string, speakers: string[], order: string[], quality: SlotQuality[]}} now
 * @returns {{others: Tile[], screens: Tile[], self: Tile | null}}
 */
export function tilesOf({ room, me, speakers, order, quality }) {
  const heldBack = quality.flatMap(({ track, reason }) => (reason === "no_bandwidth" ? [track] : []));
  const tile = (/** @type {PeerInfo} */ peer) => cameraTile(peer, me, speakers, heldBack);
  const others = room.peers.filter((peer) => peer.id !== me);
  const self = room.peers.find((peer) => peer.id === me);
  const screens = others.flatMap((peer) => screenTile(peer, heldBack));
  const place = new Map(order.map((id, i) => [id, i]));
  const inOrder = others.toSorted(
    (a, b) => (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity) || 0,
  );
  return { others: inOrder.map(tile), screens, self: self ? tile(self) : null };
}

/**
 * @param {PeerInfo} peer @param {string} me @param {string[]} speakers @param {string[]} heldBack tracks
 * @returns {Tile}
 */
function cameraTile(peer, me, speakers, heldBack) {
  const camera = peer.tracks.find(({ source }) => source === "camera");
  const microphone = peer.tracks.find(({ source }) => source === "microphone");
  const muted = microphone?.muted ?? true;
  return {
    key: `${peer.id}/camera`,
    peer: peer.id,
    name: peer.name,
    source: "camera",
    track: camera && !camera.muted ? camera.id : null,
    self: peer.id === me,
    muted,
    speaking: !muted && speakers.includes(peer.id),
    connected: peer.connected,
    paused: camera !== undefined && !camera.muted && heldBack.includes(camera.id),
  };
}

/** @param {PeerInfo} peer @param {string[]} heldBack @returns {Tile[]} */
function screenTile(peer, heldBack) {
  const screen = peer.tracks.find(({ source, muted }) => source === "screen" && !muted);
  if (!screen) return [];
  const shared = {
    key: `${peer.id}/screen`,
    peer: peer.id,
    name: peer.name,
    source: /** @type {const} */ ("screen"),
    track: screen.id,
  };
  const paused = heldBack.includes(screen.id);
  return [{ ...shared, self: false, muted: false, speaking: false, connected: peer.connected, paused }];
}

/**
 * The tile to show large, if any: the pinned one, else the latest shared screen.
 * @param {Tile[]} tiles @param {Tile[]} screens @param {string | null} pinned a tile's key
 */
export function mainOf(tiles, screens, pinned) {
  return tiles.find(({ key }) => key === pinned) ?? screens.at(-1) ?? null;
}

/**
 * One page of a list, oneself last on the first page.
 * @param {Tile[]} others @param {Tile | null} self null: oneself has no place in it
 * @param {number} perPage @param {number} page
 * @returns {{tiles: Tile[], page: number, pages: number}} the page nearest to the one asked for
 */
export function pageOf(others, self, perPage, page) {
  const all = self ? others.toSpliced(Math.min(others.length, perPage - 1), 0, self) : others;
  const pages = Math.max(1, Math.ceil(all.length / perPage));
  const at = Math.min(Math.max(0, page), pages - 1);
  return { tiles: all.slice(at * perPage, (at + 1) * perPage), page: at, pages };
}

/** The order of the others' tiles, which speakers change as little as possible. */
export class Order {
  /** @type {string[]} */
  peers = [];
  /** When each spoke last, by a counter. @type {Map<string, number>} */
  #spoke = new Map();
  #count = 0;

  /**
   * Newcomers go last, who left is forgotten, and speakers come to the first `places`.
   * @param {string[]} present @param {string[]} speakers @param {number} places
   */
  update(present, speakers, places) {
    this.peers = [
      ...this.peers.filter((id) => present.includes(id)),
      ...present.filter((id) => !this.peers.includes(id)),
    ];
    this.#count += 1;
    for (const id of speakers) this.#spoke.set(id, this.#count);
    for (const id of speakers) this.#promote(id, places);
  }

  /** @param {string} speaker @param {number} places */
  #promote(speaker, places) {
    const from = this.peers.indexOf(speaker);
    if (from < places) return;
    const first = this.peers.slice(0, places);
    const silentSince = (/** @type {string} */ id) => this.#spoke.get(id) ?? 0;
    const to = first.reduce(
      (best, id, i) => (silentSince(id) <= silentSince(first[best] ?? id) ? i : best),
      0,
    );
    if (silentSince(first[to] ?? speaker) === this.#count) return; // all of them speak now
    const displaced = /** @type {string} */ (this.peers[to]);
    this.peers = this.peers.with(to, speaker).with(from, displaced);
  }
}
