/**
 * The meeting page: lobby, call, and after. It ties the library's `Meeting` to the parts of the page;
 * each part listens for itself.
 *
 * `window.parley` is the meeting, for tests and for whoever wants to look.
 */

import { asParleyError, ParleyError } from "../lib/errors.js";
import { Meeting } from "../lib/meeting.js";
import { ChatPanel } from "./chat-panel.js";
import { Controls } from "./controls.js";
import { DevicePickers } from "./devices.js";
import { find, make } from "./dom.js";
import { isEnding, showEnding } from "./ended.js";
import { Lobby } from "./lobby.js";
import { PeoplePanel } from "./people-panel.js";
import { Reactions } from "./reactions.js";
import { remembered } from "./settings.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { toast } from "./toast.js";

/** @typedef {"loading" | "lobby" | "call" | "ended"} View @typedef {"people" | "chat"} Panel */

const { body } = document;
const { code = "", userId, userName = "" } = body.dataset;

class Page {
  meeting = new Meeting(code, { user: userId ? { id: userId, name: userName } : null });
  stage = new Stage(this.meeting);
  sound = new Sound(this.meeting.call);
  chat = new ChatPanel(this.meeting, () => this.#showUnread());
  people = new PeoplePanel(this.meeting);
  reactions = new Reactions(this.meeting, this.stage);
  pickers = new DevicePickers(this.meeting.local, () => this.sound.useSpeaker());
  lobby = new Lobby(this.meeting);
  controls = new Controls(this.meeting, {
    togglePanel: (panel) => this.#togglePanel(panel),
    toggleReactions: () => this.reactions.toggle(),
    closeAll: () => this.#closeAll(),
  });

  constructor() {
    const { call, local } = this.meeting;
    local.devices = { microphone: remembered.microphone, camera: remembered.camera };
    call.on("state", ({ state, error }) => this.#follow(state, error));
    call.on("speakers", () => this.#showTitle());
    call.on("refused", (error) => toast(error.message));
    local.on("change", () => this.#showBanner());
    find('[data-action="rejoin"]').onclick = () => this.#openLobby();
    find('[data-action="read-chat"]').onclick = () => this.#togglePanel("chat");
    document.addEventListener("visibilitychange", () => this.#showTitle());
    // A closed tab looks like a reloaded one from here, so no `leave` is sent: that would turn every reload
    // into a new person. The browser itself closes the WebSocket as "going away" (1001), and the node then
    // keeps the place just long enough for a reload.
    addEventListener("pagehide", () => this.meeting.suspend());
    addEventListener("pageshow", ({ persisted }) => persisted && call.networkChanged());
  }

  async open() {
    try {
      const info = await this.meeting.open();
      for (const title of document.querySelectorAll('[data-part="title"]')) title.textContent = info.title;
      this.#showTitle();
      if (info.ended_at) {
        return void this.#end(new ParleyError(info.cancelled ? "meeting_cancelled" : "meeting_ended"));
      }
      const memory = await this.meeting.recall();
      if (memory) return void (await this.#comeBack(memory));
      if (!info.guests_allowed && !userId) return void this.#end(new ParleyError("guests_not_allowed"));
      await this.#openLobby();
    } catch (error) {
      await this.#end(asParleyError(error));
    }
  }

  /** @param {import("../lib/memory.js").Memory} memory */
  async #comeBack(memory) {
    this.#showView("call");
    try {
      await this.meeting.rejoin(memory);
    } catch (error) {
      if (this.meeting.call.state !== "idle" || isEnding(asParleyError(error))) return;
      await this.#openLobby({ devices: false });
      this.lobby.fail(asParleyError(error));
    }
  }

  /** @param {{devices?: boolean}} [options] */
  async #openLobby(options) {
    this.#showView("lobby");
    await this.lobby.enter(options);
  }

  /** @param {import("../lib/states.js").State} state @param {ParleyError | null} error */
  #follow(state, error) {
    const was = body.dataset.state;
    body.dataset.state = state;
    this.#showBanner();
    if (state === "connected") {
      this.#showView("call");
      this.controls.show();
      if (was === "reconnecting") toast("You are back in the meeting.", { seconds: 3 });
    }
    const over = state === "ended" || (state === "idle" && error !== null && isEnding(error));
    if (over) void this.#end(error ?? new ParleyError("left"));
  }

  /** @param {ParleyError} error */
  async #end(error) {
    this.#closeAll();
    const stranger = error.code === "guests_not_allowed" || error.code === "meeting_unknown";
    const canRead = !stranger && (await this.#tryToRead());
    if (this.meeting.call.state !== "ended" && this.meeting.call.state !== "idle") return;
    showEnding(error, { canRead, signedIn: Boolean(userId) });
    this.#showView("ended");
    find('[data-part="ended-title"]').focus();
  }

  /** Chat and people, for those who were here. */
  async #tryToRead() {
    try {
      await this.meeting.read();
      return true;
    } catch {
      return false;
    }
  }

  // --- what is shown -----------------------------------------------------------------------------

  /** @param {View} view */
  #showView(view) {
    if (body.dataset.view === view) return;
    if (body.dataset.view === "lobby") this.lobby.leave();
    body.dataset.view = view;
    for (const section of document.querySelectorAll("section[data-view]")) {
      /** @type {HTMLElement} */ (section).hidden =
        /** @type {HTMLElement} */ (section).dataset.view !== view;
    }
    if (view === "call") {
      find("#main").focus();
      this.controls.show();
      this.stage.draw();
    }
  }

  #showBanner() {
    const banner = find('[data-part="banner"]');
    const { call, local } = this.meeting;
    const spinner = () => make("span", { className: "spinner", ariaHidden: "true" });
    banner.hidden = false;
    banner.classList.toggle("calm", call.state !== "reconnecting");
    if (call.state === "reconnecting") banner.replaceChildren(spinner(), "Connection lost. Reconnecting…");
    else if (call.state === "joining") banner.replaceChildren(spinner(), "Joining…");
    else if (local.isSharing) {
      const stop = make(
        "button",
        { type: "button", className: "button compact", onclick: () => local.stopSharing() },
        "Stop sharing",
      );
      banner.replaceChildren("You are sharing your screen.", stop);
    } else {
      banner.hidden = true;
      banner.replaceChildren();
    }
  }

  #showTitle() {
    const { call, info } = this.meeting;
    const unread = this.chat.unread ? `(${this.chat.unread}) ` : "";
    const speaker = call.room?.peers.find(({ id }) => id === call.speakers[0] && id !== call.peer);
    const speaking = speaker && document.hidden ? `${speaker.name} is speaking · ` : "";
    document.title = `${unread}${speaking}${info?.title ?? "Meeting"} · Parley`;
  }

  #showUnread() {
    const badge = find('[data-part="unread"]');
    badge.hidden = this.chat.unread === 0;
    badge.textContent = String(this.chat.unread);
    const label = this.chat.unread ? `Chat, ${this.chat.unread} unread` : "Chat";
    find('.controls [data-action="chat"]').setAttribute("aria-label", label);
    this.#showTitle();
  }

  /** @param {Panel} panel */
  #togglePanel(panel) {
    this.#openPanel(body.dataset.panel === panel ? null : panel);
  }

  /** @param {Panel | null} panel */
  #openPanel(panel) {
    const before = body.dataset.panel;
    if (panel) body.dataset.panel = panel;
    else delete body.dataset.panel;
    for (const name of /** @type {Panel[]} */ (["people", "chat"])) {
      find(`aside[data-part="${name}"]`).hidden = name !== panel;
      find(`.controls [data-action="${name}"]`).setAttribute("aria-expanded", String(name === panel));
    }
    if (panel === "chat") this.chat.open({ writable: body.dataset.view === "call" });
    else if (panel) find("button", find(`aside[data-part="${panel}"]`)).focus();
    else if (before && body.dataset.view === "call") find(`.controls [data-action="${before}"]`).focus();
  }

  #closeAll() {
    this.reactions.close();
    if (body.dataset.panel) this.#openPanel(null);
  }
}

const page = new Page();
Object.assign(window, { parley: page.meeting });
void page.open();
