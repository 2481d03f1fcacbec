/** Who is here, with their microphones and cameras, and who was. */

import { trackOf } from "../lib/room.js";
import { avatar, find, icon, make } from "./dom.js";

/**
 * @typedef {import("../lib/meeting.js").Meeting} Meeting
 * @typedef {import("../lib/protocol.js").PeerInfo} PeerInfo
 */

const times = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export class PeoplePanel {
  #meeting;
  #present = find('[data-part="present"]');
  #departed = find('[data-part="departed"]');

  /** @param {Meeting} meeting */
  constructor(meeting) {
    this.#meeting = meeting;
    meeting.call.on("room", () => this.#showPresent());
    meeting.call.on("room", () => this.#showDeparted());
    meeting.attendance.on("stays", () => this.#showDeparted());
  }

  #showPresent() {
    const { peers } = this.#meeting.call.room ?? { peers: [] };
    this.#present.replaceChildren(...peers.map((peer) => this.#person(peer)));
    find('[data-part="people-count"]').textContent = String(peers.length);
    find('.controls [data-action="people"]').setAttribute("aria-label", `People, ${peers.length}`);
  }

  /** @param {PeerInfo} peer */
  #person(peer) {
    const me = peer.id === this.#meeting.call.peer;
    const who = make("span", { className: "who" }, me ? `${peer.name} (you)` : peer.name);
    const lost = peer.connected ? null : make("span", { className: "chip" }, "Reconnecting");
    const marks = [mark(peer, "microphone", "mic"), mark(peer, "camera", "camera")];
    return make("li", { dataset: { peer: peer.id } }, avatar(peer.name), who, lost, ...marks);
  }

  #showDeparted() {
    const here = new Set(this.#meeting.call.room?.peers.map(({ id }) => id));
    const gone = this.#meeting.attendance.departed.filter(({ peer }) => !here.has(peer));
    find('[data-part="departed-title"]').hidden = gone.length === 0;
    this.#departed.replaceChildren(
      ...gone.map(({ name, left_at }) => {
        const time = make("time", { dateTime: left_at }, `until ${times.format(new Date(left_at))}`);
        return make("li", {}, avatar(name), make("span", { className: "who" }, name), time);
      }),
    );
  }
}

/** @param {PeerInfo} peer @param {"microphone" | "camera"} source @param {string} iconName */
function mark(peer, source, iconName) {
  const on = trackOf(peer, source)?.muted === false;
  const svg = icon(on ? iconName : `${iconName}-off`);
  svg.classList.toggle("off", !on && source === "microphone");
  return make(
    "span",
    { title: `${source} ${on ? "on" : "off"}` },
    svg,
    make("span", { className: "only-read" }, `${source} ${on ? "on" : "off"}`),
  );
}
