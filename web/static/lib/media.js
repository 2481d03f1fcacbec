/**
 * The devices of this computer: opening them, naming them, and saying plainly why one did not open.
 */

import { ParleyError } from "./errors.js";

/** @typedef {"microphone" | "camera" | "screen"} Device */

/** @param {string | null} deviceId @returns {MediaTrackConstraints} */
function microphoneConstraints(deviceId) {
  return {
    ...(deviceId ? { deviceId: { ideal: deviceId } } : {}),
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
  };
}

/** @param {string | null} deviceId @returns {MediaTrackConstraints} */
function cameraConstraints(deviceId) {
  return {
    ...(deviceId ? { deviceId: { ideal: deviceId } } : {}),
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
  };
}

/** @param {string | null} [deviceId] @returns {Promise<MediaStreamTrack>} @throws {ParleyError} */
export async function openMicrophone(deviceId = null) {
  const stream = await capture("microphone", { audio: microphoneConstraints(deviceId) });
  return /** @type {MediaStreamTrack} */ (stream.getAudioTracks()[0]);
}

/** @param {string | null} [deviceId] @returns {Promise<MediaStreamTrack>} @throws {ParleyError} */
export async function openCamera(deviceId = null) {
  const stream = await capture("camera", { video: cameraConstraints(deviceId) });
  const track = /** @type {MediaStreamTrack} */ (stream.getVideoTracks()[0]);
  track.contentHint = "motion";
  return track;
}

/**
 * Let the person choose a screen, window or tab, with its sound where the browser offers that.
 * @returns {Promise<{screen: MediaStreamTrack, audio: MediaStreamTrack | null}>} @throws {ParleyError}
 */
export async function openScreen() {
  if (globalThis.isSecureContext && !navigator.mediaDevices?.getDisplayMedia)
    throw new ParleyError("share_unsupported");
  const media = mediaDevices();
  try {
    const stream = await media.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: true });
    const screen = /** @type {MediaStreamTrack} */ (stream.getVideoTracks()[0]);
    screen.contentHint = "detail";
    return { screen, audio: stream.getAudioTracks()[0] ?? null };
  } catch (error) {
    throw deviceError("screen", error);
  }
}

/**
 * The devices there are, by kind. Names are empty until a permission was given.
 * @returns {Promise<{microphones: MediaDeviceInfo[], cameras: MediaDeviceInfo[], speakers: MediaDeviceInfo[]}>}
 */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const ofKind = (/** @type {MediaDeviceKind} */ kind) =>
    all.filter((device) => device.kind === kind && device.deviceId !== "");
  return {
    microphones: ofKind("audioinput"),
    cameras: ofKind("videoinput"),
    speakers: ofKind("audiooutput"),
  };
}

/** @param {Device} device @param {MediaStreamConstraints} constraints */
async function capture(device, constraints) {
  const media = mediaDevices();
  try {
    return await media.getUserMedia(constraints);
  } catch (error) {
    throw deviceError(device, error);
  }
}

function mediaDevices() {
  if (!navigator.mediaDevices) throw new ParleyError("insecure_context");
  return navigator.mediaDevices;
}

/**
 * What the browser's error means to a person (Media Capture and Streams §10.2).
 * @param {Device} device @param {unknown} error @returns {ParleyError}
 */
export function deviceError(device, error) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  const missing = device === "microphone" ? "no_microphone" : "no_camera";
  const codes = /** @type {Record<string, string>} */ ({
    NotAllowedError: device === "screen" ? "share_cancelled" : "permission_denied",
    SecurityError: "permission_denied",
    NotFoundError: device === "screen" ? "share_unsupported" : missing,
    OverconstrainedError: missing,
    NotReadableError: "device_in_use",
    AbortError: "device_failed",
  });
  return new ParleyError(codes[name] ?? "device_failed", undefined, { cause: error });
}
