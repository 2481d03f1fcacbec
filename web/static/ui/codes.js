/** Meeting codes as people paste them: bare, in capitals, with spaces, or inside a link. */

/** The code in `text`, or null when there is none. @param {string} text @returns {string | null} */
export function codeIn(text) {
  const trimmed = text.trim();
  const inLink = /\/m\/([\w-]+)/u.exec(trimmed);
  const code = (inLink?.[1] ?? trimmed).toLowerCase().replace(/\s+/gu, "-");
  return /^[a-z0-9]+(-[a-z0-9]+)*$/u.test(code) && code.length >= 6 ? code : null;
}
