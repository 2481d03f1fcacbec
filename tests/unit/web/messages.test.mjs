import assert from "node:assert/strict";
import { test } from "node:test";

import { confirm, fail, merge, send } from "../../../web/static/lib/messages.js";

const me = { id: "u1", name: "Ada" };
const other = { id: "u2", name: "Bob" };
const message = (id, text, author = other) => ({
  id: String(id),
  meeting: "m",
  kind: "text",
  text,
  author,
  attachments: [],
  sent_at: `2026-01-01T00:00:${String(id).padStart(2, "0")}Z`,
});
const draft = (client_id, text) => ({ ...message(0, text, me), id: client_id, client_id });
const texts = (lines) => lines.map((line) => line.text);

test("pages and events end up in order, each message once", () => {
  let lines = merge([], [message(12, "l"), message(11, "k")]);
  lines = merge(lines, [message(10, "j"), message(9, "i"), message(11, "k")]);
  lines = merge(lines, [message(13, "m")]);
  assert.deepEqual(texts(lines), ["i", "j", "k", "l", "m"]);
});

test("a line stands at the end until the server has taken it", () => {
  let lines = send(merge([], [message(1, "hello")]), draft("c1", "hi"));
  lines = merge(lines, [message(2, "there")]);
  assert.deepEqual(texts(lines), ["hello", "there", "hi"]);
  assert.equal(lines[2].pending, true);
  lines = confirm(lines, "c1", message(3, "hi", me));
  assert.deepEqual(texts(lines), ["hello", "there", "hi"]);
  assert.equal(lines[2].pending, undefined);
});

test("the event may come before the answer, or after it, and the line is there once", () => {
  const sent = send([], draft("c1", "hi"));
  const said = message(1, "hi", me);
  assert.deepEqual(texts(confirm(merge(sent, [said]), "c1", said)), ["hi"]);
  assert.deepEqual(texts(merge(confirm(sent, "c1", said), [said])), ["hi"]);
});

test("a message of files alone confirms the line with these files", () => {
  const files = (id) => [{ id, name: "a", type: "b/c", size: 1 }];
  let lines = send([], { ...draft("c1", ""), attachments: files("f1") });
  lines = send(lines, { ...draft("c2", ""), attachments: files("f2") });
  lines = merge(lines, [{ ...message(1, "", me), attachments: files("f2") }]);
  assert.deepEqual(
    lines.map((line) => [line.client_id, line.pending ?? false]),
    [
      ["c2", false],
      ["c1", true],
    ],
  );
});

test("another's equal words do not confirm mine", () => {
  const lines = merge(send([], draft("c1", "hi")), [message(1, "hi", other)]);
  assert.deepEqual(
    lines.map((line) => line.pending ?? false),
    [false, true],
  );
});

test("a line that did not go says why and can be sent again", () => {
  let lines = fail(send([], draft("c1", "hi")), "c1", "offline");
  assert.equal(lines[0].failed, "offline");
  assert.equal(lines[0].pending, false);
  lines = send(lines, draft("c1", "hi"));
  assert.equal(lines.length, 1);
  assert.equal(lines[0].failed, undefined);
});

test("a failure that is told after the confirmation changes nothing", () => {
  const said = message(1, "hi", me);
  const lines = merge(send([], draft("c1", "hi")), [said]);
  assert.equal(fail(lines, "c1", "timeout")[0].failed, undefined);
});
