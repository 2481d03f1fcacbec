/**
 * The files that go with the next message: announced, on their way, arrived, or refused with a reason.
 *
 * Each goes straight to where files are kept. It becomes part of the meeting only by the message that
 * names it; who takes it away again before that has sent nothing to anybody.
 */

import { Emitter } from "./emitter.js";
import { asParleyError, ParleyError, sentenceOf } from "./errors.js";
import { transfer } from "./transfer.js";

/** For browsers that cannot tell what a file is. */
const UNKNOWN_TYPE = "application/octet-stream";

/**
 * @typedef {import("./api.js").Attachment} Attachment
 * @typedef {{key: number, file: File, sent: number, attachment?: Attachment, failed?: string}} Upload
 *   `sent`: the part that has gone, 0 to 1; `attachment`: it has arrived; `failed`: why it did not
 */

/** @extends {Emitter<{uploads: Upload[]}>} */
export class Uploads extends Emitter {
  #api;
  #code;
  #transfer;
  #keys = 0;
  /** @type {Map<number, AbortController>} what is on its way */
  #going = new Map();

  /** @type {readonly Upload[]} in the order they were added; never changed in place */
  list = [];

  /** @param {import("./api.js").Api} api @param {string} code @param {typeof transfer} [send] */
  constructor(api, code, send = transfer) {
    super();
    this.#api = api;
    this.#code = code;
    this.#transfer = send;
  }

  /** Whether some are still on their way. */
  get busy() {
    return this.#going.size > 0;
  }

  /** Send these files off, all at once. @param {Iterable<File>} files */
  async add(files) {
    await Promise.all([...files].map((file) => this.#send(file)));
  }

  /** Take a file away, also while it is on its way. @param {number} key */
  remove(key) {
    this.#going.get(key)?.abort();
    this.#set(this.list.filter((upload) => upload.key !== key));
  }

  /** Take away those that have arrived, for a message to name them. @returns {Attachment[]} */
  take() {
    const arrived = this.list.flatMap(({ attachment }) => attachment ?? []);
    this.#set(this.list.filter(({ attachment }) => !attachment));
    return arrived;
  }

  /** @param {File} file */
  async #send(file) {
    const key = (this.#keys += 1);
    const going = new AbortController();
    this.#going.set(key, going);
    this.#set([...this.list, { key, file, sent: 0 }]);
    const { name, size } = file;
    const type = typeOf(file);
    try {
      if (size === 0) throw new ParleyError("file_empty");
      const form = await this.#api.announceFile(this.#code, { name, type, size });
      going.signal.throwIfAborted();
      await this.#transfer(form, file, (sent) => this.#change(key, { sent }), going.signal);
      this.#change(key, { sent: 1, attachment: { id: form.id, name, type, size } });
    } catch (error) {
      this.#change(key, { failed: sentenceOf(asParleyError(error)) });
    } finally {
      this.#going.delete(key);
      this.#set([...this.list]);
    }
  }

  /** @param {number} key @param {Partial<Upload>} change */
  #change(key, change) {
    this.#set(this.list.map((upload) => (upload.key === key ? { ...upload, ...change } : upload)));
  }

  /** @param {Upload[]} list */
  #set(list) {
    this.list = list;
    this.emit("uploads", list);
  }
}

/** A file's media type as the server takes it: lower case, nothing after it. @param {File} file */
export function typeOf(file) {
  const [type = ""] = file.type.toLowerCase().split(";");
  return type.trim() || UNKNOWN_TYPE;
}
