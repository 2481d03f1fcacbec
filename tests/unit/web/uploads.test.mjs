import assert from "node:assert/strict";
import { test } from "node:test";

import { ParleyError } from "../../../web/static/lib/errors.js";
import { Uploads, typeOf } from "../../../web/static/lib/uploads.js";
import { sizeText } from "../../../web/static/ui/sizes.js";

/** A server that takes all files, or refuses those that are called so. */
const server = {
  announced: [],
  async announceFile(code, file) {
    if (file.name === "huge") throw new ParleyError("invalid", undefined, { fields: { size: "Too large." } });
    this.announced.push([code, file]);
    return { id: `id of ${file.name}`, url: "/there", fields: {}, expires_at: "" };
  },
};

/** Transfers that end when the test says so. */
function held() {
  const going = new Map();
  const send = (form, file, onProgress, signal) =>
    new Promise((resolve, reject) => {
      going.set(file.name, { resolve, reject, onProgress });
      signal.addEventListener("abort", () => reject(new ParleyError("upload_failed")));
    });
  return { going, send };
}

const file = (name, type = "image/png") => new File(["123"], name, { type });
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a file is announced, goes, arrives, and is taken once", async () => {
  const { going, send } = held();
  const uploads = new Uploads(server, "code", send);
  const seen = [];
  uploads.on("uploads", ([upload]) => seen.push(upload?.sent));
  const done = uploads.add([file("a.png")]);
  await turn();
  assert.deepEqual(server.announced.at(-1), ["code", { name: "a.png", type: "image/png", size: 3 }]);
  assert.equal(uploads.busy, true);
  assert.deepEqual(uploads.take(), []);
  going.get("a.png").onProgress(0.5);
  assert.equal(uploads.list[0].sent, 0.5);
  going.get("a.png").resolve();
  await done;
  assert.equal(uploads.busy, false);
  assert.deepEqual(uploads.take(), [{ id: "id of a.png", name: "a.png", type: "image/png", size: 3 }]);
  assert.deepEqual(uploads.take(), []);
  assert.ok(seen.includes(0.5));
});

test("what is refused says why and stays until it is taken away", async () => {
  const { going, send } = held();
  const uploads = new Uploads(server, "code", send);
  const done = uploads.add([file("huge"), file("lost"), file("fine")]);
  await turn();
  going.get("lost").reject(new ParleyError("offline"));
  going.get("fine").resolve();
  await done;
  assert.equal(uploads.list[0].failed, "Too large.");
  assert.match(uploads.list[1].failed, /cannot be reached/);
  assert.deepEqual(
    uploads.take().map(({ name }) => name),
    ["fine"],
  );
  for (const { key } of uploads.list) uploads.remove(key);
  assert.deepEqual(uploads.list, []);
});

test("a file taken away on its way is gone, and says nothing", async () => {
  const { send } = held();
  const uploads = new Uploads(server, "code", send);
  const done = uploads.add([file("a.png")]);
  await turn();
  uploads.remove(uploads.list[0].key);
  await done;
  assert.deepEqual(uploads.list, []);
  assert.equal(uploads.busy, false);
});

test("a file has a type that the server takes", () => {
  assert.equal(typeOf(file("a", "Text/HTML; charset=utf-8")), "text/html");
  assert.equal(typeOf(file("a", "")), "application/octet-stream");
});

test("sizes are told as people tell them", () => {
  const told = [0, 999, 1000, 1500, 25_000_000, 3e12].map((bytes) => sizeText(bytes, "en"));
  assert.deepEqual(told, ["0 byte", "999 byte", "1 kB", "1.5 kB", "25 MB", "3,000 GB"]);
});
