"""What all clients have in common: a place in the room, and the node's end of their link."""

from collections.abc import Callable, Sequence

from sfu.contract.codes import Code
from sfu.contract.signals import PublishedTrack
from sfu.contract.ticket import Ticket
from sfu.rtp.transport_cc import SentPackets
from sfu.signaling.plan import PublishPlan, SlotPlan
from tests.scenario import plans
from tests.scenario.world import World


class Member:
    """A client, and its link as the node has it: subclasses say where what is sent goes."""

    def __init__(self, world: World, id_: str, *, handshake_s: float) -> None:
        """`handshake_s` is the time from the offer to the open link."""
        self.world = world
        self.id = id_
        self._handshake_s = handshake_s

    def enter(
        self, *, publish: Sequence[PublishPlan], tracks: Sequence[PublishedTrack], slots: Sequence[SlotPlan]
    ) -> None:
        """Join the room; the link is up a little later."""
        room = self.world.room
        ticket = Ticket(
            id=f"t-{self.id}",
            room="room",
            peer=self.id,
            node="node",
            name=self.id,
            expires_at=2_000_000_000,
        )
        self.peer = room.enter(ticket, resume=f"r-{self.id}", seed=self.id.encode())
        self.peer.attach(Outbox(self.hear_message))
        room.settle(self.peer, self, plans.link(publish, slots), tracks)
        self.world.later(self._handshake_s, self.peer.link_connected)

    def hear_message(self, text: str) -> None:
        """Take what the node says over the WebSocket."""

    # --- what the client sends --------------------------------------------------------------------

    def deliver_rtp(self, packet: bytes) -> None:
        self.peer.received_rtp(packet, self.world.now)

    def deliver_rtcp(self, compound: bytes) -> None:
        self.peer.received_rtcp(compound, self.world.now)

    # --- the node's end of the link ---------------------------------------------------------------

    @property
    def last_heard(self) -> float:
        return self.world.now

    def number(self, sent: SentPackets) -> None:
        raise AssertionError("nothing is sent to one without slots")

    def send_rtp(self, packet: bytes) -> None:
        raise AssertionError("nothing is sent to one without slots")

    def send_numbered_rtp(self, packet: bytes) -> None:
        raise AssertionError("nothing is sent to one without slots")

    def send_rtcp(self, compound: bytes) -> None:
        pass

    def send_data(self, label: str, text: str) -> bool:
        return True

    def close(self) -> None:
        pass


class Outbox:
    """A WebSocket that is never slow."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear

    def send(self, text: str, sent: Callable[[], None] | None = None) -> None:
        self._hear(text)
        if sent is not None:
            sent()

    def close(self, code: Code, retry: str) -> None:
        pass
