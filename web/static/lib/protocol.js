/**
 * The signalling protocol's messages, as types: the same as `sfu/contract/signals.py` on the server.
 *
 * The client speaks first (`hello`) and makes every offer; the node answers. The room comes as one
 * snapshot and then as deltas that each raise its version by one.
 */

/** The version of the protocol spoken here. */
export const PROTOCOL = 1;

/** The most tracks one `view` may name. */
export const MAX_WANTS = 128;

/**
 * @typedef {"microphone" | "camera" | "screen" | "screen_audio"} Source
 * @typedef {"pinned" | "screen" | "speaker" | "grid" | "thumbnail"} Priority
 * @typedef {"resume" | "join" | "none"} Retry
 *
 * @typedef {{mid: string, source: Source, muted: boolean, width: number, height: number}} PublishedTrack
 * @typedef {{track: string, width: number, height: number, priority: Priority}} Want sizes in device pixels
 *
 * @typedef {{id: string, kind: "audio" | "video", source: Source, muted: boolean, width: number, height: number}} TrackInfo
 * @typedef {{id: string, name: string, user: string | null, connected: boolean, tracks: TrackInfo[]}} PeerInfo
 * @typedef {{version: number, room: string, peers: PeerInfo[]}} Room peers in the order they came
 *
 * @typedef {{kind: "peer_joined", peer: PeerInfo}
 *   | {kind: "peer_left", peer: string, code: string}
 *   | {kind: "peer_connection", peer: string, connected: boolean}
 *   | {kind: "track_published", peer: string, track: TrackInfo}
 *   | {kind: "track_changed", peer: string, track: TrackInfo}
 *   | {kind: "track_unpublished", peer: string, track: string}} Change
 *
 * @typedef {{mid: string, track: string | null, rtp_timestamp?: number | null}} SlotLabel
 *
 * @typedef {{mid: string, rtp_timestamp: number, captured_ms: number}} SlotClock
 * @typedef {"full" | "bandwidth" | "source" | "no_bandwidth" | "not_sent"} QualityReason
 * @typedef {{mid: string, track: string, wanted_height: number, given_height: number, frame_share: number,
 *   reason: QualityReason}} SlotQuality
 *
 * @typedef {{type: "welcome", protocol: number, node: string, peer: string, resume: string, linger_s: number,
 *   room: Room, sdp: string}} Welcome
 * @typedef {{type: "answer", id: number, sdp: string}} Answer
 * @typedef {{type: "delta", version: number, change: Change}} Delta
 * @typedef {{type: "speakers", peers: string[]}} Speakers
 * @typedef {{type: "slots", slots: SlotLabel[]}} Slots
 * @typedef {{type: "clocks", slots: SlotClock[]}} Clocks
 * @typedef {{type: "encodings", mid: string, rids: string[]}} Encodings
 * @typedef {{type: "quality", slots: SlotQuality[]}} Quality
 * @typedef {{type: "pong", id: number}} Pong
 * @typedef {{type: "refused", code: string, message: string, id?: number | null}} Refused
 * @typedef {{type: "closed", code: string, message: string, retry?: Retry}} Closed
 * @typedef {Welcome | Answer | Delta | Speakers | Slots | Clocks | Encodings | Quality | Pong | Refused
 *   | {type: "move"}
 *   | Closed} NodeSignal
 *
 * @typedef {{topic: string, body: any, from: string}} DataDelivery
 */
