/**
 * Which codecs an offer names. Browsers offer every profile of every codec in every m-line: with a
 * dozen slots that is 100 kB and a slow start. One profile each is enough.
 */

/** @typedef {{mimeType: string, sdpFmtpLine?: string, clockRate: number, channels?: number}} Codec */

/** What tells the one wanted profile of a codec. @type {Record<string, (fmtp: string) => boolean>} */
const PROFILES = {
  "video/vp8": () => true,
  "video/vp9": (fmtp) => !/profile-id=[1-3]/u.test(fmtp),
  "video/h264": (fmtp) => fmtp.includes("packetization-mode=1") && fmtp.includes("profile-level-id=42e01f"),
  "video/av1": (fmtp) => !/profile=[12]/u.test(fmtp),
  "video/rtx": () => true,
  "audio/opus": () => true,
  "audio/red": () => true,
};

/** Codecs in the order they are offered. */
export const VIDEO_CODECS = ["video/VP8", "video/VP9", "video/H264", "video/AV1", "video/rtx"];
export const AUDIO_CODECS = ["audio/opus", "audio/red"];

/**
 * Of the codecs a browser has, the first of each wanted kind in its wanted profile, in the wanted order.
 * Empty when it has none of them, which for `setCodecPreferences` means its own defaults.
 * @template {Codec} C
 * @param {C[]} available @param {string[]} wanted
 * @returns {C[]}
 */
export function choose(available, wanted) {
  return wanted.flatMap((mimeType) => {
    const fits = PROFILES[mimeType.toLowerCase()] ?? (() => true);
    const codec = available.find(
      (one) =>
        one.mimeType.toLowerCase() === mimeType.toLowerCase() && fits((one.sdpFmtpLine ?? "").toLowerCase()),
    );
    return codec ? [codec] : [];
  });
}

const DEPENDENCY_DESCRIPTOR =
  "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/**
 * @typedef {{uri: string, direction: string}} HeaderExtension
 * @typedef {RTCRtpTransceiver & {
 *   getHeaderExtensionsToNegotiate?: () => HeaderExtension[],
 *   setHeaderExtensionsToNegotiate?: (extensions: HeaderExtension[]) => void,
 * }} Negotiable
 */

/**
 * Let a receiver of video be told which layers there are in what it gets. For AV1 nothing else says so;
 * Chromium can, but does not offer it unasked.
 * @param {Negotiable} transceiver
 */
export function acceptDescriptors(transceiver) {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.() ?? [];
  const descriptor = extensions.find(({ uri }) => uri === DEPENDENCY_DESCRIPTOR);
  if (!descriptor) return;
  descriptor.direction = "sendrecv";
  transceiver.setHeaderExtensionsToNegotiate?.(extensions);
}

/**
 * @param {RTCRtpTransceiver} transceiver
 * @param {RTCRtpCapabilities | null} capabilities
 * @param {"audio" | "video"} kind
 */
export function preferCodecs(transceiver, capabilities, kind) {
  const wanted = kind === "video" ? VIDEO_CODECS : AUDIO_CODECS;
  const chosen = choose(capabilities?.codecs ?? [], wanted);
  if (chosen.length > 0) transceiver.setCodecPreferences?.(chosen);
}
