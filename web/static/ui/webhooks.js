/** Webhooks in the settings: the list, adding one, enabling one again, deleting one, what each was told. */

import { Api } from "../lib/api.js";
import { confirmed } from "./confirm.js";
import { DeliveryList } from "./delivery-list.js";
import { find, fromTemplate, make } from "./dom.js";
import { Section } from "./section.js";
import { timeText } from "./times.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/api.js").Webhook} Webhook */

const api = new Api();

/** @type {Section<Webhook>} */
const section = new Section("webhooks", {
  load: async () => {
    const { items, next_cursor } = await api.webhooks();
    return { items: items.reverse(), next_cursor };
  },
  card,
  make: async ({ url = "", description = "" }, data) => {
    const { webhook, secret } = await api.addWebhook({
      url: url.trim(),
      kinds: data.getAll("kinds").map(String),
      description: description.trim(),
    });
    return { item: webhook, secret };
  },
});

/** @param {Webhook} webhook @returns {HTMLElement} */
function card(webhook) {
  const element = fromTemplate("webhook");
  const slot = (/** @type {string} */ name) => find(`[data-slot="${name}"]`, element);
  slot("url").textContent = webhook.url;
  slot("description").textContent = webhook.description;
  slot("description").hidden = webhook.description === "";
  slot("kinds").append(...webhook.kinds.map((kind) => make("code", {}, kind)));
  showState(webhook, element);
  const button = (/** @type {string} */ action) => find(`[data-action="${action}"]`, element);
  button("enable").hidden = webhook.disabled_at === null;
  button("enable").ariaLabel = `Enable ${webhook.url}`;
  button("enable").onclick = () => enable(webhook, element);
  button("delete").ariaLabel = `Delete ${webhook.url}`;
  button("delete").onclick = () => remove(webhook, element);
  new DeliveryList(api, webhook, element, section);
  return element;
}

/** @param {Webhook} webhook @param {HTMLElement} element */
function showState(webhook, element) {
  const [state, why] = stateOf(webhook);
  const chip = find('[data-slot="chip"]', element);
  chip.textContent = state;
  chip.classList.toggle("live", state === "On");
  const notice = find('[data-slot="why"]', element);
  find("div", notice).textContent = why;
  notice.hidden = why === "";
}

/** Its state in a word, and what that means. @param {Webhook} webhook @returns {[string, string]} */
function stateOf({ failing_since, disabled_at, disabled_because }) {
  if (disabled_at) {
    const since = `Nothing is sent to it since ${timeText(disabled_at)}.`;
    return ["Disabled", `${since} ${disabled_because ?? ""} Enable it again once it is mended.`];
  }
  if (failing_since) {
    return ["Failing", `It took nothing since ${timeText(failing_since)}; if that goes on it is disabled.`];
  }
  return ["On", ""];
}

/** @param {Webhook} webhook @param {HTMLElement} element */
async function enable(webhook, element) {
  await section.attempt(async () => {
    const enabled = card(await api.enableWebhook(webhook.id));
    element.replaceWith(enabled);
    find('[data-action="deliveries"]', enabled).focus();
    toast("The webhook is enabled.");
  });
}

/** @param {Webhook} webhook @param {HTMLElement} element */
async function remove(webhook, element) {
  find('dialog[data-part="delete"] [data-slot="url"]').textContent = webhook.url;
  if (!(await confirmed("delete"))) return;
  await section.attempt(async () => {
    await api.removeWebhook(webhook.id);
    section.remove(element, "The webhook is deleted.");
  });
}

void section.more();
