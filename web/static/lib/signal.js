/**
 * One WebSocket to a node: hello and welcome, requests and answers, pings, and how it ended.
 *
 * It knows messages, not what they mean for a call. It is used once: when it has closed, make another.
 */

import { Emitter } from "./emitter.js";
import { ParleyError } from "./errors.js";
import { PROTOCOL } from "./protocol.js";

/**
 * @typedef {import("./protocol.js").NodeSignal} NodeSignal
 * @typedef {import("./protocol.js").Welcome} Welcome
 * @typedef {import("./protocol.js").Answer} Answer
 * @typedef {import("./protocol.js").PublishedTrack} PublishedTrack
 * @typedef {import("./protocol.js").Want} Want
 * @typedef {{ticket?: string, resume?: string, offer: string, tracks: PublishedTrack[]}} Greeting
 * @typedef {{message: NodeSignal, refused: ParleyError, closed: ParleyError}} SignalEvents
 *   `message`: what the node tells of itself; `refused`: a message was not acted on, the connection goes on;
 *   `closed`: the end, with `retry` telling what can work
 */

const ANSWER_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 5_000;
const PING_TIMEOUT_MS = 10_000;

/** @extends {Emitter<SignalEvents>} */
export class Signal extends Emitter {
  #socket;
  /** Why it is over. @type {ParleyError | null} */
  #ended = null;
  #pings = 0;
  #heardAt = performance.now();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pinging;
  /** @type {PromiseWithParts<Welcome>} */
  #welcome = withParts();
  /** @type {Map<number, PromiseWithParts<Answer>>} offers that wait for their answers */
  #waiting = new Map();
  #offers = 0;

  /**
   * Connect, say hello, and wait for the welcome.
   * @param {string} url
   * @param {Greeting} hello
   * @param {{patienceMs: number, listen: (signal: Signal) => void}} options
   *   how long the welcome may take; `listen` is called before any message can come, to attach listeners
   * @returns {Promise<{signal: Signal, welcome: Welcome}>}
   * @throws {ParleyError} the node's code, or `node_unreachable`
   */
  static async enter(url, hello, { patienceMs, listen }) {
    const signal = new Signal(new WebSocket(url));
    listen(signal);
    const welcome = await signal.#hello(hello, patienceMs);
    return { signal, welcome };
  }

  /** @param {WebSocket} socket */
  constructor(socket) {
    super();
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => this.#end(new ParleyError("node_unreachable", undefined, { retry: "resume" }));
  }

  /** @param {Greeting} hello @param {number} patienceMs */
  async #hello(hello, patienceMs) {
    this.#socket.onopen = () => this.send({ type: "hello", protocol: PROTOCOL, ...hello });
    const late = setTimeout(
      () => this.#end(new ParleyError("node_unreachable", undefined, { retry: "resume" })),
      patienceMs,
    );
    try {
      const welcome = await this.#welcome.promise;
      this.#pinging = setInterval(() => this.#ping(), PING_INTERVAL_MS);
      return welcome;
    } finally {
      clearTimeout(late);
    }
  }

  /** @param {{type: string, [field: string]: unknown}} message */
  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Send a new offer and wait for its answer. @param {string} sdp @param {PublishedTrack[]} tracks */
  async offer(sdp, tracks) {
    if (this.#ended) throw this.#ended;
    const id = ++this.#offers;
    const waiting = /** @type {PromiseWithParts<Answer>} */ (withParts());
    this.#waiting.set(id, waiting);
    const late = setTimeout(
      () => this.#end(new ParleyError("timeout", undefined, { retry: "resume" })),
      ANSWER_TIMEOUT_MS,
    );
    this.send({ type: "offer", id, sdp, tracks });
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }

  /** Close without a word: the node keeps the peer's place for a while. */
  close() {
    this.#end(new ParleyError("link_lost", undefined, { retry: "resume" }));
  }

  /** Leave for good. */
  leave() {
    this.send({ type: "leave" });
    this.close();
  }

  /** @param {NodeSignal} message */
  #receive(message) {
    this.#heardAt = performance.now();
    switch (message.type) {
      case "welcome":
        return this.#welcome.resolve(message);
      case "answer":
        return this.#waiting.get(message.id)?.resolve(message);
      case "refused":
        return this.#refuse(message);
      case "closed":
        return this.#end(new ParleyError(message.code, message.message, { retry: message.retry ?? "none" }));
      case "pong":
        return undefined;
      default:
        return this.emit("message", message);
    }
  }

  /** @param {import("./protocol.js").Refused} message */
  #refuse(message) {
    const error = new ParleyError(message.code, message.message);
    const waiting = typeof message.id === "number" ? this.#waiting.get(message.id) : undefined;
    if (waiting) waiting.reject(error);
    else this.emit("refused", error);
  }

  #ping() {
    if (performance.now() - this.#heardAt > PING_TIMEOUT_MS) {
      this.#end(new ParleyError("node_unreachable", undefined, { retry: "resume" }));
    } else {
      this.send({ type: "ping", id: ++this.#pings });
    }
  }

  /** @param {ParleyError} error */
  #end(error) {
    if (this.#ended) return;
    this.#ended = error;
    clearInterval(this.#pinging);
    this.#socket.onmessage = null;
    this.#socket.close();
    this.#welcome.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.emit("closed", error);
  }
}

/**
 * @template Value
 * @typedef {{promise: Promise<Value>, resolve: (value: Value) => void, reject: (error: Error) => void}} PromiseWithParts
 */

/**
 * A promise that is settled from outside; nobody need listen to its failure.
 * @returns {PromiseWithParts<any>}
 */
function withParts() {
  let resolve = /** @type {(value: any) => void} */ (() => {});
  let reject = /** @type {(error: Error) => void} */ (() => {});
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
