"""Transport-wide congestion control, a participant's part: to number what it sends, to say what arrived when.

draft-holmer-rmcat-transport-wide-cc-extensions-01: section 2 the header extension, 3.1 the feedback. The
numbers stand in the clear, so nothing is decrypted for them. What the other side says of a bot's own
packets is not heeded: a bot's media has the rate that it has.
"""

import itertools
import struct
from collections.abc import Iterator, Sequence

from tests.load.light import rtcp
from tests.load.light.rtp import element_at

TICKS_PER_S = 4000
"""Arrival times count in 250 µs."""

_TICKS_PER_REFERENCE = 256
_NUMBER = struct.Struct("!H")
_FIRST_ELEMENT = struct.Struct("!HxxBH")
_FIRST_ELEMENT_AT = 12
_STAMP_AT = 17
_FIXED = struct.Struct("!HHI")
_MISSING, _SMALL, _LARGE = 0, 1, 2
_MOST_STATUSES = 250
"""In one feedback: it fits a datagram even if every packet takes a chunk and a large delta."""


def stamp(packet: bytes, number: int) -> bytes:
    """Return a packet with its number in the first element of its one-byte-form extensions."""
    return packet[:_STAMP_AT] + _NUMBER.pack(number & 0xFFFF) + packet[_STAMP_AT + 2 :]


def read_number(packet: bytes | memoryview, extension_id: int) -> int | None:
    """Return the number a packet bears, wherever it stands in the extensions."""
    if packet[0] & 0x1F == 0x10 and len(packet) >= _STAMP_AT + 2:
        profile, head, first = _FIRST_ELEMENT.unpack_from(packet, _FIRST_ELEMENT_AT)
        if profile == 0xBEDE and head == extension_id << 4 | 1:
            return int(first)
    at, size = element_at(packet, extension_id)
    return int.from_bytes(packet[at : at + 2], "big") if size == 2 else None


class Arrivals:
    """Notes when numbered packets came, until `feedback` says it, once, with the gaps between them."""

    def __init__(self, extension_id: int) -> None:
        self._extension_id = extension_id
        self._arrived: dict[int, float] = {}
        self._next: int | None = None
        self._feedbacks = 0

    def note(self, packet: memoryview, arrived: float) -> None:
        """Take a packet that came at `arrived`, in seconds on the monotonic clock."""
        number = read_number(packet, self._extension_id)
        if number is not None:
            self._arrived.setdefault(number, arrived)

    def feedback(self, ssrc: int, media_ssrc: int) -> Iterator[bytes]:
        """Yield RTCP packets that say what came since the last time."""
        if not self._arrived:
            return
        due = next(iter(self._arrived)) if self._next is None else self._next
        ticks = {
            due + (number - due + 0x8000 & 0xFFFF) - 0x8000: int(arrived * TICKS_PER_S)
            for number, arrived in self._arrived.items()
        }
        self._arrived.clear()
        first, end = min(due, *ticks), max(ticks) + 1
        self._next = max(due, end)
        statuses = [ticks.get(number) for number in range(first, end)]
        for at in range(0, len(statuses), _MOST_STATUSES):
            some = statuses[at : at + _MOST_STATUSES]
            if any(tick is not None for tick in some):
                control = feedback_control(first + at, self._feedbacks, some)
                yield rtcp.transport_feedback(ssrc, media_ssrc, control)
                self._feedbacks += 1


def feedback_control(first: int, count: int, arrivals: Sequence[int | None]) -> bytes:
    """Return what a feedback says of packets from number `first` on: arrived in ticks, or not (None).

    `count` is how many feedbacks went before. At least one packet arrived, and no two of them seconds apart.
    """
    before = next(tick for tick in arrivals if tick is not None)
    reference = before // _TICKS_PER_REFERENCE
    before = reference * _TICKS_PER_REFERENCE
    statuses, deltas = bytearray(), bytearray()
    for tick in arrivals:
        if tick is None:
            statuses.append(_MISSING)
            continue
        delta, before = tick - before, tick
        if 0 <= delta <= 0xFF:
            statuses.append(_SMALL)
            deltas.append(delta)
        else:
            statuses.append(_LARGE)
            deltas += delta.to_bytes(2, "big", signed=True)
    fixed = _FIXED.pack(first & 0xFFFF, len(statuses), (reference & 0xFFFFFF) << 8 | count & 0xFF)
    runs = ((status, sum(1 for _ in run)) for status, run in itertools.groupby(statuses))
    chunks = b"".join(_NUMBER.pack(status << 13 | length) for status, length in runs)
    written = fixed + chunks + deltas
    return written + bytes(-len(written) % 4)
