"""Every packet goes to the layer it is of, or is counted under the reason why not."""

from collections.abc import Mapping

import pytest

from sfu.media.ingress import MAX_STREAMS, MID, REPAIRED_RID, RID, TAKEOVER_S, Ingress, Line
from sfu.media.layer import Layer
from sfu.media.ports import Drop, Format
from sfu.media.track import Track
from tests.unit.media.stage import OPUS, VP8, Wire, screen, unwrapped
from tests.unit.rtp import wire

IDS = {1: MID, 2: RID, 3: REPAIRED_RID}
OTHER_VIDEO = Format("AV1", "0", 45, 46, 90_000)


class Door:
    """An ingress, and the layers that appeared at it."""

    def __init__(self) -> None:
        self.appeared: list[Layer] = []
        self.ingress = Ingress(self.appeared.append)
        self.now = 1.0

    def add(
        self,
        mid: str,
        *,
        formats: tuple[Format, ...] = (VP8,),
        rids: tuple[str, ...] = (),
        ssrcs: Mapping[int, int | None] | None = None,
        extensions: Mapping[int, str] = IDS,
    ) -> Track:
        kind = "audio" if formats[0].codec == "opus" else "video"
        track = Track(f"p.{mid}", kind, formats, extensions, Wire())  # type: ignore[arg-type]
        self.ingress.lines[mid] = Line(track, rids, ssrcs or {})
        return track

    def send(self, ssrc: int, seq: int, *, payload_type: int = 96, key: bool = False, **texts: str) -> None:
        self.now += 0.001
        self.ingress.receive(media(ssrc, seq, payload_type=payload_type, key=key, **texts), self.now)

    def resend(self, original: bytes, *, ssrc: int, seq: int, payload_type: int = 97) -> None:
        self.now += 0.001
        self.ingress.receive(wire.rtx(original, seq=seq, ssrc=ssrc, payload_type=payload_type), self.now)

    @property
    def drops(self) -> dict[Drop, int]:
        return dict(self.ingress.drops)


def media(ssrc: int, seq: int, *, payload_type: int = 96, key: bool = False, **texts: str) -> bytes:
    """Return a packet with `mid`, `rid` and `repaired` as header extensions."""
    ids = {"mid": 1, "rid": 2, "repaired": 3}
    elements = {ids[name]: text.encode() for name, text in texts.items()}
    return wire.rtp(
        seq,
        ssrc=ssrc,
        payload_type=payload_type,
        payload=wire.vp8(key=key),
        extensions=wire.one_byte(elements) if elements else b"",
    )


def received(layer: Layer) -> int:
    return layer.reception.received


def test_mid_and_rid_decide_and_are_learned_once() -> None:
    door = Door()
    camera, screen_ = door.add("1", rids=("q", "h")), door.add("2")
    door.send(10, 1, mid="1", rid="q")
    door.send(11, 1, mid="1", rid="h")
    door.send(12, 1, mid="2")
    for seq in (2, 3):
        for ssrc in (10, 11, 12):
            door.send(ssrc, seq)
    assert [(layer.rid, layer.rank, layer.ssrc) for layer in camera.layers] == [("q", 0, 10), ("h", 1, 11)]
    assert [(layer.rid, layer.rank, layer.ssrc) for layer in screen_.layers] == [(None, 0, 12)]
    assert [received(layer) for layer in door.appeared] == [3, 3, 3]
    assert door.drops == {}
    assert door.ingress.layer(11) is camera.layers[1]


def test_a_layer_appears_before_its_first_packet_is_forwarded() -> None:
    shown = screen()
    ingress = Ingress(lambda layer: shown.show(layer.track, 720, 1.0))
    track = Track("p.1", "video", (VP8,), IDS, Wire())
    ingress.lines["1"] = Line(track)
    ingress.receive(media(10, 1, key=True), 1.0)
    assert len(shown.link.take()) == 1


def test_what_is_no_rtp_is_counted() -> None:
    door = Door()
    door.add("1")
    for data in (b"", b"\x80", bytes(40), wire.rtp(1)[:11], b"\xff" * 40):
        door.ingress.receive(data, 1.0)
    assert door.drops == {Drop.MALFORMED: 5}


# --- which line -----------------------------------------------------------------------------------


def test_an_unknown_mid_is_refused_though_the_payload_type_would_fit() -> None:
    door = Door()
    door.add("1")
    door.send(10, 1, mid="9")
    assert door.drops == {Drop.UNKNOWN_STREAM: 1}
    assert door.appeared == []


def test_a_mid_of_a_line_with_other_payload_types_is_refused() -> None:
    door = Door()
    door.add("0", formats=(OPUS,))
    door.add("1")
    door.send(10, 1, mid="0", payload_type=96)
    door.send(11, 1, mid="1", payload_type=111)
    assert door.drops == {Drop.UNKNOWN_STREAM: 2}


def test_without_mid_a_signalled_ssrc_decides() -> None:
    door = Door()
    first, second = door.add("1", ssrcs={10: 20}), door.add("2", ssrcs={11: 21, 12: None})
    door.send(11, 1)
    door.send(10, 1)
    assert [layer.ssrc for layer in first.layers] == [10]
    assert [layer.ssrc for layer in second.layers] == [11]


def test_a_signalled_ssrc_with_a_foreign_payload_type_is_refused() -> None:
    door = Door()
    door.add("0", formats=(OPUS,), ssrcs={10: None})
    door.add("1")
    door.send(10, 1, payload_type=96)
    assert door.drops == {Drop.UNKNOWN_STREAM: 1}


def test_without_either_a_payload_type_of_one_line_alone_decides() -> None:
    door = Door()
    sound, picture = door.add("0", formats=(OPUS,)), door.add("1")
    door.send(10, 1, payload_type=111)
    door.send(11, 1, payload_type=96)
    assert [layer.ssrc for layer in sound.layers] == [10]
    assert [layer.ssrc for layer in picture.layers] == [11]


def test_a_payload_type_of_several_lines_decides_nothing() -> None:
    door = Door()
    door.add("1")
    door.add("2")
    door.send(10, 1)
    assert door.drops == {Drop.UNKNOWN_STREAM: 1}


def test_a_line_without_the_extensions_is_found_by_the_others() -> None:
    door = Door()
    camera = door.add("1", extensions={})
    door.send(10, 1, mid="1")
    assert [layer.ssrc for layer in camera.layers] == [10]


def test_a_simulcast_line_needs_a_known_rid() -> None:
    door = Door()
    door.add("1", rids=("q", "h"))
    door.send(10, 1, mid="1")
    door.send(10, 2, mid="1", rid="x")
    door.send(10, 3, mid="1", repaired="q")
    assert door.drops == {Drop.UNKNOWN_STREAM: 3}


def test_a_rid_on_a_line_without_rids_means_nothing() -> None:
    door = Door()
    camera = door.add("1")
    door.send(10, 1, mid="1", rid="q")
    assert [(layer.rid, layer.ssrc) for layer in camera.layers] == [(None, 10)]


def test_extension_bytes_that_are_no_text_name_nothing() -> None:
    door = Door()
    door.add("1")
    data = wire.rtp(1, ssrc=10, payload=wire.vp8(), extensions=wire.one_byte({1: b"\xff\xfe"}))
    door.ingress.receive(data, 1.0)
    assert door.drops == {Drop.UNKNOWN_STREAM: 1}


# --- retransmissions ------------------------------------------------------------------------------


def test_a_retransmission_is_of_the_layer_its_repaired_rid_names() -> None:
    door = Door()
    camera = door.add("1", rids=("q", "h"))
    for ssrc, rid in ((10, "q"), (11, "h")):
        door.send(ssrc, 1, mid="1", rid=rid)
        door.send(ssrc, 3)
    lost = media(11, 2, mid="1", repaired="h")
    door.resend(lost, ssrc=21, seq=500)
    assert [len(layer.missing) for layer in camera.layers] == [1, 0]
    small = media(10, 2, mid="1", repaired="q")
    door.resend(small, ssrc=20, seq=7)
    assert [len(layer.missing) for layer in camera.layers] == [0, 0]
    assert [received(layer) for layer in camera.layers] == [2, 2]
    assert door.ingress.layer(21) is None


def test_a_retransmission_is_of_the_layer_its_signalled_ssrc_repairs() -> None:
    door = Door()
    first, second = door.add("1", ssrcs={10: 20}), door.add("2", ssrcs={11: 21})
    for ssrc in (10, 11):
        door.send(ssrc, 1)
        door.send(ssrc, 3)
    door.resend(media(11, 2), ssrc=21, seq=1)
    assert (len(first.layers[0].missing), len(second.layers[0].missing)) == (1, 0)


def test_a_retransmission_is_of_the_only_layer_there_is() -> None:
    door = Door()
    camera = door.add("1")
    door.send(10, 1, mid="1")
    door.send(10, 3)
    door.resend(media(10, 2, mid="1"), ssrc=20, seq=1)
    assert len(camera.layers[0].missing) == 0


def test_a_retransmission_before_its_layer_is_unknown_and_is_taken_afterwards() -> None:
    door = Door()
    camera = door.add("1", rids=("q",))
    early = media(10, 2, mid="1", repaired="q")
    door.resend(early, ssrc=20, seq=1)
    assert door.drops == {Drop.UNKNOWN_STREAM: 1}
    door.send(10, 1, mid="1", rid="q")
    door.send(10, 3)
    door.resend(early, ssrc=20, seq=2)
    assert len(camera.layers[0].missing) == 0


def test_an_empty_retransmission_is_padding() -> None:
    door = Door()
    door.add("1")
    door.send(10, 1, mid="1")
    door.ingress.receive(
        wire.rtp(1, ssrc=20, payload_type=97, payload=b"", padding=200, extensions=wire.one_byte({1: b"1"})),
        1.0,
    )
    assert door.drops == {Drop.PADDING: 1}


def test_a_retransmission_stream_carries_nothing_else() -> None:
    door = Door()
    door.add("1", formats=(VP8, OTHER_VIDEO))
    door.send(10, 1, mid="1")
    door.resend(media(10, 2, mid="1"), ssrc=20, seq=1)
    door.send(20, 2, payload_type=96)
    assert door.drops == {Drop.UNKNOWN_PAYLOAD_TYPE: 1}


def test_a_retransmission_is_not_counted_as_received() -> None:
    door = Door()
    camera = door.add("1")
    for seq in (1, 2, 4):
        door.send(10, seq, mid="1")
    door.resend(media(10, 3, mid="1"), ssrc=20, seq=1)
    (layer,) = camera.layers
    assert (layer.reception.received, layer.reception.lost) == (3, 1)


# --- streams come and go --------------------------------------------------------------------------


def test_streams_are_limited() -> None:
    door = Door()
    for number in range(MAX_STREAMS + 1):
        door.add(str(number))
        door.send(1000 + number, 1, mid=str(number))
    door.send(5, 1, mid="0")
    assert len(door.appeared) == MAX_STREAMS
    assert door.drops == {Drop.TOO_MANY_STREAMS: 2}


def test_unknown_streams_take_no_place() -> None:
    door = Door()
    door.add("1")
    for ssrc in range(10 * MAX_STREAMS):
        door.send(100 + ssrc, 1, mid="9")
    door.send(10, 1, mid="1")
    assert len(door.appeared) == 1


def test_a_new_ssrc_takes_over_its_rid_and_the_former_one_ends() -> None:
    door = Door()
    camera = door.add("1", rids=("q", "h"))
    for ssrc, rid in ((10, "q"), (11, "h")):
        door.send(ssrc, 1, mid="1", rid=rid)
    door.now += TAKEOVER_S
    door.send(30, 1, mid="1", rid="h")
    assert [(layer.rid, layer.ssrc) for layer in camera.layers] == [("q", 10), ("h", 30)]
    assert door.ingress.layer(11) is None
    door.send(11, 2)
    assert door.drops == {Drop.UNKNOWN_STREAM: 1}


def test_two_ssrcs_cannot_take_a_rid_from_each_other_with_every_packet() -> None:
    """Each time, everybody who watches is told: one peer could keep all others busy."""
    shown = screen()
    door = Door()
    door.ingress = Ingress(lambda layer: shown.show(layer.track, 720, door.now))
    door.add("1", rids=("q",))
    for seq in range(1000):
        for ssrc in (10, 30):
            door.send(ssrc, seq, mid="1", rid="q", key=True)
    assert door.now == pytest.approx(3.0)
    assert shown.slot.switches <= 3
    assert len(shown.labels.said) == 1
    assert door.drops[Drop.UNKNOWN_STREAM] > 900


@pytest.mark.parametrize("rids", [(), ("q",)])
def test_a_slot_goes_on_with_the_new_ssrc(rids: tuple[str, ...]) -> None:
    shown = screen()
    door = Door()
    door.ingress = Ingress(lambda layer: shown.show(layer.track, 720, door.now))
    door.add("1", rids=rids)
    for ssrc in (10, 30):
        door.send(ssrc, 1, mid="1", rid="q", key=True)
        door.send(ssrc, 2)
        door.now += TAKEOVER_S
    seqs = unwrapped(shown.link.take())
    assert [seq - seqs[0] for seq in seqs] == [0, 1, 2, 3]


def test_a_line_that_is_removed_takes_its_streams_along() -> None:
    door = Door()
    camera, sound = door.add("1", rids=("q", "h")), door.add("0", formats=(OPUS,))
    door.send(10, 1, mid="1", rid="q")
    door.resend(media(10, 2, mid="1", repaired="q"), ssrc=20, seq=1)
    door.send(12, 1, mid="0", payload_type=111)
    shown = screen()
    shown.show(camera, 720, 1.0)
    door.send(10, 3, key=True)
    door.ingress.remove("1")
    door.ingress.remove("1")
    assert shown.slot.playing is None
    assert [door.ingress.layer(ssrc) for ssrc in (10, 20, 12)] == [None, None, sound.layers[0]]
    door.send(10, 4)
    door.send(20, 5, payload_type=97)
    assert door.drops == {Drop.UNKNOWN_STREAM: 2}
