"""Clients as browsers are now: transport-wide numbers on all they send, and they heed what the node tells.

They note what they are told: which layers are needed, what their slots get, when it was captured, and
when what they sent arrived.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sfu.contract.signals import Clocks, Encodings, Quality, Slots, decode_node
from sfu.rtp import rtcp
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from sfu.rtp.transport_cc import Feedback
from sfu.signaling.plan import LinkPlan
from tests.scenario.world import Client, World

NUMBER_ID = 9


class NumberedClient(Client):
    """`told` has the node's messages of note, in order, with when they came."""

    def __init__(self, world: World, id_: str, **how: Any) -> None:
        self.sent = 0
        self.told: list[tuple[float, Encodings | Quality | Clocks | Slots]] = []
        self.acknowledged: list[Feedback] = []
        super().__init__(world, id_, **how)

    def plan(self) -> LinkPlan:
        plan = super().plan()
        lines = (
            replace(line, extensions={**line.extensions, NUMBER_ID: TRANSPORT_CC}) for line in plan.publish
        )
        return replace(plan, publish=tuple(lines))

    def connect(self) -> None:
        """Come with a new link, whose numbers begin anew."""
        self.sent = 0
        super().connect()

    def send_rtp(self, packet: bytes) -> None:
        self.sent += 1
        super().send_rtp(numbered(packet, self.sent))

    def receive_message(self, text: str) -> None:
        super().receive_message(text)
        message = decode_node(text)
        if isinstance(message, Encodings | Quality | Clocks | Slots):
            self.told.append((self.world.now, message))
        if isinstance(message, Encodings):
            for encoding in self.camera.encodings:
                encoding.active = (encoding.rid or "") in message.rids

    def receive_rtcp(self, compound: bytes) -> None:
        super().receive_rtcp(compound)
        self.acknowledged += [each for each in rtcp.parse(compound) if isinstance(each, Feedback)]

    @property
    def needed(self) -> list[tuple[str, ...]]:
        """The layers of its camera that it was told are needed, message by message."""
        return [message.rids for _, message in self.told if isinstance(message, Encodings)]

    @property
    def qualities(self) -> list[Quality]:
        return [message for _, message in self.told if isinstance(message, Quality)]

    def take_acknowledged(self) -> dict[int, bool]:
        """Return number → whether it is said to have come, of what was said since the last call."""
        said = {
            feedback.first + at & 0xFFFF: ticks >= 0
            for feedback in self.acknowledged
            for at, ticks in enumerate(feedback.arrivals)
        }
        self.acknowledged.clear()
        return said


def join(world: World, id_: str, **how: Any) -> NumberedClient:
    """Let a client join, and its link come up."""
    client = NumberedClient(world, id_, **how)
    client.enter()
    return client


def numbered(packet: bytes, number: int) -> bytes:
    """Return a packet with its number as one more extension, before the others."""
    words = int.from_bytes(packet[14:16], "big") + 1
    element = bytes((NUMBER_ID << 4 | 1,)) + (number & 0xFFFF).to_bytes(2, "big") + b"\0"
    return packet[:14] + words.to_bytes(2, "big") + element + packet[16:]


def first(number: int) -> Callable[[int], bool]:
    """Lose the next packets, so many."""
    left = iter([True] * number)
    return lambda _number: next(left, False)
