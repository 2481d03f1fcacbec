/**
 * The REST API of the control service, as typed calls.
 *
 * In a page the browser's cookies say who is calling; elsewhere pass a `token`. An expired access
 * token is refreshed once and the call repeated. Every failure is a ParleyError with the server's
 * code and sentence, or `offline`.
 */

import { ParleyError } from "./errors.js";

/**
 * @typedef {{id: string, email: string, name: string, email_verified: boolean}} User
 * @typedef {{code: string, title: string, host: {id?: string, name: string}, guests_allowed: boolean,
 *   starts_at: string | null, ends_at: string | null, time_zone: string | null, cancelled: boolean,
 *   ended_at: string | null, is_host?: boolean, id?: string, created_at?: string, url?: string,
 *   attendance?: Attended}} MeetingInfo
 * @typedef {{title: string, guests_allowed: boolean, starts_at?: string, ends_at?: string, time_zone?: string}} MeetingWish
 *   times are what clocks in the zone show, without an offset
 * @typedef {{id: string, address: string, declined: boolean, created_at: string}} Invitation
 * @typedef {{name: string, user: string | null, first_joined_at: string, last_left_at: string | null,
 *   seconds: number, stays: number}} Attendee
 * @typedef {{items: Attendee[], complete: boolean}} Attended
 * @typedef {{ticket: string, signal_url: string, node: string, peer: string, room: string, name: string, is_host: boolean,
 *   ice_servers: import("./relays.js").IceServer[], access_token: string | null}} Entry permission to enter a meeting's room on its node
 * @typedef {{id: string, name: string, type: string, size: number}} Attachment a file; `size` in bytes
 * @typedef {{id: string, type: string, size: number, messages: number, created_at: string}} Archive
 *   of a meeting's chat; `size` in bytes
 * @typedef {{id: string, url: string, fields: Record<string, string>, expires_at: string}} UploadForm
 *   where a file goes: `fields` and then the file as `file`, POSTed to `url`
 * @typedef {{id: string, meeting: string, kind: "text" | "system", text: string,
 *   author: {id: string, name: string} | null, sent_at: string, attachments: Attachment[]}} Message
 *   ids rise with time; a guest's author id is the peer's
 * @typedef {{peer: string, name: string, user: string | null, joined_at: string, left_at: string | null}} Attendance
 * @typedef {{id: string, name: string, prefix: string, scopes: string[], created_at: string,
 *   expires_at: string | null, used_at: string | null}} Key an API key; it begins with `prefix`
 * @typedef {{id: string, url: string, kinds: string[], description: string, created_at: string,
 *   last_number: number, failing_since: string | null, disabled_at: string | null,
 *   disabled_because: string | null}} Webhook an endpoint that is told of events of these kinds
 * @typedef {{number: number, id: string, kind: string, state: "pending" | "delivered" | "failed",
 *   attempts: number, status: number | null, error: string | null, created_at: string,
 *   tried_at: string | null}} Delivery what an endpoint was, or is to be, told
 */

/**
 * @template Item
 * @typedef {{items: Item[], next_cursor: string | null}} Page
 */

export class Api {
  #base;
  #token;
  #fetch;

  /**
   * @param {{base?: string, token?: string | null, fetch?: typeof globalThis.fetch}} [options]
   *   `base` is the server's origin, by default the page's own
   */
  constructor({ base = "", token = null, fetch = globalThis.fetch.bind(globalThis) } = {}) {
    this.#base = base;
    this.#token = token;
    this.#fetch = fetch;
  }

  /** @param {{email: string, name: string, password: string}} account @returns {Promise<{user: User}>} */
  signUp(account) {
    return this.#call("POST", "/api/accounts", account);
  }

  /** @param {{email: string, password: string}} credentials @returns {Promise<{user: User}>} */
  signIn(credentials) {
    return this.#call("POST", "/api/session", credentials);
  }

  /** @returns {Promise<void>} */
  signOut() {
    return this.#call("DELETE", "/api/session");
  }

  /** @returns {Promise<User>} */
  me() {
    return this.#call("GET", "/api/me");
  }

  /** Have a letter sent to set a new password by. @param {string} email @returns {Promise<void>} */
  forgotPassword(email) {
    return this.#call("POST", "/api/password/forgotten", { email });
  }

  /** @param {{token: string, password: string}} reset `token` of the letter's link @returns {Promise<void>} */
  resetPassword(reset) {
    return this.#call("POST", "/api/password", reset);
  }

  /** Have another letter sent to verify my address by. @returns {Promise<void>} */
  sendVerification() {
    return this.#call("POST", "/api/me/verification");
  }

  /**
   * Have a session that has expired renewed, for what goes past this class: WebSockets. A guest's cannot be.
   */
  async renew() {
    if (!this.#token) await this.me();
  }

  /** @param {MeetingWish} meeting @returns {Promise<MeetingInfo>} */
  createMeeting(meeting) {
    return this.#call("POST", "/api/meetings", meeting);
  }

  /**
   * My meetings: all, newest first; those coming, by their start; those past, the last ended first.
   * @param {string | null} [cursor]
   * @param {"coming" | "past"} [when]
   * @returns {Promise<Page<MeetingInfo>>}
   */
  meetings(cursor, when) {
    return this.#call("GET", `/api/meetings${query({ limit: 20, cursor, when })}`);
  }

  /** @param {string} code @returns {Promise<MeetingInfo>} */
  meeting(code) {
    return this.#call("GET", meetingPath(code));
  }

  /** @param {string} code @param {Partial<MeetingWish>} wanted @returns {Promise<MeetingInfo>} */
  changeMeeting(code, wanted) {
    return this.#call("PATCH", meetingPath(code), wanted);
  }

  /** It does not take place, and the invited are told. @param {string} code @returns {Promise<MeetingInfo>} */
  cancelMeeting(code) {
    return this.#call("POST", `${meetingPath(code)}/cancel`);
  }

  /** @param {string} code @param {string[]} addresses @returns {Promise<{items: Invitation[]}>} */
  invite(code, addresses) {
    return this.#call("POST", `${meetingPath(code)}/invitations`, { addresses });
  }

  /** @param {string} code @param {string | null} [cursor] @returns {Promise<Page<Invitation>>} */
  invitations(code, cursor) {
    return this.#call("GET", `${meetingPath(code)}/invitations${query({ limit: 100, cursor })}`);
  }

  /** @param {string} code @param {string} id of the invitation @returns {Promise<void>} */
  uninvite(code, id) {
    return this.#call("DELETE", `${meetingPath(code)}/invitations/${encodeURIComponent(id)}`);
  }

  /** Who attended, as CSV; the host only. @param {string} code @returns {Promise<Blob>} */
  async attendanceTable(code) {
    const attended = () => this.#send("GET", `${meetingPath(code)}/attendance`, undefined, "text/csv");
    let response = await attended();
    if (response.status === 401 && (await this.#refresh())) response = await attended();
    return response.ok ? response.blob() : read(response);
  }

  /** What is archived of the chat; the host only. @param {string} code @returns {Promise<Page<Archive>>} */
  archives(code) {
    return this.#call("GET", `${meetingPath(code)}/archives`);
  }

  /** Where an archive of the chat is to be had. @param {string} code @param {string} id */
  archiveUrl(code, id) {
    return `${this.#base}${meetingPath(code)}/archives/${encodeURIComponent(id)}`;
  }

  /** Everybody out; the host only. @param {string} code @returns {Promise<MeetingInfo>} */
  endMeeting(code) {
    return this.#call("POST", `${meetingPath(code)}/end`);
  }

  /**
   * Ask to enter. A guest gives a name, and is known by the token of the answer from then on.
   * @param {string} code @param {{name?: string} & import("./call.js").Return} [who] @returns {Promise<Entry>}
   */
  async join(code, who = {}) {
    const entry = await this.#call("POST", `${meetingPath(code)}/join`, who);
    if (entry.access_token) this.#token = entry.access_token;
    return entry;
  }

  /** The relays for who is in the call. @param {string} code @returns {Promise<import("./relays.js").IceServer[]>} */
  async iceServers(code) {
    const { ice_servers } = await this.#call("GET", `${meetingPath(code)}/ice-servers`);
    return ice_servers;
  }

  /** Newest first. @param {string} code @param {string | null} [cursor] @returns {Promise<Page<Message>>} */
  messages(code, cursor) {
    return this.#call("GET", `${meetingPath(code)}/messages${query({ limit: 50, cursor })}`);
  }

  /**
   * Sending again with the same `client_id` changes nothing and gives the first answer.
   * @param {string} code @param {{text: string, client_id: string, attachments: string[]}} message
   * @returns {Promise<Message>}
   */
  sendMessage(code, message) {
    return this.#call("POST", `${meetingPath(code)}/messages`, message);
  }

  /**
   * Announce a file that a message will name.
   * @param {string} code @param {{name: string, type: string, size: number}} file @returns {Promise<UploadForm>}
   */
  announceFile(code, file) {
    return this.#call("POST", `${meetingPath(code)}/attachments`, file);
  }

  /** Where a file of the chat is to be had. @param {string} code @param {string} id */
  fileUrl(code, id) {
    return `${this.#base}${meetingPath(code)}/attachments/${encodeURIComponent(id)}`;
  }

  /**
   * Who was here, and when.
   * @param {string} code
   * @param {string | null} [cursor]
   * @returns {Promise<Page<Attendance>>}
   */
  people(code, cursor) {
    return this.#call("GET", `${meetingPath(code)}/people${query({ limit: 100, cursor })}`);
  }

  /** My API keys, newest first. @param {string | null} [cursor] @returns {Promise<Page<Key>>} */
  keys(cursor) {
    return this.#call("GET", `/api/keys${query({ limit: 20, cursor })}`);
  }

  /**
   * `expires_in` is in seconds; without it the key never expires. The secret is told this once.
   * @param {{name: string, scopes: string[], expires_in: number | null}} key
   * @returns {Promise<{secret: string, key: Key}>}
   */
  makeKey(key) {
    return this.#call("POST", "/api/keys", key);
  }

  /** @param {string} id @returns {Promise<void>} */
  revokeKey(id) {
    return this.#call("DELETE", `/api/keys/${encodeURIComponent(id)}`);
  }

  /** All my webhooks, oldest first. @returns {Promise<Page<Webhook>>} */
  webhooks() {
    return this.#call("GET", "/api/webhooks");
  }

  /**
   * The secret is told this once.
   * @param {{url: string, kinds: string[], description: string}} webhook
   * @returns {Promise<{secret: string, webhook: Webhook}>}
   */
  addWebhook(webhook) {
    return this.#call("POST", "/api/webhooks", webhook);
  }

  /** @param {string} id @returns {Promise<void>} */
  removeWebhook(id) {
    return this.#call("DELETE", webhookPath(id));
  }

  /** Tell an endpoint again that was disabled. @param {string} id @returns {Promise<Webhook>} */
  enableWebhook(id) {
    return this.#call("POST", `${webhookPath(id)}/enable`);
  }

  /**
   * What an endpoint was told after delivery number `after`, in order.
   * @param {string} id @param {number} after @param {number} limit at most 100
   * @returns {Promise<{items: Delivery[]}>}
   */
  deliveries(id, after, limit) {
    return this.#call("GET", `${webhookPath(id)}/deliveries${query({ after, limit })}`);
  }

  /**
   * Tell an endpoint again all it was told after delivery number `after`, a hundred deliveries at most.
   * @param {string} id @param {number} after @returns {Promise<{count: number, next_after: number | null}>}
   */
  replay(id, after) {
    return this.#call("POST", `${webhookPath(id)}/replay`, { after });
  }

  /**
   * Where a meeting's events stream from, after the event with id `after`.
   * @param {string} code
   * @param {number | null} after
   */
  eventsUrl(code, after) {
    const url = new URL(`${this.#base || location.origin}${meetingPath(code)}/events${query({ after })}`);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  }

  /** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
  async #call(method, path, body) {
    let response = await this.#send(method, path, body);
    if (response.status === 401 && !path.startsWith("/api/session") && (await this.#refresh())) {
      response = await this.#send(method, path, body);
    }
    return read(response);
  }

  /** @param {string} method @param {string} path @param {unknown} [body] @param {string} [accept] */
  async #send(method, path, body, accept = "application/json") {
    const headers = new Headers({ Accept: accept });
    if (body !== undefined) headers.set("Content-Type", "application/json");
    if (this.#token) headers.set("Authorization", `Bearer ${this.#token}`);
    try {
      return await this.#fetch(this.#base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
        signal: AbortSignal.timeout(15_000),
      });
    } catch (cause) {
      const late = cause instanceof DOMException && cause.name === "TimeoutError";
      throw new ParleyError(late ? "timeout" : "offline", undefined, { cause });
    }
  }

  async #refresh() {
    if (this.#token) return false;
    const response = await this.#send("POST", "/api/session/refresh", {});
    return response.ok;
  }
}

/** @param {string} code */
function meetingPath(code) {
  return `/api/meetings/${encodeURIComponent(code)}`;
}

/** @param {string} id */
function webhookPath(id) {
  return `/api/webhooks/${encodeURIComponent(id)}`;
}

/** @param {Record<string, string | number | null | undefined>} values */
function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : "";
}

/** @param {Response} response @returns {Promise<any>} */
async function read(response) {
  if (response.status === 204) return undefined;
  let body;
  try {
    body = await response.json();
  } catch (cause) {
    throw new ParleyError("bad_response", undefined, { status: response.status, cause });
  }
  if (response.ok) return body;
  const { code = "internal", message, fields } = body?.error ?? {};
  throw new ParleyError(code, message, { status: response.status, fields });
}
