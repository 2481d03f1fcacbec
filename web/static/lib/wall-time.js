/** Times as clocks in a zone show them: what forms hold, and what the API takes. Pure. */

/** @typedef {{date: string, time: string, minutes: number}} WallTime a form's `2031-05-05`, `14:00`, length */

/** @param {WallTime} wall @returns {{starts_at: string, ends_at: string}} without seconds' fractions or offset */
export function wallTimes({ date, time, minutes }) {
  const start = new Date(`${date}T${time}:00Z`); // as if in UTC, where every hour comes, and once
  const end = new Date(start.getTime() + minutes * 60_000);
  return { starts_at: start.toISOString().slice(0, 19), ends_at: end.toISOString().slice(0, 19) };
}

/**
 * What clocks in the zone show between two moments.
 * @param {string} startsAt @param {string} endsAt @param {string} timeZone @returns {WallTime}
 */
export function wallTimeOf(startsAt, endsAt, timeZone) {
  const [start, end] = [shown(new Date(startsAt), timeZone), shown(new Date(endsAt), timeZone)];
  const [date = "", time = ""] = start.split(" ");
  return { date, time, minutes: (asUtc(end) - asUtc(start)) / 60_000 };
}

/** The next full hour in the zone, as a proposal. @param {Date} now @param {string} timeZone @returns {WallTime} */
export function nextHour(now, timeZone) {
  const later = shown(new Date(now.getTime() + 3_600_000), timeZone);
  return { date: later.slice(0, 10), time: `${later.slice(11, 13)}:00`, minutes: 60 };
}

/** Every zone the browser knows, and its own. @param {string[]} more zones to have as well */
export function timeZones(...more) {
  const known = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  return [...new Set([...known, "UTC", ...more])].sort();
}

/** The browser's own zone. */
export function ownTimeZone() {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `2031-05-05 14:00`, the way Swedes write it. @param {Date} moment @param {string} timeZone */
function shown(moment, timeZone) {
  return moment.toLocaleString("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" });
}

/** @param {string} text */
function asUtc(text) {
  return Date.parse(`${text.replace(" ", "T")}:00Z`);
}
