import assert from "node:assert/strict";
import { test } from "node:test";

import { floating, focus, grid, selfFloats } from "../../../web/static/ui/layout.js";

const STAGES = [
  { width: 344, height: 560 },
  { width: 744, height: 880 },
  { width: 1416, height: 780 },
  { width: 2536, height: 700 },
  { width: 300, height: 120 },
];

const apart = (a, b) =>
  a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

/** No tile leaves the stage or covers another. */
function assertTidy(rects, stage) {
  for (const [i, rect] of rects.entries()) {
    assert.ok(rect.x >= 0 && rect.y >= 0, JSON.stringify(rect));
    assert.ok(
      rect.x + rect.width <= stage.width && rect.y + rect.height <= stage.height,
      JSON.stringify(rect),
    );
    for (const other of rects.slice(i + 1))
      assert.ok(apart(rect, other), `${JSON.stringify(rect)} covers ${JSON.stringify(other)}`);
  }
}

test("any number of tiles fits on any stage, all of one size", () => {
  for (const stage of STAGES) {
    for (let count = 0; count <= 25; count++) {
      const rects = grid(count, stage);
      assert.equal(rects.length, count);
      assertTidy(rects, stage);
      assert.equal(new Set(rects.map(({ width, height }) => `${width}x${height}`)).size, Math.min(1, count));
      const narrowest = stage.width < stage.height ? 3 / 5 : 4 / 3;
      for (const { width, height } of rects) {
        assert.ok(
          width / height <= 16 / 9 + 0.05 && width / height >= narrowest - 0.05,
          `${width}x${height}`,
        );
      }
    }
  }
});

test("the grid goes with the shape of the stage", () => {
  const columns = (count, stage) => new Set(grid(count, stage).map(({ x }) => x)).size;
  assert.equal(columns(2, { width: 344, height: 560 }), 1);
  assert.equal(columns(2, { width: 1416, height: 780 }), 2);
  assert.equal(columns(4, { width: 1416, height: 780 }), 2);
  assert.equal(columns(9, { width: 1416, height: 780 }), 3);
  assert.equal(columns(4, { width: 344, height: 600 }), 2);
});

test("the large tile has most of the stage, and the strip what fits beside it", () => {
  for (const stage of STAGES.slice(0, 4)) {
    for (const others of [0, 1, 4, 30]) {
      const { main, strip } = focus(others, stage);
      assertTidy([main, ...strip], stage);
      assert.ok(strip.length <= others && (others === 0 || strip.length > 0));
      assert.ok(main.width * main.height > 0.5 * stage.width * stage.height);
    }
  }
});

test("one's own picture floats between two people, and on a small stage", () => {
  const [phone, , desk] = STAGES;
  for (const [others, stage, expected] of [
    [0, phone, false],
    [1, phone, true],
    [1, desk, true],
    [2, phone, true],
    [2, desk, false],
    [3, phone, false],
  ]) {
    assert.equal(selfFloats(others, stage), expected);
  }
  for (const stage of STAGES.slice(0, 4)) {
    const under = grid(1, stage);
    const { x, y, width, height } = floating(under, stage);
    assert.ok(x > 0 && y > 0 && x + width <= stage.width && y + height <= stage.height);
  }
});
