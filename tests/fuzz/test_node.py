"""Any bytes over a link that is open: the room goes on, and the others see no interruption."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.damage import EXAMPLES, anything, search
from tests.fuzz.test_rtp import COMPOUNDS, PACKETS
from tests.scenario.world import Client, World

media = st.tuples(st.just("rtp"), anything(PACKETS), st.integers(-5, 5) | st.integers(-0x8000, 0x7FFF))
feedback = st.tuples(st.just("rtcp"), anything(COMPOUNDS, 400), st.just(0))
data = st.tuples(st.just("data"), st.text(max_size=40), st.just(0))


def ignore(_packet: object) -> None:
    """What the hostile peer sends means nothing to those who look at it."""


def look_away(viewer: Client, hostile: str) -> None:
    """Take the slots that show a peer, or let it be heard, off the client's screen."""
    for screens in (viewer.pictures, viewer.sounds):
        for screen in screens.values():
            labels = viewer.labels.get(screen.mid, [])
            if any(label.track and label.track.startswith(hostile) for label in labels):
                screen.receive = ignore  # type: ignore[method-assign, assignment]


def addressed(mallory: Client, kind: str, content: bytes, which: int, away: int) -> bytes:
    """Make a packet one of the peer's own streams, and nearly the next; make feedback of its own slots."""
    if len(content) < 12:
        return content
    if kind == "rtcp":
        slots = list(mallory.peer.slots.values())
        return content[:8] + slots[which % len(slots)].ssrc.to_bytes(4, "big") + content[12:]
    stream = mallory.camera.encodings[which % len(mallory.camera.encodings)]
    seq = (stream.seq + away) & 0xFFFF
    return content[:2] + seq.to_bytes(2, "big") + content[4:8] + stream.ssrc.to_bytes(4, "big") + content[12:]


@search(max(20, EXAMPLES // 20))
@given(sent=st.lists(st.tuples(media | feedback | data, st.integers(0, 9)), min_size=3, max_size=30))
def test_a_hostile_peer_hurts_nobody_else(
    sent: list[tuple[tuple[str, bytes | str, int], int]],
) -> None:
    world = World()
    ada, ben, mallory = world.meeting("ada", "ben", "mallory", video_slots=2)
    look_away(ada, "mallory")
    look_away(ben, "mallory")
    for (kind, content, away), which in sent:
        world.run(0.01)
        if isinstance(content, str):
            mallory.peer.received_data("lossy", content)
        elif kind == "rtp":
            mallory.send_rtp(addressed(mallory, kind, content, which, away))
        else:
            mallory.send_rtcp(addressed(mallory, kind, content, which, away))
    world.run(1.0)
    for viewer, publisher in ((ada, "ben"), (ben, "ada")):
        picture = viewer.picture_of(publisher)
        assert picture.longest_gap(world.now - 1) < 0.1
        assert (picture.broken, picture.skipped) == (0, 0)
        assert publisher in viewer.heard(world.now - 0.1)
