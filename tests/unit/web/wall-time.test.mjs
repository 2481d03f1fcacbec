import assert from "node:assert/strict";
import { test } from "node:test";

import { nextHour, timeZones, wallTimeOf, wallTimes } from "../../../web/static/lib/wall-time.js";

test("a length leads to an end, over midnight and whatever the clocks of this machine do", () => {
  assert.deepEqual(wallTimes({ date: "2031-12-31", time: "23:30", minutes: 60 }), {
    starts_at: "2031-12-31T23:30:00",
    ends_at: "2032-01-01T00:30:00",
  });
});

test("what a form shows of a meeting makes the same times again", () => {
  for (const zone of ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"]) {
    const wall = wallTimeOf("2031-05-05T12:00:00Z", "2031-05-05T13:30:00Z", zone);
    assert.equal(wall.minutes, 90, zone);
    assert.match(wallTimes(wall).starts_at, /^2031-05-0[56]T\d\d:[03]0:00$/);
  }
  assert.deepEqual(wallTimeOf("2031-05-05T22:30:00Z", "2031-05-05T23:00:00Z", "Europe/Berlin"), {
    date: "2031-05-06",
    time: "00:30",
    minutes: 30,
  });
});

test("a length is what the clocks show, also in a night that is shorter", () => {
  const wall = wallTimeOf("2031-03-30T00:30:00Z", "2031-03-30T01:30:00Z", "Europe/Berlin");
  assert.deepEqual(wall, { date: "2031-03-30", time: "01:30", minutes: 120 });
  assert.equal(wallTimes(wall).ends_at, "2031-03-30T03:30:00");
});

test("the next full hour is proposed", () => {
  const now = new Date("2031-05-05T21:59:59Z");
  assert.deepEqual(nextHour(now, "Europe/Berlin"), { date: "2031-05-06", time: "00:00", minutes: 60 });
});

test("a zone that the browser does not list is there all the same", () => {
  assert.ok(timeZones("Mars/Olympus").includes("Mars/Olympus"));
  assert.equal(new Set(timeZones("UTC")).size, timeZones("UTC").length);
});
