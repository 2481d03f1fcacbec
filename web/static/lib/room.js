/**
 * The room as the node tells it: a snapshot, and one delta after the other. Pure; values are never changed
 * in place.
 *
 * Each delta raises the version by one. A gap means that a message was missed, and then the only
 * honest thing is a fresh snapshot: `applyDelta` throws, and the caller asks for one by resuming.
 */

/**
 * @typedef {import("./protocol.js").Room} Room
 * @typedef {import("./protocol.js").PeerInfo} PeerInfo
 * @typedef {import("./protocol.js").TrackInfo} TrackInfo
 * @typedef {import("./protocol.js").Delta} Delta
 * @typedef {import("./protocol.js").Change} Change
 */

/** A delta does not follow the version at hand. */
export class VersionGap extends Error {
  /** @param {number} have @param {number} got */
  constructor(have, got) {
    super(`The room is at version ${have}, but the delta leads to ${got}`);
    this.name = "VersionGap";
  }
}

/** @param {Room} room @param {Delta} delta @returns {Room} @throws {VersionGap} */
export function applyDelta(room, delta) {
  if (delta.version !== room.version + 1) throw new VersionGap(room.version, delta.version);
  return { ...room, version: delta.version, peers: changed(room.peers, delta.change) };
}

/** @param {PeerInfo[]} peers @param {Change} change @returns {PeerInfo[]} */
function changed(peers, change) {
  switch (change.kind) {
    case "peer_joined":
      return [...peers, change.peer];
    case "peer_left":
      return peers.filter((peer) => peer.id !== change.peer);
    case "peer_connection":
      return withPeer(peers, change.peer, (peer) => ({ ...peer, connected: change.connected }));
    case "track_published":
      return withTracks(peers, change.peer, (tracks) => [...tracks, change.track]);
    case "track_changed":
      return withTracks(peers, change.peer, (tracks) =>
        tracks.map((track) => (track.id === change.track.id ? change.track : track)),
      );
    case "track_unpublished":
      return withTracks(peers, change.peer, (tracks) => tracks.filter((track) => track.id !== change.track));
    default:
      return peers; // a change of a newer node: what it says is unknown here, its version is not
  }
}

/** @param {PeerInfo[]} peers @param {string} id @param {(peer: PeerInfo) => PeerInfo} change */
function withPeer(peers, id, change) {
  return peers.map((peer) => (peer.id === id ? change(peer) : peer));
}

/** @param {PeerInfo[]} peers @param {string} id @param {(tracks: TrackInfo[]) => TrackInfo[]} change */
function withTracks(peers, id, change) {
  return withPeer(peers, id, (peer) => ({ ...peer, tracks: change(peer.tracks) }));
}

/** The peer's track of a source, if it publishes one. @param {PeerInfo} peer @param {string} source */
export function trackOf(peer, source) {
  return peer.tracks.find((track) => track.source === source);
}
