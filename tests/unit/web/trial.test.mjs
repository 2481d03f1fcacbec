import assert from "node:assert/strict";
import { test } from "node:test";

import { ParleyError } from "../../../web/static/lib/errors.js";
import { pathOf, tryConnection } from "../../../web/static/lib/trial.js";

const pair = (fields) => ({ type: "candidate-pair", state: "succeeded", localCandidateId: "L", ...fields });
const local = (fields) => ({ id: "L", type: "local-candidate", candidateType: "host", protocol: "udp", ...fields });

test("the path of media is the nominated pair's", () => {
  const other = { id: "M", type: "local-candidate", candidateType: "host", protocol: "tcp" };
  const stats = [
    pair({ localCandidateId: "M" }),
    pair({ nominated: true, currentRoundTripTime: 0.0124 }),
    { type: "candidate-pair", state: "failed", nominated: true, localCandidateId: "M" },
    other,
    local({}),
  ];
  assert.deepEqual(pathOf(stats), { protocol: "udp", relayed: false, roundTripMs: 12 });
});

test("a path through TURN is told by how the relay is reached", () => {
  const relay = local({ candidateType: "relay", relayProtocol: "tls" });
  assert.deepEqual(pathOf([pair({}), relay]), { protocol: "tls", relayed: true, roundTripMs: null });
});

test("where the browser tells nothing there is no path", () => {
  assert.equal(pathOf([]), null);
  assert.equal(pathOf([pair({})]), null);
});

test("a meeting that cannot be entered is ended all the same, and the reason is told", async () => {
  const ended = [];
  const reason = new ParleyError("meeting_ended", "It is over.", { status: 410 });
  const api = {
    createMeeting: async () => ({ code: "abcd" }),
    join: async () => {
      throw reason;
    },
    endMeeting: async (code) => void ended.push(code),
  };
  await assert.rejects(tryConnection(api, () => ended.push("reached")), reason);
  assert.deepEqual(ended, ["reached", "abcd"]);
});
