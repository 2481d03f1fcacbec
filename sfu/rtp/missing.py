"""The packets of one layer that did not arrive, and when to ask for each again.

A gap is asked for at the next tick, then once per round-trip time, a bounded number of times
(RFC 4585 §6.2.1 has the message; the timing is ours). What never came is reported as given up.
"""

from sfu.rtp.sequence import Seq

MAX_MISSING = 512
MAX_ASKED = 200
"""Numbers in one request, so that it fits a datagram whatever their spacing."""
MAX_TRIES = 8
MIN_RETRY_S = 0.04


class _Gap:
    __slots__ = ("due", "tries")

    def __init__(self, due: float) -> None:
        self.due = due
        self.tries = 0


class MissingPackets:
    """What to NACK. A gap longer than `MAX_MISSING` is not asked for: it needs a key frame."""

    __slots__ = ("_gaps", "_highest", "given_up")

    def __init__(self) -> None:
        self._gaps: dict[int, _Gap] = {}
        self._highest: int | None = None
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, seq: Seq) -> bool:
        return seq in self._gaps

    def arrived(self, seq: Seq, now: float) -> bool:
        """Note an arrival; False when it opened a gap too long to repair."""
        highest = self._highest
        if highest is None:
            self._highest = seq
            return True
        if seq <= highest:
            self._gaps.pop(seq, None)
            return True
        self._highest = seq
        gap = seq - highest - 1
        if gap == 0:
            return True
        if gap > MAX_MISSING - len(self._gaps):
            self.given_up += gap + len(self._gaps)
            self._gaps.clear()
            return False
        for missing in range(highest + 1, seq):
            self._gaps[missing] = _Gap(now)
        return True

    def due(self, now: float, rtt_s: float) -> tuple[list[Seq], bool]:
        """Return at most `MAX_ASKED` numbers to ask for now, and whether any was given up."""
        wanted: list[Seq] = []
        lost: list[int] = []
        for seq, gap in self._gaps.items():
            if gap.due > now:
                continue
            if len(wanted) == MAX_ASKED:
                break
            if gap.tries == MAX_TRIES:
                lost.append(seq)
                continue
            gap.tries += 1
            gap.due = now + max(rtt_s, MIN_RETRY_S)
            wanted.append(Seq(seq))
        for seq in lost:
            del self._gaps[seq]
        self.given_up += len(lost)
        return wanted, bool(lost)
