import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";

import { Feed } from "../../../web/static/lib/feed.js";
import { applyDelta } from "../../../web/static/lib/room.js";
import { Signal } from "../../../web/static/lib/signal.js";

const golden = new URL("../../golden/contract/node.jsonl", import.meta.url);
/** What a node of the last version says, a message of each type. */
const BEFORE = readFileSync(golden, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const of = (type) => BEFORE.filter((message) => message.type === type);
const LATER = { type: "lit", lamps: 4 };

/** A browser's WebSocket, which is open once its owner listens; what comes is what the test lets come. */
class Socket {
  static OPEN = 1;
  static CLOSED = 3;
  static latest = null;
  readyState = Socket.OPEN;

  constructor() {
    Socket.latest = this;
  }

  set onopen(open) {
    queueMicrotask(open);
  }

  send() {}

  close() {
    this.readyState = Socket.CLOSED;
  }

  bring(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

const browsers = globalThis.WebSocket;
globalThis.WebSocket = Socket;
after(() => {
  globalThis.WebSocket = browsers;
});

/** Enter at a node that says a welcome with more in it; return the signal and what it tells. */
async function entered() {
  const told = [];
  const listen = (signal) => {
    signal.on("message", (message) => told.push(message));
    signal.on("closed", (error) => told.push(error));
  };
  const hello = { ticket: "t", offer: "v=0", tracks: [] };
  const entering = Signal.enter("ws://node/signal", hello, { patienceMs: 60_000, listen });
  const [welcome] = of("welcome");
  Socket.latest.bring(LATER);
  Socket.latest.bring({ ...welcome, later: [1] });
  const { signal, welcome: taken } = await entering;
  assert.equal(taken.sdp, welcome.sdp);
  return { signal, told };
}

test("what a node of the last version says is taken, and what a later one adds does no harm", async () => {
  const { signal, told } = await entered();
  const known = BEFORE.filter(({ type }) => !["welcome", "answer", "pong", "refused", "closed"].includes(type));
  for (const message of known) Socket.latest.bring(message);
  Socket.latest.bring(LATER);
  assert.deepEqual(told, [LATER, ...known, LATER]);
  signal.close();
});

test("an end for a reason that only a later version knows is an end, and says whether to come back", async () => {
  const { told } = await entered();
  Socket.latest.bring({ type: "closed", code: "out_of_cheese", message: "There is none left.", retry: "join" });
  const end = told.at(-1);
  assert.deepEqual([end.code, end.message, end.retry], ["out_of_cheese", "There is none left.", "join"]);
});

test("each change that a node of the last version tells of is taken, one of a later version raises the version", () => {
  let { room } = of("welcome")[0];
  room = { ...room, version: 0 };
  for (const delta of of("delta")) room = applyDelta(room, { ...delta, version: room.version + 1, later: 1 });
  const before = room.peers;
  const later = { type: "delta", version: room.version + 1, change: { kind: "room_lit", lamps: 4 } };
  room = applyDelta(room, later);
  assert.equal(room.version, later.version);
  assert.equal(room.peers, before);
});

test("of events of a later control the numbers are kept, so that the feed goes on behind them", () => {
  const asked = [];
  const api = { eventsUrl: (_code, after) => asked.push(after) };
  const feed = new Feed(api, "abcd");
  const heard = [];
  feed.on("message", (message) => heard.push(message.text));
  feed.connect();
  for (const event of [
    { type: "ready", id: 4, later: 1 },
    { type: "lit", id: 5, lamps: 4 },
    { type: "message", id: 6, message: { id: "1", text: "Hello", later: [] } },
    { type: "lit", id: 7 },
  ]) {
    Socket.latest.bring(event);
  }
  feed.connect();
  feed.close();
  assert.deepEqual(heard, ["Hello"]);
  assert.deepEqual(asked, [null, 7]);
});
