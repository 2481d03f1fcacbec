/**
 * What each source is sent as; a camera in several sizes, so that each receiver gets what fits its tile
 * and its network. Layers that nobody needs are named all the same, but inactive. Pure.
 *
 * Browsers send fewer layers of a small picture than were asked for, and drop the last ones, which are
 * the large ones: two of 640x360, one of 320x180. So what is asked for goes by the picture, and the
 * largest layer is always the picture's own size.
 */

/** @typedef {import("./protocol.js").Source} Source */

/** The names of the layers on the wire, the smallest first; they are negotiated once. */
const RIDS = ["q", "h", "f"];

const BITRATES_BPS = { small: 150_000, medium: 500_000, large: 1_700_000 };

/**
 * What a source is offered as: its layers, and what is settled for as long as it is sent.
 *
 * A camera's layers come in three temporal layers by themselves, a screen must be asked for them: who cannot
 * have all its frames is then sent every second or fourth. Browsers that cannot do that send all in one.
 * @param {Source} source @param {{width: number, height: number}} size of the source's picture, in pixels
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsOf(source, size) {
  const temporal = source === "screen" ? { scalabilityMode: "L1T3" } : {};
  return layersOf(source, size).map((layer) => ({ ...layer, ...temporal }));
}

/**
 * @param {Source} source
 * @param {{width: number, height: number}} size of the source's picture, in pixels
 * @param {string[] | null} [needed] RIDs of the layers that somebody needs, that of a layer alone being
 *   empty; null: all
 * @returns {RTCRtpEncodingParameters[]} the smallest first
 */
export function layersOf(source, { width, height }, needed = null) {
  const isNeeded = (/** @type {string} */ rid) => needed === null || needed.includes(rid);
  switch (source) {
    case "camera":
      return cameraLayers(width, height).map((layer) => ({
        ...layer,
        active: layer.active && isNeeded(layer.rid),
      }));
    case "screen":
      return [{ active: isNeeded(""), maxBitrate: 2_500_000, maxFramerate: 15 }];
    case "screen_audio":
      return [{ maxBitrate: 96_000 }];
    case "microphone":
      return [{ maxBitrate: 40_000 }];
  }
}

/**
 * Make a sender's encodings those wished for.
 * @param {RTCRtpEncodingParameters[]} encodings as read from the sender; changed in place
 * @param {RTCRtpEncodingParameters[]} wished in the same order
 * @returns {boolean} whether anything was changed
 */
export function amend(encodings, wished) {
  const differ = encodings.some((encoding, i) =>
    Object.entries(wished[i] ?? {}).some(
      ([key, value]) => encoding[/** @type {keyof typeof encoding} */ (key)] !== value,
    ),
  );
  encodings.forEach((encoding, i) => Object.assign(encoding, wished[i]));
  return differ;
}

/**
 * @param {number} width @param {number} height of the camera's picture, in pixels
 * @returns {{rid: string, active: boolean, scaleResolutionDownBy: number, maxBitrate: number}[]}
 *   always one for each name
 */
export function cameraLayers(width, height) {
  const bitrates = bitratesOf(width * height);
  return RIDS.map((rid, i) => ({
    rid,
    active: i < bitrates.length,
    scaleResolutionDownBy: 2 ** Math.max(0, bitrates.length - 1 - i),
    maxBitrate: bitrates[i] ?? BITRATES_BPS.large,
  }));
}

/** One bitrate for each layer a browser will send of so many pixels. @param {number} pixels */
function bitratesOf(pixels) {
  const { small, medium, large } = BITRATES_BPS;
  if (pixels >= 960 * 540) return [small, medium, large];
  if (pixels >= 480 * 270) return [small, medium];
  return [medium];
}
