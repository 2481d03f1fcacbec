/** Files in the chat: the tray of those that go with the next message, and those that came with one. */

import { find, icon, make } from "./dom.js";
import { sizeText } from "./sizes.js";

/**
 * @typedef {import("../lib/uploads.js").Uploads} Uploads
 * @typedef {import("../lib/uploads.js").Upload} Upload
 * @typedef {import("../lib/api.js").Attachment} Attachment
 */

/** What browsers draw; the server shows these and has everything else saved. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

export class AttachmentTray {
  #uploads;
  #list = find('[data-part="uploads"]');
  #input = /** @type {HTMLInputElement} */ (find('[data-part="files"]'));

  /**
   * Files are chosen by the button, dropped on the panel, or pasted into the text.
   * @param {Uploads} uploads @param {HTMLElement} panel @param {HTMLFormElement} form
   */
  constructor(uploads, panel, form) {
    this.#uploads = uploads;
    uploads.on("uploads", (list) => this.#draw(list));
    find('[data-action="attach"]').onclick = () => this.#input.click();
    this.#input.onchange = () => {
      void uploads.add([...(this.#input.files ?? [])]);
      this.#input.value = "";
    };
    form.onpaste = (event) => this.#take(event, event.clipboardData);
    const takes = (/** @type {DragEvent} */ event) =>
      !form.hidden && (event.dataTransfer?.types.includes("Files") ?? false);
    panel.ondragover = (event) => {
      if (!takes(event)) return;
      event.preventDefault();
      panel.classList.add("dropping");
    };
    panel.ondragleave = () => panel.classList.remove("dropping");
    panel.ondrop = (event) => {
      panel.classList.remove("dropping");
      if (takes(event)) this.#take(event, event.dataTransfer);
    };
  }

  /** @param {Event} event @param {DataTransfer | null} data */
  #take(event, data) {
    if (!data?.files.length) return;
    event.preventDefault();
    void this.#uploads.add([...data.files]);
  }

  /** @param {readonly Upload[]} list */
  #draw(list) {
    this.#list.hidden = list.length === 0;
    this.#list.replaceChildren(...list.map((upload) => this.#item(upload)));
  }

  /** @param {Upload} upload */
  #item({ key, file, sent, attachment, failed }) {
    const state = failed ?? (attachment ? sizeText(file.size) : null);
    const element = make(
      "li",
      { className: "upload", dataset: { testid: "upload" } },
      make("span", { className: "name" }, file.name),
      state === null
        ? make("progress", { max: 1, value: sent, ariaLabel: `Sending ${file.name}` })
        : make("span", { className: "state" }, state),
      make(
        "button",
        { type: "button", ariaLabel: `Remove ${file.name}`, onclick: () => this.#uploads.remove(key) },
        icon("close"),
      ),
    );
    element.classList.toggle("failed", failed !== undefined);
    element.classList.toggle("arrived", attachment !== undefined);
    return element;
  }
}

/**
 * A file that came with a message: a picture is shown, and everything is a link to it.
 * @param {Attachment} attachment @param {string} href
 */
export function attachmentLink({ name, type, size }, href) {
  const caption = make("span", { className: "caption" }, `${name}, ${sizeText(size)}`);
  const link = make("a", { href, target: "_blank", rel: "noopener", className: "attachment" }, caption);
  link.dataset.testid = "attachment";
  if (PICTURES.has(type)) {
    const picture = make("img", { src: href, alt: name, loading: "lazy" });
    picture.onerror = () => picture.remove();
    link.prepend(picture);
  }
  return link;
}
