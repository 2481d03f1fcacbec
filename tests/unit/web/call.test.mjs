import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Call } from "../../../web/static/lib/call.js";
import { ParleyError } from "../../../web/static/lib/errors.js";

/** A node's end of the signalling: it welcomes whoever says hello. */
class Socket {
  static OPEN = 1;
  /** @type {Socket[]} */
  static all = [];

  readyState = 1;
  sent = [];

  constructor(url) {
    this.url = url;
    Socket.all.push(this);
    queueMicrotask(() => this.onopen());
  }

  send(text) {
    const message = JSON.parse(text);
    this.sent.push(message);
    if (message.type === "hello") this.say({ type: "welcome", ...welcome(this.url) });
  }

  say(message) {
    queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(message) }));
  }

  close() {
    this.readyState = 3;
  }

  get left() {
    return this.sent.some(({ type }) => type === "leave");
  }
}

/** A connection that is up as soon as its offer is answered. */
class Connection {
  static all = [];
  connectionState = "new";
  iceConnectionState = "new";

  constructor() {
    Connection.all.push(this);
  }

  addTransceiver(kind) {
    return { receiver: { track: { kind } }, mid: null };
  }

  createDataChannel() {
    return { readyState: "connecting" };
  }

  async createOffer() {
    return { type: "offer", sdp: "v=0" };
  }

  async setLocalDescription() {}

  async setRemoteDescription() {
    this.connectionState = this.iceConnectionState = "connected";
    this.onconnectionstatechange();
  }

  getConfiguration() {
    return {};
  }

  setConfiguration() {}

  close() {
    this.connectionState = "closed";
  }
}

const globals = {
  WebSocket: Socket,
  RTCPeerConnection: Connection,
  RTCRtpReceiver: { getCapabilities: () => null },
  MediaStream: class {},
};

beforeEach(() => {
  Object.assign(globalThis, globals);
  Socket.all = [];
  Connection.all = [];
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});

afterEach(() => {
  mock.timers.reset();
  for (const name of Object.keys(globals)) delete globalThis[name];
});

const welcome = (url) => ({
  node: new URL(url).hostname,
  peer: "anna",
  resume: `stay-at-${new URL(url).hostname}`,
  linger_s: 30,
  room: { version: 1, peers: [{ id: "anna", name: "Anna", connected: true, tracks: [] }] },
  sdp: "v=0",
});
const offline = new ParleyError("offline");

/** Let everything happen that waits for no timer. */
async function settle() {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

/** Let so much time pass, and what it brings about. */
async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

/** A call at one node that was told to move; control's answer to who asks where to is `control.says`. */
async function moving(says) {
  const control = { asked: [], says: null };
  const call = new Call(
    async (back) => {
      control.asked.push(back);
      if (control.says instanceof Error) throw control.says;
      const node = control.says ?? "first";
      return { ticket: `to-${node}`, signal_url: `ws://${node}/signal`, node, ice_servers: [] };
    },
    { take: () => {}, current: async () => [] },
  );
  const states = [];
  await call.join();
  control.says = says;
  call.on("state", ({ state, error }) => states.push([state, error?.code ?? null]));
  await settle();
  states.length = 0;
  Socket.all[0].say({ type: "move" });
  await settle();
  return { call, control, states, first: Socket.all[0] };
}

test("who moves takes the ticket, and leaves the stay before once the new one has begun", async () => {
  const { call, control, states, first } = await moving("second");
  assert.deepEqual(control.asked.at(-1), { peer: "anna" });
  assert.equal(Socket.all[1].sent[0].ticket, "to-second");
  assert.equal(call.place?.node, "second");
  assert.ok(!first.left);
  await pass(3_000);
  assert.ok(first.left);
  assert.deepEqual(
    Connection.all.map(({ connectionState }) => connectionState),
    ["closed", "connected"],
  );
  assert.deepEqual(states, []);
});

test("while control cannot be asked where to, the stay goes on where it is", async () => {
  const { call, control, states, first } = await moving(offline);
  for (const ms of [500, 1_000, 2_000, 4_000, 8_000]) await pass(ms);
  assert.equal(control.asked.length, 7);
  assert.ok(!first.left);
  assert.equal(call.place?.node, "first");
  assert.ok(call.link.slots.length > 0);
  assert.equal(Connection.all[0].connectionState, "connected");
  control.says = "second";
  await pass(8_000);
  assert.equal(call.place?.node, "second");
  assert.deepEqual(states, []);
});

test("a stay that is cut off while control cannot be asked is taken up again where it was", async () => {
  const { call, states } = await moving(offline);
  call.networkChanged();
  await settle();
  assert.equal(Socket.all[1].sent[0].resume, "stay-at-first");
  assert.equal(call.place?.node, "first");
  assert.deepEqual(states, [
    ["reconnecting", "link_lost"],
    ["connected", null],
  ]);
});

test("who may not come along is told so", async () => {
  const refusal = new ParleyError("meeting_ended", "It is over.", { status: 410 });
  const { call, states } = await moving(refusal);
  assert.equal(call.state, "ended");
  assert.deepEqual(states, [["ended", "meeting_ended"]]);
});

test("who leaves meanwhile asks no more", async () => {
  const { call, control, first } = await moving(offline);
  call.leave();
  await pass(60_000);
  assert.ok(first.left);
  assert.equal(call.state, "ended");
  assert.equal(control.asked.length, 2);
});
