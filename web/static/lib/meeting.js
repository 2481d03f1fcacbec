/**
 * A meeting, whole: the call with what this person sends, the chat, the people; what a page is built on.
 *
 *     import { Meeting } from "/static/lib/meeting.js";
 *
 *     const meeting = new Meeting("abcd-efgh-jkmn");
 *     await meeting.local.turn("microphone", true);
 *     meeting.call.on("room", (room) => console.log(room.peers.map((peer) => peer.name)));
 *     await meeting.join({ name: "Ada" });
 *     meeting.call.link.want([{ track: "…", width: 640, height: 360, priority: "grid" }]);
 *
 * Its parts can be used alone; this ties them: devices are published, chat and people follow the call's
 * comings and goings, the tab remembers its place.
 */

import { Api } from "./api.js";
import { Attendance } from "./attendance.js";
import { Call } from "./call.js";
import { Chat } from "./chat.js";
import { Emitter } from "./emitter.js";
import { ParleyError } from "./errors.js";
import { Feed } from "./feed.js";
import { LocalMedia } from "./local.js";
import { TabMemory } from "./memory.js";
import { Playout } from "./playout.js";
import { Relays } from "./relays.js";

/** @typedef {import("./api.js").MeetingInfo} MeetingInfo */

/** @extends {Emitter<{ended: null}>} */
export class Meeting extends Emitter {
  #api;
  #memory;
  #feed;
  /** @type {import("./api.js").Entry | null} */
  #entry = null;
  #name = "";

  /** What is public of the meeting, once `open` has fetched it. @type {MeetingInfo | null} */
  info = null;

  /**
   * @param {string} code
   * @param {{api?: Api, memory?: TabMemory, user?: {id: string, name: string} | null}} [options]
   *   `user`: the account signed in, if any; guests have none
   */
  constructor(code, { api = new Api(), memory = new TabMemory(), user = null } = {}) {
    super();
    this.code = code;
    this.user = user;
    this.#api = api;
    this.#memory = memory;
    this.#feed = new Feed(api, code);
    this.local = new LocalMedia();
    this.call = new Call((back) => this.#enter(back), new Relays(() => api.iceServers(code)));
    this.playout = new Playout(this.call);
    this.chat = new Chat(api, code, this.#feed, () => this.author);
    this.attendance = new Attendance(api, code, this.#feed);
    this.#tie();
  }

  /** Who writes in the chat here: the account, or the guest's peer. */
  get author() {
    return { id: this.user?.id ?? this.call.peer ?? "", name: this.name };
  }

  /** The name others see. */
  get name() {
    return this.#entry?.name ?? (this.#name || this.user?.name || "");
  }

  get isHost() {
    return this.#entry?.is_host ?? this.info?.is_host ?? false;
  }

  /** Fetch what is public of the meeting. @throws {ParleyError} `meeting_unknown` … */
  async open() {
    this.info = await this.#api.meeting(this.code);
    return this.info;
  }

  /**
   * Enter the call with what is on in `local`. Guests give their name.
   * @param {{name?: string}} [who] @throws {ParleyError}
   */
  async join({ name = "" } = {}) {
    this.#name = name;
    await this.#begin(null);
  }

  /** What a reloaded tab was in a moment ago, to be given to `rejoin`. */
  recall() {
    return this.#memory.recall(this.code);
  }

  /** Enter again after a reload, with devices as they were. @param {import("./memory.js").Memory} memory */
  async rejoin(memory) {
    this.#name = memory.name;
    await Promise.all([
      memory.microphone && this.local.turn("microphone", true),
      memory.camera && this.local.turn("camera", true),
    ]);
    await this.#begin(memory.place);
  }

  /** Leave the call. The devices are let go. */
  leave() {
    this.call.leave();
  }

  /** End the meeting for everybody; the host only. @throws {ParleyError} */
  async end() {
    this.info = { .../** @type {MeetingInfo} */ (this.info), ...(await this.#api.endMeeting(this.code)) };
  }

  /** Fetch chat and people without being in the call; members only. @throws {ParleyError} */
  async read() {
    await Promise.all([this.chat.refresh(), this.attendance.refresh()]);
    this.#feed.connect();
  }

  /** The page is being left or put aside; what it was in is kept for a reload. */
  suspend() {
    this.#memory.touch();
  }

  /** @param {import("./call.js").Place | null} place */
  async #begin(place) {
    if (typeof RTCPeerConnection === "undefined") throw new ParleyError("webrtc_missing");
    for (const { source, publication } of this.local.publications()) {
      if (publication) this.call.link.publish(source, publication);
    }
    await this.call.join(place);
  }

  /** @param {import("./call.js").Return} back */
  async #enter(back) {
    const who = this.user ? {} : { name: this.#name };
    this.#entry = await this.#api.join(this.code, { ...who, ...back });
    return this.#entry;
  }

  #tie() {
    this.local.on("change", ({ source, publication }) => {
      if (publication) this.call.link.publish(source, publication);
      else this.call.link.unpublish(source);
      if (this.call.place) this.#remember(this.call.place);
    });
    this.call.on("place", (place) => (place ? this.#remember(place) : this.#memory.forget()));
    this.call.on("state", ({ state }) => this.#follow(state));
    this.#feed.on("ended", () => this.emit("ended", null));
    globalThis.addEventListener?.("online", () => this.call.networkChanged());
  }

  /** @param {import("./states.js").State} state */
  #follow(state) {
    if (state === "connected") {
      this.read().catch(() => {
        // The call goes on without chat; the next time the connection is back it is tried again.
      });
    }
    if (state === "ended") this.local.close();
  }

  /** @param {import("./call.js").Place} place */
  #remember(place) {
    const on = { microphone: this.local.isOn("microphone"), camera: this.local.isOn("camera") };
    void this.#memory.keep({ code: this.code, place, name: this.#name, ...on, at: Date.now() });
  }
}
