/**
 * The sizes a camera is sent in, so that each receiver gets what fits its tile and its network.
 *
 * Browsers send fewer layers of a small picture than were asked for, and drop the last ones, which are
 * the large ones: two of 640x360, one of 320x180. So what is asked for goes by the picture, and the
 * largest layer is always the picture's own size.
 */

/** The names of the layers on the wire, the smallest first; they are negotiated once. */
const RIDS = ["q", "h", "f"];

const BITRATES_BPS = { small: 150_000, medium: 500_000, large: 1_700_000 };

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
