"""What every client does to keep the room's state: apply each change to the version before it."""

from msgspec.structs import replace

from sfu.contract.signals import (
    Delta,
    PeerConnection,
    PeerInfo,
    PeerJoined,
    PeerLeft,
    RoomSnapshot,
    TrackChanged,
    TrackPublished,
    TrackUnpublished,
)


def applied(snapshot: RoomSnapshot, delta: Delta) -> RoomSnapshot:
    """Return the snapshot after a delta."""
    assert delta.version == snapshot.version + 1, "a delta was missed"
    peers = {peer.id: peer for peer in snapshot.peers}
    match delta.change:
        case PeerJoined(peer=peer):
            assert peer.id not in peers
            peers[peer.id] = peer
        case PeerLeft(peer=id_):
            del peers[id_]
        case PeerConnection(peer=id_, connected=connected):
            assert peers[id_].connected is not connected, "no change at all"
            peers[id_] = replace(peers[id_], connected=connected)
        case TrackPublished() | TrackChanged() | TrackUnpublished() as change:
            peers[change.peer] = _with_track(peers[change.peer], change)
    return replace(snapshot, version=delta.version, peers=tuple(peers.values()))


def _with_track(peer: PeerInfo, change: TrackPublished | TrackChanged | TrackUnpublished) -> PeerInfo:
    tracks = {track.id: track for track in peer.tracks}
    if isinstance(change, TrackUnpublished):
        del tracks[change.track]
    else:
        assert (change.track.id in tracks) is isinstance(change, TrackChanged)
        assert tracks.get(change.track.id) != change.track, "no change at all"
        tracks[change.track.id] = change.track
    return replace(peer, tracks=tuple(tracks.values()))
