/** After the call, or instead of it: what happened, and what can be done now. */

import { find } from "./dom.js";

/** @typedef {import("../lib/errors.js").ParleyError} ParleyError */

/**
 * What to say for a code, and whether joining again can work.
 * @type {Record<string, {title: string, text?: string, again: boolean}>}
 */
const ENDINGS = {
  left: { title: "You left the meeting", text: "Come back any time while it goes on.", again: true },
  meeting_ended: {
    title: "The meeting has ended",
    text: "The host ended it for everybody. Thank you for being there.",
    again: false,
  },
  meeting_cancelled: {
    title: "The meeting was cancelled",
    text: "The host cancelled it; there is nothing to join.",
    again: false,
  },
  room_closed: { title: "The meeting has ended", text: "It was closed for everybody.", again: false },
  removed: {
    title: "You were removed from the meeting",
    text: "The host removed you. If that was a mistake, ask to be let in again.",
    again: false,
  },
  replaced: {
    title: "You joined from somewhere else",
    text: "This meeting is open in another window or on another device under your place here.",
    again: true,
  },
  meeting_unknown: {
    title: "There is no such meeting",
    text: "Check the link: a letter may be missing. Or ask whoever invited you to send it again.",
    again: false,
  },
  guests_not_allowed: {
    title: "This meeting is for accounts only",
    text: "The host does not let guests in. Sign in, or make an account, then join.",
    again: false,
  },
};

/** Whether an error ends the matter for this page, whatever it was about to do. @param {ParleyError} error */
export function isEnding(error) {
  return error.code in ENDINGS;
}

/**
 * @param {ParleyError} error why it is over
 * @param {{canRead: boolean, signedIn: boolean}} options
 */
export function showEnding(error, { canRead, signedIn }) {
  const ending = ENDINGS[error.code] ?? {
    title: "You are not in the meeting",
    text: error.message,
    again: true,
  };
  const root = find('section[data-view="ended"]');
  find('[data-part="ended-title"]', root).textContent = ending.title;
  find('[data-part="ended-text"]', root).textContent = ending.text ?? error.message;
  find('[data-action="rejoin"]', root).hidden = !ending.again;
  find('[data-part="ended-sign-in"]', root).hidden = signedIn || error.code !== "guests_not_allowed";
  find('[data-action="read-chat"]', root).hidden = !canRead;
  root.dataset.code = error.code;
}
