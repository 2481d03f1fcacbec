import assert from "node:assert/strict";
import { test } from "node:test";

import { notBefore, SlotLabels } from "../../../web/static/lib/slots.js";

test("timestamps compare modulo 2^32", () => {
  for (const [a, b, expected] of [
    [0, 0, true],
    [1, 0, true],
    [0, 1, false],
    [0, 0xffffffff, true],
    [0xffffffff, 0, false],
    [0x7fffffff, 0, true],
    [0x80000000, 0, false],
  ]) {
    assert.equal(notBefore(a, b), expected, `${a} against ${b}`);
  }
});

test("a frame belongs to the last label that began at or before it", () => {
  const labels = new SlotLabels();
  labels.label("a.0", 1000);
  labels.label("b.0", 5000);
  assert.equal(labels.trackAt(900), null);
  assert.equal(labels.trackAt(1000), "a.0");
  assert.equal(labels.trackAt(4999), "a.0");
  assert.equal(labels.trackAt(5000), "b.0");
});

test("a label that comes early waits for its frame, across the wrap", () => {
  const labels = new SlotLabels();
  labels.label("a.0", 0xfffff000);
  labels.label("b.0", 0x00000100);
  assert.equal(labels.latest, "b.0");
  assert.equal(labels.trackAt(0xfffff800), "a.0");
  assert.equal(labels.trackAt(0x000000ff), "a.0");
  assert.equal(labels.trackAt(0x00000100), "b.0");
});

test("a source that has begun holds for longer than half the timestamp's range", () => {
  const labels = new SlotLabels();
  labels.label("a.0", 1000);
  for (let timestamp = 1000, i = 0; i < 10; i++, timestamp = (timestamp + 0x60000000) >>> 0) {
    assert.equal(labels.trackAt(timestamp), "a.0");
  }
  labels.label("b.0", 500);
  assert.equal(labels.trackAt(400), "a.0");
  assert.equal(labels.trackAt(500), "b.0");
});

test("emptying takes effect at once, and late frames of the old source stay nameless", () => {
  const labels = new SlotLabels();
  labels.label("a.0", 1000);
  labels.trackAt(2000);
  labels.label(null);
  assert.equal(labels.latest, null);
  assert.equal(labels.trackAt(3000), null);
  labels.label("b.0", 9000);
  assert.equal(labels.trackAt(4000), null);
  assert.equal(labels.trackAt(9000), "b.0");
});

test("a label without a timestamp holds from the next frame on", () => {
  const labels = new SlotLabels();
  labels.label("a.0", 1000);
  labels.label("b.0");
  assert.equal(labels.trackAt(7), "b.0");
});

test("labels that never meet a frame do not pile up", () => {
  const labels = new SlotLabels();
  for (let i = 0; i < 1000; i++) labels.label(`p${i}.0`, i * 10);
  assert.equal(labels.trackAt(0), null);
  assert.equal(labels.trackAt(9990), "p999.0");
});
