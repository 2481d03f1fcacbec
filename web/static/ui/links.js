/**
 * Finding links in what people write. Pure: text in, pieces out; whoever shows them uses text nodes and
 * anchors.
 */

/** @typedef {{text: string, href?: string}} Piece */

const LINK = /\bhttps?:\/\/[^\s<>"'`]+/giu;

/** Punctuation that ends a sentence rather than a link; a closing bracket only when the link opened none. */
const TAIL = /[.,;:!?…]+$/u;

/** @param {string} text @returns {Piece[]} the same text, cut at its links */
export function piecesOf(text) {
  /** @type {Piece[]} */
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = trimmed(match[0]);
    if (!URL.canParse(link)) continue;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ text: link, href: new URL(link).href });
    end = match.index + link.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/** @param {string} link */
function trimmed(link) {
  let result = link.replace(TAIL, "");
  if (result.endsWith(")") && !result.includes("(")) result = result.slice(0, -1).replace(TAIL, "");
  return result;
}
