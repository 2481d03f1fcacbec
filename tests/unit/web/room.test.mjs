import assert from "node:assert/strict";
import { test } from "node:test";

import { applyDelta, trackOf, VersionGap } from "../../../web/static/lib/room.js";

const mic = { id: "a.0", kind: "audio", source: "microphone", muted: false, width: 0, height: 0 };
const camera = { id: "a.1", kind: "video", source: "camera", muted: false, width: 1280, height: 720 };
const ada = { id: "a", name: "Ada", user: null, connected: true, tracks: [mic] };
const bob = { id: "b", name: "Bob", user: "u1", connected: true, tracks: [] };
const room = { version: 7, room: "r", peers: [ada] };

/** The room after the changes, one version each. */
function after(start, ...changes) {
  return changes.reduce(
    (at, change) => applyDelta(at, { type: "delta", version: at.version + 1, change }),
    start,
  );
}

test("each change does what it says", () => {
  for (const [name, change, peers] of [
    ["joined", { kind: "peer_joined", peer: bob }, [ada, bob]],
    ["left", { kind: "peer_left", peer: "a", code: "left" }, []],
    ["lost", { kind: "peer_connection", peer: "a", connected: false }, [{ ...ada, connected: false }]],
    ["published", { kind: "track_published", peer: "a", track: camera }, [{ ...ada, tracks: [mic, camera] }]],
    [
      "muted",
      { kind: "track_changed", peer: "a", track: { ...mic, muted: true } },
      [{ ...ada, tracks: [{ ...mic, muted: true }] }],
    ],
    ["unpublished", { kind: "track_unpublished", peer: "a", track: "a.0" }, [{ ...ada, tracks: [] }]],
    ["of a newer node", { kind: "tea_served", peer: "a" }, [ada]],
  ]) {
    assert.deepEqual(after(room, change), { version: 8, room: "r", peers }, name);
  }
});

test("order is kept: peers as they came, tracks as they were published", () => {
  const end = after(
    room,
    { kind: "peer_joined", peer: bob },
    { kind: "track_published", peer: "a", track: camera },
    { kind: "track_changed", peer: "a", track: { ...mic, muted: true } },
  );
  assert.deepEqual(
    end.peers.map((peer) => peer.id),
    ["a", "b"],
  );
  assert.deepEqual(
    end.peers[0].tracks.map((track) => track.id),
    ["a.0", "a.1"],
  );
  assert.equal(trackOf(end.peers[0], "camera").width, 1280);
});

test("a missed or repeated version is noticed", () => {
  for (const version of [7, 9]) {
    assert.throws(
      () => applyDelta(room, { type: "delta", version, change: { kind: "peer_joined", peer: bob } }),
      VersionGap,
    );
  }
});

test("the old value is untouched", () => {
  const before = structuredClone(room);
  after(
    room,
    { kind: "track_changed", peer: "a", track: { ...mic, muted: true } },
    { kind: "peer_joined", peer: bob },
  );
  assert.deepEqual(room, before);
});
