import assert from "node:assert/strict";
import { test } from "node:test";

import { Relays } from "../../../web/static/lib/relays.js";

const given = (username, ttl_s = 3600) => [{ urls: ["turn:turn.example.org"], username, credential: "x", ttl_s }];

/** Relays, and what they asked for. */
function relays(answer = () => given("renewed")) {
  const asked = [];
  const clock = { ms: 0 };
  const renew = async () => {
    asked.push(clock.ms);
    return answer();
  };
  return { relays: new Relays(renew, () => clock.ms), asked, clock };
}

const names = async (relays) => (await relays.current()).map(({ username }) => username);

test("what came with the permission to enter is used for half its life, then renewed", async () => {
  const { relays: used, asked, clock } = relays();
  used.take(given("first"));
  clock.ms = 1_799_000;
  assert.deepEqual(await names(used), ["first"]);
  clock.ms = 1_801_000;
  assert.deepEqual(await names(used), ["renewed"]);
  assert.deepEqual(await names(used), ["renewed"]);
  assert.deepEqual(asked, [1_801_000]);
});

test("a reloaded page, which has none, asks for some", async () => {
  assert.deepEqual(await names(relays().relays), ["renewed"]);
});

test("where there are none, nobody asks again", async () => {
  const { relays: used, asked, clock } = relays();
  used.take([]);
  clock.ms = 1e12;
  assert.deepEqual(await used.current(), []);
  assert.deepEqual(asked, []);
});

test("those at hand have to do while there are no others", async () => {
  const { relays: used, asked, clock } = relays(() => Promise.reject(new Error("offline")));
  used.take(given("first"));
  clock.ms = 4_000_000;
  assert.deepEqual(await names(used), ["first"]);
  assert.deepEqual(await names(used), ["first"]);
  assert.equal(asked.length, 2);
});

test("nobody waits for an answer that does not come", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { relays: used } = relays(() => new Promise(() => {}));
  const current = used.current();
  await new Promise(setImmediate);
  context.mock.timers.tick(2_000);
  assert.deepEqual(await current, []);
});
