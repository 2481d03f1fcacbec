/**
 * A trial of the connection: a meeting of its own, entered without any device and ended again. It goes the
 * way of every call, so what it cannot do no call can.
 */

import { Call } from "./call.js";
import { Relays } from "./relays.js";

/**
 * @typedef {{protocol: string, relayed: boolean, roundTripMs: number | null}} Path how media goes to the node
 */

/**
 * @param {import("./api.js").Api} api of an account @param {() => void} reached is called once control has answered
 * @returns {Promise<Path | null>} null if the browser does not tell
 * @throws {import("./errors.js").ParleyError} what does not work
 */
export async function tryConnection(api, reached) {
  const { code } = await api.createMeeting({ title: "Connection test", guests_allowed: false });
  reached();
  const call = new Call((back) => api.join(code, back), new Relays(() => api.iceServers(code)));
  try {
    await call.join();
    return pathOf([...((await call.link.stats())?.values() ?? [])]);
  } finally {
    call.leave();
    await api.endMeeting(code).catch(() => {}); // it ends by itself, a day later
  }
}

/** The path in the browser's statistics of a connection. @param {any[]} stats @returns {Path | null} */
export function pathOf(stats) {
  const pairs = stats.filter(({ type, state }) => type === "candidate-pair" && state === "succeeded");
  const pair = pairs.find(({ nominated }) => nominated) ?? pairs[0];
  const local = stats.find(({ id }) => id === pair?.localCandidateId);
  if (!local) return null;
  const seconds = pair.currentRoundTripTime;
  return {
    protocol: local.relayProtocol ?? local.protocol,
    relayed: local.candidateType === "relay",
    roundTripMs: seconds === undefined ? null : Math.round(seconds * 1000),
  };
}
