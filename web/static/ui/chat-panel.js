/** The chat: reading, writing, paging back; unread lines are counted while nobody looks. */

import { AttachmentTray, attachmentLink } from "./attachments.js";
import { find, make } from "./dom.js";
import { piecesOf } from "./links.js";
import { toast } from "./toast.js";

/**
 * @typedef {import("../lib/meeting.js").Meeting} Meeting
 * @typedef {import("../lib/messages.js").Line} Line
 */

const times = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

/** Lines of one person closer together than this share one head. */
const TOGETHER_MS = 5 * 60_000;

/** Counting as "at the end": further up, new lines do not scroll the reader away. */
const NEAR_END_PX = 60;

export class ChatPanel {
  #chat;
  #panel = find('[data-part="chat"]');
  #scroll = find('[data-part="chat-scroll"]');
  #list = find('[data-part="lines"]');
  #older = find('[data-action="older"]');
  #form = /** @type {HTMLFormElement} */ (find('[data-form="say"]'));
  #input = /** @type {HTMLTextAreaElement} */ (find("textarea", this.#form));
  /** @type {Map<string, {line: Line, element: HTMLElement}>} what is drawn, by line */
  #drawn = new Map();
  unread = 0;

  /** @param {Meeting} meeting @param {() => void} onUnread */
  constructor(meeting, onUnread) {
    this.#chat = meeting.chat;
    this.onUnread = onUnread;
    this.#chat.on("lines", () => this.#draw());
    this.#chat.on("arrived", () => this.#count());
    new AttachmentTray(this.#chat.uploads, this.#panel, this.#form);
    this.#older.onclick = () => this.#showOlder();
    this.#form.onsubmit = (event) => this.#send(event);
    this.#input.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    };
    this.#scroll.onscroll = () => this.#nearEnd() && this.#seen();
    document.addEventListener("visibilitychange", () => this.#looking() && this.#seen());
  }

  /** The panel was opened. @param {{writable?: boolean}} [options] */
  open({ writable = true } = {}) {
    this.#form.hidden = !writable;
    this.#toEnd();
    this.#seen();
    if (writable) this.#input.focus();
  }

  /** @param {Event} event */
  #send(event) {
    event.preventDefault();
    if (this.#chat.uploads.busy) {
      toast("Files are still on their way; send when they have arrived.");
      return;
    }
    const text = this.#input.value.trim();
    const attachments = this.#chat.uploads.take();
    if (text === "" && attachments.length === 0) return;
    this.#input.value = "";
    void this.#chat.say(text, attachments);
    this.#toEnd();
  }

  async #showOlder() {
    const fromEnd = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    this.#older.ariaBusy = "true";
    await this.#chat.older().catch(() => {});
    this.#older.ariaBusy = "false";
    this.#scroll.scrollTop = this.#scroll.scrollHeight - fromEnd;
  }

  /**
   * Draw what differs from what is drawn: what stays keeps its element, so that readers and screen readers
   * keep their place.
   */
  #draw() {
    const follow = this.#nearEnd();
    const { lines } = this.#chat;
    const elements = lines.flatMap((line, i) => this.#elements(line, lines[i - 1]));
    const kept = new Set(elements);
    for (const child of [...this.#list.children])
      if (!kept.has(/** @type {HTMLElement} */ (child))) child.remove();
    elements.forEach((element, i) => {
      if (this.#list.children[i] !== element)
        this.#list.insertBefore(element, this.#list.children[i] ?? null);
    });
    this.#older.hidden = !this.#chat.hasOlder;
    if (follow) this.#toEnd();
  }

  /** @param {Line} line @param {Line | undefined} before @returns {HTMLElement[]} */
  #elements(line, before) {
    const element = this.#cached(`line ${line.client_id ?? line.id}`, line, () => this.#line(line));
    if (line.kind === "text") element.classList.toggle("first", !continues(line, before));
    const day = days.format(new Date(line.sent_at));
    if (before && days.format(new Date(before.sent_at)) === day) return [element];
    return [this.#cached(`day ${day}`, line, () => make("li", { className: "day" }, day)), element];
  }

  /** @param {string} key @param {Line} line @param {() => HTMLElement} draw */
  #cached(key, line, draw) {
    const drawn = this.#drawn.get(key);
    if (drawn && (key.startsWith("day") || drawn.line === line)) return drawn.element;
    const element = draw();
    this.#drawn.set(key, { line, element });
    return element;
  }

  /** @param {Line} line */
  #line(line) {
    if (line.kind === "system") return make("li", { className: "system" }, line.text);
    const mine = line.author?.id === this.#chat.author().id;
    const time = make("time", { dateTime: line.sent_at }, times.format(new Date(line.sent_at)));
    const head = make(
      "div",
      { className: "head" },
      make("span", {}, mine ? "You" : (line.author?.name ?? "")),
      time,
    );
    const text = make("div", { className: "text" }, ...piecesOf(line.text).map(piece));
    text.hidden = line.text === "";
    const files = line.attachments.map((each) => attachmentLink(each, this.#chat.fileUrl(each)));
    const element = make("li", { className: "line", dataset: { testid: "chat-message" } }, head, text);
    if (!line.pending) element.append(...files);
    element.classList.toggle("mine", mine);
    element.classList.toggle("pending", line.pending ?? false);
    element.classList.toggle("failed", line.failed !== undefined);
    if (line.failed !== undefined) element.append(this.#failure(line));
    return element;
  }

  /** @param {Line} line */
  #failure(line) {
    const again = () => void this.#chat.say(line.text, line.attachments, line.client_id);
    const button = make("button", { type: "button", onclick: again }, "Send again");
    return make("div", { className: "why" }, `Not sent. ${line.failed}`, button);
  }

  #count() {
    if (this.#looking() && this.#nearEnd()) return;
    this.unread += 1;
    this.onUnread();
  }

  #seen() {
    if (this.unread === 0 || !this.#looking()) return;
    this.unread = 0;
    this.onUnread();
  }

  #looking() {
    return !this.#panel.hidden && document.visibilityState === "visible";
  }

  #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}

/**
 * Whether a line goes on where the one before it, of the same person, left off.
 * @param {Line} line
 * @param {Line | undefined} before
 */
function continues(line, before) {
  if (before?.kind !== "text" || before.author?.id !== line.author?.id) return false;
  return Date.parse(line.sent_at) - Date.parse(before.sent_at) < TOGETHER_MS;
}

/** @param {import("./links.js").Piece} piece */
function piece({ text, href }) {
  return href ? make("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text) : text;
}
