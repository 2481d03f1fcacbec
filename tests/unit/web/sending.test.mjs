import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { amend, layersOf } from "../../../web/static/lib/layers.js";
import { Sending } from "../../../web/static/lib/sending.js";

const HD = { width: 1280, height: 720 };
const VGA = { width: 640, height: 480 };
const tick = () => new Promise((resolve) => setImmediate(resolve));
const activeOf = (layers) => layers.filter(({ active }) => active).map(({ rid }) => rid ?? "");

test("only the layers that the picture allows and somebody needs are active", () => {
  for (const [source, size, needed, active] of [
    ["camera", HD, null, ["q", "h", "f"]],
    ["camera", HD, ["q", "h", "f"], ["q", "h", "f"]],
    ["camera", HD, ["h"], ["h"]],
    ["camera", HD, [], []],
    ["camera", HD, ["later"], []],
    ["camera", VGA, ["h", "f"], ["h"]],
    ["camera", VGA, ["f"], []],
    ["screen", HD, null, [""]],
    ["screen", HD, [""], [""]],
    ["screen", HD, [], []],
  ]) {
    assert.deepEqual(activeOf(layersOf(source, size, needed)), active, `${source} ${needed}`);
  }
});

test("encodings are changed only where they differ from what is wished for", () => {
  const encodings = layersOf("camera", HD).map((layer) => ({ ...layer, priority: "low" }));
  assert.equal(amend(encodings, layersOf("camera", HD)), false);
  assert.equal(amend(encodings, layersOf("camera", HD, ["q"])), true);
  assert.deepEqual(activeOf(encodings), ["q"]);
  assert.ok(encodings.every(({ priority }) => priority === "low"));
});

/** A sender as the specification has it: one change at a time, and only of what was read just before. */
class Sender {
  changes = 0;
  #busy = false;
  #read = null;

  constructor(track, encodings) {
    Object.assign(this, { track, encodings });
  }

  getParameters() {
    this.#read = { encodings: structuredClone(this.encodings) };
    setImmediate(() => (this.#read = null));
    return this.#read;
  }

  async setParameters(parameters) {
    if (this.#busy || parameters !== this.#read) throw new DOMException("", "InvalidModificationError");
    await this.#change(() => (this.encodings = structuredClone(parameters.encodings)));
  }

  async replaceTrack(track) {
    await this.#change(() => (this.track = track));
  }

  async #change(how) {
    this.#busy = true;
    this.changes += 1;
    await tick();
    how();
    this.#busy = false;
  }
}

class Connection {
  addTransceiver(track, { direction, sendEncodings }) {
    this.sender = new Sender(typeof track === "string" ? null : track, sendEncodings);
    return { mid: "4", direction, sender: this.sender };
  }
}

let reported = [];

beforeEach(() => {
  reported = [];
  Object.assign(globalThis, {
    RTCRtpSender: { getCapabilities: () => null },
    reportError: (error) => reported.push(error),
  });
});

afterEach(() => {
  assert.deepEqual(reported, []);
});

function sending(source = "camera", size = HD) {
  const pc = new Connection();
  const publication = { track: { id: "one" }, muted: false, ...size };
  return { made: new Sending(pc, source, publication), publication, sender: pc.sender };
}

async function settled() {
  for (let i = 0; i < 10; i++) await tick();
}

test("what was needed last holds, however fast needs change", async () => {
  const { made, sender } = sending();
  for (const rids of [["q"], [], ["q", "h", "f"], ["h"], ["q", "h"]]) {
    made.need(rids);
    await Promise.resolve();
  }
  await settled();
  assert.deepEqual(activeOf(sender.encodings), ["q", "h"]);
  assert.ok(sender.changes <= 3);
});

test("a need outlives a new camera, which is sent as its own size allows", async () => {
  const { made, publication, sender } = sending();
  made.need(["q", "h"]);
  made.publish({ ...publication, track: { id: "two" }, ...VGA });
  await settled();
  assert.equal(sender.track.id, "two");
  assert.deepEqual(activeOf(sender.encodings), ["q", "h"]);
  made.publish({ ...publication, track: { id: "three" } });
  made.need(["f"]);
  await settled();
  assert.deepEqual(activeOf(sender.encodings), ["f"]);
});

test("what a negotiation undid is done again, and what is as it should be is not touched", async () => {
  const { made, sender } = sending();
  made.need(["q"]);
  await settled();
  const { changes } = sender;
  made.settle();
  await settled();
  assert.equal(sender.changes, changes);
  sender.encodings = layersOf("camera", HD);
  made.settle();
  await settled();
  assert.deepEqual(activeOf(sender.encodings), ["q"]);
});

test("a source published anew is needed whole", async () => {
  const { made, publication, sender } = sending("screen");
  made.need([]);
  await settled();
  assert.deepEqual(activeOf(sender.encodings), []);
  assert.equal(made.retire(), true);
  assert.equal(made.retire(), false);
  await settled();
  assert.equal(sender.track, null);
  assert.equal(made.publish(publication), true);
  await settled();
  assert.equal(sender.track, publication.track);
  assert.deepEqual(activeOf(sender.encodings), [""]);
});

test("a failure is reported, unless the connection was closed", async () => {
  const { made, sender } = sending();
  sender.setParameters = () => Promise.reject(new Error("refused"));
  made.need(["q"]);
  await settled();
  assert.equal(reported.splice(0).length, 1);
  made.need(["h"]);
  made.end();
  await settled();
});
