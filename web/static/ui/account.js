/**
 * Signing up, signing in, and a new password for who forgot theirs. The forms say method=post, so that one sent before this script has loaded
 * never puts a password into an address. Afterwards the page goes to `?next=` if that is
 * one of ours, else to my meetings.
 */

import { Api } from "../lib/api.js";
import { find } from "./dom.js";
import { onSend } from "./forms.js";

const api = new Api();

/** A path of this site from `?next=`, or the default: never another site. */
function destination() {
  const next = new URLSearchParams(location.search).get("next") ?? "/meetings";
  const url = new URL(next, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : "/meetings";
}

for (const link of document.querySelectorAll("a[data-keep-next]")) {
  /** @type {HTMLAnchorElement} */ (link).search = location.search;
}

const signUp = /** @type {HTMLFormElement | null} */ (document.querySelector('[data-form="sign-up"]'));
if (signUp) {
  onSend(signUp, async ({ name = "", email = "", password = "" }) => {
    await api.signUp({ name: name.trim(), email: email.trim(), password });
    location.assign(destination());
  });
}

const signIn = /** @type {HTMLFormElement | null} */ (document.querySelector('[data-form="sign-in"]'));
if (signIn) {
  onSend(signIn, async ({ email = "", password = "" }) => {
    await api.signIn({ email: email.trim(), password });
    location.assign(destination());
  });
}

/** Say what was done in place of the form. @param {HTMLFormElement} form */
function showDone(form) {
  const done = find('[data-part="done"]');
  form.hidden = true;
  done.hidden = false;
  done.focus();
}

const forgot = /** @type {HTMLFormElement | null} */ (document.querySelector('[data-form="forgot-password"]'));
if (forgot) {
  onSend(forgot, async ({ email = "" }) => {
    await api.forgotPassword(email.trim());
    showDone(forgot);
  });
}

const renew = /** @type {HTMLFormElement | null} */ (document.querySelector('[data-form="new-password"]'));
if (renew) {
  onSend(renew, async ({ password = "" }) => {
    await api.resetPassword({ token: location.hash.slice(1), password });
    showDone(renew);
  });
}
