/** Copying a link, also where the page may not reach the clipboard (plain http). */

import { toast } from "./toast.js";

/** @param {string} text @param {string} done what to say when it worked */
export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    window.prompt("Copy this:", text);
  }
}
