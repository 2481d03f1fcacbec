"""Whatever the network does to a stream of temporal layers, and whatever is given of it, the rest decodes.

Packets are lost on the way from the publisher, are repaired late and overtake each other, while the
slot is given more layers and fewer at any moment. Then the receiver asks for what it misses, and looks
at what it has.
"""

import random
from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.media.track import ALL_TEMPORAL
from tests.unit.media.stage import Encoder, Piece, Publisher, Seen, screen, seen


class World:
    """One publisher, one slot, and a network between them that a seed decides.

    `never` are the packets that never came, `late` the frames of those that others overtook.
    """

    def __init__(
        self,
        seed: int,
        length: int,
        *,
        loss: float,
        repaired: float = 0.5,
        overtaken: float = 0.0,
    ) -> None:
        self.random = random.Random(seed)
        self.encoder = Encoder(
            seq=self.random.getrandbits(16),
            picture_id=self.random.getrandbits(15),
            tl0=self.random.getrandbits(8),
        )
        self.publisher, self.shown = Publisher(), screen(start=self.random.getrandbits(31))
        self.never: set[Piece] = set()
        self.late: set[int] = set()
        self.now = 100.0
        self.give()
        pieces = self.encode(length)
        latest = 0
        for piece in self.carry(pieces, loss, repaired, overtaken):
            self.now += 0.005
            if piece.seq < latest:
                self.late.add(piece.frame)
            latest = max(latest, piece.seq)
            if self.random.random() < 0.1:
                self.give()
            self.publisher.send_piece(piece, now=self.now)
        self.received = seen(self.shown.link.take_media())

    def encode(self, length: int) -> list[Piece]:
        return [
            piece
            for number in range(length)
            for piece in self.encoder.encode(self.random.randint(1, 3), key=self.random.random() < 0.03)
        ]

    def carry(self, pieces: list[Piece], loss: float, repaired: float, overtaken: float) -> list[Piece]:
        """Return what arrives, in the order in which it does. The first frame meets no accident."""
        arrivals: list[tuple[float, int]] = []
        for at, piece in enumerate(pieces):
            delay = self.random.uniform(0, 4) if self.random.random() < overtaken else 0.0
            if piece.frame == 0:
                arrivals.append((at, at))
            elif self.random.random() >= loss:
                arrivals.append((at + delay, at))
            elif self.random.random() < repaired:
                arrivals.append((at + self.random.uniform(4, 60), at))
            else:
                self.never.add(piece)
        return [pieces[at] for _, at in sorted(arrivals)]

    def give(self) -> None:
        self.shown.slot.show(self.publisher.track, 720, self.now)
        limit = self.random.choice([0, 1, 2, ALL_TEMPORAL])
        self.shown.slot.give(self.publisher.layer, limit, self.now)

    def holes(self) -> list[int]:
        """Return the numbers that the receiver misses."""
        numbers = {each.seq for each in self.received}
        return [seq for seq in range(min(numbers), max(numbers)) if seq not in numbers]

    def whole_frames(self) -> dict[int, list[Seen]]:
        """Return the frames that the receiver has complete, each in the order of its numbers."""
        found: defaultdict[int, list[Seen]] = defaultdict(list)
        for each in sorted(self.received, key=lambda each: each.seq):
            found[each.frame].append(each)
        return {
            frame: pieces for frame, pieces in found.items() if len(pieces) == len(self.encoder.frames[frame])
        }


def check(world: World) -> None:
    """See what is wrong with what the receiver has."""
    numbers = [each.seq for each in world.received]
    assert len(numbers) == len(set(numbers))
    whole = world.whole_frames()
    for frame, pieces in whole.items():
        assert [each.at for each in pieces] == list(range(len(pieces)))
        assert [each.seq - pieces[0].seq for each in pieces] == list(range(len(pieces)))
        assert len({each.picture_id for each in pieces}) == 1
        offset = pieces[0].timestamp - world.received[0].timestamp
        assert offset & 0xFFFF_FFFF == 3000 * frame
    in_order = sorted(whole.values(), key=lambda pieces: pieces[0].seq)
    assert [pieces[0].frame for pieces in in_order] == sorted(whole)
    for before, after in pairwise(in_order):
        if after[0].seq == before[-1].seq + 1:
            assert (after[0].picture_id - before[0].picture_id) & 0x7FFF == 1
    damaged = {piece.frame for piece in world.never}
    for frame in whole:
        if frame not in world.late:
            assert world.encoder.references[frame] <= whole.keys() | damaged
    world.shown.slot.nack([seq & 0xFFFF for seq in world.holes()], world.now)
    assert [packet.seq for packet in world.shown.link.take()] == []


losses = st.sampled_from([0.0, 0.02, 0.2])


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(10, 120),
    loss=losses,
    overtaken=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_what_the_receiver_gets_decodes(seed: int, length: int, loss: float, overtaken: float) -> None:
    check(World(seed, length, loss=loss, overtaken=overtaken))


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 30), loss=losses)
def test_a_cut_goes_on_where_the_last_packet_was(seed: int, length: int, loss: float) -> None:
    world = World(seed, length, loss=loss, repaired=0.0)
    last = max(world.received, key=lambda each: each.seq)
    world.publisher, world.encoder = Publisher("b.1"), Encoder()
    world.give()
    world.publisher.send_piece(*world.encoder.encode(key=True), now=world.now)
    (first,) = seen(world.shown.link.take_media())
    assert (first.seq - last.seq) & 0xFFFF == 1
    assert (first.picture_id - last.picture_id) & 0x7FFF == 1
    assert (first.tl0 - last.tl0) & 0xFF == 1
