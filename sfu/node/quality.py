"""Why does somebody's picture look as it does? What each peer of a room is sent, and why no more."""

from typing import Any

from sfu.congestion.allocation import Grant, Option
from sfu.room.peer import Peer
from sfu.room.room import Room


def describe(room: Room) -> dict[str, Any]:
    """Return each peer's network as it is estimated, and for each video slot what is wanted and given."""
    return {"room": room.id, "peers": [_peer(peer) for peer in room.peers.values()]}


def _peer(peer: Peer) -> dict[str, Any]:
    downlink = peer.downlink
    if downlink is None:
        return {"peer": peer.id, "network": None, "slots": []}
    estimate = downlink.estimate
    refrain = estimate.prober.refrain
    network = {
        "estimate_bps": round(estimate.bps),
        "budget_bps": round(estimate.budget_bps),
        "by": "reports" if estimate.sent is None else "transport-cc",
        "rtt_ms": None if peer.rtt_s is None else round(peer.rtt_s * 1000, 1),
        "queue_ms": round(estimate.detector.queue_ms, 1),
        "loss": round(estimate.loss.average, 4),
        "loss_of_the_path": round(estimate.loss.own, 4),
        "decreases": estimate.overuses,
        "probes": estimate.prober.probes,
        "not_probing_because": None if refrain is None else refrain.value,
    }
    slots = [_slot(peer, grant) for grant in downlink.grants.values()]
    return {"peer": peer.id, "network": network, "slots": slots}


def _slot(peer: Peer, grant: Grant) -> dict[str, Any]:
    slot = peer.slots.get(grant.slot)
    track = None if slot is None or slot.track is None else slot.track.id
    return {
        "mid": grant.slot,
        "track": track,
        "wanted": _option(grant.wanted),
        "given": _option(grant.option),
        "reason": grant.reason.value,
    }


def _option(option: Option | None) -> dict[str, Any] | None:
    if option is None:
        return None
    return {"height": round(option.height), "frames": option.frames, "bps": round(option.bps)}
