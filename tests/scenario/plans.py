"""What negotiation would have agreed on with the clients of these scenarios."""

from collections.abc import Sequence
from typing import Literal

from sfu.media.ingress import MID, REPAIRED_RID, RID
from sfu.media.speakers import AUDIO_LEVEL
from sfu.signaling.plan import Codec, LinkPlan, PublishPlan, SlotPlan

MID_ID, RID_ID, REPAIRED_RID_ID, LEVEL_ID = 1, 2, 3, 4
VP8, VP8_RTX, OPUS = 96, 97, 111
THEIR_VP8, THEIR_VP8_RTX, THEIR_OPUS = 100, 101, 109


def microphone(mid: str) -> PublishPlan:
    """Return the plan of a microphone with audio levels."""
    opus = Codec(OPUS, "opus", 48_000, 2, "", None, ())
    return PublishPlan(mid, "audio", (opus,), {MID_ID: MID, LEVEL_ID: AUDIO_LEVEL}, (), ())


def camera(mid: str, rids: tuple[str, ...]) -> PublishPlan:
    """Return the plan of a camera, with simulcast if there are RIDs."""
    vp8 = Codec(VP8, "VP8", 90_000, 1, "", VP8_RTX, ("nack", "nack pli"))
    extensions = {MID_ID: MID, RID_ID: RID, REPAIRED_RID_ID: REPAIRED_RID}
    return PublishPlan(mid, "video", (vp8,), extensions, rids, ())


def slot(mid: str, kind: Literal["audio", "video"], ssrc: int, rtx_ssrc: int | None) -> SlotPlan:
    """Return the plan of a slot, whose payload types differ from the publishers'."""
    codec = Codec(THEIR_OPUS, "opus", 48_000, 2, "", None, ())
    if kind == "video":
        rtx = THEIR_VP8_RTX if rtx_ssrc is not None else None
        codec = Codec(THEIR_VP8, "VP8", 90_000, 1, "", rtx, ("nack", "nack pli"))
    return SlotPlan(mid, kind, (codec,), {}, ssrc, rtx_ssrc)


def link(publish: Sequence[PublishPlan], slots: Sequence[SlotPlan]) -> LinkPlan:
    """Return the plan of a link."""
    return LinkPlan(
        session=("1", 1),
        ufrag="u",
        pwd="p",
        fingerprints=(("sha-256", "00"),),
        setup="actpass",
        publish=tuple(publish),
        slots=tuple(slots),
        inactive=(),
        rejected=(),
        data=True,
        sctp_port=5000,
        max_message_size=65_536,
    )
