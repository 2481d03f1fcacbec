/**
 * How long to wait before trying again: doubling from half a second to eight, spread so that a crowd does not
 * return at once.
 */

const FIRST_MS = 500;
const LONGEST_MS = 8_000;

/**
 * @param {number} attempt 0 for the first wait
 * @param {() => number} [random] uniform in [0, 1)
 * @returns {number} milliseconds, between half the step and the whole
 */
export function backoffMs(attempt, random = Math.random) {
  const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return step * (0.5 + random() / 2);
}
