/** My meetings: the list with paging, making one, copying its link, ending it. */

import { Api } from "../lib/api.js";
import { asParleyError } from "../lib/errors.js";
import { copy } from "./clipboard.js";
import { find, fromTemplate } from "./dom.js";
import { onSend, showNotice } from "./forms.js";

/** @typedef {import("../lib/api.js").MeetingInfo} MeetingInfo */

const api = new Api();
const list = find('[data-part="list"]');
const more = find('[data-action="more"]');
const newDialog = /** @type {HTMLDialogElement} */ (find('dialog[data-part="new"]'));
const endDialog = /** @type {HTMLDialogElement} */ (find('dialog[data-part="end"]'));
const form = /** @type {HTMLFormElement} */ (find('[data-form="new-meeting"]'));

const me = document.body.dataset.userId;
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @type {string | null} */
let cursor = null;

/** @param {MeetingInfo} meeting */
function addressOf(meeting) {
  return meeting.url ?? `${location.origin}/m/${meeting.code}`;
}

/** @param {MeetingInfo} meeting @returns {HTMLElement} */
function card(meeting) {
  const element = fromTemplate("meeting");
  const hosted = meeting.host.id === me;
  const slot = (/** @type {string} */ name) => find(`[data-slot="${name}"]`, element);
  element.dataset.code = meeting.code;
  slot("title").textContent = meeting.title;
  slot("code").textContent = meeting.code;
  slot("host").textContent = hosted ? "" : `hosted by ${meeting.host.name}`;
  const time = /** @type {HTMLTimeElement} */ (slot("time"));
  if (meeting.created_at) {
    time.dateTime = meeting.created_at;
    time.textContent = dates.format(new Date(meeting.created_at));
  }
  slot("chip").textContent = meeting.ended_at ? "Ended" : "Open";
  slot("chip").classList.toggle("live", !meeting.ended_at);
  const open = /** @type {HTMLAnchorElement} */ (slot("open"));
  open.href = `/m/${meeting.code}`;
  open.textContent = meeting.ended_at ? "Read the chat" : "Join";
  open.classList.toggle("primary", !meeting.ended_at);
  find('[data-action="copy"]', element).hidden = Boolean(meeting.ended_at);
  find('[data-action="copy"]', element).onclick = () => copy(addressOf(meeting), "The link is copied.");
  find('[data-action="end"]', element).hidden = Boolean(meeting.ended_at) || !hosted;
  find('[data-action="end"]', element).onclick = () => confirmEnd(meeting, element);
  return element;
}

/** @param {MeetingInfo} meeting @param {HTMLElement} element */
function confirmEnd(meeting, element) {
  endDialog.returnValue = "";
  endDialog.onclose = async () => {
    if (endDialog.returnValue !== "end") return;
    await attempt(async () => element.replaceWith(card(await api.endMeeting(meeting.code))));
  };
  endDialog.showModal();
}

async function loadMore() {
  const page = await api.meetings(cursor);
  cursor = page.next_cursor;
  list.append(...page.items.map(card));
  list.ariaBusy = "false";
  more.hidden = cursor === null;
  find('[data-part="empty"]').hidden = list.childElementCount > 0;
}

/** @param {() => Promise<void>} work */
async function attempt(work) {
  const main = find("#main");
  showNotice(main, "");
  try {
    await work();
  } catch (error) {
    showNotice(main, asParleyError(error).message);
  }
}

/**
 * `#new` in the address asks for the dialog: so the link works from other pages, and before this script has
 * loaded.
 */
function followAddress() {
  if (location.hash !== "#new") return;
  history.replaceState(null, "", location.pathname);
  form.reset();
  newDialog.showModal();
}

addEventListener("hashchange", followAddress);
find('[data-action="cancel"]', form).onclick = () => newDialog.close();
more.onclick = () => attempt(loadMore);
onSend(form, async ({ title = "", guests_allowed }) => {
  const meeting = await api.createMeeting({
    title: title.trim() || "Meeting",
    guests_allowed: guests_allowed === "on",
  });
  newDialog.close();
  list.prepend(card(meeting));
  find('[data-part="empty"]').hidden = true;
  /** @type {HTMLElement | null} */ (list.querySelector("[data-slot=open]"))?.focus();
});

followAddress();
void attempt(loadMore);
