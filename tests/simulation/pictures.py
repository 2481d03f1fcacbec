"""What a browser makes of the packets of a video slot: frames, rendered or not, on time or late.

The jitter buffer of libwebrtc in small: lost packets are asked for at once and then every round trip,
frames are put together, what each refers to is read from its VP8 descriptor, and the oldest that can be
decoded is rendered at its time. How long frames are held follows the jitter seen, and is a round trip
longer while packets come late because they were sent again.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sfu.rtp.packet import Packet, restore
from sfu.rtp.payload import Payload, read_vp8
from sfu.rtp.sequence import Seq, Unwrapper, nearest, timestamp_distance
from tests.scenario import plans
from tests.simulation.link import Clock
from tests.simulation.publishers import BODY, Truth

MOST_TRIES = 10
MOST_MISSING = 1000
PATIENCE_FOR_KEY_S = 0.2
PATIENCE_S = 3.0
"""Without a decodable frame for this long, a key frame is asked for."""
DECODING_S = 0.01
PACE = 0.02
"""How fast the clock and the jitter seen move the idea of them."""
DEVIATIONS = 2.33
FEW_REPAIRS = 3
"""After so many repaired frames a round trip is added; it is dropped when this many seconds had none."""
SLEW = 0.1
"""How fast the delay changes, in seconds per second."""
WINDOW = 512
"""Frames behind the newest that are remembered."""


@dataclass(frozen=True)
class Shown:
    """A rendered frame."""

    at: float
    publisher: int
    rank: int
    temporal: int
    frame: int
    captured: float


@dataclass
class Frame:
    """A frame being put together."""

    timestamp: int
    first: int | None = None
    last: int | None = None
    got: int = 0
    repaired: bool = False
    payload: Payload = field(default_factory=Payload)
    truth: Truth | None = None
    picture: int = 0
    base: int = 0
    refers: tuple[int, ...] = ()
    render_at: float = 0.0

    @property
    def is_whole(self) -> bool:
        return self.first is not None and self.last is not None and self.got == self.last - self.first + 1


@dataclass
class Gap:
    since: float
    asked: float
    tries: int = 1


class References:
    """What a VP8 frame refers to, as far as its descriptor tells; as libwebrtc's `RtpVp8RefFinder`."""

    def __init__(self) -> None:
        self._layers: dict[int, list[int]] = {}
        self._absent: set[int] = set()
        self._last: int | None = None

    def of(self, frame: Frame) -> tuple[int, ...] | None:
        """Return the pictures referred to; None as long as that is not known."""
        picture, temporal = frame.picture, frame.payload.temporal
        if self._last is None:
            self._last = picture
        self._absent.update(range(self._last + 1, picture))
        self._last = max(self._last, picture)
        self._absent.discard(picture)
        if frame.payload.key_frame:
            self._layers[frame.base] = [picture, -1, -1]
            self._forget(frame.base)
            return ()
        layers = self._layers.get(frame.base - 1 if temporal == 0 else frame.base)
        if layers is None:
            return None
        if temporal == 0:
            refers: tuple[int, ...] = (layers[0],)
            self._layers[frame.base] = layers = list(layers)
        elif frame.payload.sync:
            refers = (layers[0],)
        else:
            refers = tuple(layers[: temporal + 1])
            if -1 in refers or any(self._is_absent_between(each, picture) for each in refers):
                return None
        if max(refers) >= picture:
            return None
        self._update(frame.base, temporal, picture)
        return refers

    def _is_absent_between(self, first: int, last: int) -> bool:
        return any(first < absent < last for absent in self._absent)

    def _update(self, base: int, temporal: int, picture: int) -> None:
        while (layers := self._layers.get(base)) is not None and layers[temporal] < picture:
            layers[temporal] = picture
            base += 1

    def _forget(self, base: int) -> None:
        self._layers = {each: layers for each, layers in self._layers.items() if each > base - 128}
        if self._last is not None:
            self._absent = {absent for absent in self._absent if absent > self._last - WINDOW}


class Buffering:
    """How long frames are held: their usual time, and what jitter and repairs ask for on top."""

    def __init__(self) -> None:
        self.target_s = self.delay_s = DECODING_S
        self._usual: float | None = None
        self._variance = 0.0
        self._repairs: list[float] = []
        self._told_at = 0.0

    def arrived(self, apart: float, now: float, rtt_s: float, *, repaired: bool) -> None:
        """Take how far apart arrival and timestamp of a frame are."""
        if repaired:
            self._repairs = [*self._repairs[1 - FEW_REPAIRS :], now]
        elif self._usual is None:
            self._usual = apart
        else:
            error = apart - self._usual
            self._usual += PACE * error
            self._variance += PACE * (error * error - self._variance)
        lossy = len(self._repairs) == FEW_REPAIRS and now - self._repairs[-1] < FEW_REPAIRS
        self.target_s = DECODING_S + DEVIATIONS * self._variance**0.5 + (rtt_s if lossy else 0.0)
        step = SLEW * min(1.0, now - self._told_at)
        self._told_at = now
        self.delay_s = min(max(self.target_s, self.delay_s - step), self.delay_s + step)

    def render_at(self, timestamp: float, now: float) -> float:
        usual = self._usual if self._usual is not None else now - timestamp
        at = timestamp + usual + self.delay_s
        if at < now:  # late: wait longer from now on, as far as that is called for
            self.delay_s = min(max(self.target_s, self.delay_s), self.delay_s + now - at)
        return max(at, now)


class Picture:
    """A video slot. `shown` has the rendered frames; `wrong` counts those that must not have been."""

    def __init__(
        self,
        clock: Clock,
        mid: str,
        ssrc: int,
        rtx_ssrc: int,
        *,
        nack: Callable[[int, Sequence[int]], None],
        ask_for_key_frame: Callable[[int], None],
    ) -> None:
        self.mid = mid
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.shown: list[Shown] = []
        self.wrong = 0
        self.plis = 0
        self.nacked = 0
        self.given_up = 0
        self.repaired = 0
        self.padding = 0
        self._clock = clock
        self._nack = nack
        self._ask = ask_for_key_frame
        self._highest: Seq | None = None
        self._received: set[int] = set()
        self._done = Seq(0)
        self._missing: dict[int, Gap] = {}
        self._frames: dict[int, Frame] = {}
        self._waiting: list[Frame] = []
        self._decodable: list[tuple[int, Frame]] = []
        self._references = References()
        self._pictures = Unwrapper()
        self._bases = _Unwrapper8()
        self._decoded: set[int] = set()
        self._last_picture = -1
        self._truly_decoded: set[tuple[int, int, int]] = set()
        self._buffering = Buffering()
        self._first_timestamp: int | None = None
        self._wakes_at: float | None = None
        self._progress_at: float | None = None
        self._needs_key = True

    # --- packets ----------------------------------------------------------------------------------

    def receive(self, packet: Packet, rtt_s: float) -> None:
        now = self._clock.now
        again = packet.ssrc == self.rtx_ssrc
        if again:
            original = restore(packet, ssrc=self.ssrc, payload_type=plans.THEIR_VP8)
            if original is None:
                self.padding += len(packet.data)
                return
            packet = original
        if self._highest is None:
            self._highest = Seq(0x10000 + packet.seq - 1)
            self._progress_at = now
        seq = nearest(packet.seq, self._highest)
        if not again:  # what was sent again says nothing of what is on its way
            self._note_gap(seq, now)
        if seq in self._received or seq <= self._done:
            self.padding += len(packet.data) if again else 0
            return
        self._received.add(seq)
        was_missing = self._missing.pop(seq, None) is not None
        self.repaired += again and was_missing
        self._assemble(packet, seq, rtt_s, repaired=again)

    def _note_gap(self, seq: Seq, now: float) -> None:
        highest = self._highest
        assert highest is not None
        if seq <= highest:
            return
        self._highest = seq
        missing = [each for each in range(highest + 1, seq) if each not in self._received]
        if len(self._missing) + len(missing) > MOST_MISSING:
            self._missing.clear()
            self._request_key_frame()
        elif missing:
            self._missing.update((each, Gap(now, now)) for each in missing)
            self.nacked += len(missing)
            self._nack(self.ssrc, missing)

    def tick(self, now: float, rtt_s: float) -> None:
        """Ask again for what is missing; ask for a key frame when nothing can be decoded."""
        lost = []
        for seq, gap in list(self._missing.items()):
            if now - gap.asked < rtt_s:
                continue
            if gap.tries == MOST_TRIES:
                del self._missing[seq]
                self.given_up += 1
                continue
            gap.asked, gap.tries = now, gap.tries + 1
            lost.append(seq)
        if lost:
            self.nacked += len(lost)
            self._nack(self.ssrc, lost)
        patience = PATIENCE_FOR_KEY_S if self._needs_key else PATIENCE_S
        if self._progress_at is not None and now - self._progress_at > patience:
            self._request_key_frame()
        self._advance()

    def _request_key_frame(self) -> None:
        self._progress_at = self._clock.now
        self.plis += 1
        self._ask(self.ssrc)

    # --- frames -----------------------------------------------------------------------------------

    def _assemble(self, packet: Packet, seq: Seq, rtt_s: float, *, repaired: bool) -> None:
        frame = self._frames.get(packet.timestamp)
        if frame is None:
            frame = self._frames[packet.timestamp] = Frame(packet.timestamp)
            if len(self._frames) > WINDOW:
                del self._frames[next(iter(self._frames))]
        payload = read_vp8(packet.data, packet.payload_start, packet.payload_end)
        frame.got += 1
        frame.repaired |= repaired
        if packet.data[packet.payload_start] & 0x10:
            frame.first = seq
            frame.payload = payload
            frame.truth = Truth(*BODY.unpack_from(packet.data, packet.payload_start + payload.size + 1))
        if packet.marker:
            frame.last = seq
        if frame.is_whole:
            del self._frames[packet.timestamp]
            self._complete(frame, rtt_s)

    def _complete(self, frame: Frame, rtt_s: float) -> None:
        now = self._clock.now
        frame.picture = self._pictures.unwrap(frame.payload.picture_id << 1) >> 1
        frame.base = self._bases.unwrap(frame.payload.tl0)
        if self._first_timestamp is None:
            self._first_timestamp = frame.timestamp
        time = timestamp_distance(frame.timestamp, self._first_timestamp) / 90_000
        self._buffering.arrived(now - time, now, rtt_s, repaired=frame.repaired)
        frame.render_at = self._buffering.render_at(time, now)
        self._waiting.append(frame)
        self._refer()
        self._advance()

    def _refer(self) -> None:
        """Let go on what it was found out to refer to, which may let others."""
        found = True
        while found:
            found = False
            for frame in sorted(self._waiting, key=lambda each: each.picture):
                refers = self._references.of(frame)
                if refers is not None:
                    frame.refers = refers
                    self._waiting.remove(frame)
                    insort(self._decodable, (frame.picture, frame), key=lambda each: each[0])
                    found = True
                elif frame.picture <= self._last_picture:
                    self._waiting.remove(frame)
        del self._waiting[:-WINDOW]

    def _advance(self) -> None:
        """Render what is due; come back for the next one."""
        now = self._clock.now
        while (frame := self._next()) is not None:
            if frame.render_at > now + 1e-6:
                if self._wakes_at is None or frame.render_at < self._wakes_at - 1e-6:
                    self._wakes_at = frame.render_at
                    self._clock.later(frame.render_at - now, self._wake)
                return
            self._render(frame)

    def _wake(self) -> None:
        self._wakes_at = None
        self._advance()

    def _next(self) -> Frame | None:
        """Return the oldest frame that can be decoded now."""
        for _, frame in self._decodable:
            if frame.payload.key_frame or (
                self._last_picture >= 0 and all(each in self._decoded for each in frame.refers)
            ):
                return frame
        return None

    def _render(self, frame: Frame) -> None:
        now = self._clock.now
        truth = frame.truth
        assert truth is not None
        if frame.payload.key_frame:
            self._needs_key = False
        self._decoded.add(frame.picture)
        self._last_picture = frame.picture
        self._progress_at = now
        self._check(truth, frame)
        self.shown.append(
            Shown(now, truth.publisher, truth.rank, frame.payload.temporal, truth.frame, truth.captured)
        )
        at = bisect_right(self._decodable, frame.picture, key=lambda each: each[0])
        del self._decodable[:at]
        assert frame.last is not None
        self._done = Seq(frame.last)
        self._forget()

    def _forget(self) -> None:
        """What is older than what was decoded is of no use."""
        for seq in [seq for seq in self._missing if seq <= self._done]:
            del self._missing[seq]
        if len(self._received) > 4 * WINDOW:
            self._received = {seq for seq in self._received if seq > self._done}
        if len(self._decoded) > 4 * WINDOW:
            self._decoded = {each for each in self._decoded if each > self._last_picture - WINDOW}

    def _check(self, truth: Truth, frame: Frame) -> None:
        """Hold against the truth that what the frame refers to was decoded, and that it is whole."""
        decoded = self._truly_decoded
        refers = [each for each in (truth.refers_1, truth.refers_2) if each]
        known = all((truth.publisher, truth.rank, truth.frame - each) in decoded for each in refers)
        if not known or truth.packets != frame.got or bool(truth.key) != frame.payload.key_frame:
            self.wrong += 1
        decoded.add((truth.publisher, truth.rank, truth.frame))


class _Unwrapper8:
    """As `Unwrapper`, for numbers of 8 bits."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, number: int) -> int:
        last = self._last
        self._last = number if last is None else last + ((number - last + 0x80) & 0xFF) - 0x80
        return self._last
