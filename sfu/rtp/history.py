"""The last packets of a layer, kept once, from which every receiver's NACKs are answered."""

from sfu.rtp.packet import Packet
from sfu.rtp.sequence import Seq


class History:
    """A ring of packets by unwrapped sequence number. Capacity is a power of two, in packets."""

    __slots__ = ("_mask", "_ring")

    def __init__(self, capacity: int) -> None:
        if capacity & (capacity - 1):
            raise ValueError("capacity must be a power of two")
        self._ring: list[Packet | None] = [None] * capacity
        self._mask = capacity - 1

    def store(self, packet: Packet) -> bool:
        """Keep a packet; False when it was already here."""
        at = packet.seq & self._mask
        held = self._ring[at]
        if held is not None and held.seq >= packet.seq:
            return False
        self._ring[at] = packet
        return True

    def get(self, seq: Seq) -> Packet | None:
        """Return the packet with this number, or None when it never came or was overwritten."""
        packet = self._ring[seq & self._mask]
        return packet if packet is not None and packet.seq == seq else None
