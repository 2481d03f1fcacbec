/** Moments as people read them, in their own time zone. */

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {string} moment as the API has it */
export function timeText(moment) {
  return format.format(new Date(moment));
}

/** @param {string} start @param {string} end */
export function spanText(start, end) {
  return format.formatRange(new Date(start), new Date(end));
}
