"""Sums of what tracks and slots counted, so that nothing is forgotten when they end."""

from dataclasses import dataclass, field

from sfu.media.ports import Drops
from sfu.media.slot import Slot
from sfu.media.track import Track


@dataclass(slots=True)
class Tally:
    """Packets forwarded, repaired and dropped; key frames asked for; cuts; octets of padding; stalls."""

    forwarded: int = 0
    retransmitted: int = 0
    nacks: int = 0
    nacks_missed: int = 0
    nacks_sent: int = 0
    plis_sent: int = 0
    switches: int = 0
    padding: int = 0
    stalls: int = 0
    drops: Drops = field(default_factory=Drops)

    def add_slot(self, slot: Slot) -> None:
        """Add what a slot counted."""
        self.forwarded += slot.packets
        self.retransmitted += slot.retransmitted
        self.nacks += slot.nacks
        self.nacks_missed += slot.nacks_missed
        self.switches += slot.switches
        self.padding += slot.padding
        self.stalls += slot.stalls
        self.drops.update(slot.drops)

    def add_track(self, track: Track) -> None:
        """Add what a track and its layers counted."""
        self.nacks_sent += track.nacks_sent
        self.plis_sent += track.plis_sent
        for layer in track.layers:
            self.drops.update(layer.drops)

    def add(self, other: "Tally") -> None:
        """Add another tally."""
        self.forwarded += other.forwarded
        self.retransmitted += other.retransmitted
        self.nacks += other.nacks
        self.nacks_missed += other.nacks_missed
        self.nacks_sent += other.nacks_sent
        self.plis_sent += other.plis_sent
        self.switches += other.switches
        self.padding += other.padding
        self.stalls += other.stalls
        self.drops.update(other.drops)
