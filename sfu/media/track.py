"""A published source and its layers, and what its publisher is asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from sfu.congestion.allocation import SIZE_TOLERANCE, Option
from sfu.media.clock import CaptureClock
from sfu.media.layer import RESUME_S, Layer
from sfu.media.ports import VIDEO_CLOCK_HZ, Format, Outlet
from sfu.media.speakers import Voice
from sfu.media.translation import Profile, Translation, translate
from sfu.rtp import rtcp
from sfu.rtp.dependency_descriptor import EXTENSION as DEPENDENCY_DESCRIPTOR

Kind = Literal["audio", "video"]

SENDER_SSRC = 1
"""The node's own SSRC in feedback to publishers; it sends no media under it."""
KEY_FRAME_RETRY_S = 0.3
"""A key frame asked for and not seen is asked for again after this time…"""
KEY_FRAME_PATIENCE_S = 3.0
KEY_FRAME_SLOW_RETRY_S = 1.0
"""…and after `KEY_FRAME_PATIENCE_S` less often."""
KEY_FRAME_FRESH_S = 0.5
"""A receiver's request is served by a key frame that came this short a time ago."""
ALL_RANKS = frozenset(range(8))
PAUSE_AFTER_S = 2.0
"""A layer that nobody needs is paused only after this time."""
ALIKE = 0.05
ALL_TEMPORAL = 7
"""Every temporal layer, however many there are."""
ALL_SPATIAL = 7


class Track:
    """One publishing m-line. `height` is that of its largest layer in pixels, 0 when unknown.

    `top_rank` is the rank of that layer, which may never come: a slow uplink carries the smaller ones.
    `sending` are the ranks that the publisher is to send, `capture` is its clock, one for all its tracks.
    `formats` are by the publisher's payload type, `extensions` URIs by its id; `descriptor_id` is that of
    the dependency descriptor, 0 for none.
    """

    def __init__(
        self, id_: str, kind: Kind, formats: Iterable[Format], extensions: Mapping[int, str], outlet: Outlet
    ) -> None:
        self.id = id_
        self.kind = kind
        self.formats = {format_.payload_type: format_ for format_ in formats}
        self.extensions = dict(extensions)
        self.descriptor_id = next((id_ for id_, uri in extensions.items() if uri == DEPENDENCY_DESCRIPTOR), 0)
        self.red_types = frozenset(f.payload_type for f in self.formats.values() if f.codec == "red")
        self.clock_rate = next((f.clock_rate for f in self.formats.values()), VIDEO_CLOCK_HZ)
        self.repairable = kind == "video"
        self.voice = Voice(extensions) if kind == "audio" else None
        self.muted = False
        self.height = 0
        self.top_rank = 0
        self.layers: tuple[Layer, ...] = ()
        self.capture = CaptureClock()
        self.sending: frozenset[int] = ALL_RANKS
        self._needed_at: dict[int, float] = {}
        self._options: tuple[Option, ...] = ()
        self._offered: tuple[Option, ...] = ()
        self._options_at = float("-inf")
        self.rtt_s = 0.1
        self.nacks_sent = 0
        self.plis_sent = 0
        self._outlet = outlet
        self._translations: dict[Profile, Translation] = {}
        self._asked_at = float("-inf")
        self._asking_since: float | None = None

    def add_layer(self, *, rid: str | None, rank: int, ssrc: int) -> Layer:
        """Return a new layer; one with the same RID before it (a restarted encoder) ends."""
        for layer in self.layers:
            if layer.rid == rid:
                layer.close()
        layer = Layer(self, rid=rid, rank=rank, ssrc=ssrc)
        self._options_at = float("-inf")
        kept = (other for other in self.layers if other.rid != rid)
        self.layers = tuple(sorted((*kept, layer), key=lambda each: each.rank))
        return layer

    def options(self, now: float) -> tuple[Option, ...]:
        """Return the ways to show the track, the least first: its live layers, by temporal layers."""
        if now != self._options_at:
            self._options_at, self._options = now, self._options_now(now)
        return self._options

    def _options_now(self, now: float) -> tuple[Option, ...]:
        """Return the options; the very same as before while they hardly differ."""
        layers = [layer for layer in self.layers if layer.is_alive(now) or layer.is_paused]
        layers = layers or list(self.layers)
        options = tuple(option for layer in layers for option in self._options_of(layer))
        return self._options if _alike(options, self._options) else options

    def _options_of(self, layer: Layer) -> Iterator[Option]:
        full = self._height_at(layer.rank)
        for spatial, share in enumerate(layer.spatial_shares):
            height = full * share
            rates = layer.rates(spatial, height)
            top = len(rates) - 1
            for temporal, bps in enumerate(rates):
                highest = ALL_TEMPORAL if temporal == top else temporal
                yield Option(layer.rank, highest, bps, height, 0.5 ** (top - temporal), spatial)

    def rank_for(self, height: float) -> int:
        """Return the rank of the layer that fills `height`, whether it is sent or not."""
        enough = (rank for rank in range(self.top_rank) if self._height_at(rank) >= height * SIZE_TOLERANCE)
        return next(enough, self.top_rank)

    def need(self, ranks: Iterable[int], now: float) -> bool:
        """Note which layers are needed now; tell whether `sending` changed."""
        every = range(self.top_rank + 1)
        if not self._needed_at:
            self._needed_at = dict.fromkeys(every, now)
        self._needed_at.update(dict.fromkeys(ranks, now))
        sending = frozenset(rank for rank in every if now - self._needed_at[rank] < PAUSE_AFTER_S)
        if sending == self.sending & frozenset(every):
            return False
        for layer in self.layers:
            if layer.rank in sending - self.sending:
                layer.expected_until = now + RESUME_S
        self.sending = sending
        self._options_at = float("-inf")
        return True

    def layer(self, rank: int) -> Layer | None:
        """Return the layer of a rank."""
        return next((layer for layer in self.layers if layer.rank == rank), None)

    def measure(self, now: float) -> bool:
        """Measure the layers' rates; every quarter of a second. Tell whether the options changed."""
        for layer in self.layers:
            layer.measure(now)
        before, self._offered = self._offered, self.options(now)
        return self._offered is not before

    def _height_at(self, rank: int) -> float:
        """Each layer is taken to be half as high as the next larger one."""
        return self.height / (1 << self.top_rank - rank)

    def translation(self, profile: Profile) -> Translation:
        """Return how this track's packets are worded for receivers of a profile."""
        translation = self._translations.get(profile)
        if translation is None:
            translation = self._translations[profile] = translate(
                tuple(self.formats.values()), self.extensions, profile
            )
        return translation

    def mute(self, muted: bool) -> None:
        """Stop or resume forwarding. The slots begin again at a key frame."""
        self.muted = muted
        if muted:
            for layer in self.layers:
                layer.close()

    def request_key_frame(self, layer: Layer, now: float) -> None:
        """A receiver cannot decode: ask, unless a key frame just came."""
        if now - layer.key_frame_at >= KEY_FRAME_FRESH_S:
            self.want_key_frame(layer, now)

    def want_key_frame(self, layer: Layer, now: float) -> None:
        """Ask for a key frame of a layer, now or as soon as the throttle allows, until it comes.

        The throttle is per track: browsers answer a request for one layer with key frames on all. A
        layer that nobody watches is not asked for, nor is sound.
        """
        if not self.repairable:
            return
        layer.wants_key_frame = True
        if self._asking_since is None:
            self._asking_since = now
        self._ask(now)

    def _ask(self, now: float) -> None:
        since = self._asking_since
        if since is None:
            return
        wanted = [layer for layer in self.layers if layer.wants_key_frame and layer.is_watched]
        if not wanted or self.muted:
            self._asking_since = None
            return
        patient = now - since < KEY_FRAME_PATIENCE_S
        if now - self._asked_at < (KEY_FRAME_RETRY_S if patient else KEY_FRAME_SLOW_RETRY_S):
            return
        self._asked_at = now
        self.plis_sent += len(wanted)
        self._outlet.send_rtcp(b"".join(rtcp.picture_loss(SENDER_SSRC, layer.ssrc) for layer in wanted))

    def tick(self, now: float) -> None:
        """Repeat what was asked for and did not come: lost packets, key frames."""
        if self.repairable:
            for layer in self.layers:
                if layer.missing:
                    self._repair(layer, now)
        self._ask(now)

    def _repair(self, layer: Layer, now: float) -> None:
        lost, given_up = layer.missing.due(now, self.rtt_s)
        if lost:
            self.nacks_sent += len(lost)
            self._outlet.send_rtcp(rtcp.nack(SENDER_SSRC, layer.ssrc, lost))
        if given_up:
            self.want_key_frame(layer, now)

    def close(self) -> None:
        """Stop in every slot, for good."""
        for layer in self.layers:
            layer.close()
        self.layers = ()


def _alike(options: Sequence[Option], others: Sequence[Option]) -> bool:
    """Whether options are the same but for a few percent of their rates."""
    return len(options) == len(others) and all(
        (one.size, one.temporal, one.height) == (other.size, other.temporal, other.height)
        and abs(one.bps - other.bps) <= ALIKE * other.bps
        for one, other in zip(options, others, strict=True)
    )
