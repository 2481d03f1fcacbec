/**
 * What can go wrong, as errors with a stable code and a sentence that tells a person what to do.
 *
 * Codes of the node and of control arrive with their own sentence; the codes here are those that
 * only a client can know: its devices, its network, its browser. Act on the code, show the message.
 */

/** Sentences for the codes that arise on this side. @type {Readonly<Record<string, string>>} */
export const SENTENCES = Object.freeze({
  permission_denied:
    "It was not allowed. Allow it for this page in the browser's address bar, then try again.",
  no_microphone: "No microphone was found. Plug one in, or join without: you can still listen and write.",
  no_camera: "No camera was found. Plug one in, or join without: others see your name.",
  device_in_use: "Another program or tab is using it. Close that one, then try again.",
  device_failed: "The device did not start. Unplug it and plug it in again, or choose another one.",
  device_gone: "The device was unplugged. Choose another one in the settings.",
  insecure_context:
    "The browser gives camera and microphone only to pages on a secure address. Open this page by https, " +
    "or as localhost on the same machine. Until then you can listen, watch and write.",
  share_unsupported: "This browser cannot share a screen. A computer's browser can.",
  share_cancelled: "No screen was chosen.",
  offline: "The server cannot be reached. Check your network; then try again.",
  node_unreachable: "The media server cannot be reached. Check your network, or try again in a moment.",
  link_failed:
    "No media connection could be made: a firewall may be in the way. Try another network, or ask who runs " +
    "it to allow UDP or TCP to this server.",
  webrtc_missing: "This browser cannot make calls. Use a current Chrome, Edge, Firefox or Safari.",
  left: "You left the meeting.",
  link_lost: "The connection was lost.",
  room_moves: "The meeting moves to another server.",
  room_gap: "A message of the server was missed.",
  no_archive: "Nobody wrote in this chat, or it was not saved yet. Try again in a moment.",
  file_empty: "The file is empty.",
  upload_failed: "The file did not arrive. Remove it, and try again.",
  timeout: "The server did not answer in time. Try again.",
  bad_response: "The server answered in a way this page does not understand. Reload the page.",
});

/** An error a person can act on. `code` is stable; `message` says what to do. */
export class ParleyError extends Error {
  /**
   * @param {string} code
   * @param {string} [message] the sentence to show; by default the code's own
   * @param {{status?: number, fields?: Record<string, string>, retry?: "resume" | "join" | "none", cause?: unknown}} [details]
   */
  constructor(code, message, { status, fields, retry, cause } = {}) {
    super(message ?? SENTENCES[code] ?? "Something went wrong. Try again.", { cause });
    this.name = "ParleyError";
    this.code = code;
    /** HTTP status, when the error came as an HTTP response. */
    this.status = status;
    /** For `invalid`: what is wrong with each field of a form. */
    this.fields = fields ?? {};
    /** For the end of a stay on a node: what can work next. */
    this.retry = retry;
  }
}

/**
 * The sentence to show where there is no form with fields: what is wrong with the first of them, if any is.
 * @param {ParleyError} error
 */
export function sentenceOf(error) {
  return Object.values(error.fields)[0] ?? error.message;
}

/**
 * Any thrown value as a ParleyError, so that callers need only one kind.
 * @param {unknown} error
 * @param {string} [code] the code for what is not one yet
 * @returns {ParleyError}
 */
export function asParleyError(error, code = "internal") {
  return error instanceof ParleyError ? error : new ParleyError(code, undefined, { cause: error });
}
