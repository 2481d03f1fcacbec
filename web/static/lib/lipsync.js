/**
 * Lip sync: how long to hold back the sound or the picture of a person, so that both play of one moment.
 *
 * Sound and picture of a person come in two slots, each with a jitter buffer of its own, and browsers only
 * sync what they are told belongs together for good. So their skew is measured, and what is ahead is held
 * back by a longer target for its buffer. A buffer takes seconds to follow, so this measures, acts, waits
 * until the buffer has followed, and measures again. Pure.
 */

/**
 * @typedef {{rtpTimestamp: number, timestamp: number}} Played
 *   what a receiver played last, and when (ms): see RTCRtpSynchronizationSource
 * @typedef {{id: string, track: string, capturedMs: number | null, bufferedMs: number}} Playing
 *   a slot: the track it shows, the moment of its publisher's clock that plays now (null: unknown), and
 *   how long its media stays in the jitter buffer
 * @typedef {{audio: Playing, video: Playing}} Pair the slots of one person
 */

/** Smaller skews are not noticed. */
const TOLERANCE_MS = 25;

/** So many measurements in a row, one a second, are needed to act: the least of them counts. */
const SAMPLES = 3;

/** Nobody waits longer than this for the other half. */
export const MOST_MS = 1_000;

/** A larger skew is an error in a clock. */
const NONSENSE_MS = 5_000;

/** A buffer that differs more than this from its target has not followed it yet, or does not have to. */
const SLACK_MS = 80;

/** A buffer that grew more than this since the last step is still on its way to its target. */
const GROWTH_MS = 10;

/** What no longer has a counterpart is held back less by so much with every step. */
const RELEASE_MS = 50;

/** The last thing played is extrapolated for so long; later there may be nothing that plays. */
const FRESH_MS = 1_000;

/**
 * The moment of the publisher's clock that plays now, or null while nothing does.
 * @param {Played | undefined} played @param {import("./protocol.js").SlotClock} clock
 * @param {number} rate of the RTP clock, in Hz @param {number} nowMs on the clock of `played.timestamp`
 */
export function capturedMs(played, clock, rate, nowMs) {
  if (!played || nowMs - played.timestamp > FRESH_MS) return null;
  const ticks = (played.rtpTimestamp - clock.rtp_timestamp) | 0;
  return clock.captured_ms + (ticks * 1_000) / rate + (nowMs - played.timestamp);
}

export class LipSync {
  /**
   * Targets of the buffers that hold something back, and how full each was at the last step, by slot.
   * @type {Map<string, {track: string, ms: number, bufferedMs: number}>}
   */
  #held = new Map();
  /** The last skews of each pair in ms, positive when the sound is ahead. @type {Map<string, number[]>} */
  #skews = new Map();

  /**
   * Take one measurement of all pairs; to be called once a second.
   * @param {Pair[]} pairs @param {Map<string, string>} shown the track that each slot shows
   * @returns {Map<string, number>} the buffer target in ms of each slot that is to hold something back
   */
  step(pairs, shown) {
    const paired = new Set(pairs.flatMap(({ audio, video }) => [audio.id, video.id]));
    for (const [id, held] of this.#held) {
      if (shown.get(id) !== held.track) this.#held.delete(id);
      else if (!paired.has(id)) this.#hold({ id, ...held }, held.ms - RELEASE_MS);
    }
    const skews = new Map();
    for (const pair of pairs) {
      const name = `${pair.audio.id} ${pair.audio.track} ${pair.video.id} ${pair.video.track}`;
      skews.set(name, this.#even(pair, this.#skews.get(name) ?? []));
    }
    this.#skews = skews;
    return new Map([...this.#held].map(([id, { ms }]) => [id, Math.round(ms)]));
  }

  /**
   * @param {Pair} pair @param {number[]} before the skews since the last action
   * @returns {number[]} those that the next step has to go by
   */
  #even({ audio, video }, before) {
    const following = [audio, video].filter((slot) => this.#follows(slot));
    if (audio.capturedMs === null || video.capturedMs === null) return before;
    const skew = audio.capturedMs - video.capturedMs;
    const [ahead, behind] = skew > 0 ? [audio, video] : [video, audio];
    if (Math.abs(skew) > NONSENSE_MS || following.includes(ahead)) return [];
    const skews = [...before, skew].slice(-SAMPLES);
    const lasts = skews.every((one) => one * skew > 0 && Math.abs(one) > TOLERANCE_MS);
    if (skews.length < SAMPLES || !lasts) return skews;
    this.#act(ahead, behind, Math.min(...skews.map(Math.abs)));
    return [];
  }

  /** @param {Playing} ahead @param {Playing} behind @param {number} ms */
  #act(ahead, behind, ms) {
    const late = this.#held.get(behind.id);
    if (late) {
      // A buffer fuller than we ask for is so for its own sake: then our part of it no longer counts.
      this.#hold(behind, behind.bufferedMs > late.ms + SLACK_MS ? 0 : late.ms - ms);
      return;
    }
    const early = this.#held.get(ahead.id)?.ms ?? 0;
    this.#hold(ahead, Math.max(early, ahead.bufferedMs) + ms);
  }

  /** Whether the slot's buffer is on its way to its target. @param {Playing} slot */
  #follows({ id, bufferedMs }) {
    const held = this.#held.get(id);
    if (!held) return false;
    const missing = held.ms - bufferedMs;
    const grew = bufferedMs - held.bufferedMs;
    held.bufferedMs = bufferedMs;
    return missing > SLACK_MS || (missing > TOLERANCE_MS && grew > GROWTH_MS);
  }

  /** @param {{id: string, track: string, bufferedMs: number}} slot @param {number} ms */
  #hold({ id, track, bufferedMs }, ms) {
    if (ms > 0) this.#held.set(id, { track, bufferedMs, ms: Math.min(ms, MOST_MS) });
    else this.#held.delete(id);
  }
}
