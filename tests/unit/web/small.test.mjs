import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs } from "../../../web/static/lib/backoff.js";
import { acceptDescriptors, AUDIO_CODECS, choose, VIDEO_CODECS } from "../../../web/static/lib/codecs.js";
import { Emitter } from "../../../web/static/lib/emitter.js";
import { ParleyError, SENTENCES } from "../../../web/static/lib/errors.js";
import { cameraLayers } from "../../../web/static/lib/layers.js";
import { deviceError } from "../../../web/static/lib/media.js";
import { next, TRANSITIONS } from "../../../web/static/lib/states.js";

test("waits double from half a second to eight, with at most half of it as spread", () => {
  const whole = [0, 1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(attempt, () => 0.999999));
  assert.deepEqual(whole.map(Math.round), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(
    backoffMs(3, () => 0),
    2000,
  );
});

test("every state leads somewhere, and only known states are reached", () => {
  const states = Object.keys(TRANSITIONS);
  for (const [state, events] of Object.entries(TRANSITIONS)) {
    assert.ok(Object.keys(events).length > 0, state);
    for (const to of Object.values(events)) assert.ok(states.includes(to));
  }
  assert.equal(next("connected", "lost"), "reconnecting");
  assert.throws(() => next("idle", "lost"), /idle/);
});

test("one profile of each codec is offered, in our order", () => {
  const codec = (mimeType, sdpFmtpLine) => ({ mimeType, sdpFmtpLine, clockRate: 90000 });
  const browser = [
    codec("video/AV1", "level-idx=5;profile=1;tier=0"),
    codec("video/AV1", "level-idx=5;profile=0;tier=0"),
    codec("video/H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
    codec("video/H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    codec("video/rtx"),
    codec("video/VP9", "profile-id=2"),
    codec("video/VP9", "profile-id=0"),
    codec("video/VP8"),
    codec("video/ulpfec"),
  ];
  assert.deepEqual(choose(browser, VIDEO_CODECS), [
    browser[7],
    browser[6],
    browser[3],
    browser[1],
    browser[4],
  ]);
  assert.deepEqual(choose([], AUDIO_CODECS), []);
  const unsaid = { mimeType: "video/VP9", clockRate: 90000, sdpFmtpLine: "max-fs=12288;max-fr=60" };
  assert.deepEqual(choose([unsaid], VIDEO_CODECS), [unsaid]);
});

test("of a browser that can tell the layers of a stream, that is asked; others are left alone", () => {
  const uri = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
  const offered = [
    { uri: "urn:ietf:params:rtp-hdrext:sdes:mid", direction: "sendrecv" },
    { uri, direction: "stopped" },
  ];
  /** @type {unknown[]} */
  const asked = [];
  const transceiver = (/** @type {object[]} */ extensions) =>
    /** @type {any} */ ({
      getHeaderExtensionsToNegotiate: () => structuredClone(extensions),
      setHeaderExtensionsToNegotiate: (/** @type {object[]} */ wanted) => asked.push(wanted),
    });
  acceptDescriptors(transceiver(offered));
  acceptDescriptors(transceiver([offered[0]]));
  acceptDescriptors(/** @type {any} */ ({}));
  assert.deepEqual(asked, [[offered[0], { uri, direction: "sendrecv" }]]);
});

test("a camera's largest layer is its own size, and no more layers are asked for than browsers send", () => {
  for (const [width, height, scales] of [
    [1280, 720, [4, 2, 1]],
    [720, 1280, [4, 2, 1]],
    [960, 540, [4, 2, 1]],
    [640, 480, [2, 1]],
    [640, 360, [2, 1]],
    [320, 240, [1]],
    [0, 0, [1]],
  ]) {
    const layers = cameraLayers(width, height);
    assert.deepEqual(
      layers.map(({ rid }) => rid),
      ["q", "h", "f"],
    );
    assert.deepEqual(
      layers.filter(({ active }) => active).map(({ scaleResolutionDownBy }) => scaleResolutionDownBy),
      scales,
    );
    assert.ok(layers.every(({ scaleResolutionDownBy }) => scaleResolutionDownBy >= 1));
  }
});

test("listeners come and go, and one that throws does not silence the others", (context) => {
  const reports = [];
  context.mock.method(globalThis, "queueMicrotask", (report) => reports.push(report));
  const emitter = new Emitter();
  const heard = [];
  emitter.on("word", () => {
    throw new Error("a bug in a listener");
  });
  const stop = emitter.on("word", (word) => heard.push(word));
  emitter.emit("word", "one");
  stop();
  emitter.emit("word", "two");
  emitter.emit("nobody listens", 1);
  assert.deepEqual(heard, ["one"]);
  assert.equal(reports.length, 2);
  assert.throws(reports[0], /a bug/);
});

test("what browsers say of devices becomes a code with a sentence", () => {
  for (const [device, name, code] of [
    ["camera", "NotAllowedError", "permission_denied"],
    ["screen", "NotAllowedError", "share_cancelled"],
    ["microphone", "NotFoundError", "no_microphone"],
    ["camera", "NotFoundError", "no_camera"],
    ["camera", "OverconstrainedError", "no_camera"],
    ["camera", "NotReadableError", "device_in_use"],
    ["microphone", "SomethingNew", "device_failed"],
  ]) {
    const error = deviceError(device, new DOMException("", name));
    assert.equal(error.code, code);
    assert.equal(error.message, SENTENCES[code]);
  }
  assert.equal(new ParleyError("room_full", "The meeting is full.").message, "The meeting is full.");
});
