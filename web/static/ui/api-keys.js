/** API keys in the settings: the list, making one, revoking one. */

import { Api } from "../lib/api.js";
import { confirmed } from "./confirm.js";
import { find, fromTemplate, make } from "./dom.js";
import { Section } from "./section.js";
import { timeText } from "./times.js";

/** @typedef {import("../lib/api.js").Key} Key */

const api = new Api();

/** @type {Section<Key>} */
const section = new Section("keys", {
  load: (cursor) => api.keys(cursor),
  card,
  make: async ({ name = "", expires_in }, data) => {
    const { key, secret } = await api.makeKey({
      name: name.trim(),
      scopes: data.getAll("scopes").map(String),
      expires_in: expires_in ? Number(expires_in) : null,
    });
    return { item: key, secret };
  },
});

/** @param {Key} key @returns {HTMLElement} */
function card(key) {
  const element = fromTemplate("key");
  const slot = (/** @type {string} */ name) => find(`[data-slot="${name}"]`, element);
  const expired = key.expires_at !== null && new Date(key.expires_at) <= new Date();
  slot("name").textContent = key.name;
  slot("chip").hidden = !expired;
  slot("prefix").textContent = `${key.prefix}…`;
  slot("used").textContent = key.used_at ? `last used ${timeText(key.used_at)}` : "never used";
  slot("expires").textContent = key.expires_at
    ? `${expired ? "expired" : "expires"} ${timeText(key.expires_at)}`
    : "never expires";
  slot("scopes").append(...key.scopes.map((scope) => make("code", {}, scope)));
  const button = find('[data-action="revoke"]', element);
  button.ariaLabel = `Revoke ${key.name}`;
  button.onclick = () => revoke(key, element);
  return element;
}

/** @param {Key} key @param {HTMLElement} element */
async function revoke(key, element) {
  find('dialog[data-part="revoke"] [data-slot="name"]').textContent = key.name;
  if (!(await confirmed("revoke"))) return;
  await section.attempt(async () => {
    await api.revokeKey(key.id);
    section.remove(element, "The key is revoked.");
  });
}

void section.more();
