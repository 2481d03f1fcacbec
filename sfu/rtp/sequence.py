"""Sequence numbers: the 16 bits on the wire, and the unwrapped count behind them.

The two are different types. Everything that compares, subtracts or stores uses the unwrapped one;
only the wire sees `Seq16`. RFC 3550 §5.1, RFC 1982.
"""

from typing import NewType

Seq16 = NewType("Seq16", int)
Seq = NewType("Seq", int)


class Unwrapper:
    """Turns the 16-bit numbers of one stream into unwrapped ones, each the nearest to the last.

    Starts at 2^16 so that a reordered start cannot go below zero.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, seq: int) -> Seq:
        """Return the unwrapped number nearest to the one returned before (at most 2^15 away)."""
        last = self._last
        if last is None:
            last = 0x10000 + seq
        else:
            last += ((seq - last + 0x8000) & 0xFFFF) - 0x8000
        self._last = last
        return Seq(last)


def nearest(seq: int, reference: Seq) -> Seq:
    """Return the unwrapped number nearest to `reference` whose low 16 bits are `seq`."""
    return Seq(reference + ((seq - reference + 0x8000) & 0xFFFF) - 0x8000)


def timestamp_distance(later: int, earlier: int) -> int:
    """Return `later - earlier` of two 32-bit RTP timestamps, in [-2^31, 2^31)."""
    return ((later - earlier + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
