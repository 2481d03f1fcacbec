import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../../../web/static/lib/api.js";
import { Deliveries } from "../../../web/static/lib/deliveries.js";
import { outcomeText, replayText } from "../../../web/static/ui/outcomes.js";

test("keys and webhooks are asked for as the API has it", async () => {
  const asked = [];
  const fetch = async (url, { method, body }) => {
    asked.push([method, url, body === undefined ? undefined : JSON.parse(body)]);
    return Response.json({});
  };
  const api = new Api({ token: "x", fetch });
  const key = { name: "Calendar", scopes: ["chat:read"], expires_in: null };
  const webhook = { url: "https://example.org/", kinds: ["meeting.ended"], description: "" };
  await api.keys();
  await api.keys("further");
  await api.makeKey(key);
  await api.revokeKey("a/b");
  await api.webhooks();
  await api.addWebhook(webhook);
  await api.enableWebhook("a/b");
  await api.deliveries("a", 0, 20);
  await api.replay("a", 6);
  await api.removeWebhook("a");
  assert.deepEqual(asked, [
    ["GET", "/api/keys?limit=20", undefined],
    ["GET", "/api/keys?limit=20&cursor=further", undefined],
    ["POST", "/api/keys", key],
    ["DELETE", "/api/keys/a%2Fb", undefined],
    ["GET", "/api/webhooks", undefined],
    ["POST", "/api/webhooks", webhook],
    ["POST", "/api/webhooks/a%2Fb/enable", undefined],
    ["GET", "/api/webhooks/a/deliveries?after=0&limit=20", undefined],
    ["POST", "/api/webhooks/a/replay", { after: 6 }],
    ["DELETE", "/api/webhooks/a", undefined],
  ]);
});

/** A server that keeps the deliveries numbered `first` to `last`. */
function keeping(first, last) {
  return {
    first,
    last,
    async deliveries(_webhook, after, limit) {
      assert.ok(after >= 0 && limit >= 1 && limit <= 100);
      const from = Math.max(this.first, after + 1);
      const length = Math.max(0, Math.min(limit, this.last - from + 1));
      return { items: Array.from({ length }, (_, index) => ({ number: from + index })) };
    },
    async replay(_webhook, after) {
      return { count: this.last - after, next_after: null };
    },
  };
}

const numbers = ({ items }) => items.map(({ number }) => number);
const down = (from, to) => Array.from({ length: from - to + 1 }, (_, index) => from - index);

test("the latest deliveries are there first, older ones when they are asked for", async () => {
  const deliveries = new Deliveries(keeping(1, 45), { id: "w", last_number: 45 });
  await deliveries.refresh();
  assert.deepEqual(numbers(deliveries), down(45, 26));
  for (const [oldest, hasOlder] of [
    [6, true],
    [1, false],
  ]) {
    assert.equal(deliveries.hasOlder, true);
    await deliveries.older();
    assert.deepEqual(numbers(deliveries), down(45, oldest));
    assert.equal(deliveries.hasOlder, hasOlder);
  }
});

test("what came since is there after a refresh, and what is not kept any more is not asked for", async () => {
  const server = keeping(31, 45);
  const deliveries = new Deliveries(server, { id: "w", last_number: 45 });
  await deliveries.refresh();
  assert.deepEqual([numbers(deliveries), deliveries.hasOlder], [down(45, 31), false]);
  server.last = 60;
  await deliveries.refresh();
  assert.deepEqual([numbers(deliveries), deliveries.hasOlder], [down(60, 31), false]);
  server.first = 41;
  await deliveries.refresh();
  assert.deepEqual([numbers(deliveries), deliveries.hasOlder], [down(60, 41), true]);
  await deliveries.older();
  assert.deepEqual([numbers(deliveries), deliveries.hasOlder], [down(60, 41), false]);
});

test("of an endpoint that was told nothing there is nothing", async () => {
  const deliveries = new Deliveries(keeping(1, 0), { id: "w", last_number: 0 });
  await deliveries.refresh();
  assert.deepEqual([numbers(deliveries), deliveries.hasOlder], [[], false]);
});

test("a replay begins with the delivery it is asked for at", async () => {
  const deliveries = new Deliveries(keeping(1, 9), { id: "w", last_number: 9 });
  assert.deepEqual(await deliveries.replay(9), { count: 1, next_after: null });
});

test("outcomes are told in words", () => {
  for (const [delivery, words] of [
    [{ state: "pending", attempts: 0, status: null, error: null }, "Not sent yet"],
    [{ state: "pending", attempts: 2, status: 500, error: "the answer was 500" }, "Being sent again"],
    [{ state: "delivered", attempts: 1, status: 204, error: null }, "Delivered: 204"],
    [{ state: "delivered", attempts: 3, status: 200, error: null }, "Delivered after 3 attempts: 200"],
    [
      { state: "failed", attempts: 1, status: 500, error: "the answer was 500" },
      "Failed after 1 attempt: the answer was 500",
    ],
  ]) {
    assert.equal(outcomeText(delivery), words);
  }
});

test("a replay says how much is sent again, and where to go on", () => {
  assert.equal(replayText(7, { count: 1, next_after: null }), "The delivery is sent again.");
  assert.equal(replayText(7, { count: 3, next_after: null }), "3 deliveries are sent again.");
  assert.equal(
    replayText(7, { count: 100, next_after: 106 }),
    "Deliveries 7 to 106 are sent again; go on from the next one.",
  );
});
