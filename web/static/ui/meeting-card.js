/** One meeting in a list: what it is, when, and what can be done with it. */

import { copy } from "./clipboard.js";
import { find, fromTemplate, make } from "./dom.js";
import { spanText, timeText } from "./times.js";

/**
 * @typedef {import("../lib/api.js").MeetingInfo} MeetingInfo
 * @typedef {Record<"edit" | "end" | "cancel" | "table" | "archive", (meeting: MeetingInfo) => void>} Actions
 */

const me = document.body.dataset.userId;

/** @param {MeetingInfo} meeting @param {Actions} actions @returns {HTMLElement} */
export function card(meeting, actions) {
  const element = fromTemplate("meeting");
  const slot = (/** @type {string} */ name) => find(`[data-slot="${name}"]`, element);
  const isOver = Boolean(meeting.ended_at);
  const isMine = meeting.host.id === me;
  const isPlanned = Boolean(meeting.starts_at);
  element.dataset.code = meeting.code;
  slot("title").textContent = meeting.title;
  slot("code").textContent = meeting.code;
  slot("host").textContent = isMine ? "" : `hosted by ${meeting.host.name}`;
  slot("chip").textContent = stateOf(meeting);
  slot("chip").classList.toggle("live", !isOver && !isPlanned);
  showTime(/** @type {HTMLTimeElement} */ (slot("time")), meeting);
  const open = /** @type {HTMLAnchorElement} */ (slot("open"));
  open.href = `/m/${meeting.code}`;
  open.textContent = isOver ? "Read the chat" : "Join";
  open.classList.toggle("primary", !isOver);
  const button = (/** @type {string} */ action, /** @type {boolean} */ isThere, /** @type {() => void} */ press) => {
    const found = find(`[data-action="${action}"]`, element);
    found.hidden = !isThere;
    found.onclick = press;
  };
  const link = meeting.url ?? `${location.origin}/m/${meeting.code}`;
  button("copy", !isOver, () => void copy(link, "The link is copied."));
  button("edit", !isOver && isMine, () => actions.edit(meeting));
  button("end", !isOver && isMine && !isPlanned, () => actions.end(meeting));
  button("cancel", !isOver && isMine && isPlanned, () => actions.cancel(meeting));
  button("archive", isOver && isMine, () => actions.archive(meeting));
  button("table", isMine, () => actions.table(meeting));
  if (meeting.attendance) showAttendance(element, meeting.attendance);
  return element;
}

/** @param {MeetingInfo} meeting */
function stateOf(meeting) {
  if (meeting.cancelled) return "Cancelled";
  if (meeting.ended_at) return "Ended";
  return meeting.starts_at ? "Planned" : "Open";
}

/** @param {HTMLTimeElement} time @param {MeetingInfo} meeting */
function showTime(time, { starts_at, ends_at, created_at }) {
  time.dateTime = starts_at ?? created_at ?? "";
  if (starts_at && ends_at) time.textContent = spanText(starts_at, ends_at);
  else if (created_at) time.textContent = timeText(created_at);
}

/** @param {HTMLElement} element @param {import("../lib/api.js").Attended} attendance */
function showAttendance(element, { items, complete }) {
  const slot = (/** @type {string} */ name) => find(`[data-slot="${name}"]`, element);
  slot("attended").hidden = items.length === 0;
  slot("attendance").textContent =
    items.length === 1 ? "1 person attended" : `${items.length}${complete ? "" : " and more"} people attended`;
  slot("people").replaceChildren(
    ...items.map(({ name, seconds, first_joined_at }) =>
      make("li", {}, `${name}: ${lengthText(seconds)}, from ${timeText(first_joined_at)}`),
    ),
  );
}

/** @param {number} seconds */
function lengthText(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes === 0) return "less than a minute";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
