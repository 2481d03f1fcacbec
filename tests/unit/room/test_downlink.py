"""What a peer is sent fits its network: soon less, carefully more, and never nothing while a little fits."""

import pytest

from sfu.congestion.allocation import CLIMB_MARGIN, Grant, Option, Reason
from sfu.media.track import PAUSE_AFTER_S
from sfu.room.downlink import (
    CAUTION_S,
    CAUTIOUS_MARGIN,
    COPIES,
    LEAST_VIDEO_BPS,
    MOST_CAUTION_S,
    OVERLOAD,
    RELAPSE_S,
    SOUND_BPS,
    TOLERANCE,
    TRY_AFTER_S,
    needs,
)
from sfu.rtp.rtcp import ReportBlock
from tests.unit.media.stage import Publisher, microphone, screen
from tests.unit.room.seat import BPS, SAMPLE_S, SETTINGS, Camera, Seat

Q, H, F = BPS


def watching(
    seat: Seat, *, budget_bps: float = 50e6, cameras: tuple[Camera, ...] | None = None
) -> tuple[tuple[Camera, ...], float]:
    """Let a peer watch cameras at full size with so much bandwidth; return them, and the time."""
    cameras = cameras or tuple(Camera(f"p{at}.c", 1000 * at + 1000) for at, _ in enumerate(seat.video))
    now = 10.0
    for camera in cameras:
        now = camera.run(10.0, 5.0)
    for slot, camera in zip(seat.video, cameras, strict=True):
        slot.show(camera.track, 720, now)
    turn(seat, cameras, budget_bps, now)
    return cameras, now


def turn(seat: Seat, cameras: tuple[Camera, ...], budget_bps: float, now: float) -> None:
    """Let the network carry so much, and what is given begin at once."""
    seat.downlink.hear_remb(int(budget_bps), now)
    seat.share(now)
    for camera in cameras:
        camera.run(now, 0.25, key=True)


# --- what is given --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget_bps", "rank"), [(1.2 * Q, 0), (1.2 * H, 1), (0.99 * F, 1), (1.2 * F, 2), (50e6, 2)]
)
def test_a_slot_is_given_what_fits(budget_bps: float, rank: int) -> None:
    seat = Seat()
    watching(seat, budget_bps=budget_bps)
    assert seat.ranks() == [rank]
    assert seat.slot.playing is not None
    assert seat.slot.playing.rank == rank


def test_sound_comes_first() -> None:
    seat, voice = Seat(), microphone()
    seat.audio.show(voice.track, 0, 1.0)
    voice.send(1, now=1.0, payload=b"opus")
    watching(seat, budget_bps=CLIMB_MARGIN * H + SOUND_BPS / 2)
    assert seat.ranks() == [0]
    quiet = Seat()
    watching(quiet, budget_bps=CLIMB_MARGIN * H + SOUND_BPS / 2)
    assert quiet.ranks() == [1]


def test_the_important_slot_is_served_first() -> None:
    seat = Seat(video=2)
    (first, second), now = watching(seat, budget_bps=50e6)
    seat.downlink.hear_remb(int(1.1 * (Q + F)), now)
    seat.share(now, v0="thumbnail", v1="pinned")
    assert seat.ranks() == [0, 2]
    assert (first.track.id, second.track.id) == ("p0.c", "p1.c")


def test_what_nothing_shows_or_is_muted_is_given_nothing() -> None:
    seat = Seat(video=2)
    (first, _), now = watching(seat)
    first.track.mute(True)
    seat.video[1].clear()
    seat.share(now)
    assert list(seat.downlink.grants) == ["v0"]
    assert seat.downlink.grants["v0"].reason is Reason.NOT_SENT


@pytest.mark.parametrize("budget_bps", [1e3, LEAST_VIDEO_BPS / 2])
def test_a_little_video_is_kept_however_little_there_is(budget_bps: float) -> None:
    seat = Seat()
    camera = Camera(bps=(LEAST_VIDEO_BPS / CLIMB_MARGIN - 1e3, H, F))
    seat.downlink.estimate.rate.fall(SETTINGS.most_bps, 11.5)
    watching(seat, budget_bps=budget_bps, cameras=(camera,))
    assert seat.ranks() == [0]


def test_what_does_not_fit_is_tried_when_the_path_was_not_found_full_for_long() -> None:
    """With nothing sent, nothing would ever tell that the path carries it."""
    seat = Seat(video=2)
    cameras, now = watching(seat)
    least_bps = LEAST_VIDEO_BPS / 2
    seat.downlink.estimate.rate.fall(SETTINGS.most_bps, now)
    now = stay(seat, cameras, least_bps, now, 2.0)
    assert seat.ranks() == [None, None]
    now = stay(seat, cameras, least_bps, now, TRY_AFTER_S)
    assert sorted(seat.ranks(), key=str) == [0, None]
    seat.downlink.estimate.rate.fall(SETTINGS.most_bps, now)
    stay(seat, cameras, least_bps, now, 2.0)
    assert seat.ranks() == [None, None]


def test_while_a_queue_is_emptied_not_even_that() -> None:
    seat = Seat(numbered=True)
    camera = Camera(bps=(LEAST_VIDEO_BPS / CLIMB_MARGIN - 1e3, H, F))
    now = camera.run(10.0, 5.0)
    seat.slot.show(camera.track, 720, now)
    for at in range(20):
        seat.hear(now + 0.05 * at)
    for at in range(20, 24):
        seat.hear(now + 0.05 * at, delay_s=2.0 + 0.15 * (at - 20), pace_s=0.02)
    assert seat.downlink.estimate.is_draining
    seat.share(now + 1.3)
    assert seat.ranks() == [None]
    assert seat.downlink.grants["v0"].reason is Reason.NO_BANDWIDTH


def test_what_is_lost_on_the_way_leaves_room_for_repairs() -> None:
    lossy, clean = Seat(), Seat()
    for seat, lost in ((lossy, 30), (clean, 0)):
        for at in range(40):
            seat.downlink.hear_reports([ReportBlock(7000, 0, lost * at, 100 * at, 0, 0, 0)], float(at))
        watching(seat, budget_bps=1.15 * F)
    assert clean.ranks() == [2]
    assert lossy.ranks() == [1]


def test_a_layer_that_is_not_sent_at_present_is_awaited() -> None:
    seat = Seat()
    camera = Camera()
    now = camera.run(10.0, 5.0)
    camera.track.need((0, 1, 2), now)
    camera.track.need((0,), now + PAUSE_AFTER_S)
    seat.slot.show(camera.track, 720, now)
    turn(seat, (), 50e6, now)
    assert seat.ranks() == [2]
    assert seat.downlink.awaits_layer
    turn(seat, (), 1.2 * Q, now)
    assert not seat.downlink.awaits_layer


# --- less, and more -------------------------------------------------------------------------------


def test_a_step_down_waits_for_its_key_frame() -> None:
    seat = Seat()
    cameras, now = watching(seat)
    seat.downlink.hear_remb(int(1.05 * F / OVERLOAD), now)
    seat.share(now)
    assert seat.ranks() == [1]
    assert (seat.slot.playing, seat.slot.target) == (cameras[0].layers[2], cameras[0].layers[1])


def test_what_the_network_cannot_carry_at_all_is_not_waited_for() -> None:
    seat = Seat()
    cameras, now = watching(seat)
    seat.downlink.hear_remb(int(0.95 * F / OVERLOAD), now)
    seat.share(now)
    assert (seat.slot.playing, seat.slot.target) == (None, cameras[0].layers[1])
    seat.link.take()
    cameras[0].run(now, 0.5)
    assert seat.link.take() == []


def test_overloaded_a_slot_that_stays_goes_on() -> None:
    seat = Seat(video=2)
    cameras, now = watching(seat)
    seat.video[1].show(cameras[1].track, 180, now)
    turn(seat, cameras, 50e6, now)
    assert seat.ranks() == [2, 0]
    seat.downlink.hear_remb(int(3 * Q), now)
    seat.share(now, v0="grid", v1="pinned")
    assert seat.ranks() == [0, 0]
    assert seat.video[0].playing is None
    assert seat.video[1].playing is cameras[1].layers[0]


def test_nothing_is_given_at_once_where_nothing_fits() -> None:
    seat = Seat(video=2)
    _, now = watching(seat)
    seat.downlink.hear_remb(int(1.2 * Q), now)
    seat.share(now)
    assert sorted(seat.ranks(), key=str) == [0, None]
    assert [slot.playing for slot in seat.video] == [None, None]


def test_it_is_short_when_more_was_granted_than_is_carried() -> None:
    seat = Seat()
    _, now = watching(seat, budget_bps=1.2 * F)
    short = [seat.downlink.is_short]
    seat.downlink.hear_remb(int(F / TOLERANCE / 1.02), now)
    short.append(seat.downlink.is_short)
    seat.share(now)
    short.append(seat.downlink.is_short)
    assert short == [False, True, False]


ENOUGH = F * (CLIMB_MARGIN + CAUTIOUS_MARGIN) / 2
"""To climb to the largest layer, but not for who is cautious."""


def stay(seat: Seat, cameras: tuple[Camera, ...], budget_bps: float, began: float, seconds: float) -> float:
    """Let the network carry so much for a while; return when it ended."""
    for at in range(round(seconds / SAMPLE_S)):
        turn(seat, cameras, budget_bps, began + at * SAMPLE_S)
    return began + seconds


def lowered() -> tuple[Seat, tuple[Camera, ...], float]:
    """Return a seat whose slot has just been given less, after it was well for long."""
    seat = Seat()
    cameras, now = watching(seat)
    now = stay(seat, cameras, 50e6, now, RELAPSE_S + 5)
    now = stay(seat, cameras, 1.2 * H, now, SAMPLE_S)
    assert seat.ranks() == [1]
    return seat, cameras, now


def climbs_after(seat: Seat, cameras: tuple[Camera, ...], began: float) -> float:
    """Return how long the slot waits to climb, with enough for who is not cautious."""
    now = began
    while seat.ranks() != [2]:
        now = stay(seat, cameras, ENOUGH, now, SAMPLE_S)
        assert now - began < 200
    return now - began


def test_who_was_lowered_is_cautious_for_a_while() -> None:
    assert climbs_after(*lowered()) == pytest.approx(CAUTION_S, abs=0.6)


def test_with_much_room_to_spare_nobody_needs_to_be_cautious() -> None:
    seat, cameras, now = lowered()
    stay(seat, cameras, 1.05 * CAUTIOUS_MARGIN * F, now, SAMPLE_S)
    assert seat.ranks() == [2]


def test_who_falls_back_soon_is_cautious_for_longer() -> None:
    seat, cameras, now = lowered()
    waits = []
    for _ in range(5):
        waits.append(climbs_after(seat, cameras, now))
        now = stay(seat, cameras, ENOUGH, now + waits[-1], RELAPSE_S / 4)
        now = stay(seat, cameras, 1.2 * H, now, SAMPLE_S)
    assert waits == sorted(waits)
    assert waits[1] > 1.5 * waits[0]
    assert waits[-1] == pytest.approx(MOST_CAUTION_S, abs=0.6)


def test_who_stayed_up_for_long_is_not_held_to_account() -> None:
    seat, cameras, now = lowered()
    first = climbs_after(seat, cameras, now)
    now = stay(seat, cameras, ENOUGH, now + first, RELAPSE_S + 1)
    now = stay(seat, cameras, 1.2 * H, now, SAMPLE_S)
    assert climbs_after(seat, cameras, now) == pytest.approx(first, abs=0.6)


def test_a_newcomer_is_not_cautious() -> None:
    seat = Seat()
    watching(seat, budget_bps=ENOUGH)
    assert seat.ranks() == [2]


# --- sound ----------------------------------------------------------------------------------------


def lose(seat: Seat, share: float, began: float) -> float:
    """Let reports tell of such a loss for long enough to be believed; return when it ended."""
    highest, lost = seat.downlink._reported.get(6000, (0, 0))
    for at in range(1, 41):
        block = ReportBlock(6000, 0, lost + round(100 * share * at), highest + 100 * at, 0, 0, 0)
        seat.downlink.hear_reports([block], began + at)
    seat.downlink.tick(began + 41)
    seat.downlink.cover(seat.slots)
    return began + 41


def test_sound_is_covered_the_more_the_more_is_lost() -> None:
    seat = Seat()
    voice = microphone()
    seat.audio.show(voice.track, 0, 1.0)
    voice.send(1, now=1.0, payload=b"opus")
    (much, most), (little, fewer) = COPIES
    now, found = 0.0, []
    for share in (little / 2, little + 0.01, much + 0.01):
        now = lose(seat, share, now)
        found.append(seat.downlink._copies)
    assert found == [0, fewer, most]


def test_copies_are_kept_until_the_loss_is_clearly_less() -> None:
    seat = Seat()
    (much, most), *_ = COPIES
    now = lose(seat, 1.2 * much, 0.0)
    now = lose(seat, 0.75 * much, now)
    assert seat.downlink._copies == most
    lose(seat, 0.0, now)
    assert seat.downlink._copies == 0


def test_a_client_that_takes_no_copies_has_its_loss_told() -> None:
    seat = Seat()
    lose(seat, 0.1, 0.0)
    assert seat.audio.uncovered_loss == pytest.approx(0.1, abs=0.02)
    assert all(slot.uncovered_loss == 0 for slot in seat.video)


# --- what receivers report ------------------------------------------------------------------------


def test_reports_count_from_one_to_the_next() -> None:
    seat = Seat()
    loss = seat.downlink.estimate.loss
    seat.downlink.hear_reports([ReportBlock(7000, 0, 900, 1000, 0, 0, 0)], 1.0)
    assert loss.share == 0
    seat.downlink.hear_reports([ReportBlock(7000, 0, 910, 1100, 0, 0, 0)], 2.0)
    seat.downlink.hear_reports([ReportBlock(7000, 0, 910, 1200, 0, 0, 0)], 3.0)
    assert loss.share == pytest.approx(0.05)


def test_reports_of_several_slots_add_up() -> None:
    seat = Seat()
    for second, lost in ((1.0, 0), (2.0, 20)):
        blocks = [ReportBlock(ssrc, 0, lost, int(100 * second), 0, 0, 0) for ssrc in (7000, 6000)]
        seat.downlink.hear_reports(blocks, second)
        seat.downlink.hear_reports([], second)
    seat.downlink.hear_reports([ReportBlock(7000, 0, 20, 300, 0, 0, 0)], 3.0)
    assert seat.downlink.estimate.loss.share == pytest.approx(40 / 300)


@pytest.mark.parametrize("block", [(0, 50), (-500, 300), (1 << 23, 300), (0, 0), (5, 1 << 31)], ids=str)
def test_reports_that_cannot_be_do_no_harm(block: tuple[int, int]) -> None:
    """Numbers that go back, more lost than sent."""
    seat = Seat()
    lost, highest = block
    for second in range(1, 5):
        seat.downlink.hear_reports([ReportBlock(7000, 0, 0, 100 * second, 0, 0, 0)], float(second))
        seat.downlink.hear_reports([ReportBlock(7000, 0, lost, highest, 0, 0, 0)], second + 0.5)
    assert 0 <= seat.downlink.estimate.loss.share <= 1
    assert seat.downlink.estimate.bps > 0


def test_a_client_with_feedback_is_not_judged_by_reports_nor_by_its_own_estimate() -> None:
    seat = Seat(numbered=True)
    before = seat.downlink.estimate.bps
    seat.downlink.hear_remb(50_000, 1.0)
    for second in range(1, 10):
        seat.downlink.hear_reports([ReportBlock(7000, 0, 90 * second, 100 * second, 0, 0, 0)], float(second))
    assert seat.downlink.estimate.bps == before


def test_only_a_client_with_feedback_is_sent_numbered_packets() -> None:
    assert Seat(numbered=True).link.sent is not None
    assert Seat(numbered=False).link.sent is None


def test_the_pacer_follows_the_estimate() -> None:
    seat = Seat(numbered=True)
    for at in range(200):
        seat.hear(10.0 + 0.05 * at, lost=5 if at > 150 else 0)
    assert seat.downlink.estimate.bps < 1e6
    assert seat.downlink.pacer.bps == seat.downlink.estimate.bps


def test_a_probe_is_filled_with_padding_on_a_slot_that_can_carry_it() -> None:
    seat = Seat(numbered=True)
    camera = Camera()
    for at in range(60):
        seat.hear(10.0 + 0.05 * at)
    now = camera.run(13.0, 2.0)
    seat.slot.show(camera.track, 720, now)
    seat.share(now)
    camera.run(now, 0.25, key=True)
    seat.hear(now)
    seat.downlink.tick(now)
    cluster = seat.downlink.estimate.prober.cluster
    assert cluster is not None
    seat.downlink.pacer.release()
    seat.link.take()
    seat.downlink.pace(0.02, now)
    padding = seat.link.take()
    assert {packet.ssrc for packet in padding} == {7500}
    assert sum(packet.octets + 255 for packet in padding) * 8 >= cluster.bps * 0.02 * 0.5


# --- what publishers must send --------------------------------------------------------------------


def grant(rank: int | None, reason: Reason, wanted: int = 2) -> Grant:
    option = None if rank is None else Option(rank, 7, 1e5, 180)
    return Grant("9", option, Option(wanted, 7, 1e5, 720), reason)


@pytest.mark.parametrize(
    ("playing", "given", "height", "expected"),
    [
        (None, grant(1, Reason.BANDWIDTH), 720, {1}),
        (1, grant(1, Reason.FULL), 360, {1}),
        (2, grant(0, Reason.BANDWIDTH), 720, {0, 2}),
        (None, grant(None, Reason.NO_BANDWIDTH), 720, set()),
        (1, grant(None, Reason.NO_BANDWIDTH), 720, {1}),
        (0, grant(0, Reason.SOURCE), 720, {0, 1, 2}),
        (0, grant(0, Reason.SOURCE), 360, {0, 1}),
        (None, grant(None, Reason.NOT_SENT), 180, {0}),
        (None, grant(None, Reason.NOT_SENT), 720, {0, 1, 2}),
    ],
)
def test_a_slot_needs_what_it_gets_and_still_plays_and_what_only_the_publisher_withholds(
    playing: int | None, given: Grant, height: int, expected: set[int]
) -> None:
    publisher, shown = Publisher(rids=("q", "h", "f")), screen()
    slot = shown.slot
    slot.show(publisher.track, height, 1.0)
    if playing is not None:
        slot.give(publisher.layers[playing], 7, 1.0)
        publisher.send(1, now=1.0, layer=playing, key=True)
    assert needs(slot, given) == expected


def test_a_slot_that_shows_nothing_needs_nothing() -> None:
    assert needs(screen().slot, grant(1, Reason.FULL)) == set()


def test_what_plays_of_a_former_track_is_not_needed_of_the_next_one() -> None:
    former, following, shown = (
        Publisher(rids=("q", "h")),
        Publisher("b.1", rids=("q", "h"), ssrc=50),
        screen(),
    )
    shown.slot.show(former.track, 720, 1.0)
    shown.slot.give(former.layers[1], 7, 1.0)
    former.send(1, now=1.0, layer=1, key=True)
    shown.slot.show(following.track, 720, 1.5)
    assert needs(shown.slot, grant(0, Reason.BANDWIDTH)) == {0}
