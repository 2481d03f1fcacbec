"""From what was negotiated (`signaling`) to what moves packets (`media`)."""

from sfu.media.ingress import Line
from sfu.media.ports import Format, Outlet
from sfu.media.slot import SlotLine
from sfu.media.track import Track
from sfu.media.translation import Profile
from sfu.signaling.plan import Codec, PublishPlan, SlotPlan


def publishing_line(plan: PublishPlan, track_id: str, publisher: Outlet) -> Line:
    """Return a publishing m-line with its track, which asks `publisher` for key frames and repairs."""
    track = Track(track_id, plan.kind, map(_format, plan.codecs), plan.extensions, publisher)
    return Line(track, plan.rids, dict(plan.ssrcs))


def slot_line(plan: SlotPlan) -> SlotLine:
    """Return a slot's m-line."""
    profile = Profile(tuple(map(_format, plan.codecs)), tuple(sorted(plan.extensions.items())))
    return SlotLine(plan.mid, plan.kind, plan.ssrc, plan.rtx_ssrc, profile)


def _format(codec: Codec) -> Format:
    return Format(codec.name, codec.profile, codec.payload_type, codec.rtx_payload_type, codec.clock_rate)
