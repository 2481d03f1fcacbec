"""Padding closed up, late packets put where they belong, jumps refused."""

import pytest

from sfu.media.ports import Drop
from sfu.media.slot import MAX_BEHIND, MAX_JUMP, SlotState
from sfu.rtp.sequence import Seq
from tests.unit.media.stage import Publisher, Screen, screen, unwrapped
from tests.unit.rtp import wire


def watched(rids: tuple[str | None, ...] = (None,)) -> tuple[Publisher, Screen]:
    """Return a publisher whose packets 100 (a key frame) and 101 were shown."""
    publisher, shown = Publisher(rids=rids), screen()
    shown.show(publisher.track, 720 if len(rids) == 1 else 180, 1.0)
    send(publisher, 100, key=True)
    send(publisher, 101)
    return publisher, shown


def send(publisher: Publisher, seq: int, *, key: bool = False, now: float | None = None) -> None:
    """Let a packet arrive whose payload tells its number."""
    payload = wire.vp8(key=key, body=b"%d" % seq)
    publisher.send(seq, now=seq / 100 if now is None else now, timestamp=seq * 900, payload=payload)


def places(shown: Screen) -> list[tuple[int, int]]:
    """Return (place in the slot's stream counted from 100, publisher's number) of what was sent."""
    packets = shown.link.take()
    seqs = unwrapped(packets)
    return [
        (100 + seq - seqs[0], int(packet.data[packet.payload_start + 2 :]))
        for seq, packet in zip(seqs, packets, strict=True)
    ]


# --- packets without payload ----------------------------------------------------------------------


def test_padding_is_closed_up() -> None:
    publisher, shown = watched()
    publisher.pad(102, now=1.02)
    publisher.pad(103, now=1.02)
    send(publisher, 104)
    publisher.pad(105, now=1.05)
    send(publisher, 106)
    assert places(shown) == [(100, 100), (101, 101), (102, 104), (103, 106)]
    assert publisher.layer.drops[Drop.PADDING] == 3


def test_padding_after_a_loss_leaves_the_loss_alone() -> None:
    publisher, shown = watched()
    publisher.pad(104, now=1.04)
    send(publisher, 105)
    assert places(shown) == [(100, 100), (101, 101), (104, 105)]


def test_a_packet_that_padding_overtook_finds_its_place() -> None:
    publisher, shown = watched()
    publisher.pad(103, now=1.03)
    send(publisher, 102)
    send(publisher, 104)
    publisher.pad(106, now=1.06)
    send(publisher, 105)
    assert places(shown) == [(100, 100), (101, 101), (102, 102), (103, 104), (104, 105)]


def test_padding_that_was_overtaken_leaves_a_hole() -> None:
    publisher, shown = watched()
    send(publisher, 103)
    publisher.pad(102, now=1.03)
    send(publisher, 104)
    assert places(shown) == [(100, 100), (101, 101), (103, 103), (104, 104)]


def test_late_packets_between_holes_find_their_places() -> None:
    publisher, shown = watched()
    for seq in (104, 106, 108):
        publisher.pad(seq, now=1.08)
    for seq in (107, 103, 109, 105, 102):
        send(publisher, seq)
    assert places(shown)[2:] == [(105, 107), (103, 103), (106, 109), (104, 105), (102, 102)]


def test_padding_that_padding_overtook_leaves_a_hole() -> None:
    publisher, shown = watched()
    publisher.pad(104, now=1.04)
    publisher.pad(103, now=1.04)
    for seq in (105, 102):
        send(publisher, seq)
    assert places(shown)[2:] == [(104, 105), (102, 102)]


def test_padding_before_the_first_key_frame_means_nothing() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.pad(99, now=1.0)
    send(publisher, 100, key=True)
    send(publisher, 101)
    assert places(shown) == [(100, 100), (101, 101)]


# --- late packets ---------------------------------------------------------------------------------


def test_reordered_packets_keep_their_numbers_and_timestamps() -> None:
    publisher, shown = watched()
    for seq in (104, 102, 103):
        send(publisher, seq)
    _, second, *rest = shown.link.take()
    for packet, seq in zip(rest, (104, 102, 103), strict=True):
        assert (packet.seq - second.seq) & 0xFFFF == seq - 101
        assert (packet.timestamp - second.timestamp) & 0xFFFF_FFFF == (seq - 101) * 900


def test_a_late_packet_does_not_turn_the_clock_back() -> None:
    publisher, shown = watched()
    send(publisher, 103)
    send(publisher, 102, now=5.0)
    report = shown.slot.sender_report(0.0, 2.03)
    assert report is not None
    assert (report.timestamp - shown.link.take()[2].timestamp) & 0xFFFF_FFFF == 90_000


def test_late_packets_of_before_the_cut_are_dropped() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    send(publisher, 98)
    send(publisher, 100, key=True)
    send(publisher, 99)
    assert places(shown) == [(100, 100)]
    assert shown.slot.drops[Drop.BEFORE_CUT] == 1


def test_late_packets_of_the_former_source_are_dropped() -> None:
    publisher, shown = watched()
    send(publisher, 103)
    other = Publisher("b.1")
    shown.show(other.track, 720, 1.1)
    send(other, 7, key=True, now=1.2)
    send(publisher, 102)
    assert places(shown) == [(100, 100), (101, 101), (103, 103), (104, 7)]


def test_late_packets_of_a_pause_are_dropped() -> None:
    """What a muted track sent is nobody's, even if it comes late."""
    publisher, shown = watched()
    publisher.track.mute(True)
    for seq in (102, 103, 105):
        send(publisher, seq)
    publisher.track.mute(False)
    shown.show(publisher.track, 720, 2.0)
    send(publisher, 110, key=True)
    send(publisher, 104)
    for seq in range(111, 115):
        send(publisher, seq)
    assert places(shown) == [(100, 100), (101, 101), *((seq - 8, seq) for seq in range(110, 115))]
    assert shown.slot.drops[Drop.BEFORE_CUT] == 1


def test_late_packets_of_before_a_pause_find_their_places() -> None:
    publisher, shown = watched()
    send(publisher, 103)
    publisher.track.mute(True)
    send(publisher, 104)
    publisher.track.mute(False)
    shown.show(publisher.track, 720, 2.0)
    send(publisher, 110, key=True)
    send(publisher, 102)
    assert places(shown) == [(100, 100), (101, 101), (103, 103), (104, 110), (102, 102)]


@pytest.mark.parametrize(("behind", "sent"), [(MAX_BEHIND, 1), (MAX_BEHIND + 1, 0)])
def test_packets_long_gone_are_dropped(behind: int, sent: int) -> None:
    """No layer's history reaches so far back: this is what the slot itself sees to."""
    publisher, shown = watched()
    for seq in range(103, 103 + behind):
        send(publisher, seq)
    shown.link.take()
    late = wire.packet(102, payload=b"media")
    late.seq = Seq(0x10000 + 102)
    shown.slot.forward(late)
    assert len(shown.link.take()) == sent
    assert shown.slot.drops[Drop.TOO_OLD] == 1 - sent


def test_a_repeated_packet_is_dropped() -> None:
    publisher, shown = watched()
    send(publisher, 101)
    assert len(shown.link.take()) == 2
    assert publisher.layer.drops[Drop.DUPLICATE] == 1


# --- jumps ----------------------------------------------------------------------------------------


def test_the_longest_jump_is_followed() -> None:
    publisher, shown = watched()
    send(publisher, 101 + MAX_JUMP)
    assert places(shown)[-1] == (101 + MAX_JUMP, 101 + MAX_JUMP)


def test_a_longer_jump_waits_for_a_key_frame_and_goes_on_without_a_gap() -> None:
    publisher, shown = watched()
    publisher.outlet.take_feedback()
    send(publisher, 102 + MAX_JUMP, now=5.0)
    assert shown.slot.state is SlotState.WAITING
    assert publisher.outlet.plis() == [publisher.layer.ssrc]
    send(publisher, 103 + MAX_JUMP, now=5.1)
    send(publisher, 104 + MAX_JUMP, key=True, now=5.2)
    assert places(shown) == [(100, 100), (101, 101), (102, 104 + MAX_JUMP)]
    assert len(shown.labels.said) == 1
