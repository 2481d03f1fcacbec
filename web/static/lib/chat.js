/**
 * A meeting's chat: the history by pages, what is said now, and what I say, shown before it is confirmed.
 *
 * It rests on the control service alone, so it outlives the call and a lost media connection.
 */

import { Emitter } from "./emitter.js";
import { asParleyError, sentenceOf } from "./errors.js";
import { confirm, fail, isUnsent, merge, send } from "./messages.js";
import { Uploads } from "./uploads.js";

/**
 * @typedef {import("./messages.js").Line} Line
 * @typedef {import("./api.js").Message} Message
 * @typedef {{lines: Line[], arrived: Message}} ChatEvents
 *   `lines`: the list has changed; `arrived`: somebody else has just said this
 */

/** @extends {Emitter<ChatEvents>} */
export class Chat extends Emitter {
  #api;
  #code;
  /** @type {string | null | undefined} undefined: nothing fetched yet; null: the beginning is reached */
  #cursor;

  /** @type {Line[]} oldest first */
  lines = [];

  /**
   * @param {import("./api.js").Api} api @param {string} code
   * @param {import("./feed.js").Feed} feed
   * @param {() => {id: string, name: string}} author who writes here
   */
  constructor(api, code, feed, author) {
    super();
    this.#api = api;
    this.#code = code;
    this.author = author;
    /** The files that go with what is said next. */
    this.uploads = new Uploads(api, code);
    feed.on("message", (message) => this.#hear(message));
    feed.on("reset", () => void this.#startAnew());
  }

  /** Whether there is older history to fetch. */
  get hasOlder() {
    return this.#cursor !== null;
  }

  /** Where a file is to be had. @param {import("./api.js").Attachment} attachment */
  fileUrl({ id }) {
    return this.#api.fileUrl(this.#code, id);
  }

  /** Fetch the latest page. */
  async refresh() {
    const page = await this.#api.messages(this.#code);
    this.#cursor ??= page.next_cursor;
    this.#set(merge(this.lines, page.items));
  }

  /** Fetch the page before the oldest line. */
  async older() {
    if (!this.hasOlder) return;
    const page = await this.#api.messages(this.#code, this.#cursor);
    this.#cursor = page.next_cursor;
    this.#set(merge(this.lines, page.items));
  }

  /**
   * Say something. It stands in the list at once; when it does not go, the line says why and can be sent again.
   * @param {string} text @param {import("./api.js").Attachment[]} [attachments] files that have arrived
   * @param {string} [clientId] that of a failed line, to send it again
   */
  async say(text, attachments = [], clientId = newId()) {
    const line = {
      id: clientId,
      client_id: clientId,
      meeting: this.#code,
      kind: /** @type {const} */ ("text"),
      text,
      attachments,
    };
    this.#set(send(this.lines, { ...line, author: this.author(), sent_at: new Date().toISOString() }));
    try {
      const ids = attachments.map(({ id }) => id);
      const said = { text, client_id: clientId, attachments: ids };
      const message = await this.#api.sendMessage(this.#code, said);
      this.#set(confirm(this.lines, clientId, message));
    } catch (error) {
      this.#set(fail(this.lines, clientId, sentenceOf(asParleyError(error))));
    }
  }

  /** Too much was missed to be told: what is here may have a gap, so only what is yet to be sent stays. */
  async #startAnew() {
    this.lines = this.lines.filter(isUnsent);
    this.#cursor = undefined;
    await this.refresh();
  }

  /** @param {Message} message */
  #hear(message) {
    const known = this.lines.length;
    const whole = { ...message, attachments: message.attachments ?? [] }; // told before there were any
    this.#set(merge(this.lines, [whole]));
    if (this.lines.length > known && message.author?.id !== this.author().id) this.emit("arrived", message);
  }

  /** @param {Line[]} lines */
  #set(lines) {
    this.lines = lines;
    this.emit("lines", lines);
  }
}

/** Random enough to be unique, also where crypto.randomUUID is missing (plain http). */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
