"""Sound and picture of one publisher are told by one clock, however late one of them comes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.clock import REMEMBERED, CaptureClock
from sfu.media.slot import CLOCK_LIFE_S, Slot
from sfu.rtp.rtcp import SenderReport, ntp_time
from sfu.rtp.sequence import timestamp_distance
from tests.unit.media.stage import AUDIO_PROFILE, Publisher, Screen, microphone, screen

THEIRS_S = 1_700_000_000.0
"""Unix time on the publisher's clock, where the node's monotonic clock begins."""
OURS_S = 1_800_000_000.0
CAMERA_ORIGIN, MICROPHONE_ORIGIN = 123_456, 987_654_321
CLOCKS = {"video": 90_000, "audio": 48_000}


def ntp(captured_at: float) -> int:
    return ntp_time(THEIRS_S + captured_at)


# --- the clock ------------------------------------------------------------------------------------


def test_before_any_report_nothing_is_known() -> None:
    assert CaptureClock().offset_s is None


def test_the_report_that_was_delayed_the_least_tells() -> None:
    clock = CaptureClock()
    for at, delay_s in enumerate((0.2, 0.05, 0.3, 0.06)):
        clock.note(int(at * 2**32), at + delay_s)
    assert clock.offset_s == pytest.approx(0.05)


def test_what_was_long_ago_is_forgotten() -> None:
    """A clock that drifts, or was set: the least of long ago does not hold for ever."""
    clock = CaptureClock()
    clock.note(0, 0.01)
    for at in range(REMEMBERED - 1):
        clock.note(int(at * 2**32), at + 0.5)
    assert clock.offset_s == pytest.approx(0.01)
    clock.note(90 * 2**32, 90.5)
    assert clock.offset_s == pytest.approx(0.5)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=2 * REMEMBERED), st.floats(-1e6, 1e6))
def test_the_offset_is_never_less_than_the_truth(delays: list[float], apart_s: float) -> None:
    clock = CaptureClock()
    for at, delay_s in enumerate(delays):
        clock.note(int((at + 2e6) * 2**32), at + 2e6 + apart_s + delay_s)
    assert clock.offset_s is not None
    assert clock.offset_s == pytest.approx(apart_s + min(delays[-REMEMBERED:]), abs=1e-5)


# --- one publisher's two media --------------------------------------------------------------------


class Medium:
    """A track whose packets and reports take `delay_s` to the node, and a slot that shows it."""

    def __init__(self, publisher: Publisher, shown: Screen, origin: int, delay_s: float) -> None:
        self.publisher, self.shown = publisher, shown
        self.delay_s = delay_s
        self.rate = CLOCKS[publisher.track.kind]
        self._origin = origin
        self._seq = 0
        shown.show(publisher.track, 720, 0.0)

    @property
    def slot(self) -> Slot:
        return self.shown.slot

    def stamp(self, captured_at: float) -> int:
        return (self._origin + round(captured_at * self.rate)) & 0xFFFF_FFFF

    def send(self, captured_at: float) -> int:
        """Let a packet come; return its timestamp in the slot."""
        self._seq += 1
        payload = b"opus" if self.publisher.track.kind == "audio" else None
        self.publisher.send(
            self._seq,
            now=captured_at + self.delay_s,
            timestamp=self.stamp(captured_at),
            payload=payload,
            key=self._seq == 1,
        )
        (packet,) = self.shown.link.take()
        return packet.timestamp

    def report(self, captured_at: float) -> None:
        report = SenderReport(1, ntp(captured_at), self.stamp(captured_at), 0, 0)
        self.publisher.layer.set_clock(report, captured_at + self.delay_s)

    def played_with(self, timestamp: int, now: float) -> float:
        """Return the node's time to which a receiver puts a timestamp, by the slot's sender report."""
        report = self.slot.sender_report(OURS_S + now, now)
        assert report is not None
        assert report.ntp == ntp_time(OURS_S + now)
        return now + timestamp_distance(timestamp, report.timestamp) / self.rate


def person(sound_s: float = 0.01, picture_s: float = 0.01) -> tuple[Medium, Medium]:
    """Return somebody's sound and picture: two tracks of one clock, each so late."""
    voice, camera = microphone(), Publisher()
    camera.track.capture = voice.track.capture
    return (
        Medium(voice, screen(AUDIO_PROFILE), MICROPHONE_ORIGIN, sound_s),
        Medium(camera, screen(start=77), CAMERA_ORIGIN, picture_s),
    )


@pytest.mark.parametrize(("sound_s", "picture_s"), [(0.01, 0.01), (0.01, 0.21), (0.21, 0.01), (0.2, 0.2)])
def test_what_was_captured_together_is_played_together(sound_s: float, picture_s: float) -> None:
    sound, picture = person(sound_s, picture_s)
    for medium in (sound, picture):
        medium.send(1.0)
        medium.report(1.1)
    heard, seen = sound.send(2.0), picture.send(2.0)
    now = 2.5
    assert sound.played_with(heard, now) == pytest.approx(picture.played_with(seen, now), abs=1e-3)


def test_without_reports_each_goes_by_when_it_came() -> None:
    sound, picture = person(picture_s=0.21)
    heard, seen = sound.send(2.0), picture.send(2.0)
    apart = picture.played_with(seen, 2.5) - sound.played_with(heard, 2.5)
    assert apart == pytest.approx(0.2, abs=1e-3)


def test_a_clock_that_was_not_heard_of_for_long_is_not_believed() -> None:
    sound, _ = person()
    sound.send(1.0)
    sound.report(1.0)
    late = 1.0 + CLOCK_LIFE_S
    heard = sound.send(late - 1)
    assert sound.played_with(heard, late - 0.1) == pytest.approx(late - 1 + 0.01, abs=2e-3)
    sound.publisher.layer.clock = SenderReport(1, ntp(1.0), sound.stamp(1.0) + 48_000, 0, 0)
    assert sound.played_with(heard, late - 0.1) == pytest.approx(late - 2 + 0.01, abs=2e-3)
    assert sound.played_with(heard, late + 0.1) == pytest.approx(late - 1 + 0.01, abs=2e-3)


def test_a_cut_to_another_layer_keeps_them_together() -> None:
    sound, picture = person(picture_s=0.21)
    for medium in (sound, picture):
        medium.send(1.0)
        medium.report(1.1)
    picture.slot.lose()
    picture.shown.show(picture.publisher.track, 720, 3.0)
    picture.publisher.send(50, now=3.21, timestamp=picture.stamp(3.0), key=True)
    (packet,) = picture.shown.link.take()
    heard = sound.send(3.0)
    assert sound.played_with(heard, 3.5) == pytest.approx(
        picture.played_with(packet.timestamp, 3.5), abs=1e-3
    )


def test_a_slot_that_never_played_has_no_report() -> None:
    assert screen().slot.sender_report(OURS_S, 0.0) is None


# --- what the client is told ----------------------------------------------------------------------


def captured_s(medium: Medium, timestamp: int) -> float:
    """Return when a client takes a timestamp to have been captured, on the publisher's clock."""
    clock = medium.slot.clock
    assert clock is not None
    return clock[1] / 1000 + timestamp_distance(timestamp, clock[0]) / medium.rate


@pytest.mark.parametrize("which", [lambda pair: pair[0], lambda pair: pair[1]], ids=["sound", "picture"])
def test_a_slots_clock_is_the_publishers(which: Callable[[tuple[Medium, Medium]], Medium]) -> None:
    medium = which(person(picture_s=0.21))
    medium.send(1.0)
    medium.report(1.1)
    epoch_s = ntp(0.0) / 2**32
    for captured_at in (1.5, 2.0, 7.25):
        assert captured_s(medium, medium.send(captured_at)) == pytest.approx(epoch_s + captured_at, abs=1e-3)


def test_sound_and_picture_are_told_by_one_clock() -> None:
    sound, picture = person(picture_s=0.21)
    for medium in (sound, picture):
        medium.send(1.0)
        medium.report(1.1)
    heard, seen = sound.send(4.0), picture.send(4.0)
    assert captured_s(sound, heard) == pytest.approx(captured_s(picture, seen), abs=1e-3)


def test_a_slot_has_no_clock_before_it_plays_nor_before_its_publisher_told_one() -> None:
    _, picture = person()
    clocks = [picture.slot.clock]
    picture.send(1.0)
    clocks.append(picture.slot.clock)
    picture.report(1.1)
    assert picture.slot.clock is not None
    picture.slot.clear()
    clocks.append(picture.slot.clock)
    assert clocks == [None, None, None]
