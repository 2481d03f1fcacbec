"""The RTCP a peer is sent every second: what its layers lost, what its slots' clocks say."""

from collections.abc import Iterator, Sequence

from sfu.media.layer import Layer
from sfu.media.slot import Slot
from sfu.media.track import SENDER_SSRC
from sfu.rtp import rtcp

CNAME = "parley"
SLOTS_PER_COMPOUND = 12
"""Keeps a compound of sender reports and descriptions below a datagram of 1200 bytes."""
LAYERS_PER_COMPOUND = 24


def publisher_reports(layers: Sequence[Layer], max_bitrate_bps: int | None, now: float) -> Iterator[bytes]:
    """Yield receiver reports for a publisher's layers, with the bitrate it may send in all (REMB).

    None: it finds that out by transport-wide feedback.
    """
    for at in range(0, len(layers), LAYERS_PER_COMPOUND):
        some = layers[at : at + LAYERS_PER_COMPOUND]
        video = [layer.ssrc for layer in some if layer.track.kind == "video"]
        compound = rtcp.receiver_report(SENDER_SSRC, [layer.report_block(now) for layer in some])
        compound += rtcp.source_description([SENDER_SSRC], CNAME)
        if video and max_bitrate_bps is not None:
            compound += rtcp.remb(SENDER_SSRC, max_bitrate_bps, video)
        yield compound


def slot_reports(slots: Sequence[Slot], unix_s: float, now: float) -> Iterator[bytes]:
    """Yield sender reports for the slots that have played. `unix_s` and `now` are the same instant."""
    reports = [report for slot in slots if (report := slot.sender_report(unix_s, now)) is not None]
    for at in range(0, len(reports), SLOTS_PER_COMPOUND):
        some = reports[at : at + SLOTS_PER_COMPOUND]
        yield b"".join(map(rtcp.sender_report, some)) + rtcp.source_description(
            [report.ssrc for report in some], CNAME
        )
