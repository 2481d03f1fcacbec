import assert from "node:assert/strict";
import { test } from "node:test";

import { sameWants, ViewSender, wantsOf } from "../../../web/static/lib/view.js";

const tile = (track, width, height, priority = "grid") => ({ track, width, height, priority });

test("wants are in device pixels, rounded up, the most important first", () => {
  const wants = wantsOf(
    [tile("a.1", 100, 60, "thumbnail"), tile("b.1", 321, 180), tile("c.2", 900, 500, "screen")],
    2,
  );
  assert.deepEqual(wants, [
    { track: "c.2", width: 1808, height: 1008, priority: "screen" },
    { track: "b.1", width: 656, height: 368, priority: "grid" },
    { track: "a.1", width: 208, height: 128, priority: "thumbnail" },
  ]);
});

test("what is not drawn is not wanted, and what is drawn twice is wanted once", () => {
  const wants = wantsOf([
    tile("a.1", 0, 90),
    tile("b.1", 160, 96, "thumbnail"),
    tile("b.1", 640, 368, "pinned"),
  ]);
  assert.deepEqual(wants, [{ track: "b.1", width: 640, height: 368, priority: "pinned" }]);
});

test("no view is larger than the node takes", () => {
  const wants = wantsOf(Array.from({ length: 200 }, (_, i) => tile(`p${i}.1`, 100_000, 90)));
  assert.equal(wants.length, 128);
  assert.equal(wants[0].width, 16_384);
});

test("a view is sent at once, and changes that follow closely are one more", () => {
  const sent = [];
  let due = null;
  const sender = new ViewSender((wants) => sent.push(wants), {
    timers: { setTimeout: (run) => (due = run) },
  });
  const later = () => {
    const run = due;
    due = null;
    run?.();
  };
  const [a, b, c] = ["a.1", "b.1", "c.1"].map((track) => wantsOf([tile(track, 320, 180)]));
  sender.want(a);
  assert.deepEqual(sent, [a]);
  sender.want(b);
  sender.want(c);
  assert.deepEqual(sent, [a]);
  later();
  assert.deepEqual(sent, [a, c]);
  later();
  sender.want(wantsOf([tile("c.1", 318, 179)]));
  later();
  sender.want([]);
  assert.deepEqual(sent, [a, c, []]);
});

test("wants are the same only in the same order and size", () => {
  const [a, b] = [wantsOf([tile("a.1", 320, 180)])[0], wantsOf([tile("b.1", 320, 180)])[0]];
  assert.ok(sameWants([a, b], [a, b]));
  assert.ok(!sameWants([a, b], [b, a]));
  assert.ok(!sameWants([a], [a, b]));
  assert.ok(!sameWants([a], [{ ...a, width: 16 }]));
});
