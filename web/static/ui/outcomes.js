/** How a delivery went, in words. */

/** @param {import("../lib/api.js").Delivery} delivery */
export function outcomeText({ state, attempts, status, error }) {
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  if (state === "delivered")
    return attempts === 1 ? `Delivered: ${status}` : `Delivered after ${tries}: ${status}`;
  if (state === "failed") return `Failed after ${tries}: ${error}`;
  return attempts === 0 ? "Not sent yet" : "Being sent again";
}

/**
 * What a replay from delivery `number` does; the server takes so many at once, so some may be `left`.
 * @param {number} number @param {{count: number, next_after: number | null}} replayed
 */
export function replayText(number, { count, next_after }) {
  if (next_after !== null)
    return `Deliveries ${number} to ${next_after} are sent again; go on from the next one.`;
  return count === 1 ? "The delivery is sent again." : `${count} deliveries are sent again.`;
}
