"""Whatever publishers send and clients ask, what leaves a slot is a stream that libsrtp will encrypt.

libsrtp refuses for ever to send once a number has jumped back by 2^15 or more, and refuses packets
more than its window behind the highest. The world below does what networks and people do, in an
order that a seed decides, and what only the malicious do; Hypothesis looks for the shortest story
that ends badly.
"""

import random
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from sfu.media.slot import MAX_BEHIND, MAX_JUMP
from sfu.rtp.packet import Packet
from sfu.rtp.sequence import Seq, nearest
from tests.unit.media.stage import MEDIA_SSRC, PLAIN_PROFILE, VIDEO_PROFILE, Publisher, screen
from tests.unit.rtp import wire

Stream = tuple[int, int]

STEPS = {
    "burst": 30,
    "late": 12,
    "run": 2,
    "jump": 1,
    "cut": 4,
    "show": 2,
    "mute": 1,
    "nack": 8,
    "clear": 1,
    "release": 5,
    "tick": 5,
}
"""What may happen, and how often."""
JUMPS = (2, 40, MAX_JUMP, MAX_JUMP + 1, 5000, 0x7FFF, -1, -2, -5, -MAX_BEHIND, -0x7FFF, -0x8000)


class World:
    """Two publishers of two layers each, one slot, and a clock."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        profile = self.random.choice([VIDEO_PROFILE, PLAIN_PROFILE])
        start, prompt = self.random.getrandbits(32), self.random.random() < 0.5
        self.shown = screen(profile, start=start, prompt=prompt)
        self.publishers = [Publisher(f"{name}.1", rids=("q", "h"), ssrc=10 * ord(name)) for name in "ab"]
        self.next: dict[Stream, int] = {
            (publisher, layer): self.random.getrandbits(16) for publisher in range(2) for layer in range(2)
        }
        self.lost: dict[Stream, list[int]] = {stream: [] for stream in self.next}
        self.watched: Stream = (0, 0)
        self.now = 100.0
        self.last = 0

    def play(self, length: int) -> Iterator[Packet]:
        """Yield what the slot sends in a story of so many steps."""
        self.cut()
        for name in (*self.random.choices(list(STEPS), list(STEPS.values()), k=length), "release"):
            self.now += 0.01
            getattr(self, name)()
            for packet in self.shown.link.take():
                if packet.ssrc == MEDIA_SSRC:
                    self.last = packet.seq
                yield packet

    def stream(self) -> Stream:
        """Most of what happens, happens to what is watched."""
        return self.watched if self.random.random() < 0.8 else self.random.choice(list(self.next))

    def deliver(self, stream: Stream, seq: int, kind: str, key: bool = False) -> None:
        publisher, layer = self.publishers[stream[0]], stream[1]
        if kind == "media":
            body = b"%d/%d" % stream
            payload = wire.vp8(key=key, picture_id=seq & 0x7FFF, tl0=seq & 0xFF, body=body)
            publisher.send(seq, now=self.now, layer=layer, payload=payload)
        elif kind == "padding":
            publisher.pad(seq, now=self.now, layer=layer)
        else:
            self.lost[stream].append(seq)

    def burst(self) -> None:
        """A few packets in order: media, padding, or lost on the way."""
        stream = self.stream()
        for _ in range(self.random.randrange(8)):
            (kind,) = self.random.choices(["media", "padding", "lost"], [6, 1, 2])
            self.deliver(stream, self.next[stream], kind, key=self.random.random() < 0.1)
            self.next[stream] += 1

    def late(self) -> None:
        """One of those that were lost comes after all."""
        stream = self.stream()
        lost = self.lost[stream]
        if lost:
            recent = min(len(lost), self.random.choice([1, 4, 100]))
            seq = lost.pop(-self.random.randint(1, recent))
            self.deliver(stream, seq, self.random.choice(["media", "media", "padding"]))

    def run(self) -> None:
        """A long time without trouble."""
        stream = self.stream()
        for _ in range(self.random.choice([40, MAX_BEHIND // 2])):
            self.deliver(stream, self.next[stream], "media")
            self.next[stream] += 1

    def jump(self) -> None:
        """An encoder starts anew, or somebody tries how far one can go."""
        stream = self.stream()
        self.next[stream] += self.random.choice(JUMPS)
        kind = self.random.choice(["media", "padding"])
        self.deliver(stream, self.next[stream], kind, key=self.random.random() < 0.5)

    def cut(self) -> None:
        """Show a layer, and let its key frame come."""
        self.watched = publisher, layer = self.random.choice(list(self.next))
        self.publishers[publisher].track.mute(False)
        for key in (False, True):
            self.deliver(self.watched, self.next[self.watched], "media", key)
            self.next[self.watched] += 1
            self.shown.show(self.publishers[publisher].track, (300, 700)[layer], self.now)

    def show(self) -> None:
        self.shown.show(self.random.choice(self.publishers).track, 700, self.now)

    def mute(self) -> None:
        self.random.choice(self.publishers).track.mute(self.random.random() < 0.5)

    def nack(self) -> None:
        reach = self.random.choice([20, 20, 2 * MAX_BEHIND, 0x8000])
        lost = [(self.last - self.random.randrange(-5, reach)) & 0xFFFF for _ in range(10)]
        self.shown.slot.nack(lost, self.now)

    def clear(self) -> None:
        self.shown.slot.clear()

    def release(self) -> None:
        self.shown.slot.release()

    def tick(self) -> None:
        self.now += self.random.choice([0.01, 0.3, 4.0])
        self.shown.tick(self.now)


stories = given(seed=st.integers(0, 2**32), length=st.integers(0, 400))


@settings(max_examples=100)
@stories
def test_numbers_only_rise_and_never_by_much_and_each_is_one_packet(seed: int, length: int) -> None:
    sent: dict[int, bytes] = {}
    highest: Seq | None = None
    for packet in World(seed).play(length):
        if packet.ssrc != MEDIA_SSRC:
            continue
        if highest is None:
            highest = Seq(packet.seq)
        out = nearest(packet.seq, highest)
        assert out - highest <= MAX_JUMP
        assert highest - out <= MAX_BEHIND
        assert sent.setdefault(out, packet.data) == packet.data
        highest = max(highest, out)


@settings(max_examples=50)
@stories
def test_libsrtp_encrypts_every_packet(seed: int, length: int) -> None:
    policy = Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    session = Session(policy)
    for packet in World(seed).play(length):
        session.protect(packet.data)


@settings(max_examples=50)
@stories
def test_a_retransmission_is_what_was_sent_under_its_number(seed: int, length: int) -> None:
    """RTX restores to the packet that had the number, unless the slot never sent that one."""
    sent: dict[int, Packet] = {}
    for packet in World(seed).play(length):
        if packet.ssrc == MEDIA_SSRC:
            sent[packet.seq] = packet
            continue
        number = int.from_bytes(packet.data[packet.payload_start : packet.payload_start + 2], "big")
        payload = packet.data[packet.payload_start + 2 :]
        original = sent.get(number)
        if original is not None and payload:
            assert payload == original.data[original.payload_start :]
            assert packet.timestamp == original.timestamp
