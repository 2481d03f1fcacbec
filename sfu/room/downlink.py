"""What one peer is sent, within what its network carries.

The peer says which track each slot is to show; here is decided in which layer, from what the estimate
leaves after sound. Decided anew a few times a second, and at once when the network carries less.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sfu.congestion.allocation import CLIMB_MARGIN, Demand, Grant, Option, Reason, allocate, attempt
from sfu.congestion.estimate import Estimate, Settings
from sfu.media.slot import Slot
from sfu.room.pacer import Pacer
from sfu.room.ports import Link
from sfu.rtp.rtcp import ReportBlock
from sfu.rtp.transport_cc import Feedback, SentPackets

COPIES = ((0.06, 2), (0.02, 1))
"""From such a loss of the path's own on, so many copies of each sound packet are sent; until half of it.

Copies do not help against the loss that comes of sending too much.
"""
LOSSY = 0.05
"""From such a loss on, repairs of what other frames refer to are sent twice."""
SOUND_BPS = 40_000.0
"""What a sound not measured yet is taken to need…"""
HEADERS_BPS = 50 * 44 * 8
"""…and what the headers of 50 packets a second take."""
LEAST_VIDEO_BPS = 80_000.0
"""What video may use however little there is, unless a queue has to be emptied."""
MOST_REPAIR_SHARE = 0.3
"""Of the budget, set aside for sending lost packets again."""
PROBE_MARGIN = 1.1
"""More is probed for than what is wanted with the room to spare that it must have."""
BUDGET_TOLERANCE = 0.03
DECIDE_INTERVAL_S = 1.0
TOLERANCE = 1.05
"""What was granted may exceed the budget by this factor until the next regular turn."""
CAUTION_S = 8.0
MOST_CAUTION_S = 30.0
"""A slot that was lowered climbs for so long only with much room to spare: twice as long each time…"""
RELAPSE_S = 10.0
"""…that it had climbed no longer than this ago."""
CAUTIOUS_MARGIN = 1.6
TRY_AFTER_S = 10.0
"""Where not even the least option fits, it is tried so long after the path was last found full."""
OVERLOAD = 1.5
"""What plays beyond the budget by this factor is not played until its successor comes."""


Grounds = tuple[object, ...]
"""What a decision on a slot rests on."""


@dataclass(slots=True)
class _Climb:
    """When a slot climbed last, and until when it is to be cautious."""

    climbed_at: float = float("-inf")
    cautious_until: float = float("-inf")
    caution_s: float = CAUTION_S

    def lowered(self, now: float) -> None:
        """It was given less."""
        relapsed = now - self.climbed_at < RELAPSE_S
        self.caution_s = min(2 * self.caution_s, MOST_CAUTION_S) if relapsed else CAUTION_S
        self.cautious_until = now + self.caution_s


class Downlink:
    """See the module. `grants` say for each video slot what it gets, what it wants, and why.

    `awaits_layer`: some slot was given a layer that its publisher does not send at present.
    """

    def __init__(
        self,
        link: Link,
        settings: Settings,
        slots: Callable[[], Iterable[Slot]],
        wake: Callable[[], None],
        *,
        numbered: bool,
    ) -> None:
        """`slots` returns the peer's video slots; `numbered`: the client sends transport-cc feedback.

        `wake` is called when `pace` is needed from now on, until it says otherwise.
        """
        sent = SentPackets() if numbered else None
        if sent is not None:
            link.number(sent)
        self.estimate = Estimate(settings, sent)
        self.pacer = Pacer(slots, wake, self.estimate.bps)
        self.grants: Mapping[str, Grant] = {}
        self.awaits_layer = False
        self._slots = slots
        self._wake = wake
        self._copies = 0
        self._loss = 0.0
        self._waits = False
        self._shared_bps = 0.0
        self._budget = 0.0
        self._grounds: list[Grounds] = []
        self._decided_at = float("-inf")
        self._granted_bps = 0.0
        self._wanted_bps = 0.0
        self._climbs: dict[str, _Climb] = {}
        self._reported: dict[int, tuple[int, int]] = {}

    def share(self, slots: Sequence[Slot], priorities: Mapping[str, str], now: float) -> None:
        """Give each slot that shows a track what there is for it. `priorities` are by track.

        `slots` are in the order of importance, audio slots among them. What was just decided on the same
        grounds is not decided again.
        """
        video = [slot for slot in slots if slot.kind == "video" and slot.track is not None]
        sound_bps = sum(map(_sound_bps, slots)) * (1 + self._copies)
        budget = self._video_budget(sound_bps)
        self._shared_bps = self.estimate.budget_bps
        grounds = [_grounds(slot, priorities, now) for slot in video]
        alike = abs(budget - self._budget) <= BUDGET_TOLERANCE * budget and grounds == self._grounds
        if alike and now - self._decided_at < DECIDE_INTERVAL_S:
            return
        self._budget, self._grounds, self._decided_at = budget, grounds, now
        demands = [self._demand(slot, priorities, now) for slot in video]
        grants = allocate(budget, demands)
        if demands and not any(grant.option for grant in grants) and self._may_try(now):
            grants = (attempt(demands[0]), *grants[1:])
        before, self.grants = self.grants, {grant.slot: grant for grant in grants}
        granted = sum(grant.option.bps for grant in grants if grant.option is not None)
        playing = sum(demand.current.bps for demand in demands if demand.current is not None)
        wanted = sum(map(_probe_bps, demands, grants))
        self._granted_bps = granted + sound_bps
        self._wanted_bps = (wanted + sound_bps) / (1 - self._repair_share)
        self.awaits_layer = False
        overloaded = playing > OVERLOAD * budget
        for slot, demand, grant in zip(video, demands, grants, strict=True):
            self._give(slot, grant.option, now, at_once=overloaded)
            if demand.current is not None and slot.mid in before:
                self._note_step(slot, before[slot.mid].option, grant.option, now)
        self._waits = any(slot.waits for slot in video)

    def is_due(self, now: float) -> bool:
        """Whether to share anew, though nothing is known to have changed but the time."""
        if self._waits or now - self._decided_at >= DECIDE_INTERVAL_S:
            return True
        return abs(self.estimate.budget_bps - self._shared_bps) > BUDGET_TOLERANCE * self._shared_bps

    def _demand(self, slot: Slot, priorities: Mapping[str, str], now: float) -> Demand:
        track, playing = slot.track, slot.playing
        assert track is not None
        options = slot.options(now)
        current = None
        if playing is not None and playing.track is track:
            same = [option for option in options if option.size == (playing.rank, slot.spatial_sent)]
            current = next((option for option in same if option.temporal >= slot.temporal), None)
        cautious = now < self._climbs.setdefault(slot.mid, _Climb()).cautious_until
        margin = CAUTIOUS_MARGIN if cautious else CLIMB_MARGIN
        priority = priorities.get(track.id, "grid")
        return Demand(slot.mid, options, float(slot.height), priority, current, margin)

    def _give(self, slot: Slot, option: Option | None, now: float, *, at_once: bool) -> None:
        track = slot.track
        assert track is not None
        if option is None:
            slot.give(None, 0, now)
            return
        layer = track.layer(option.rank)
        self.awaits_layer |= layer is not None and layer.is_paused
        slot.give(layer, option.temporal, now, spatial=option.spatial, at_once=at_once)

    def _note_step(self, slot: Slot, before: Option | None, option: Option | None, now: float) -> None:
        """Note a step up or down; while a step down waits for its key frame, send less at once."""
        former, present = _step(before), _step(option)
        if present > former:
            self._climbs[slot.mid].climbed_at = now
        elif present < former:
            self._climbs[slot.mid].lowered(now)
            slot.thin()

    def _may_try(self, now: float) -> bool:
        """Whether the least there is may be sent beyond the estimate: nothing proved it too much."""
        estimate = self.estimate
        return not estimate.is_draining and now - estimate.rate.decreased_at > TRY_AFTER_S

    def _video_budget(self, sound_bps: float) -> float:
        budget = self.estimate.budget_bps * (1 - self._repair_share) - sound_bps
        return max(budget, 0.0 if self.estimate.is_draining else LEAST_VIDEO_BPS)

    @property
    def _repair_share(self) -> float:
        return min(self.estimate.loss.average, MOST_REPAIR_SHARE)

    @property
    def is_short(self) -> bool:
        """Whether more was granted than the network carries now."""
        return self._granted_bps > TOLERANCE * self.estimate.budget_bps

    def hear(self, feedback: Feedback, now: float) -> None:
        """Take transport-wide feedback."""
        self.estimate.hear(feedback, now)
        self.pacer.bps = self.estimate.bps

    def hear_remb(self, bps: int, now: float) -> None:
        """Take the peer's own estimate, for want of transport-wide feedback."""
        if self.estimate.sent is None:
            self.estimate.hear_remb(bps, now)
            self.pacer.bps = self.estimate.bps

    def hear_reports(self, reports: Sequence[ReportBlock], now: float) -> None:
        """Take what the peer's receiver reports say of its slots, for want of transport-wide feedback."""
        packets = lost = 0
        for report in reports:
            highest, lost_before = self._reported.get(report.ssrc, (report.highest, report.lost))
            self._reported[report.ssrc] = (report.highest, report.lost)
            packets += max(0, report.highest - highest)
            lost += max(0, report.lost - lost_before)
        if packets:
            self.estimate.hear_loss(packets, min(lost, packets), now)
            self.pacer.bps = self.estimate.bps

    def pace(self, tick_s: float, now: float) -> bool:
        """Send what waits of key frames, and what a probe needs; tell whether there is more to come."""
        self.pacer.tick(tick_s, now)
        if self._is_probing:
            self._probe(self.estimate.padding_due(tick_s, now))
        return self.pacer.is_engaged or self._is_probing

    @property
    def _is_probing(self) -> bool:
        return self.estimate.prober.cluster is not None

    def _probe(self, due: int) -> None:
        """Send so many octets of padding, through slots that can carry it."""
        slots = tuple(self._slots())
        while due > 0:
            sent = next((octets for slot in slots if (octets := slot.pad(due))), 0)
            if not sent:
                return
            due -= sent

    def tick(self, now: float) -> bool:
        """Let time pass, a quarter of a second; tell whether the slots need other cover than before."""
        self.estimate.tick(self._wanted_bps, now)
        if self._is_probing:
            self._wake()
        before = self._copies, self._loss
        self._copies, self._loss = self._copies_needed(), self.estimate.loss.average
        return before != (self._copies, self._loss)

    def _copies_needed(self) -> int:
        loss = self.estimate.loss.own
        for limit, copies in COPIES:
            if loss >= (limit / 2 if self._copies >= copies else limit):
                return copies
        return 0

    def cover(self, slots: Iterable[Slot]) -> None:
        """Guard what plays in `slots` against the loss on the way."""
        for slot in slots:
            slot.lossy = self._loss >= LOSSY
            slot.cover(self._loss, self._copies)


def _grounds(slot: Slot, priorities: Mapping[str, str], now: float) -> Grounds:
    track = slot.track
    assert track is not None
    options, priority = slot.options(now), priorities.get(track.id)
    sent = slot.playing, slot.spatial_sent, slot.target
    return (slot.mid, track, slot.height, priority, sent, options)


def _step(option: Option | None) -> tuple[int, int, int]:
    return (-1, -1, -1) if option is None else (*option.size, option.temporal)


def _probe_bps(demand: Demand, grant: Grant) -> float:
    """Return the rate at which a slot would get what it wants."""
    if grant.wanted is None:
        return 0.0
    room = CLIMB_MARGIN if grant.option == grant.wanted else demand.climb_margin
    return PROBE_MARGIN * room * grant.wanted.bps


def _sound_bps(slot: Slot) -> float:
    if slot.kind != "audio" or slot.playing is None:
        return 0.0
    return HEADERS_BPS + (slot.playing.known_bps or SOUND_BPS)


def needs(slot: Slot, grant: Grant) -> set[int]:
    """Return the ranks that its track's publisher must send for a slot.

    What it gets, what it still plays, and, where only the publisher stands in the way, all it would use.
    """
    track, playing = slot.track, slot.playing
    if track is None:
        return set()
    ranks = set() if grant.option is None else {grant.option.rank}
    if playing is not None and playing.track is track:
        ranks.add(playing.rank)
    if grant.reason in (Reason.SOURCE, Reason.NOT_SENT):
        ranks.update(range(track.rank_for(slot.height) + 1))
    return ranks
