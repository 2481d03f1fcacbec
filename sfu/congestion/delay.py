"""Is a queue growing on the way to a receiver? The delay-based half of Google's congestion control.

draft-ietf-rmcat-gcc-02 §5, with the trend line that libwebrtc fits in place of the Kalman filter.
Packets sent within 10 ms form a group (the draft says 5; this finds as much and costs half). From
group to group, the time between arrivals less the time between sendings is what the queue grew by. A
line is fitted to the last 20 sums of it; its slope, weighted, against a threshold that adapts to the
path's own jitter, says whether the path is overused.

Beside the trend stands the queue itself: the delay above the least one of the last seconds. Times
here are milliseconds.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto

from sfu.rtp.transport_cc import TICKS_PER_S

MS_PER_TICK = 1000 / TICKS_PER_S

GROUP_MS = 10.0
MAX_GROUP_MS = 100.0
"""A burst that the network bunched up (arrivals closer than sendings) is one group, up to this long."""

WINDOW = 20
SMOOTHING = 0.9
GAIN = 4.0
MAX_WEIGHT = 60

OVERUSE_MS = 10.0
"""Overuse must last this long."""
THRESHOLD_MS = 12.5
THRESHOLD_RANGE_MS = (6.0, 600.0)
RISE, FALL = 0.0087, 0.039
MAX_ADAPT_OFFSET_MS = 15.0
MAX_ADAPT_MS = 100.0

BASE_WINDOW_MS = 10_000.0
STANDING_MS = 8.0
"""A queue that was empty, or nearly, a moment ago is a burst's: it is no sign of overuse."""
QUEUED_MS = 4.0
"""What was sent so long before the packet ahead of it came, the way apart, stood in the queue behind it."""
BUSY_MEMORY = 0.7
LEAST_BUSY_MS = 25.0
REBASE_AFTER = 500
"""Groups after which the sums are made anew, so that rounding does not pile up."""


class Usage(Enum):
    """What the trend says of the path."""

    UNDERUSED = auto()
    NORMAL = auto()
    OVERUSED = auto()


class _TrendLine:
    """The slope of the least-squares line through the last `WINDOW` points, in constant time a point."""

    __slots__ = ("_added", "_points", "_sum_x", "_sum_xx", "_sum_xy", "_sum_y", "_x0", "_y0")

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()
        self._x0 = self._y0 = 0.0
        self._added = 0
        self._sum_x = self._sum_y = self._sum_xx = self._sum_xy = 0.0

    def add(self, x: float, y: float) -> float:
        """Add a point; return the slope, 0 until the window is full."""
        points = self._points
        if not self._added % REBASE_AFTER:
            self._rebase(x, y)
        self._added += 1
        points.append((x, y))
        x0, y0 = self._x0, self._y0
        x -= x0
        y -= y0
        sum_x, sum_y = self._sum_x + x, self._sum_y + y
        sum_xx, sum_xy = self._sum_xx + x * x, self._sum_xy + x * y
        if len(points) > WINDOW:
            x, y = points.popleft()
            x -= x0
            y -= y0
            sum_x, sum_y = sum_x - x, sum_y - y
            sum_xx, sum_xy = sum_xx - x * x, sum_xy - x * y
        self._sum_x, self._sum_y, self._sum_xx, self._sum_xy = sum_x, sum_y, sum_xx, sum_xy
        spread = WINDOW * sum_xx - sum_x * sum_x
        if len(points) < WINDOW or spread <= 1e-6:
            return 0.0
        return (WINDOW * sum_xy - sum_x * sum_y) / spread

    def _rebase(self, x: float, y: float) -> None:
        """Count from here, and sum up the window again."""
        self._x0, self._y0 = x, y
        shifted = [(px - x, py - y) for px, py in self._points]
        self._sum_x = sum(px for px, _ in shifted)
        self._sum_y = sum(py for _, py in shifted)
        self._sum_xx = sum(px * px for px, _ in shifted)
        self._sum_xy = sum(px * py for px, py in shifted)


class DelayDetector:
    """Told of packets in the order they were sent; `usage` says how the path fares.

    `queue_ms` is the queue that even the luckiest packet of the last feedback stood in, `delay_ms` that
    of the last one.
    """

    __slots__ = (
        "_arrived",
        "_base",
        "_base_before",
        "_base_since",
        "_busy_ms",
        "_busy_octets",
        "_complete",
        "_deltas",
        "_first_arrival",
        "_first_sent",
        "_former_complete",
        "_former_sent",
        "_last_sent",
        "_over_ms",
        "_overs",
        "_slope",
        "_smoothed",
        "_sum",
        "_threshold",
        "_threshold_at",
        "_trend",
        "delay_ms",
        "queue_ms",
        "usage",
    )

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.queue_ms = self.delay_ms = 0.0
        self._trend = _TrendLine()
        self._deltas = 0
        self._sum = self._smoothed = 0.0
        self._slope = 0.0
        self._over_ms = 0.0
        self._overs = 0
        self._threshold = THRESHOLD_MS
        self._threshold_at: float | None = None
        self._first_sent = self._last_sent = float("-inf")
        self._first_arrival = self._complete = 0.0
        self._former_sent: float | None = None
        self._former_complete = 0.0
        self._base = self._base_before = float("inf")
        self._base_since = 0.0
        self._arrived = 0.0
        self._busy_ms = self._busy_octets = 0.0

    def observe(self, words: Sequence[int], arrivals: Sequence[int], shift: int) -> None:
        """Take packets: sent as `SentPackets.words` says, arrived in ticks (-1: not), `shift` ticks on."""
        least = float("inf")
        arrived = delay = 0.0
        queued_from = min(self._base, self._base_before) + QUEUED_MS
        former, busy_ms, busy_octets = self._arrived, 0.0, 0
        first_sent, last_sent, complete = self._first_sent, self._last_sent, self._complete
        # Once for every packet sent: `min` and `max`, being calls, would cost as much as all else in here.
        for word, ticks in zip(words, arrivals, strict=False):
            if ticks < 0:
                continue
            sent = (word >> 16) * 1e-3
            arrived = (ticks + shift) * MS_PER_TICK
            delay = arrived - sent
            least = delay if delay < least else least
            if former - sent > queued_from:
                busy_ms += arrived - former if arrived > former else 0.0
                busy_octets += word & 0xFFFF
            former = arrived
            if sent - first_sent <= GROUP_MS:
                if sent < first_sent:
                    continue  # sent again under an older number: cannot be
                last_sent = sent if sent > last_sent else last_sent
            elif (
                arrived - complete - sent + last_sent < 0
                and arrived - complete <= GROUP_MS
                and arrived - self._first_arrival < MAX_GROUP_MS
            ):
                last_sent = sent
            else:
                if last_sent >= 0:
                    self._end_group(last_sent, complete)
                first_sent = last_sent = sent
                self._first_arrival = arrived
                complete = arrived
            complete = arrived if arrived > complete else complete
        self._first_sent, self._last_sent, self._complete = first_sent, last_sent, complete
        self._arrived = former
        if least < float("inf"):
            self._measure_queue(least, delay, arrived)
            self._busy_ms = BUSY_MEMORY * self._busy_ms + busy_ms
            self._busy_octets = BUSY_MEMORY * self._busy_octets + busy_octets

    @property
    def busy_bps(self) -> float | None:
        """Return how fast packets came that stood in a queue: the path's rate, however little is sent.

        None if there was hardly a queue: what was late came all at once.
        """
        return None if self._busy_ms < LEAST_BUSY_MS else self._busy_octets * 8000 / self._busy_ms

    def _end_group(self, sent: float, complete: float) -> None:
        former = self._former_sent
        if former is not None:
            self._compare(sent - former, complete - self._former_complete, complete)
        self._former_sent, self._former_complete = sent, complete

    def _compare(self, between_sent: float, between_arrivals: float, now: float) -> None:
        """Take the times between a group and the one before it."""
        self._deltas += 1
        self._sum += between_arrivals - between_sent
        self._smoothed += (1 - SMOOTHING) * (self._sum - self._smoothed)
        slope = self._trend.add(now, self._smoothed)
        weighted = min(self._deltas, MAX_WEIGHT) * slope * GAIN
        if weighted > self._threshold:
            self._over_ms += between_sent if self._overs else between_sent / 2
            self._overs += 1
            if self._over_ms > OVERUSE_MS and self._overs > 1 and slope >= self._slope:
                self._over_ms = 0.0
                self._overs = 0
                self.usage = Usage.OVERUSED if self.queue_ms > STANDING_MS else Usage.NORMAL
        else:
            self._over_ms = 0.0
            self._overs = 0
            self.usage = Usage.UNDERUSED if weighted < -self._threshold else Usage.NORMAL
        self._slope = slope
        self._adapt(abs(weighted), now)

    def _adapt(self, weighted: float, now: float) -> None:
        """Let the threshold follow the path's jitter, slowly up and faster down (§5.4)."""
        before, self._threshold_at = self._threshold_at, now
        if before is None or weighted > self._threshold + MAX_ADAPT_OFFSET_MS:
            return
        pace = FALL if weighted < self._threshold else RISE
        elapsed = min(now - before, MAX_ADAPT_MS)
        threshold = self._threshold + pace * (weighted - self._threshold) * elapsed
        low, high = THRESHOLD_RANGE_MS
        if not low <= threshold <= high:
            threshold = low if threshold < low else high
        self._threshold = threshold

    def _measure_queue(self, least: float, last: float, now: float) -> None:
        """Hold the least delay of this feedback against that of the last one or two base windows."""
        if now - self._base_since > BASE_WINDOW_MS:
            self._base_before, self._base = self._base, least
            self._base_since = now
        self._base = min(self._base, least)
        base = min(self._base, self._base_before)
        self.queue_ms, self.delay_ms = least - base, last - base
