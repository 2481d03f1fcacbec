import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_MS, RepairRoom } from "../../../web/static/lib/repairs.js";

/** What each second's counts lead to. @param {[number, number][]} seconds requests and packets @param {number} [rttMs] */
function rooms(seconds, rttMs) {
  const room = new RepairRoom();
  const counts = { requests: 50, packets: 900 };
  room.step("1", counts, rttMs);
  return seconds.map(([requests, packets]) => {
    counts.requests += requests;
    counts.packets += packets;
    return room.step("1", { ...counts }, rttMs);
  });
}

test("where packets are often asked for again there is room for a round trip and a little more", () => {
  assert.deepEqual(rooms([[8, 100]], 60), [160]);
  assert.deepEqual(rooms([[8, 100]]), [200]);
  assert.deepEqual(rooms([[8, 100]], 5_000), [MOST_MS]);
});

test("a loss now and then, or a slot that is quiet, needs none", () => {
  assert.deepEqual(
    rooms([
      [2, 100],
      [0, 0],
      [-52, -1000],
    ]),
    [0, 0, 0],
  );
});

test("what came before the first look does not count", () => {
  assert.equal(new RepairRoom().step("1", { requests: 500, packets: 1_000 }), 0);
});

test("what is needed no longer is given up bit by bit, and taken again at once", () => {
  const quiet = /** @type {[number, number]} */ ([0, 100]);
  const found = rooms([[8, 100], quiet, quiet, [8, 100], ...Array(11).fill(quiet)], 100);
  assert.deepEqual(found.slice(0, 5), [200, 180, 160, 200, 180]);
  assert.equal(found.at(-1), 0);
});
