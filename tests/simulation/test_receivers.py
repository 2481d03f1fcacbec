"""The modelled browser renders, repairs, freezes and conceals as browsers do."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest

from sfu.rtp.packet import parse
from tests.scenario import plans
from tests.scenario.world import World
from tests.simulation.pictures import MOST_TRIES, Picture
from tests.simulation.publishers import BODY, PATTERN, SIMULCAST, Stream
from tests.simulation.sounds import SLOT_S, Sound
from tests.unit.rtp import wire

RTT_S = 0.1
FRAME_S = 1 / 30


class Screen:
    """A camera's stream that runs straight into a picture, but for the packets that `loses` names."""

    def __init__(self, loses: Callable[[int, int], bool]) -> None:
        """`loses` is asked for each packet: number of its frame, of the packet in it."""
        self.world = World()
        self.stream = Stream(1, 1, SIMULCAST[1], "seed")
        self.nacks: list[tuple[float, Sequence[int]]] = []
        self.plis: list[float] = []
        self.repairs = False
        self.began = self.world.now
        self._loses = loses
        self._key_frame = True
        self.picture = Picture(
            self.world, "v", self.stream.ssrc, 999, nack=self._nack, ask_for_key_frame=self._ask
        )

    def run(self, frames: int) -> None:
        for _ in range(frames):
            key, self._key_frame = self._key_frame, False
            for at, data in enumerate(self.stream.encode(self.world.now, key=key)):
                if not self._loses(self.stream.frame, at):
                    self._deliver(data)
            self.world.run(FRAME_S)
            self.picture.tick(self.world.now, RTT_S)

    def _deliver(self, data: bytes) -> None:
        packet = parse(data, self.world.now)
        assert packet is not None
        self.picture.receive(packet, RTT_S)

    def _nack(self, _ssrc: int, lost: Sequence[int]) -> None:
        self.nacks.append((self.world.now - self.began, lost))
        if self.repairs:
            for seq in lost:
                copy = wire.rtx(
                    self.stream.history[seq & 0xFFFF],
                    seq=seq & 0xFFFF,
                    ssrc=999,
                    payload_type=plans.THEIR_VP8_RTX,
                )
                self.world.later(RTT_S, self._deliver, copy)

    def _ask(self, _ssrc: int) -> None:
        self.plis.append(self.world.now - self.began)
        self._key_frame = True

    @property
    def gaps(self) -> Iterator[float]:
        return (after.at - before.at for before, after in pairwise(self.picture.shown))


def test_everything_is_rendered_evenly() -> None:
    screen = Screen(lambda _frame, _packet: False)
    screen.run(90)
    assert [each.frame for each in screen.picture.shown] == list(range(1, len(screen.picture.shown) + 1))
    assert len(screen.picture.shown) >= 88
    assert list(screen.gaps) == pytest.approx([FRAME_S] * len(list(screen.gaps)), abs=0.002)
    assert not screen.picture.wrong
    assert not screen.nacks


def test_a_lost_frame_of_the_highest_layer_costs_little() -> None:
    assert PATTERN[3][0] == 2
    screen = Screen(lambda frame, _packet: frame == 44)  # the fourth of eight
    screen.run(90)
    shown = [each.frame for each in screen.picture.shown]
    assert 44 not in shown
    assert len(shown) >= 83
    assert max(screen.gaps) < 0.15
    assert not screen.plis
    assert not screen.picture.wrong


def test_what_is_lost_is_asked_for_at_once_and_comes_by_rtx() -> None:
    screen = Screen(lambda frame, packet: frame == 41 and packet == 0)
    screen.repairs = True
    screen.run(90)
    assert [len(lost) for _, lost in screen.nacks] == [1]
    assert screen.nacks[0][0] == pytest.approx(40 * FRAME_S, abs=0.01)
    assert screen.picture.repaired == 1
    assert 41 in [each.frame for each in screen.picture.shown]
    assert max(screen.gaps) == pytest.approx(RTT_S + FRAME_S, abs=0.03)


def test_a_base_frame_that_never_comes_freezes_until_a_key_frame() -> None:
    assert PATTERN[0][0] == 0
    screen = Screen(lambda frame, packet: frame == 41 and packet == 0)
    screen.run(300)
    assert len(screen.nacks) == MOST_TRIES
    assert screen.picture.given_up == 1
    assert len(screen.plis) == 1
    assert max(screen.gaps) == pytest.approx(3.0, abs=0.3)
    assert not screen.picture.wrong


def test_without_a_first_key_frame_one_is_asked_for() -> None:
    screen = Screen(lambda frame, _packet: frame == 1)
    screen.run(30)
    assert screen.plis[0] == pytest.approx(0.25, abs=0.05)
    assert screen.picture.shown


def _sound(seq: int, payload: bytes | None = None, payload_type: int = plans.THEIR_OPUS) -> bytes:
    body = payload or _opus(seq)
    return wire.rtp(seq, timestamp=960 * seq, ssrc=7, payload_type=payload_type, payload=body)


def _opus(seq: int, *, repeats: bool = False) -> bytes:
    return BODY.pack(1, 0, seq, 1, 1 + repeats, 0, 0, seq * SLOT_S) + bytes(60)


def _listen(packets: Callable[[int], bytes | None], seconds: float, late: float = 0.0) -> Sound:
    """Let a sound play. `packets` are by their number; from 2 s on they come `late`."""
    sound = Sound("a", 7)
    waiting: list[tuple[float, bytes]] = []
    for seq in range(1, int(seconds / SLOT_S)):
        now = seq * SLOT_S
        data = packets(seq)
        if data is not None:
            waiting.append((now + (late if now > 2 else 0.0), data))
        for at, due in [each for each in waiting if each[0] <= now + 1e-9]:
            waiting.remove((at, due))
            packet = parse(due, now)
            assert packet is not None
            sound.receive(packet, now)
        sound.play(now + SLOT_S / 2)
    return sound


def _concealed(sound: Sound) -> float:
    return sum(concealed for _, concealed, _ in sound.slots) / len(sound.slots)


def test_sound_that_comes_is_played() -> None:
    assert _concealed(_listen(_sound, 10)) == 0


def test_lost_sound_is_concealed() -> None:
    sound = _listen(lambda seq: None if seq % 10 == 0 else _sound(seq), 10)
    assert _concealed(sound) == pytest.approx(0.1, abs=0.02)


def test_sound_is_recovered_from_what_is_repeated_in_the_next_packet() -> None:
    sound = _listen(lambda seq: None if seq % 10 == 0 else _sound(seq, _opus(seq, repeats=True)), 10)
    assert _concealed(sound) < 0.01


def test_sound_is_recovered_from_redundancy() -> None:
    def red(seq: int) -> bytes | None:
        before = _opus(seq - 1)
        head = bytes((0x80 | plans.THEIR_OPUS,)) + (960 << 10 | len(before)).to_bytes(3, "big")
        payload = head + bytes((plans.THEIR_OPUS,)) + before + _opus(seq)
        return None if seq % 10 == 0 else _sound(seq, payload, payload_type=63)

    assert _concealed(_listen(red, 10)) < 0.01


def test_sound_that_becomes_late_is_concealed_once() -> None:
    sound = _listen(_sound, 10, late=0.3)
    assert sum(concealed for _, concealed, _ in sound.slots) == pytest.approx(0.3 / SLOT_S, abs=2)
