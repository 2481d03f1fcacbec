"""A publisher's clock, as its sender reports tell it, held against the node's.

A receiver plays sound and picture of one person together if their sender reports speak of one clock
(RFC 3550 §6.4.1). Those of the node do: a publisher's capture times, moved by one offset for all
its tracks. The offset is the least seen of late: the report that was delayed the least.
"""

from collections import deque

REMEMBERED = 60
"""Reports; some tens of seconds, over which clocks do not drift apart by more than a millisecond or two."""


class CaptureClock:
    """Of one publisher. `offset_s` is the node's monotonic time minus the publisher's NTP time, or None."""

    __slots__ = ("_offsets", "offset_s")

    def __init__(self) -> None:
        self.offset_s: float | None = None
        self._offsets: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, ntp: int, now: float) -> None:
        """Take a sender report's 64-bit NTP time, come at `now`."""
        self._offsets.append(now - ntp / 2**32)
        self.offset_s = min(self._offsets)
