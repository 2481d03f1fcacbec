"""What a receiver report says of one stream: RFC 3550 §6.4.1 and its appendices A.3 and A.8."""

from sfu.rtp.sequence import Seq, timestamp_distance


class Reception:
    """Counts one stream's packets, losses and jitter. `clock_rate` is in Hz."""

    __slots__ = (
        "_base",
        "_clock_rate",
        "_expected_before",
        "_received_before",
        "_transit",
        "highest",
        "jitter",
        "octets",
        "received",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._base: Seq | None = None
        self._expected_before = 0
        self._received_before = 0
        self._transit: int | None = None
        self.highest = Seq(0)
        self.received = 0
        self.octets = 0
        self.jitter = 0.0

    def arrived(self, seq: Seq, timestamp: int, size: int, now: float) -> None:
        """Count a packet that was not a retransmission."""
        self.received += 1
        self.octets += size
        if self._base is None:
            self._base = self.highest = seq
        if seq < self.highest:
            return
        self.highest = seq
        transit = int(now * self._clock_rate) - timestamp
        if self._transit is not None:
            self.jitter += (abs(timestamp_distance(transit, self._transit)) - self.jitter) / 16
        self._transit = transit

    @property
    def expected(self) -> int:
        """How many packets the publisher sent, as far as the sequence numbers tell."""
        return 0 if self._base is None else self.highest - self._base + 1

    @property
    def lost(self) -> int:
        """Cumulative number of packets lost, within the 24 signed bits of the report."""
        return max(-0x800000, min(0x7FFFFF, self.expected - self.received))

    def take_fraction_lost(self) -> int:
        """Return the fraction lost since the last call, in 1/256, and begin a new interval."""
        expected = self.expected - self._expected_before
        received = self.received - self._received_before
        self._expected_before, self._received_before = self.expected, self.received
        if expected <= 0 or received >= expected:
            return 0
        return (expected - received) * 256 // expected if received else 255
