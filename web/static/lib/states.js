/**
 * The states of a call, as one table: from each state, which events are legal and where they lead.
 *
 * An event that the table does not name in a state is a bug in the caller, not a condition of the network.
 */

/**
 * @typedef {"idle" | "joining" | "connected" | "reconnecting" | "ended"} State
 * @typedef {"join" | "entered" | "refused" | "lost" | "over"} Event
 */

/** @type {Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>>} */
export const TRANSITIONS = Object.freeze({
  idle: { join: "joining" },
  joining: { entered: "connected", refused: "idle", over: "ended" },
  connected: { lost: "reconnecting", over: "ended" },
  reconnecting: { entered: "connected", over: "ended" },
  ended: { join: "joining" },
});

/** @param {State} state @param {Event} event @returns {State} */
export function next(state, event) {
  const to = TRANSITIONS[state][event];
  if (to === undefined) throw new Error(`A call that is ${state} cannot take "${event}"`);
  return to;
}
