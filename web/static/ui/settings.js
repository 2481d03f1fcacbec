/**
 * What this browser remembers of a person's choices: devices and a guest's name. Nothing breaks when storage
 * is blocked.
 */

const PREFIX = "parley:";

/** @param {string} key */
function read(key) {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string | null} value */
function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // Not remembered, then.
  }
}

/** @type {{name: string | null, microphone: string | null, camera: string | null, speaker: string | null}} */
export const remembered = {
  get name() {
    return read("name");
  },
  set name(value) {
    write("name", value);
  },
  get microphone() {
    return read("microphone");
  },
  set microphone(value) {
    write("microphone", value);
  },
  get camera() {
    return read("camera");
  },
  set camera(value) {
    write("camera", value);
  },
  get speaker() {
    return read("speaker");
  },
  set speaker(value) {
    write("speaker", value);
  },
};
