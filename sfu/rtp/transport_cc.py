"""Transport-wide congestion control: the feedback packet, and what it speaks of.

A sender numbers all packets of a link in one sequence, by a header extension; the receiver says
when each arrived. draft-holmer-rmcat-transport-wide-cc-extensions-01: §2 the extension, §3.1 the
feedback. Times are in ticks of 250 µs throughout, as on the wire.

Reading is total: what is cut short or malformed gives None. A feedback covers at most
`MAX_STATUSES` packets, so that no datagram costs more than its size.
"""

import struct
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

EXTENSION = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
TICKS_PER_S = 4000
TICKS_PER_REFERENCE = 256
"""The reference time counts in 64 ms."""
MAX_STATUSES = 4096
ARRIVALS_PER_FEEDBACK = 450
"""What fits a datagram even if every delta takes two bytes."""
REFERENCE_WRAP = 1 << 24

_FIXED = struct.Struct("!HHI")
_RECEIVED, _LARGE = 1, 2
_ONE_BYTE_FORM = 0xBE
_RUN_MAX = 0x1FFF


class Feedback:
    """When packets arrived: that numbered `first` (16 bits) and those after it.

    `arrivals` are in ticks since some origin of the receiver's that wraps after 12 days; -1: did not
    arrive (so far). `number` counts the receiver's feedback packets, modulo 256.
    """

    __slots__ = ("arrivals", "first", "number")

    def __init__(self, first: int, number: int, arrivals: Sequence[int]) -> None:
        self.first = first
        self.number = number
        self.arrivals = arrivals


def read(fci: bytes) -> Feedback | None:
    """Return what the feedback control information of a transport-cc packet says, or None."""
    if len(fci) < 10:
        return None
    first, count, rest = _FIXED.unpack_from(fci)
    statuses, at = _read_statuses(fci, count)
    if statuses is None:
        return None
    ticks = (rest >> 8) * TICKS_PER_REFERENCE
    if statuses.count(_RECEIVED) == count:
        deltas = fci[at : at + count]
        arrivals: Sequence[int] = list(accumulate(deltas, initial=ticks))[1:] if len(deltas) == count else ()
    else:
        arrivals = _read_deltas(fci, at, statuses, ticks)
    return Feedback(first, rest & 0xFF, arrivals) if arrivals else None


def _read_statuses(fci: bytes, count: int) -> tuple[bytearray | None, int]:
    """Return the status of each packet, and where the deltas begin."""
    statuses = bytearray()
    at = 8
    if count > MAX_STATUSES:
        return None, at
    while len(statuses) < count:
        if at + 2 > len(fci):
            return None, at
        chunk = fci[at] << 8 | fci[at + 1]
        if chunk < 0x8000:
            statuses += bytes((chunk >> 13,)) * min(chunk & _RUN_MAX, count)
            if not chunk & _RUN_MAX:
                return None, at
        else:
            statuses += _vector(chunk)
        at += 2
    del statuses[count:]
    return statuses, at


@cache
def _vector(chunk: int) -> bytes:
    """Return the statuses in a status vector chunk (§3.1.4)."""
    if chunk & 0x4000:
        return bytes(chunk >> shift & 3 for shift in range(12, -1, -2))
    return bytes(chunk >> shift & 1 for shift in range(13, -1, -1))


def _read_deltas(fci: bytes, at: int, statuses: bytearray, ticks: int) -> Sequence[int]:
    arrivals = []
    try:
        for status in statuses:
            if status == _RECEIVED:
                ticks += fci[at]
                at += 1
            elif status == _LARGE:
                delta = fci[at] << 8 | fci[at + 1]
                ticks += delta - (delta >> 15 << 16)
                at += 2
            elif status:
                return ()
            else:
                arrivals.append(-1)
                continue
            arrivals.append(ticks)
    except IndexError:
        return ()
    return arrivals


def write(feedback: Feedback) -> bytes:
    """Return the feedback control information, padded to a whole number of words.

    The first arrival gives the reference time. Raises `ValueError` for arrivals more than 8 s apart,
    for none, and for more than `MAX_STATUSES`.
    """
    arrived = [ticks for ticks in feedback.arrivals if ticks >= 0]
    if not arrived or len(feedback.arrivals) > MAX_STATUSES:
        raise ValueError("A feedback speaks of some packets that arrived, and not of too many.")
    reference = arrived[0] // TICKS_PER_REFERENCE
    statuses = bytearray()
    deltas = bytearray()
    before = reference * TICKS_PER_REFERENCE
    for ticks in feedback.arrivals:
        if ticks < 0:
            statuses.append(0)
            continue
        delta, before = ticks - before, ticks
        if 0 <= delta <= 0xFF:
            statuses.append(_RECEIVED)
            deltas.append(delta)
        else:
            statuses.append(_LARGE)
            try:
                deltas += delta.to_bytes(2, "big", signed=True)
            except OverflowError:
                raise ValueError("Arrivals are too far apart for one feedback.") from None
    fixed = _FIXED.pack(
        feedback.first & 0xFFFF,
        len(statuses),
        reference % REFERENCE_WRAP << 8 | feedback.number & 0xFF,
    )
    fci = fixed + _chunks(statuses) + deltas
    return fci + bytes(-len(fci) % 4)


def _chunks(statuses: bytearray) -> bytes:
    """Return the statuses as runs where they are alike, else as vectors of two bits."""
    chunks = bytearray()
    at = 0
    while at < len(statuses):
        status = statuses[at]
        end = at + 1
        while end < len(statuses) and statuses[end] == status and end - at < _RUN_MAX:
            end += 1
        if end - at >= 7 or end == len(statuses):
            chunk = status << 13 | end - at
        else:
            end = at + 7
            chunk = 0xC000
            for shift, each in zip(range(12, -1, -2), statuses[at:end], strict=False):
                chunk |= each << shift
        chunks += chunk.to_bytes(2, "big")
        at = end
    return bytes(chunks)


def number_at(packet: bytes) -> int:
    """Return where the number is in a packet without CSRCs whose first extension element it is."""
    return 17 if packet[12] == _ONE_BYTE_FORM else 18


class SentPackets:
    """What was sent under which transport-wide number, the last `KEPT` of them.

    Numbers are unwrapped and begin at 1; the wire has their lower 16 bits. One word for each packet: its
    time in microseconds, above 16 bits of size in bytes.
    """

    KEPT = 4096

    __slots__ = ("_words", "last")

    def __init__(self) -> None:
        self._words = array("Q", bytes(8 * self.KEPT))
        self.last = 0

    def note(self, micros: int, size: int) -> int:
        """Number a packet of `size` bytes, sent at `micros`; return the number."""
        number = self.last = self.last + 1
        self._words[number & (self.KEPT - 1)] = micros << 16 | size
        return number

    def unwrap(self, number: int) -> int:
        """Return the newest number sent with these 16 bits; it may be too old to be kept."""
        return self.last - (self.last - number & 0xFFFF)

    def words(self, first: int, count: int) -> Sequence[int]:
        """Return `time in µs << 16 | size` of `count` packets from `first` on; () if not all are kept."""
        if first <= max(0, self.last - self.KEPT) or first + count - 1 > self.last:
            return ()
        start = first & (self.KEPT - 1)
        end = start + count
        if end <= self.KEPT:
            return self._words[start:end]
        return self._words[start:] + self._words[: end - self.KEPT]
