"""When a publisher's packets arrived, until it is told (transport-cc feedback, from the node)."""

from collections.abc import Iterator

from sfu.rtp.sequence import Seq, nearest
from sfu.rtp.transport_cc import ARRIVALS_PER_FEEDBACK, TICKS_PER_S, Feedback

MAX_WAITING = 2000
"""Arrivals kept for the next feedback: more come only while feedback cannot be sent."""
MAX_SPAN_S = 4.0
"""Older ones are of no use to an estimate, and do not fit one feedback."""
REORDER = 400
"""A packet this far behind what was reported is still late; further, the numbers began anew…"""
MAX_AHEAD = 4096
"""…and so they did if it is this far ahead: no list of losses grows longer than that."""


class Arrivals:
    """Notes arrivals by transport-wide number and says them once, with the gaps between them."""

    __slots__ = ("_arrived", "_highest", "_next", "_number")

    def __init__(self) -> None:
        self._arrived: dict[int, int] = {}
        self._highest: Seq | None = None
        self._next = 0
        self._number = 0

    def arrived(self, number: int, now: float) -> None:
        """Note that the packet numbered `number` (16 bits) came."""
        highest = self._highest
        if highest is None:
            seq = self._highest = Seq(0x10000 + number)
            self._next = seq
        else:
            seq = nearest(number, highest)
            if not -REORDER <= seq - self._next < MAX_AHEAD:  # the sender began anew
                self._next = seq
                self._arrived.clear()
                self._highest = seq
            elif seq > highest:
                self._highest = seq
        if len(self._arrived) < MAX_WAITING:
            self._arrived.setdefault(seq, int(now * TICKS_PER_S))

    def __len__(self) -> int:
        return len(self._arrived)

    def feedback(self) -> Iterator[Feedback]:
        """Yield what has not been said yet, and forget it."""
        if not self._arrived:
            return
        newest = max(self._arrived.values())
        oldest = newest - int(MAX_SPAN_S * TICKS_PER_S)
        recent = {number: ticks for number, ticks in self._arrived.items() if ticks >= oldest}
        self._arrived.clear()
        least, most = min(recent), max(recent)
        first = min(self._next, least) if least - self._next < REORDER else least
        arrived = [recent.get(number, -1) for number in range(first, most + 1)]
        self._next = max(self._next, most + 1)
        for at in range(0, len(arrived), ARRIVALS_PER_FEEDBACK):
            some = arrived[at : at + ARRIVALS_PER_FEEDBACK]
            if any(ticks >= 0 for ticks in some):
                yield Feedback(first + at & 0xFFFF, self._number, some)
                self._number = self._number + 1 & 0xFF
