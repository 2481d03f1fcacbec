/**
 * A meeting's events from the control service, none missed: after a lost connection the stream goes on
 * behind the last event that came, and where too many were missed it says `reset`: fetch anew.
 */

import { backoffMs } from "./backoff.js";
import { Emitter } from "./emitter.js";

/**
 * @typedef {import("./api.js").Api} Api
 * @typedef {import("./api.js").Message} Message
 * @typedef {import("./api.js").Attendance} Attendance
 * @typedef {{message: Message, joined: Attendance, left: Attendance, ended: null, reset: null}} FeedEvents
 */

/** @extends {Emitter<FeedEvents>} */
export class Feed extends Emitter {
  #api;
  #code;
  /** @type {number | null} */
  #lastId = null;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #failures = 0;

  /** @param {Api} api @param {string} code */
  constructor(api, code) {
    super();
    this.#api = api;
    this.#code = code;
  }

  /** Connect, or connect anew at once: the old connection may be dead without knowing. */
  connect() {
    this.close();
    const socket = new WebSocket(this.#api.eventsUrl(this.#code, this.#lastId));
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => {
      if (this.#socket === socket) this.#retry = setTimeout(() => this.#again(), backoffMs(this.#failures++));
    };
  }

  /** A browser does not say why a WebSocket was refused: the session may have expired. */
  async #again() {
    if (this.#failures > 1) await this.#api.renew().catch(() => {});
    if (this.#socket?.readyState === WebSocket.CLOSED) this.connect();
  }

  close() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** @param {{type: string, id: number, message?: Message, person?: Attendance}} event */
  #receive(event) {
    this.#failures = 0;
    if (event.type === "ready") {
      this.#lastId ??= event.id;
      return;
    }
    this.#lastId = event.id;
    if (event.type === "message" && event.message) this.emit("message", event.message);
    if ((event.type === "joined" || event.type === "left") && event.person)
      this.emit(event.type, event.person);
    if (event.type === "reset" || event.type === "ended") this.emit(event.type, null);
  }
}
