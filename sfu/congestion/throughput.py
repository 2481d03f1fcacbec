"""How fast packets arrive at a receiver, over the last moments."""

from collections import deque

WINDOW_MS = 300.0
LEAST_MS = 60.0


class Throughput:
    """Told of each feedback's bytes; `bps` is None until enough was seen."""

    __slots__ = ("_octets", "_points", "bps")

    def __init__(self) -> None:
        self.bps: float | None = None
        self._points: deque[tuple[float, int]] = deque()
        self._octets = 0

    def add(self, arrived_ms: float, octets: int) -> None:
        """Take `octets` that had arrived by `arrived_ms`, since what was told before."""
        points = self._points
        if points and not 0 <= arrived_ms - points[-1][0] < 2 * WINDOW_MS:
            points.clear()  # silence, or another clock
            self._octets = 0
        points.append((arrived_ms, octets))
        self._octets += octets
        while len(points) > 2 and arrived_ms - points[1][0] >= WINDOW_MS:
            self._octets -= points.popleft()[1]
        span = arrived_ms - points[0][0]
        if span >= LEAST_MS:
            self.bps = (self._octets - points[0][1]) * 8000 / span
