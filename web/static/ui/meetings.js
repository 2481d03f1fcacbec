/** My meetings: those that are coming and those that are past, making, planning, changing and ending them. */

import { Api } from "../lib/api.js";
import { asParleyError, ParleyError } from "../lib/errors.js";
import { confirmed } from "./confirm.js";
import { card } from "./meeting-card.js";
import { find } from "./dom.js";
import { onSend, showNotice } from "./forms.js";
import { PlanDialog } from "./plan.js";

/** @typedef {import("../lib/api.js").MeetingInfo} MeetingInfo */

const api = new Api();
const newDialog = /** @type {HTMLDialogElement} */ (find('dialog[data-part="new"]'));
const form = /** @type {HTMLFormElement} */ (find('[data-form="new-meeting"]'));
const plan = new PlanDialog(api, async (meeting) => {
  await attempt(() => coming.reload());
  coming.focus(meeting);
});

/** One of the two lists, page by page. */
class MeetingList {
  #when;
  #root;
  #list;
  #more;
  /** @type {string | null} */
  #cursor = null;

  /** @param {"coming" | "past"} when */
  constructor(when) {
    this.#when = when;
    this.#root = find(`[data-list="${when}"]`);
    this.#list = find('[data-part="list"]', this.#root);
    this.#more = find('[data-action="more"]', this.#root);
    this.#more.onclick = () => attempt(() => this.#load());
  }

  /** From the first page on. */
  async reload() {
    this.#cursor = null;
    await this.#load();
  }

  /** Go to the meeting that was just made or changed. @param {MeetingInfo} meeting */
  focus(meeting) {
    const shown = this.#list.querySelector(`[data-code="${CSS.escape(meeting.code)}"] [data-slot="open"]`);
    /** @type {HTMLElement | null} */ (shown)?.focus();
  }

  async #load() {
    const isFirst = this.#cursor === null;
    const page = await api.meetings(this.#cursor, this.#when);
    const cards = page.items.map((meeting) => card(meeting, actions));
    if (isFirst) this.#list.replaceChildren(...cards);
    else this.#list.append(...cards);
    this.#cursor = page.next_cursor;
    this.#list.ariaBusy = "false";
    this.#more.hidden = page.next_cursor === null;
    find('[data-part="empty"]', this.#root).hidden = this.#list.childElementCount > 0;
  }
}

const coming = new MeetingList("coming");
const past = new MeetingList("past");

/** What a meeting's buttons do. */
const actions = {
  /** @param {MeetingInfo} meeting */
  edit: (meeting) => void plan.open(meeting),
  /** @param {MeetingInfo} meeting */
  end: (meeting) => confirmThen("end", () => api.endMeeting(meeting.code)),
  /** @param {MeetingInfo} meeting */
  cancel: (meeting) => confirmThen("cancel", () => api.cancelMeeting(meeting.code)),
  /** @param {MeetingInfo} meeting */
  table: (meeting) => void attempt(() => saveTable(meeting)),
  /** @param {MeetingInfo} meeting */
  archive: (meeting) => void attempt(() => saveChat(meeting)),
};

/** @param {"end" | "cancel"} part which question to ask @param {() => Promise<unknown>} work */
async function confirmThen(part, work) {
  if (!(await confirmed(part))) return;
  await attempt(async () => {
    await work();
    await reload();
  });
  find("#main").focus();
}

/** @param {MeetingInfo} meeting */
async function saveTable(meeting) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await api.attendanceTable(meeting.code));
  link.download = `attendance-${meeting.code}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {MeetingInfo} meeting */
async function saveChat({ code }) {
  const [archive] = (await api.archives(code)).items;
  if (!archive) throw new ParleyError("no_archive");
  location.assign(api.archiveUrl(code, archive.id));
}

async function reload() {
  await Promise.all([coming.reload(), past.reload()]);
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
 * `#new` and `#plan` in the address ask for a dialog: so the links work from other pages, and before this
 * script has loaded.
 */
function followAddress() {
  const wanted = location.hash;
  if (wanted !== "#new" && wanted !== "#plan") return;
  history.replaceState(null, "", location.pathname);
  if (wanted === "#plan") return void plan.open();
  form.reset();
  newDialog.showModal();
}

addEventListener("hashchange", followAddress);
find('[data-action="close"]', form).onclick = () => newDialog.close();
onSend(form, async ({ title = "", guests_allowed }) => {
  const meeting = await api.createMeeting({
    title: title.trim() || "Meeting",
    guests_allowed: guests_allowed === "on",
  });
  newDialog.close();
  await attempt(() => coming.reload());
  coming.focus(meeting);
});

followAddress();
void attempt(reload);
