/**
 * The chat's lines as one list, oldest first: history pages, live events, and what I have sent but
 * the server has not yet confirmed. Pure; lists are never changed in place.
 */

/**
 * @typedef {import("./api.js").Message} Message
 * @typedef {Message & {client_id?: string, pending?: boolean, failed?: string}} Line
 *   `pending`: on its way; `failed`: why it did not go
 */

/**
 * Put messages from the server into the list. A message already there is not doubled, and one that
 * confirms a pending line (same author, text and files, as events carry no client id) takes its place.
 * @param {Line[]} lines @param {Message[]} messages in any order @returns {Line[]}
 */
export function merge(lines, messages) {
  let merged = lines;
  for (const message of messages) {
    if (merged.some((line) => line.id === message.id)) continue;
    const mine = merged.findIndex(
      (line) => line.pending && saysTheSame(line, message) && line.author?.id === message.author?.id,
    );
    merged =
      mine < 0 ? [...merged, message] : merged.with(mine, { ...message, client_id: merged[mine]?.client_id });
  }
  return inOrder(merged);
}

/**
 * Add a line that is on its way.
 * @param {Line[]} lines
 * @param {Line & {client_id: string}} line
 * @returns {Line[]}
 */
export function send(lines, line) {
  return [
    ...lines.filter(({ client_id }) => client_id !== line.client_id),
    { ...line, pending: true, failed: undefined },
  ];
}

/**
 * The server took the line.
 * @param {Line[]} lines
 * @param {string} clientId
 * @param {Message} message
 * @returns {Line[]}
 */
export function confirm(lines, clientId, message) {
  const others = lines.filter((line) => line.client_id !== clientId && line.id !== message.id);
  return inOrder([...others, { ...message, client_id: clientId }]);
}

/**
 * The line did not go.
 * @param {Line[]} lines
 * @param {string} clientId
 * @param {string} reason
 * @returns {Line[]}
 */
export function fail(lines, clientId, reason) {
  return lines.map((line) =>
    line.client_id === clientId && line.pending ? { ...line, pending: false, failed: reason } : line,
  );
}

/** @param {Message} one @param {Message} other */
function saysTheSame(one, other) {
  const ids = (/** @type {Message} */ { attachments }) => attachments.map(({ id }) => id).join();
  return one.text === other.text && ids(one) === ids(other);
}

/**
 * Confirmed lines by their ids, which rise with time; what is not confirmed stays at the end.
 * @param {Line[]} lines
 */
function inOrder(lines) {
  const sent = lines.filter((line) => !isUnsent(line));
  return [...sent.toSorted((a, b) => Number(a.id) - Number(b.id)), ...lines.filter(isUnsent)];
}

/** Whether the server has not taken the line. @param {Line} line */
export function isUnsent(line) {
  return line.pending === true || line.failed !== undefined;
}
