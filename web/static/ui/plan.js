/** The dialog that plans a meeting, or changes one: its times, and who is invited. */

import { asParleyError, ParleyError } from "../lib/errors.js";
import { nextHour, ownTimeZone, timeZones, wallTimeOf, wallTimes } from "../lib/wall-time.js";
import { find, make } from "./dom.js";
import { onSend, showFaults, showNotice } from "./forms.js";

/**
 * @typedef {import("../lib/api.js").Api} Api
 * @typedef {import("../lib/api.js").MeetingInfo} MeetingInfo
 * @typedef {import("../lib/api.js").Invitation} Invitation
 */

const LENGTHS = [15, 30, 45, 60, 90, 120, 180, 240];

export class PlanDialog {
  #api;
  #saved;
  #dialog = /** @type {HTMLDialogElement} */ (find('dialog[data-part="plan"]'));
  #form = /** @type {HTMLFormElement} */ (find('[data-form="plan"]'));
  #invited = find('[data-part="invited"]', this.#form);
  /** @type {MeetingInfo | null} the one that is changed, if it is not a new one */
  #meeting = null;

  /** @param {Api} api @param {(meeting: MeetingInfo) => Promise<void>} saved called once all is done */
  constructor(api, saved) {
    this.#api = api;
    this.#saved = saved;
    find('[data-action="close"]', this.#form).onclick = () => this.#dialog.close();
    onSend(this.#form, (values) => this.#save(values));
  }

  /** @param {MeetingInfo | null} [meeting] the one to change, or none for a new one */
  async open(meeting = null) {
    const zone = meeting?.time_zone ?? ownTimeZone();
    this.#form.reset();
    showFaults(this.#form, {});
    showNotice(this.#form, "");
    this.#fill(timesOf(meeting, zone), zone);
    for (const name of ["starts_at", "time"]) this.#field(name).required = !meeting || Boolean(meeting.starts_at);
    this.#field("title").value = meeting?.title ?? "";
    /** @type {HTMLInputElement} */ (this.#field("guests_allowed")).checked = meeting?.guests_allowed ?? true;
    this.#show(meeting);
    this.#invited.replaceChildren();
    this.#dialog.showModal();
    if (meeting) await this.#showInvited(meeting);
  }

  /** @param {MeetingInfo | null} meeting */
  #show(meeting) {
    this.#meeting = meeting;
    find('[data-part="heading"]', this.#form).textContent = meeting ? "Change the meeting" : "Plan a meeting";
    find('[data-part="save"]', this.#form).textContent = meeting ? "Save" : "Plan it";
  }

  /** @param {import("../lib/wall-time.js").WallTime} wall @param {string} zone */
  #fill(wall, zone) {
    const lengths = [...new Set([...LENGTHS, wall.minutes])].sort((a, b) => a - b);
    fillSelect(this.#field("ends_at"), lengths.map((minutes) => [String(minutes), lengthText(minutes)]));
    fillSelect(this.#field("time_zone"), timeZones(zone).map((name) => [name, name.replaceAll("_", " ")]));
    this.#field("starts_at").value = wall.date;
    this.#field("time").value = wall.time;
    this.#field("ends_at").value = String(wall.minutes);
    this.#field("time_zone").value = zone;
  }

  /** @param {Record<string, string>} values */
  async #save({ title = "", starts_at = "", time = "", ends_at = "", time_zone = "", addresses = "", ...rest }) {
    const wanted = { title: title.trim(), guests_allowed: rest.guests_allowed === "on" };
    if (starts_at || time) {
      if (!starts_at || !time) throw new ParleyError("invalid", undefined, { fields: lacking(starts_at, time) });
      const times = wallTimes({ date: starts_at, time, minutes: Number(ends_at) });
      Object.assign(wanted, times, { time_zone });
    }
    const meeting = this.#meeting
      ? await this.#api.changeMeeting(this.#meeting.code, wanted)
      : await this.#api.createMeeting(wanted);
    this.#show(meeting); // so that sending again, should somebody not be invited, makes no second one
    const people = addresses.split(/[\s,;]+/u).filter(Boolean);
    if (people.length > 0) await this.#api.invite(meeting.code, people);
    this.#dialog.close();
    await this.#saved(meeting);
  }

  /** @param {MeetingInfo} meeting */
  async #showInvited(meeting) {
    try {
      for (let cursor = /** @type {string | null} */ (null); ; ) {
        const page = await this.#api.invitations(meeting.code, cursor);
        this.#invited.append(...page.items.map((invitation) => this.#invitedItem(meeting, invitation)));
        cursor = page.next_cursor;
        if (cursor === null) return;
      }
    } catch (error) {
      showNotice(this.#form, asParleyError(error).message);
    }
  }

  /** @param {MeetingInfo} meeting @param {Invitation} invitation */
  #invitedItem(meeting, invitation) {
    const { id, address, declined } = invitation;
    const remove = make("button", { type: "button", className: "button compact quiet" }, "Remove");
    remove.setAttribute("aria-label", `Remove ${address}`);
    const item = make("li", { className: "row between" }, declined ? `${address} (not coming)` : address, remove);
    remove.onclick = async () => {
      try {
        await this.#api.uninvite(meeting.code, id);
        item.remove();
        this.#field("addresses").focus();
      } catch (error) {
        showNotice(this.#form, asParleyError(error).message);
      }
    };
    return item;
  }

  /** @param {string} name @returns {HTMLInputElement | HTMLSelectElement} */
  #field(name) {
    return find(`[name="${name}"]`, this.#form);
  }
}

/** @param {string} date @param {string} time @returns {Record<string, string>} */
function lacking(date, time) {
  const fault = "Date and time belong together.";
  return date ? { time: fault } : time ? { starts_at: fault } : {};
}

/** What the form begins with; a meeting that has no times may stay so. @param {MeetingInfo | null} meeting @param {string} zone */
function timesOf(meeting, zone) {
  if (meeting?.starts_at && meeting.ends_at) return wallTimeOf(meeting.starts_at, meeting.ends_at, zone);
  return meeting ? { date: "", time: "", minutes: 60 } : nextHour(new Date(), zone);
}

/** @param {Element} select @param {string[][]} options values and what is shown */
function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value = "", text = ""]) => make("option", { value }, text)));
}

/** @param {number} minutes */
function lengthText(minutes) {
  const hours = Math.floor(minutes / 60);
  const parts = [hours ? `${hours} h` : "", minutes % 60 ? `${minutes % 60} min` : ""];
  return parts.filter(Boolean).join(" ");
}
