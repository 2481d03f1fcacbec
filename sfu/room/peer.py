"""One person's, or bot's, presence in a room: what it publishes, what it wants, what it is sent.

A peer outlives its WebSocket and its link: when either is lost it lingers, to be taken up again
with its resume token. Its slots and tracks belong to the link; they end with it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Literal

import msgspec

from sfu.congestion.allocation import Grant
from sfu.contract import signals
from sfu.contract.codes import Code
from sfu.contract.signals import (
    PeerInfo,
    PublishedTrack,
    QualityReason,
    Retry,
    SlotClock,
    SlotLabel,
    SlotQuality,
    Slots,
    TrackInfo,
    Want,
)
from sfu.contract.ticket import Source, Ticket
from sfu.media.assignment import assign
from sfu.media.ingress import Ingress, Line
from sfu.media.layer import Layer
from sfu.media.ports import Drop
from sfu.media.reports import publisher_reports, slot_reports
from sfu.media.slot import Slot
from sfu.media.tally import Tally
from sfu.media.track import SENDER_SSRC, Track
from sfu.room.downlink import Downlink, needs
from sfu.room.lines import publishing_line, slot_line
from sfu.room.ports import Floor, Limits, Link, Outbox, Refusal
from sfu.rtp import rtcp
from sfu.rtp.sequence import timestamp_distance
from sfu.rtp.transport_cc import Feedback
from sfu.signaling.plan import LinkPlan, PublishPlan

PRIORITIES = {"pinned": 0, "screen": 1, "speaker": 2, "grid": 3, "thumbnail": 4}
KINDS: Mapping[Source, Literal["audio", "video"]] = {
    Source.MICROPHONE: "audio",
    Source.CAMERA: "video",
    Source.SCREEN: "video",
    Source.SCREEN_AUDIO: "audio",
}
REPORT_INTERVAL_S = 1.0
MAX_RTT_S = 10.0
CLOCK_DRIFT_MS = 8.0
"""A slot's clock is told again when it has moved by so much."""


class PeerState(Enum):
    """Where a peer is between its first message and its end."""

    ENTERING = auto()
    CONNECTED = auto()
    SILENT = auto()
    GONE = auto()


class PeerEvent(Enum):
    """What moves it on."""

    LINK_UP = auto()
    LINK_LOST = auto()
    NEW_LINK = auto()
    END = auto()


TRANSITIONS: dict[PeerState, dict[PeerEvent, PeerState]] = {
    PeerState.ENTERING: {
        PeerEvent.LINK_UP: PeerState.CONNECTED,
        PeerEvent.NEW_LINK: PeerState.ENTERING,
        PeerEvent.END: PeerState.GONE,
    },
    PeerState.CONNECTED: {
        PeerEvent.LINK_UP: PeerState.CONNECTED,
        PeerEvent.LINK_LOST: PeerState.SILENT,
        PeerEvent.NEW_LINK: PeerState.ENTERING,
        PeerEvent.END: PeerState.GONE,
    },
    PeerState.SILENT: {
        PeerEvent.LINK_UP: PeerState.CONNECTED,
        PeerEvent.LINK_LOST: PeerState.SILENT,
        PeerEvent.NEW_LINK: PeerState.ENTERING,
        PeerEvent.END: PeerState.GONE,
    },
    PeerState.GONE: {PeerEvent.END: PeerState.GONE},
}


@dataclass(slots=True)
class Publication:
    """A track as its publisher declared it, and the m-line it comes by."""

    line: Line
    declared: PublishedTrack

    @property
    def info(self) -> TrackInfo:
        """Return the track as others see it."""
        track, declared = self.line.track, self.declared
        return TrackInfo(
            id=track.id,
            kind=track.kind,
            source=declared.source,
            muted=track.muted,
            width=declared.width,
            height=declared.height,
        )

    def declare(self, declared: PublishedTrack) -> None:
        """Take over what the publisher says of the track now."""
        self.declared = declared
        self.line.track.height = declared.height
        if declared.muted != self.line.track.muted:
            self.line.track.mute(declared.muted)


class Peer:
    """See the module. `resume` is the secret that takes its place again; `seed` makes its slots' numbers.

    The methods named `link_…` and `received_…` are what its link calls.
    """

    def __init__(self, ticket: Ticket, *, resume: str, seed: bytes, limits: Limits, floor: Floor) -> None:
        self.ticket = ticket
        self.id = ticket.peer
        self.resume = resume
        self.state = PeerState.ENTERING
        self.publications: dict[str, Publication] = {}
        self.slots: dict[str, Slot] = {}
        self.link: Link | None = None
        self.outbox: Outbox | None = None
        self.link_began_at = 0.0
        self.rtt_s: float | None = None
        self._seed = seed
        self._limits = limits
        self._floor = floor
        self._ingress = Ingress(floor.layer_appeared)
        self._wants: tuple[Want, ...] = ()
        self._slot_of: dict[int, Slot] = {}
        self.downlink: Downlink | None = None
        self._told_grants: Mapping[str, Grant] | None = None
        self._told_quality: tuple[SlotQuality, ...] = ()
        self._told_clocks: dict[str, tuple[str, int, float]] = {}
        self._reported_at = 0.0
        self._link_ended = False
        self._waits_until: float | None = None
        self._counted = Tally()

    @property
    def info(self) -> PeerInfo:
        """Return the peer as others see it."""
        return PeerInfo(
            id=self.id,
            name=self.ticket.name,
            user=self.ticket.user,
            connected=self.state is not PeerState.SILENT,
            tracks=tuple(publication.info for publication in self.publications.values()),
        )

    @property
    def tally(self) -> Tally:
        """Return what was counted of all that the peer sent and was sent since it entered."""
        tally = Tally()
        tally.add(self._counted)
        tally.drops.update(self._ingress.drops)
        for slot in self.slots.values():
            tally.add_slot(slot)
        for publication in self.publications.values():
            tally.add_track(publication.line.track)
        return tally

    # --- what is negotiated -------------------------------------------------------------------

    def check(self, plan: LinkPlan, declared: Sequence[PublishedTrack]) -> None:
        """Raise `Refusal` if the peer may not publish or receive what an offer says."""
        offered = {line.mid: line for line in plan.publish}
        for track in declared:
            if track.source not in self.ticket.rights.publish:
                raise Refusal(Code.FORBIDDEN, f"publishing {track.source.value}")
            line = offered.get(track.mid)
            if line is None or line.kind != KINDS[track.source]:
                raise Refusal(Code.BAD_OFFER, f"no sending m-line {track.mid} for {track.source.value}")
        if len({track.mid for track in declared}) != len(declared) or len(declared) > self._limits.max_tracks:
            raise Refusal(Code.BAD_OFFER, f"at most {self._limits.max_tracks} tracks, each with its own mid")
        if len(plan.slots) > self._limits.max_slots:
            raise Refusal(Code.BAD_OFFER, f"at most {self._limits.max_slots} receiving m-lines")

    def apply(self, plan: LinkPlan, declared: Sequence[PublishedTrack]) -> list[signals.RoomChange]:
        """Publish and receive what a checked offer says; return what changed for others."""
        assert self.link is not None
        by_mid = {track.mid: track for track in declared}
        changes: list[signals.RoomChange] = [
            self._unpublish(mid) for mid in list(self.publications) if mid not in by_mid
        ]
        for line in plan.publish:
            if line.mid in by_mid:
                changes.extend(self._publish(line, by_mid[line.mid], self.link))
        if self.ticket.rights.subscribe:
            self._lay_slots(plan, self.link)
        return changes

    def _publish(
        self, plan: PublishPlan, declared: PublishedTrack, link: Link
    ) -> Sequence[signals.RoomChange]:
        publication = self.publications.get(plan.mid)
        if publication is not None:
            before = publication.info
            publication.declare(declared)
            after = publication.info
            return () if before == after else (signals.TrackChanged(peer=self.id, track=after),)
        line = publishing_line(plan, f"{self.id}.{plan.mid}", link)
        publication = self.publications[plan.mid] = Publication(line, declared)
        publication.declare(declared)
        self._ingress.add(plan.mid, line)
        return (signals.TrackPublished(peer=self.id, track=publication.info),)

    def _unpublish(self, mid: str) -> signals.TrackUnpublished:
        publication = self.publications.pop(mid)
        self._counted.add_track(publication.line.track)
        self._ingress.remove(mid)
        return signals.TrackUnpublished(peer=self.id, track=publication.line.track.id)

    def _lay_slots(self, plan: LinkPlan, link: Link) -> None:
        offered = {slot.mid for slot in plan.slots}
        for mid in [mid for mid in self.slots if mid not in offered]:
            self._take_slot(mid)
        for slot in plan.slots:
            if slot.mid not in self.slots:
                digest = hashlib.sha256(self._seed + slot.mid.encode()).digest()
                start = int.from_bytes(digest[:4], "big")
                self.slots[slot.mid] = Slot(slot_line(slot), start=start, link=link, labels=self)
        self._slot_of = {slot.ssrc: slot for slot in self.slots.values()}
        if self.downlink is None:
            numbered = any(slot.profile.number_id is not None for slot in self.slots.values())
            wake = partial(self._floor.awaken, self)
            self.downlink = Downlink(link, self._limits.downlink, self.video_slots, wake, numbered=numbered)
        self.downlink.cover(self.slots.values())
        for video in self.video_slots():
            video.pacer = self.downlink.pacer

    def _take_slot(self, mid: str) -> None:
        slot = self.slots.pop(mid)
        slot.clear()
        self._counted.add_slot(slot)

    def mute(self, mid: str, muted: bool) -> signals.TrackChanged | None:
        """Mute or unmute a published track; None when that changes nothing. Raises `Refusal`."""
        publication = self.publications.get(mid)
        if publication is None:
            raise Refusal(Code.BAD_MESSAGE, f"no published track on mid {mid}")
        if publication.line.track.muted == muted:
            return None
        publication.declare(msgspec.structs.replace(publication.declared, muted=muted))
        return signals.TrackChanged(peer=self.id, track=publication.info)

    # --- what is shown ------------------------------------------------------------------------

    def view(self, wants: Sequence[Want], now: float) -> None:
        """Show what the client wants from now on."""
        self._wants = tuple(sorted(wants, key=lambda want: PRIORITIES[want.priority]))
        self.arrange_video(now)

    def arrange_video(self, now: float) -> None:
        """Put the wanted tracks into the video slots there are, the most important first."""
        heights: dict[str, int] = {}
        found: dict[str, Track] = {}
        for want in self._wants:
            track = self._floor.find(want.track)
            if track is not None and track.kind == "video" and not track.muted and not self.owns(track):
                heights.setdefault(track.id, want.height)
                found[track.id] = track
        self._arrange("video", found, heights, now)
        self.share(now)

    def share(self, now: float) -> None:
        """Share the network out over the video slots anew."""
        if self.downlink is None or self.state is PeerState.ENTERING:
            return
        priorities: dict[str, str] = {}
        for want in self._wants:
            priorities.setdefault(want.track, want.priority)
        order = {track: at for at, track in enumerate(priorities)}
        slots = sorted(
            (slot for slot in self.slots.values() if slot.track is not None),
            key=lambda slot: order.get(slot.track.id, len(order)) if slot.track else len(order),
        )
        self.downlink.share(slots, priorities, now)
        if self.downlink.awaits_layer:
            self._floor.layer_awaited()

    def needs(self) -> Iterator[tuple[Track, set[int]]]:
        """Yield tracks that the peer is shown, with the ranks of the layers it needs of each."""
        if self.downlink is None:
            return
        for mid, grant in self.downlink.grants.items():
            slot = self.slots.get(mid)
            if slot is not None and slot.track is not None:
                yield slot.track, needs(slot, grant)

    def tell_encodings(self, track: Track) -> None:
        """Tell the publisher which layers of a track of its own are needed."""
        for mid, publication in self.publications.items():
            line = publication.line
            if line.track is track:
                rids = line.rids or ("",)
                needed = tuple(rid for rank, rid in enumerate(rids) if rank in track.sending)
                self.send(signals.encode(signals.Encodings(mid=mid, rids=needed)))

    def _tell_clocks(self) -> None:
        """Tell the client when what its slots show was captured, where that is new or has drifted."""
        clocks = []
        for slot in self.slots.values():
            clock = slot.clock
            if clock is None or slot.told is None or slot.told is not slot.track:
                continue
            timestamp, captured_ms = clock
            told = self._told_clocks.get(slot.mid)
            if told is not None and told[0] == slot.told.id:
                since_ms = timestamp_distance(timestamp, told[1]) * 1000 / slot.clock_rate
                if abs(captured_ms - told[2] - since_ms) < CLOCK_DRIFT_MS:
                    continue
            self._told_clocks[slot.mid] = (slot.told.id, timestamp, captured_ms)
            clocks.append(SlotClock(mid=slot.mid, rtp_timestamp=timestamp, captured_ms=captured_ms))
        if clocks:
            self.send(signals.encode(signals.Clocks(slots=tuple(clocks))))

    def _tell_quality(self) -> None:
        """Tell the client what its slots get and why, if that changed."""
        if self.downlink is None or self.downlink.grants is self._told_grants:
            return
        self._told_grants = self.downlink.grants
        quality = tuple(
            _quality(slot.track.id, grant)
            for mid, grant in self.downlink.grants.items()
            if (slot := self.slots.get(mid)) is not None and slot.track is not None
        )
        if quality != self._told_quality:
            self._told_quality = quality
            self.send(signals.encode(signals.Quality(slots=quality)))

    def arrange_audio(self, heard: Sequence[str], now: float) -> None:
        """Put those to be heard into the audio slots."""
        found = {id_: track for id_ in heard if (track := self._floor.find(id_)) is not None}
        self._arrange("audio", found, dict.fromkeys(found, 0), now)

    def _arrange(
        self, kind: str, tracks: Mapping[str, Track], heights: Mapping[str, int], now: float
    ) -> None:
        if self.state is PeerState.ENTERING:
            return
        slots = {mid: slot for mid, slot in self.slots.items() if slot.kind == kind}
        current = {mid: slot.track.id if slot.track else None for mid, slot in slots.items()}
        for mid, id_ in assign(current, list(tracks)).items():
            if id_ is not None:
                slots[mid].show(tracks[id_], heights[id_], now)
            elif slots[mid].track is not None:
                slots[mid].clear()

    def follow(self, layer: Layer, now: float) -> None:
        """A track has a new layer: use it where it suits better."""
        showing = [slot for slot in self.slots.values() if slot.track is layer.track]
        for slot in showing:
            slot.show(layer.track, slot.height, now)
        if any(slot.kind == "video" for slot in showing):
            self.share(now)

    def label(self, slot: Slot, track: Track | None, rtp_timestamp: int | None) -> None:
        """Tell the client what a slot shows; the slot's packets wait until it was told."""
        if self.outbox is None:
            slot.release()
            return
        self._told_clocks.pop(slot.mid, None)
        label = SlotLabel(mid=slot.mid, track=track.id if track else None, rtp_timestamp=rtp_timestamp)
        self.outbox.send(signals.encode(Slots(slots=(label,))), partial(slot.release, slot.switches))

    def relabel(self) -> None:
        """Tell a client that came back what every slot shows now, and which of its layers are needed."""
        self._told_grants, self._told_quality = None, ()
        self._told_clocks.clear()
        for publication in self.publications.values():
            if publication.line.track.kind == "video":
                self.tell_encodings(publication.line.track)
        labels = tuple(
            SlotLabel(mid=slot.mid, track=slot.told.id if slot.told else None) for slot in self.slots.values()
        )
        self.send(signals.encode(Slots(slots=labels)))

    def owns(self, track: Track) -> bool:
        """Whether the peer itself publishes the track."""
        return track.id in self.own_tracks

    @property
    def own_tracks(self) -> frozenset[str]:
        """Return the ids of the tracks the peer publishes."""
        return frozenset(publication.line.track.id for publication in self.publications.values())

    # --- the WebSocket ------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Send an encoded message, if the client is there."""
        if self.outbox is not None:
            self.outbox.send(text)

    def attach(self, outbox: Outbox) -> None:
        """Speak through a new WebSocket; the one before is told that it was replaced."""
        if self.outbox is not None:
            self.outbox.close(Code.REPLACED, "none")
        self.outbox, self._waits_until = outbox, None

    def lose(self, outbox: Outbox, now: float, *, unloading: bool = False) -> None:
        """A WebSocket ended: linger, unless another has taken its place. `unloading`: its page went away."""
        if self.outbox is outbox:
            self.outbox = None
            self._waits_until = now + (self._limits.reload_s if unloading else self._limits.linger_s)
            for slot in self.slots.values():
                slot.release()

    # --- the link -----------------------------------------------------------------------------

    def take_link(self, link: Link, now: float) -> list[signals.RoomChange]:
        """Send and receive over a new link; what came and went by the former one ends."""
        was_silent = self.state is PeerState.SILENT
        self.state = TRANSITIONS[self.state][PeerEvent.NEW_LINK]
        changes = self._end_media()
        if was_silent:
            changes.append(signals.PeerConnection(peer=self.id, connected=True))
        self.link, self.link_began_at, self._link_ended = link, now, False
        return changes

    def _end_media(self) -> list[signals.RoomChange]:
        for mid in list(self.slots):
            self._take_slot(mid)
        self._slot_of = {}
        self._told_clocks.clear()
        self.downlink = None
        changes: list[signals.RoomChange] = [self._unpublish(mid) for mid in list(self.publications)]
        if self.link is not None:
            self.link.close()
        return changes

    def link_connected(self) -> None:
        """The link is encrypted and open."""
        self._move(PeerEvent.LINK_UP)

    def link_closed(self, _reason: object) -> None:
        """The link ended for good; the peer may come back with another."""
        self._link_ended = True
        if self.state is PeerState.CONNECTED:
            self._move(PeerEvent.LINK_LOST)

    def _move(self, event: PeerEvent) -> None:
        before = self.state
        self.state = TRANSITIONS[before][event]
        if before is PeerState.ENTERING:
            self._floor.peer_ready(self)
        if PeerState.SILENT in (before, self.state) and before is not self.state:
            self._floor.connection_changed(self)

    def received_rtp(self, packet: bytes, now: float) -> None:
        """A media packet came."""
        self._ingress.receive(packet, now)

    def received_rtcp(self, compound: bytes, now: float) -> None:
        """Feedback and reports came. Feedback for SSRCs that are not this peer's is counted only."""
        for packet in rtcp.parse(compound):
            match packet:
                case rtcp.SenderReport() | rtcp.ReceiverReport():
                    self._receive_reports(packet, now)
                case rtcp.Nack(media_ssrc=ssrc, lost=lost):
                    if (slot := self._slot(ssrc)) is not None:
                        slot.nack(lost, now)
                case Feedback() if self.downlink is not None:
                    self.downlink.hear(packet, now)
                    if self.downlink.is_short:
                        self.share(now)
                case rtcp.Remb(bitrate_bps=bps) if self.downlink is not None:
                    self.downlink.hear_remb(bps, now)
                case rtcp.KeyFrameRequest(media_ssrc=ssrc):
                    if (slot := self._slot(ssrc)) is not None:
                        slot.request_key_frame(now)

    def _slot(self, ssrc: int) -> Slot | None:
        slot = self._slot_of.get(ssrc)
        if slot is None:
            self._counted.drops[Drop.STRAY_FEEDBACK] += 1
        return slot

    def _receive_reports(self, packet: rtcp.SenderReport | rtcp.ReceiverReport, now: float) -> None:
        if isinstance(packet, rtcp.SenderReport):
            layer = self._ingress.layer(packet.ssrc)
            if layer is not None:
                layer.set_clock(packet, now)
        if self.downlink is not None:
            self.downlink.hear_reports([each for each in packet.reports if each.ssrc in self._slot_of], now)
        for report in packet.reports:
            if self._slot(report.ssrc) is not None and report.lsr:
                arrived = rtcp.ntp_time(now + self._floor.unix_offset) >> 16
                rtt = ((arrived - report.lsr - report.dlsr) & 0xFFFF_FFFF) / 65536
                if rtt < MAX_RTT_S:
                    self.rtt_s = rtt
                    if self.downlink is not None:
                        self.downlink.estimate.rtt_s = rtt

    def received_data(self, label: str, text: str) -> None:
        """A data-channel message came: to be passed on, if the ticket allows and it is one."""
        try:
            message = signals.decode_data(text)
        except msgspec.DecodeError:
            self._counted.drops[Drop.BAD_DATA] += 1
            return
        if self.ticket.rights.data:
            self._floor.relay(self, label, message)
        else:
            self._counted.drops[Drop.BAD_DATA] += 1

    # --- time ---------------------------------------------------------------------------------

    def report(self, now: float) -> None:
        """Send the reports that are due, and tell when what is shown was captured, every second."""
        if now - self._reported_at < REPORT_INTERVAL_S or self.state is not PeerState.CONNECTED:
            return
        assert self.link is not None
        self._reported_at = now
        most_bps = self._limits.publisher_max_bps if self._ingress.number_id is None else None
        for compound in publisher_reports(tuple(self._ingress.layers), most_bps, now):
            self.link.send_rtcp(compound)
        for compound in slot_reports(tuple(self.slots.values()), now + self._floor.unix_offset, now):
            self.link.send_rtcp(compound)
        self._tell_clocks()

    def acknowledge(self) -> None:
        """Tell the publisher when its packets arrived (transport-cc).

        Browsers believe it only if it names an SSRC of theirs, though it speaks of all.
        """
        arrivals, layer = self._ingress.arrivals, next(self._ingress.layers, None)
        if not arrivals or layer is None or self.link is None or self.state is not PeerState.CONNECTED:
            return
        for feedback in arrivals.feedback():
            self.link.send_rtcp(rtcp.transport_feedback(SENDER_SSRC, layer.ssrc, feedback))

    def video_slots(self) -> list[Slot]:
        """Return the slots for video."""
        return [slot for slot in self.slots.values() if slot.kind == "video"]

    def pace(self, tick_s: float, now: float) -> bool:
        """Send what is spread over time, if the peer has a link; tell whether there is more to come."""
        return self.downlink is not None and self.downlink.pace(tick_s, now)

    def follow_layers(self, now: float, *, anew: bool) -> None:
        """Let every slot follow its track's layers as they come and go. `anew`: some just did."""
        for slot in self.slots.values():
            slot.tick(now)
        downlink = self.downlink
        if downlink is not None:
            if downlink.tick(now):
                downlink.cover(self.slots.values())
            if anew or downlink.is_due(now):
                self.share(now)
            self._tell_quality()
        if self.rtt_s is not None:
            for publication in self.publications.values():
                publication.line.track.rtt_s = self.rtt_s

    def overdue(self, now: float) -> Code | None:
        """Return why the peer's time is up, or None. Notes a link that fell silent."""
        limits, link = self._limits, self.link
        if self._waits_until is not None and now > self._waits_until:
            return Code.LINK_LOST
        if link is None:
            return None
        if self.state is PeerState.ENTERING:
            late = self._link_ended or now - self.link_began_at > limits.link_timeout_s
            return Code.LINK_TIMEOUT if late else None
        silent_s = now - link.last_heard
        if silent_s > limits.linger_s:
            return Code.LINK_LOST
        if self.state is PeerState.CONNECTED and silent_s > limits.silent_link_s:
            self._move(PeerEvent.LINK_LOST)
        elif self.state is PeerState.SILENT and silent_s < 1.0 and not self._link_ended:
            self._move(PeerEvent.LINK_UP)
        return None

    def close(self, code: Code, retry: Retry = "none") -> None:
        """End the stay. Idempotent."""
        self.state = TRANSITIONS[self.state][PeerEvent.END]
        self._end_media()
        if self.outbox is not None:
            self.outbox.close(code, retry)
            self.outbox = None


def _quality(track: str, grant: Grant) -> SlotQuality:
    given, wanted = grant.option, grant.wanted
    return SlotQuality(
        mid=grant.slot,
        track=track,
        wanted_height=0 if wanted is None else round(wanted.height),
        given_height=0 if given is None else round(given.height),
        frame_share=0.0 if given is None else given.frames,
        reason=QualityReason(grant.reason.value),
    )
