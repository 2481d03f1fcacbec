"""How bots judge what they receive."""

from hypothesis import given
from hypothesis import strategies as st

from tests.load.light.reception import Continuity, Reception, VideoReception
from tests.load.light.rtp import HEADER, vp8_descriptor, vp8_frame_tag

PACKET = memoryview(bytes(100))


@given(
    first=st.integers(0, 0xFFFF),
    kept=st.lists(st.booleans(), min_size=1, max_size=300),
    data=st.data(),
)
def test_loss_is_exact_whatever_is_lost_late_or_twice(
    first: int, kept: list[bool], data: st.DataObject
) -> None:
    sent = [index for index, keep in enumerate(kept) if keep]
    arriving: list[int] = []
    late: list[int] = []
    for index in sent:
        (late if index > 0 and data.draw(st.booleans()) else arriving).append(index)
    reception = Reception(1)
    for index in [*arriving, *late, *arriving[:3]]:
        reception.received(PACKET, (first + index) & 0xFFFF, 0.0)
    came = {*arriving, *late}
    if not came:
        return
    # What lies before the first to arrive, and late enough to precede it, was never expected.
    start = (arriving or late)[0]
    known = {index for index in came if index >= start}
    assert reception.expected == max(known) - start + 1
    assert reception.gone == reception.expected - len(known)
    assert reception.packets == len(sent) + len(arriving[:3])


def test_what_is_missing_is_asked_for_again_and_then_given_up() -> None:
    reception = Reception(1)
    reception.received(PACKET, 65534, 0.0)
    reception.received(PACKET, 2, 0.0)
    assert reception.to_ask(0.0) == [65535, 0, 1]
    assert reception.to_ask(0.05) == []
    reception.received(PACKET, 0, 0.06)
    assert reception.to_ask(0.2) == [65535, 1]
    assert (reception.recovered, reception.lost, reception.gone) == (1, 0, 2)
    assert reception.to_ask(1.1) == []
    assert (reception.lost, reception.gone) == (2, 2)


def test_a_report_tells_the_loss_since_the_one_before() -> None:
    reception = Reception(9)
    for sequence in (10, 11, 13):
        reception.received(PACKET, sequence, 0.0)
    block = reception.report(1.0)
    assert (block.ssrc, block.fraction_lost, block.lost, block.highest) == (9, 64, 1, 13)
    assert reception.report(2.0).fraction_lost == 0


def test_a_freeze_is_a_pause_while_something_is_shown() -> None:
    continuity = Continuity()
    continuity.renew(0.0)
    continuity.renew(5.0)
    assert continuity.so_far(9.0) == (0, 0.0)  # nothing was shown
    continuity.label(True, 10.0)
    continuity.renew(10.1)
    continuity.renew(10.29)
    assert continuity.so_far(10.3) == (0, 0.0)
    assert continuity.so_far(10.79) == (1, 0.5)
    continuity.renew(10.79)
    continuity.label(True, 10.9)  # another source: the clock goes on
    assert continuity.so_far(11.0) == (2, 0.5 + 11.0 - 10.79)
    continuity.label(False, 10.9)
    assert continuity.so_far(99.0) == (1, 0.5)


class Video:
    """Makes packets of frames of two packets, and decrypts nothing."""

    def __init__(self) -> None:
        self.reception = VideoReception(1, lambda packet: packet.tobytes())
        self.reception.continuity.label(True, 0.0)

    def send(self, frame: int, index: int, *, key: bool = False, now: float = 0.0) -> None:
        sequence = 100 + 2 * frame + index
        self.reception.received(memoryview(self.packet(frame, index, key=key)), sequence, now)

    def packet(self, frame: int, index: int, *, key: bool = False) -> bytes:
        marker = 0x80 if index else 0
        header = HEADER.pack(0x80, marker | 96, 100 + 2 * frame + index, 3000 * frame, 1)
        payload = vp8_descriptor(start=index == 0, picture_id=frame, tl0=0)
        return header + payload + vp8_frame_tag(key=key, width=64, height=64)

    @property
    def shown(self) -> int:
        return self.reception.continuity.renewals


def test_a_frame_is_shown_when_it_is_whole_and_a_key_frame_came_before() -> None:
    video = Video()
    video.send(0, 0)
    video.send(0, 1)
    assert video.shown == 0
    assert video.reception.wants_key_frame(1.0)
    assert not video.reception.wants_key_frame(1.1)
    video.send(1, 0, key=True)
    assert video.shown == 0
    video.send(1, 1)
    assert (video.shown, video.reception.key_frames) == (1, 1)
    assert not video.reception.wants_key_frame(9.0)


def test_nothing_is_shown_behind_a_hole_until_it_is_repaired() -> None:
    video = Video()
    video.send(0, 0, key=True)
    video.send(0, 1)
    video.send(1, 1)
    video.send(2, 0)
    video.send(2, 1)
    assert video.shown == 1
    payload = video.packet(1, 0)[12:]
    assert video.reception.repaired(payload, 102, ends_frame=False, arrived=0.5)
    assert video.shown == 2
    assert not video.reception.repaired(payload, 102, ends_frame=False, arrived=0.6)


def test_a_key_frame_goes_on_over_a_hole_and_a_given_up_hole_needs_one() -> None:
    video = Video()
    video.send(0, 0, key=True)
    video.send(0, 1)
    video.send(1, 1)
    video.send(2, 0, key=True)
    video.send(2, 1)
    assert (video.shown, video.reception.gone) == (2, 1)
    video.send(3, 1)
    video.reception.to_ask(5.0)
    assert video.reception.wants_key_frame(5.0)
    video.send(4, 0)
    video.send(4, 1)
    assert (video.shown, video.reception.gone) == (2, 2)
