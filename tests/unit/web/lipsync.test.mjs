import assert from "node:assert/strict";
import { test } from "node:test";

import { capturedMs, LipSync, MOST_MS } from "../../../web/static/lib/lipsync.js";

/** A receiver whose buffer follows its target only so fast, and never goes below what its network needs. */
class Receiver {
  constructor(id, { needsMs, followsMsPerS = 1_000, biasMs = 0 }) {
    Object.assign(this, { id, needsMs, followsMsPerS, biasMs, track: `p.${id}`, delayMs: needsMs });
  }

  /** One second passes. */
  pass(targetMs = 0) {
    const aim = Math.max(this.needsMs, targetMs);
    const step = this.followsMsPerS;
    this.delayMs += Math.max(-step, Math.min(step, aim - this.delayMs));
  }

  /** As the page reads it; the buffer's part of the delay is known only with a bias. */
  playing(nowMs) {
    return {
      id: this.id,
      track: this.track,
      capturedMs: nowMs - this.delayMs,
      bufferedMs: this.delayMs + this.biasMs,
    };
  }
}

function run(lipSync, audio, video, seconds, { noise = () => 0, paired = true } = {}) {
  const skews = [];
  let targets = new Map();
  for (let second = 0; second < seconds; second++) {
    const [sound, picture] = [audio.playing(0), video.playing(noise())];
    const shown = new Map([
      [audio.id, audio.track],
      [video.id, video.track],
    ]);
    targets = lipSync.step(paired ? [{ audio: sound, video: picture }] : [], shown);
    audio.pass(targets.get(audio.id));
    video.pass(targets.get(video.id));
    skews.push(video.delayMs - audio.delayMs);
  }
  return { skews, targets };
}

const LATE = { needsMs: 240, biasMs: -20 };
const EARLY = { needsMs: 40, biasMs: 30 };

for (const [name, audio, video] of [
  ["late pictures", EARLY, LATE],
  ["late sound", LATE, EARLY],
  ["late pictures and a sound that is slow to follow", { ...EARLY, followsMsPerS: 40 }, LATE],
  ["late sound and slow pictures", LATE, { ...EARLY, followsMsPerS: 40 }],
]) {
  test(`${name}: 200 ms of skew are evened, without swinging`, () => {
    const [sound, picture] = [new Receiver("0", audio), new Receiver("3", video)];
    const lipSync = new LipSync();
    const noises = [9, -7, 12, -12, 0, 5];
    const { skews, targets } = run(lipSync, sound, picture, 60, { noise: () => noises.shift() ?? 0 });
    assert.ok(
      skews.slice(15).every((skew) => Math.abs(skew) <= 40),
      String(skews),
    );
    assert.ok(
      skews.every((skew) => skew * skews[0] >= 0 || Math.abs(skew) <= 40),
      `it overshoots: ${skews}`,
    );
    assert.equal(targets.size, 1);
  });
}

test("what was held back is let go when the other half is in time again", () => {
  const [audio, video] = [new Receiver("0", EARLY), new Receiver("3", LATE)];
  const lipSync = new LipSync();
  run(lipSync, audio, video, 20);
  assert.ok(audio.delayMs > 200);
  video.needsMs = 40;
  const { skews, targets } = run(lipSync, audio, video, 30);
  assert.ok(audio.delayMs < 80, `the sound is still ${audio.delayMs} ms late`);
  assert.ok(Math.abs(skews.at(-1)) <= 40);
  assert.ok(!targets.has("3"));
});

test("a buffer that has to be fuller than asked for is not counted as held back", () => {
  const [audio, video] = [new Receiver("0", EARLY), new Receiver("3", LATE)];
  const lipSync = new LipSync();
  run(lipSync, audio, video, 20);
  audio.needsMs = 600;
  const { skews, targets } = run(lipSync, audio, video, 20);
  assert.ok(Math.abs(skews.at(-1)) <= 40);
  assert.deepEqual([...targets.keys()], ["3"]);
});

test("nobody waits for more than a second", () => {
  const [audio, video] = [new Receiver("0", EARLY), new Receiver("3", { needsMs: 3_000 })];
  const { targets } = run(new LipSync(), audio, video, 40);
  assert.deepEqual([...targets], [["0", MOST_MS]]);
});

test("a skew within what nobody notices, or out of all reason, is left alone", () => {
  for (const needsMs of [20, 40, 60, 60_000]) {
    const { targets } = run(new LipSync(), new Receiver("0", EARLY), new Receiver("3", { needsMs }), 20);
    assert.equal(targets.size, 0, String(needsMs));
  }
});

test("a moment's skew changes nothing", () => {
  const lipSync = new LipSync();
  const [audio, video] = [new Receiver("0", { needsMs: 50 }), new Receiver("3", { needsMs: 50 })];
  let second = 0;
  const { targets } = run(lipSync, audio, video, 30, { noise: () => (second++ % 3 ? 0 : -400) });
  assert.equal(targets.size, 0);
});

test("a slot that shows somebody else starts anew, at once", () => {
  const [audio, video] = [new Receiver("0", EARLY), new Receiver("3", LATE)];
  const lipSync = new LipSync();
  run(lipSync, audio, video, 20);
  audio.track = "q.0";
  const { targets } = run(lipSync, audio, video, 1);
  assert.equal(targets.size, 0);
});

test("who falls silent keeps the picture held back for a while, then less and less", () => {
  const [audio, video] = [new Receiver("0", LATE), new Receiver("3", EARLY)];
  const lipSync = new LipSync();
  const held = run(lipSync, audio, video, 20).targets.get("3");
  assert.ok(held > 150);
  const after = run(lipSync, audio, video, 1, { paired: false }).targets.get("3");
  assert.ok(after < held && after >= held - 50);
  assert.equal(run(lipSync, audio, video, 10, { paired: false }).targets.size, 0);
});

test("while one of the two is not known to play, nothing changes", () => {
  const [audio, video] = [new Receiver("0", EARLY), new Receiver("3", LATE)];
  const lipSync = new LipSync();
  const before = run(lipSync, audio, video, 20).targets;
  const shown = new Map([
    ["0", audio.track],
    ["3", video.track],
  ]);
  const silent = { ...audio.playing(0), capturedMs: null };
  assert.deepEqual(lipSync.step([{ audio: silent, video: video.playing(0) }], shown), before);
});

test("what plays now follows from what played last, across the end of the timestamps", () => {
  const clock = { mid: "3", rtp_timestamp: 0xffff_ff00, captured_ms: 5_000 };
  const captured = (rtpTimestamp, age) =>
    capturedMs({ rtpTimestamp, timestamp: 100_000 - age }, clock, 90_000, 100_000);
  assert.equal(captured(0xffff_ff00, 0), 5_000);
  assert.equal(captured(0xffff_ff00, 30), 5_030);
  assert.equal(captured((0xffff_ff00 + 90_000) % 2 ** 32, 0), 6_000);
  assert.equal(captured(0xffff_ff00 - 45_000, 20), 4_520);
  assert.equal(captured(0xffff_ff00, 1_001), null);
  assert.equal(capturedMs(undefined, clock, 90_000, 100_000), null);
});
