/**
 * When each slot's media plays, read from the browser once a second, and held back as `lipsync.js` and
 * `repairs.js` decide.
 *
 * Browsers give no playout time on the sender's clock (`estimatedPlayoutTimestamp`) for receivers that are
 * not in one stream, and some none at all; but all tell which RTP timestamp played when, and the node tells
 * what moment that was. A browser without `jitterBufferTarget` is left alone.
 */

import { capturedMs, LipSync } from "./lipsync.js";
import { RepairRoom } from "./repairs.js";

/**
 * @typedef {import("./connection.js").Slot} Slot
 * @typedef {import("./lipsync.js").Pair} Pair
 * @typedef {{delayS: number, count: number}} Buffered what has left a buffer so far, and how long it stayed there
 */

const INTERVAL_MS = 1_000;
const RATES = { audio: 48_000, video: 90_000 };

export class Playout {
  #call;
  #lipSync = new LipSync();
  #repairRoom = new RepairRoom();
  /** @type {WeakMap<Slot, Buffered>} */
  #buffered = new WeakMap();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #reading = false;

  /** @param {import("./call.js").Call} call */
  constructor(call) {
    this.#call = call;
    if (typeof RTCRtpReceiver === "undefined" || !("jitterBufferTarget" in RTCRtpReceiver.prototype)) return;
    call.on("state", ({ state }) => {
      clearInterval(this.#timer);
      if (state === "connected") this.#timer = setInterval(() => this.#tick(), INTERVAL_MS);
    });
  }

  /** One step at a time, however slow the browser is to answer. */
  async #tick() {
    if (this.#reading) return;
    this.#reading = true;
    try {
      await this.#step();
    } finally {
      this.#reading = false;
    }
  }

  async #step() {
    const { slots } = this.#call.link;
    const shown = new Map(slots.map((slot) => [idOf(slot), slot.labels.latest ?? ""]));
    const stats = await statsOf(slots.filter((slot) => slot.labels.latest));
    const pairs = pairsOf([...stats.keys()], (track) => this.#personOf(track)).map(([audio, video]) => ({
      audio: this.#read(audio, stats.get(audio)),
      video: this.#read(video, stats.get(video)),
    }));
    const targets = this.#lipSync.step(pairs, shown);
    for (const slot of slots) {
      const target = Math.max(targets.get(idOf(slot)) ?? 0, this.#repairRoomOf(slot, stats.get(slot))) || null;
      const { receiver } = slot.transceiver;
      if (receiver.jitterBufferTarget !== target) receiver.jitterBufferTarget = target;
    }
  }

  /** @param {Slot} slot @param {RTCStatsReport | undefined} stats @returns {number} in ms */
  #repairRoomOf(slot, stats) {
    if (slot.kind === "audio" || !stats) return 0;
    const report = find(stats, "inbound-rtp");
    const counts = { requests: report?.nackCount ?? 0, packets: report?.packetsReceived ?? 0 };
    const rttS = find(stats, "candidate-pair")?.currentRoundTripTime;
    return this.#repairRoom.step(idOf(slot), counts, rttS && rttS * 1_000);
  }

  /** @param {Slot} slot @param {RTCStatsReport | undefined} stats @returns {import("./lipsync.js").Playing} */
  #read(slot, stats) {
    const { receiver } = slot.transceiver;
    const bufferedMs = this.#bufferedMs(slot, stats);
    const [played] = receiver.getSynchronizationSources();
    const nowMs = performance.timeOrigin + performance.now();
    return {
      id: idOf(slot),
      track: slot.labels.latest ?? "",
      capturedMs: slot.clock && capturedMs(played, slot.clock, RATES[slot.kind], nowMs),
      bufferedMs,
    };
  }

  /** How long what was played since the last call stayed in the buffer. @param {Slot} slot @param {RTCStatsReport | undefined} stats */
  #bufferedMs(slot, stats) {
    const report = stats && find(stats, "inbound-rtp");
    const now = { delayS: report?.jitterBufferDelay ?? 0, count: report?.jitterBufferEmittedCount ?? 0 };
    const before = this.#buffered.get(slot) ?? { delayS: 0, count: 0 };
    this.#buffered.set(slot, now);
    const count = now.count - before.count;
    return count > 0 ? ((now.delayS - before.delayS) * 1_000) / count : 0;
  }

  /** Whose sound and picture belong together, or null if nobody's. @param {string} track */
  #personOf(track) {
    for (const peer of this.#call.room?.peers ?? []) {
      const source = peer.tracks.find(({ id }) => id === track)?.source;
      if (source) return `${peer.id} ${source === "screen" || source === "screen_audio" ? "screen" : "face"}`;
    }
    return null;
  }
}

/**
 * The slots of sound and picture that belong together.
 * @param {Slot[]} slots @param {(track: string) => string | null} personOf
 * @returns {[Slot, Slot][]} audio and video
 */
function pairsOf(slots, personOf) {
  /** @type {Map<string, Slot>} */
  const sounds = new Map();
  /** @type {[Slot, Slot][]} */
  const pairs = [];
  const known = slots.flatMap((slot) => {
    const person = slot.labels.latest && slot.clock && personOf(slot.labels.latest);
    return person ? [{ slot, person }] : [];
  });
  for (const { slot, person } of known) if (slot.kind === "audio") sounds.set(person, slot);
  for (const { slot, person } of known) {
    const sound = sounds.get(person);
    if (slot.kind === "video" && sound) pairs.push([sound, slot]);
  }
  return pairs;
}

/** What the browser tells of each of the slots. @param {Slot[]} slots @returns {Promise<Map<Slot, RTCStatsReport>>} */
async function statsOf(slots) {
  const reports = await Promise.all(slots.map((slot) => slot.transceiver.receiver.getStats()));
  return new Map(slots.map((slot, i) => [slot, /** @type {RTCStatsReport} */ (reports[i])]));
}

/** @param {RTCStatsReport} stats @param {string} type of the part wanted */
function find(stats, type) {
  return [...stats.values()].find((part) => part.type === type);
}

/** @param {Slot} slot */
function idOf(slot) {
  return slot.mid ?? "";
}
