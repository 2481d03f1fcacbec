import assert from "node:assert/strict";
import { test } from "node:test";

import { mainOf, Order, pageOf, tilesOf } from "../../../web/static/ui/scene.js";

const track = (id, source, muted = false) => ({
  id,
  kind: source === "microphone" ? "audio" : "video",
  source,
  muted,
  width: 0,
  height: 0,
});
const peer = (id, ...tracks) => ({ id, name: `Name of ${id}`, user: null, connected: true, tracks });
const scene = (peers, { me = "me", speakers = [], order = [], quality = [] } = {}) =>
  tilesOf({ room: { version: 1, room: "r", peers }, me, speakers, order, quality });

test("everybody has a tile, oneself apart, and each screen shared by others one more", () => {
  const { others, screens, self } = scene([
    peer("a", track("a.0", "microphone"), track("a.1", "camera"), track("a.2", "screen")),
    peer("me", track("me.1", "camera"), track("me.2", "screen")),
    peer("b", track("b.1", "camera", true), track("b.2", "screen", true)),
  ]);
  assert.deepEqual(
    others.map(({ key, track, muted }) => [key, track, muted]),
    [
      ["a/camera", "a.1", false],
      ["b/camera", null, true],
    ],
  );
  assert.deepEqual(
    screens.map(({ key, track }) => [key, track]),
    [["a/screen", "a.2"]],
  );
  assert.equal(self.self, true);
});

test("who is muted does not speak", () => {
  const { others } = scene(
    [peer("a", track("a.0", "microphone", true)), peer("b", track("b.0", "microphone"))],
    { speakers: ["a", "b"] },
  );
  assert.deepEqual(
    others.map(({ speaking }) => speaking),
    [false, true],
  );
});

test("a picture is paused where the network here is too slow for it, and nowhere else", () => {
  const slot = (track, reason) => ({ mid: track, track, reason });
  const people = [
    peer("a", track("a.1", "camera"), track("a.2", "screen")),
    peer("b", track("b.1", "camera")),
    peer("c", track("c.1", "camera", true)),
    peer("d"),
  ];
  const { others, screens } = scene(people, {
    quality: [
      slot("a.1", "bandwidth"),
      slot("a.2", "no_bandwidth"),
      slot("b.1", "no_bandwidth"),
      slot("c.1", "no_bandwidth"),
    ],
  });
  assert.deepEqual(
    [...others, ...screens].map(({ key, paused }) => [key, paused]),
    [
      ["a/camera", false],
      ["b/camera", true],
      ["c/camera", false],
      ["d/camera", false],
      ["a/screen", true],
    ],
  );
});

test("the pinned tile is large, else the latest screen", () => {
  const { others, screens } = scene([peer("a", track("a.2", "screen")), peer("b", track("b.2", "screen"))]);
  const all = [...others, ...screens];
  assert.equal(mainOf(all, screens, "a/camera").key, "a/camera");
  assert.equal(mainOf(all, screens, null).key, "b/screen");
  assert.equal(mainOf(others, [], "gone/camera"), null);
});

test("pages hold everybody once, oneself at the end of the first", () => {
  const others = Array.from({ length: 20 }, (_, i) => ({ key: `p${i}` }));
  const self = { key: "self" };
  const shown = [0, 1, 2].map((page) => pageOf(others, self, 9, page));
  assert.deepEqual(
    shown.map(({ tiles }) => tiles.length),
    [9, 9, 3],
  );
  assert.equal(shown[0].tiles[8], self);
  assert.equal(new Set(shown.flatMap(({ tiles }) => tiles)).size, 21);
  assert.deepEqual(pageOf(others, null, 9, 99).page, 2);
  assert.deepEqual(pageOf([], self, 9, -1), { tiles: [self], page: 0, pages: 1 });
});

test("newcomers go last and nobody moves for those who leave", () => {
  const order = new Order();
  order.update(["a", "b", "c"], [], 9);
  order.update(["c", "b", "d"], [], 9);
  assert.deepEqual(order.peers, ["b", "c", "d"]);
});

test("a speaker out of sight takes the place of who was silent longest; others stay", () => {
  const order = new Order();
  const present = ["a", "b", "c", "d", "e"];
  order.update(present, ["a"], 3);
  order.update(present, ["c"], 3);
  order.update(present, ["e"], 3);
  assert.deepEqual(order.peers, ["a", "e", "c", "d", "b"]);
  order.update(present, ["e", "a"], 3);
  assert.deepEqual(order.peers, ["a", "e", "c", "d", "b"]);
  order.update(present, ["b"], 3);
  assert.deepEqual(order.peers, ["a", "e", "b", "d", "c"]);
});

test("when all in sight speak, nobody is put out", () => {
  const order = new Order();
  order.update(["a", "b", "c"], ["a", "b", "c"], 2);
  assert.deepEqual(order.peers, ["a", "b", "c"]);
});
