import assert from "node:assert/strict";
import { test } from "node:test";

import { codeIn } from "../../../web/static/ui/codes.js";
import { piecesOf } from "../../../web/static/ui/links.js";

const links = (text) => piecesOf(text).flatMap(({ href }) => href ?? []);

test("links are found, and the text around them is kept to the letter", () => {
  for (const [text, expected] of [
    ["no link", []],
    ["see https://example.org.", ["https://example.org/"]],
    ["(https://example.org/a)", ["https://example.org/a"]],
    [
      "https://example.org/a_(b) and http://b.example/?q=1&r=2#x!",
      ["https://example.org/a_(b)", "http://b.example/?q=1&r=2#x"],
    ],
    ["<script>alert(1)</script> https://x.example/<b>", ["https://x.example/"]],
    ["javascript:alert(1) data:text/html,x //evil.example ftp://x.example", []],
    ["HTTPS://EXAMPLE.ORG/A", ["https://example.org/A"]],
    ["https://", []],
    ["", []],
  ]) {
    assert.deepEqual(links(text), expected, text);
    assert.equal(
      piecesOf(text)
        .map((piece) => piece.text)
        .join(""),
      text,
    );
  }
});

test("every link goes to the web and nowhere else", () => {
  for (const text of ["https://a.example", "x https://user:pw@a.example/ y", 'https://a.example"onclick=x']) {
    for (const href of links(text)) assert.match(href, /^https?:\/\//u);
  }
});

test("a code is found bare, in capitals, with spaces, and in a link", () => {
  for (const [text, expected] of [
    ["abcd-efgh-jkmn", "abcd-efgh-jkmn"],
    [" ABCD-EFGH-JKMN ", "abcd-efgh-jkmn"],
    ["abcd efgh jkmn", "abcd-efgh-jkmn"],
    ["https://meet.example.org/m/abcd-efgh-jkmn?x=1", "abcd-efgh-jkmn"],
    ["", null],
    ["hello!", null],
    ["../../etc", null],
  ]) {
    assert.equal(codeIn(text), expected, text);
  }
});
