"""Key frames are spread over time: in order, not for ever, and nothing else waits for them."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.slot import Slot
from sfu.room.pacer import BURST_OCTETS, MOST_WAIT_S, PACE, REPAIR_BURST, REPAIR_SHARE, WATCH_S, Pacer
from tests.unit.media.stage import AUDIO_PROFILE, RTX_SSRC, Publisher, Screen, microphone, screen
from tests.unit.rtp import wire

TICK_S = 0.02
BPS = 1e6
PACKET = 1000


def nobody() -> Iterable[Slot]:
    return ()


def awake() -> None:
    pass


class Way:
    """A pacer, and when what it was given left. Each packet says which one it is."""

    def __init__(self, bps: float = BPS) -> None:
        self.pacer = Pacer(nobody, awake, bps)
        self.now = 10.0
        self.left: list[tuple[int, float]] = []
        self.given = 0

    def give(self, packets: int, octets: int = PACKET) -> None:
        for _ in range(packets):
            self.pacer.send(self._leave, self.given.to_bytes(4, "big") + bytes(octets - 4))
            self.given += 1

    def _leave(self, packet: bytes) -> None:
        self.left.append((int.from_bytes(packet[:4], "big"), self.now))

    def tick(self, seconds: float = TICK_S) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self.pacer.tick(TICK_S, self.now)


def test_of_a_key_frame_little_leaves_at_once() -> None:
    way = Way()
    way.pacer.engage(way.now)
    way.give(40)
    assert BURST_OCTETS - PACKET < len(way.left) * PACKET <= BURST_OCTETS + PACKET


def test_the_rest_leaves_tick_by_tick_at_the_pace() -> None:
    way = Way()
    way.pacer.engage(way.now)
    way.give(60)
    at_once = len(way.left)
    way.tick(0.1)
    assert (len(way.left) - at_once) * PACKET * 8 / 0.1 == pytest.approx(PACE * BPS, rel=0.15)
    assert max(way.left.count((number, way.now)) for number in range(60)) <= 1
    per_tick = [sum(left == at for _, left in way.left) for at in {left for _, left in way.left}]
    assert max(per_tick[1:]) * PACKET <= PACE * BPS * TICK_S / 8 + 2 * PACKET


def test_the_order_is_kept() -> None:
    way = Way()
    for _ in range(20):
        way.pacer.engage(way.now)
        way.give(3)
        way.tick()
    way.tick(1.0)
    assert [number for number, _ in way.left] == list(range(60))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(20, 1400), st.booleans()), max_size=40))
def test_everything_leaves_once_and_in_order(steps: list[tuple[int, int, bool]]) -> None:
    way = Way()
    for packets, octets, key in steps:
        if key:
            way.pacer.engage(way.now)
        if way.pacer.is_engaged:
            way.give(packets, octets)
        way.tick()
    way.tick(5.0)
    assert [number for number, _ in way.left] == list(range(way.given))
    assert not way.pacer.is_engaged


@pytest.mark.parametrize("bps", [40e3, 100e3, 10e6])
def test_what_waits_does_not_wait_for_ever(bps: float) -> None:
    """A key frame of 60 kB, for which a slow network would need many seconds."""
    way = Way(bps)
    way.pacer.engage(way.now)
    way.give(60)
    began = way.now
    way.tick(10.0)
    assert way.left[-1][0] == 59
    assert way.left[-1][1] - began < 5 * MOST_WAIT_S
    assert way.left[len(way.left) // 2][1] - began < MOST_WAIT_S


def test_it_steps_aside_when_nothing_waits_and_no_key_frame_came_lately() -> None:
    way = Way()
    way.pacer.engage(way.now)
    way.give(2)
    way.tick(WATCH_S - TICK_S)
    assert way.pacer.is_engaged
    way.pacer.engage(way.now)
    way.tick(WATCH_S - TICK_S)
    assert way.pacer.is_engaged
    way.tick(2 * TICK_S)
    assert not way.pacer.is_engaged


def test_while_something_waits_it_stays() -> None:
    way = Way(100e3)
    way.pacer.engage(way.now)
    way.give(30)
    way.tick(WATCH_S + 2 * TICK_S)
    assert way.pacer.is_engaged
    assert len(way.left) < 30


def test_what_is_released_leaves_at_once_and_in_order() -> None:
    way = Way()
    way.pacer.engage(way.now)
    way.give(30)
    way.pacer.release()
    assert [number for number, _ in way.left] == list(range(30))
    assert not way.pacer.is_engaged


def test_credit_is_not_saved_up_while_nothing_waits() -> None:
    way = Way()
    way.pacer.engage(way.now)
    for _ in range(30):
        way.pacer.engage(way.now)
        way.tick()
    before = len(way.left)
    way.give(40)
    assert (len(way.left) - before) * PACKET <= PACE * BPS * TICK_S / 8 + PACKET


def test_a_tick_of_a_pacer_that_stands_aside_does_nothing() -> None:
    way = Way()
    way.tick(1.0)
    assert not way.pacer.is_engaged


# --- repairs --------------------------------------------------------------------------------------


def repaired(pacer: Pacer, began: float, seconds: float) -> int:
    """Ask for more than there can be, every tick; return how many octets were allowed."""
    octets = 0
    for tick in range(round(seconds / TICK_S)):
        while pacer.may_repair(PACKET, began + tick * TICK_S):
            octets += PACKET
    return octets


@pytest.mark.parametrize("bps", [200e3, 1e6, 5e6])
def test_repairs_take_a_share_of_what_is_carried(bps: float) -> None:
    pacer = Pacer(nobody, awake, bps)
    repaired(pacer, 10.0, 1.0)
    assert repaired(pacer, 11.0, 10.0) * 8 / 10 == pytest.approx(REPAIR_SHARE * bps, rel=0.05)


@pytest.mark.parametrize("bps", [100e3, 10e6])
def test_what_was_not_used_is_saved_up_for_a_second_at_most(bps: float) -> None:
    pacer = Pacer(nobody, awake, bps)
    repaired(pacer, 10.0, 1.0)
    for second in range(11, 30):
        pacer.may_repair(1, float(second))
    most = max(REPAIR_SHARE * bps / 8, REPAIR_BURST)
    assert repaired(pacer, 30.0, TICK_S) <= most + PACKET


def test_at_first_a_burst_may_be_repaired() -> None:
    assert repaired(Pacer(nobody, awake, 100e3), 0.0, TICK_S) == pytest.approx(REPAIR_BURST, abs=PACKET)


# --- with slots -----------------------------------------------------------------------------------


class Stage:
    """A camera and a voice, each shown in a slot; those for video have a pacer."""

    def __init__(self, bps: float = 500e3) -> None:
        self.camera, self.voice = Publisher(), microphone()
        self.picture, self.sound = screen(), screen(AUDIO_PROFILE)
        self.pacer = Pacer(self._video, awake, bps)
        self.picture.slot.pacer = self.pacer
        self.picture.show(self.camera.track, 720, 1.0)
        self.sound.show(self.voice.track, 0, 1.0)
        self.seq = 0

    def _video(self) -> list[Slot]:
        return [self.picture.slot]

    def frame(self, now: float, packets: int, *, key: bool = False) -> None:
        for at in range(packets):
            self.seq += 1
            first = at == 0
            payload = wire.vp8(key=key and first, start=first) + bytes(PACKET)
            self.camera.send(self.seq, now=now, timestamp=round(now * 90_000), payload=payload)

    def seqs(self, shown: Screen) -> list[int]:
        return [packet.seq for packet in shown.link.take() if packet.ssrc != RTX_SSRC]


def test_a_key_frame_engages_the_pacer_and_its_first_packets_leave() -> None:
    stage = Stage()
    stage.frame(1.0, 1)
    before = stage.pacer.is_engaged
    stage.frame(1.1, 40, key=True)
    assert (before, stage.pacer.is_engaged) == (False, True)
    assert 0 < len(stage.seqs(stage.picture)) < 10


def test_sound_goes_past_what_waits() -> None:
    stage = Stage()
    stage.frame(1.0, 40, key=True)
    stage.seqs(stage.picture)
    for number in range(5):
        stage.voice.send(number, now=1.0, payload=b"opus")
        assert len(stage.sound.link.take()) == 1


def test_repairs_go_past_what_waits() -> None:
    stage = Stage()
    stage.frame(1.0, 40, key=True)
    first, *_ = stage.seqs(stage.picture)
    stage.picture.slot.nack([first], 1.01)
    (copy,) = stage.picture.link.take()
    assert copy.ssrc == RTX_SSRC


def test_frames_after_a_key_frame_follow_it() -> None:
    stage = Stage()
    stage.frame(1.0, 40, key=True)
    for at in range(1, 100):
        now = 1.0 + at * TICK_S
        if at % 2:
            stage.frame(now, 1)
        stage.pacer.tick(TICK_S, now)
    seqs = stage.seqs(stage.picture)
    assert len(seqs) == stage.seq
    assert seqs == [(seqs[0] + at) & 0xFFFF for at in range(len(seqs))]


def test_when_it_steps_aside_packets_leave_at_once_again() -> None:
    stage = Stage(50e6)
    stage.frame(1.0, 40, key=True)
    for at in range(1, 40):
        stage.pacer.tick(TICK_S, 1.0 + at * TICK_S)
    assert not stage.pacer.is_engaged
    stage.seqs(stage.picture)
    stage.frame(3.0, 20)
    assert len(stage.seqs(stage.picture)) == 20


def test_what_waits_for_its_label_is_paced_after_it() -> None:
    """A key frame held back for its label does not leave at once when the label is there."""
    camera, shown = Publisher(), screen(prompt=False)
    pacer = Pacer(lambda: [shown.slot], awake, 500e3)
    shown.slot.pacer = pacer
    shown.show(camera.track, 720, 1.0)
    for at in range(40):
        payload = wire.vp8(key=at == 0, start=at == 0) + bytes(PACKET)
        camera.send(at, now=1.0, timestamp=90_000, payload=payload)
    assert shown.link.take() == []
    shown.slot.release()
    assert 0 < len(shown.link.take()) < 10
    for at in range(1, 60):
        pacer.tick(TICK_S, 1.0 + at * TICK_S)
    assert len(shown.link.take()) > 30
