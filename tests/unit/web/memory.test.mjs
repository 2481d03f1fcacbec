import assert from "node:assert/strict";
import { test } from "node:test";

import { TabMemory } from "../../../web/static/lib/memory.js";

/** A tab's storage. */
class Storage {
  #items = new Map();

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, value);
  }

  removeItem(key) {
    this.#items.delete(key);
  }

  /** What a duplicated tab begins with. */
  copy() {
    const copy = new Storage();
    for (const [key, value] of this.#items) copy.setItem(key, value);
    return copy;
  }
}

/** The browser's locks, of which all its tabs have the same; a lock that is taken is refused at once. */
class Locks {
  #held = new Set();

  async request(name, _options, taken) {
    if (this.#held.has(name)) throw new DOMException("", "TimeoutError");
    this.#held.add(name);
    await taken();
    this.#held.delete(name);
  }
}

const memory = {
  code: "abcd-efgh-jkmn",
  place: { node: "node-1", peer: "p1", resume: "token", signal_url: "ws://node/signal" },
  name: "Ada",
  microphone: true,
  camera: false,
  at: 1_000_000,
};

test("a reloaded tab finds its call, until it is left", async () => {
  const storage = new Storage();
  await new TabMemory({ storage, locks: new Locks() }).keep(memory);
  const reloaded = new TabMemory({ storage, locks: new Locks() });
  assert.deepEqual(await reloaded.recall(memory.code, memory.at + 5_000), memory);
  reloaded.forget();
  assert.equal(await reloaded.recall(memory.code, memory.at + 5_000), null);
});

test("a duplicated tab is not the tab it was copied from", async () => {
  const [storage, locks] = [new Storage(), new Locks()];
  const original = new TabMemory({ storage, locks });
  await original.keep(memory);
  await original.keep({ ...memory, camera: true });
  const duplicate = new TabMemory({ storage: storage.copy(), locks });
  assert.equal(await duplicate.recall(memory.code, memory.at), null);
});

test("another meeting, or a tab opened again much later, begins at the lobby", async () => {
  const storage = new Storage();
  await new TabMemory({ storage, locks: new Locks() }).keep(memory);
  const recall = (code, at) => new TabMemory({ storage, locks: new Locks() }).recall(code, at);
  assert.equal(await recall("other-code-here", memory.at), null);
  assert.equal(await recall(memory.code, memory.at + 3_600_000), null);
});

test("a long call is found after its reload: the time counts from leaving the page", async () => {
  const storage = new Storage();
  const tab = new TabMemory({ storage, locks: new Locks() });
  await tab.keep(memory);
  tab.touch(memory.at + 3_600_000);
  const reloaded = new TabMemory({ storage, locks: new Locks() });
  assert.equal((await reloaded.recall(memory.code, memory.at + 3_601_000))?.name, "Ada");
});

test("without locks nothing is taken up again", async () => {
  const storage = new Storage();
  await new TabMemory({ storage, locks: null }).keep(memory);
  assert.equal(await new TabMemory({ storage, locks: null }).recall(memory.code, memory.at), null);
});
