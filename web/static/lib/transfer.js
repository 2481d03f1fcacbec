/** One file on its way to where files are kept, by the form that control gave for it. */

import { ParleyError } from "./errors.js";

/**
 * Upload the file. XMLHttpRequest, because fetch does not tell how much of a body has gone.
 * @param {{url: string, fields: Record<string, string>}} form
 * @param {File} file
 * @param {(sent: number) => void} onProgress is told the part that has gone, 0 to 1
 * @param {AbortSignal} signal
 * @returns {Promise<void>} @throws {ParleyError} `offline`, `upload_failed`
 */
export function transfer(form, file, onProgress, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  body.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onload = () => (request.status < 300 ? resolve() : reject(new ParleyError("upload_failed")));
    request.onerror = () => reject(new ParleyError("offline"));
    request.onabort = () => reject(new ParleyError("upload_failed"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.open("POST", form.url);
    request.send(body);
  });
}
