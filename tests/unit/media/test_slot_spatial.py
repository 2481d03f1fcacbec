"""Of a scalable stream a slot is sent the spatial layers it was given, and what they refer to.

Of VP9 by its own layer indices, of AV1 by the dependency descriptor, as of VP8 that says nothing itself.
"""

import struct
from dataclasses import dataclass

import pytest

from sfu.media.ports import Drop, Format
from sfu.media.slot import Slot
from sfu.media.track import ALL_SPATIAL, ALL_TEMPORAL
from sfu.media.translation import Profile
from sfu.rtp.dependency_descriptor import EXTENSION, Reader
from sfu.rtp.packet import Packet, parse
from sfu.rtp.payload import read_vp9
from sfu.rtp.rtcp import KeyFrameRequest
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from tests.unit.media.stage import MEDIA_SSRC, RTX_SSRC, Publisher, screen, unwrapped
from tests.unit.rtp import wire
from tests.unit.rtp.encoder import MODES, EncodedFrame, Encoder
from tests.unit.rtp.encoder import Packet as Encoded

OUR_ID, THEIR_ID = 12, 9
MODE_NAMES = ("L1T3", "L3T1", "L3T3", "L3T3_KEY", "L2T2_KEY")
codecs = pytest.mark.parametrize("codec", ["VP9", "AV1", "VP8"])


@dataclass(frozen=True)
class Shown:
    """A packet as the receiver sees it. `number` is its frame's by the dependency descriptor, 0 without."""

    timestamp: int
    spatial: int
    temporal: int
    marker: bool
    number: int = 0


class Camera:
    """A publisher of one scalable stream, and a slot that is given some of its layers.

    `told`: the receiver takes dependency descriptors, if the codec has need of them.
    """

    def __init__(self, mode: str, codec: str = "VP9", *, told: bool = True) -> None:
        self.encoder = Encoder(MODES[mode])
        self.codec = codec
        formats = [Format(codec, "0", 98, 99, 90_000)]
        self.publisher = Publisher(formats=formats, extensions={OUR_ID: EXTENSION})
        extensions = ((TRANSPORT_CC, 3), (EXTENSION, THEIR_ID)) if told else ()
        self.shown = screen(Profile((Format(codec, "0", 100, 101, 90_000),), extensions))
        self._reader = Reader()
        self._read: dict[bytes, Shown] = {}
        self.frames: list[EncodedFrame] = []
        self.sent: dict[int, Encoded] = {}
        self.now, self._seq = 10.0, 65_500

    @property
    def slot(self) -> Slot:
        return self.shown.slot

    def give(self, spatial: int, temporal: int = ALL_TEMPORAL) -> None:
        self.slot.show(self.publisher.track, 720, self.now)
        self.slot.give(self.publisher.layer, temporal, self.now, spatial=spatial)

    def encode(self, pictures: int, *, key: bool = False) -> list[tuple[int, Encoded]]:
        """Return the packets of so many pictures, numbered."""
        numbered = []
        for at in range(pictures):
            for frame in self.encoder.encode(self.encoder.mode.spatial, key=key and not at):
                self.frames.append(frame)
                for packet in frame.packets:
                    self._seq += 1
                    numbered.append((self._seq, packet))
        return numbered

    def send(self, *numbered: tuple[int, Encoded]) -> None:
        for seq, packet in numbered:
            self.now += 0.002
            self.sent[seq] = packet
            self.publisher.send(
                seq & 0xFFFF,
                now=self.now,
                timestamp=packet.timestamp,
                payload=self._payload(packet) + b"/%d" % packet.frame,
                marker=packet.marker,
                extensions=b"" if self.codec == "VP9" else wire.two_byte({OUR_ID: packet.descriptor}),
            )

    def _payload(self, packet: Encoded) -> bytes:
        """Return the beginning of a payload, which says of nothing but VP9 what layer it is of."""
        begins = len(packet.descriptor) > 3 and packet.descriptor[3] & 0x80
        match self.codec:
            case "AV1":
                return bytes((0x08 if begins else 0,))
            case "VP8":
                return bytes((0x10, 0 if begins else 1))
        return packet.body

    def play(self, pictures: int, *, key: bool = False) -> None:
        self.send(*self.encode(pictures, key=key))

    def received(self) -> list[Packet]:
        """Return what was sent in the slot's stream, repairs apart."""
        packets = [packet for data in self.shown.link.packets if (packet := parse(data, 0.0)) is not None]
        return [packet for packet in packets if packet.ssrc == MEDIA_SSRC]

    def pictures(self) -> list[list[Shown]]:
        """Return the packets received, by picture."""
        found: dict[int, list[Shown]] = {}
        for packet in self.received():
            if packet.data not in self._read:
                self._read[packet.data] = self._shown(packet)
            found.setdefault(packet.timestamp, []).append(self._read[packet.data])
        return list(found.values())

    def forget(self) -> None:
        """Look no more at what was received until now."""
        assert self.pictures()
        self.shown.link.packets.clear()

    def _shown(self, packet: Packet) -> Shown:
        if self.codec == "VP9":
            said = read_vp9(packet.data, packet.payload_start, packet.payload_end)
            return Shown(packet.timestamp, said.spatial, said.temporal, bool(packet.marker))
        value = packet.extension(THEIR_ID)
        assert value is not None
        descriptor = self._reader.read(value, len(self._read))
        assert descriptor is not None
        frame, number = descriptor.frame, descriptor.number
        return Shown(packet.timestamp, frame.spatial, frame.temporal, bool(packet.marker), number)

    def frames_received(self) -> set[int]:
        return {int(packet.data.rpartition(b"/")[2]) for packet in self.received()}


def heights(camera: Camera) -> list[int]:
    """Return the highest spatial layer of each picture received."""
    return [max(shown.spatial for shown in picture) for picture in camera.pictures()]


def assert_seamless(camera: Camera) -> None:
    """The numbers have no gap, every picture ends with its one marker, every frame can be decoded."""
    numbers = unwrapped(camera.received())
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for picture in camera.pictures():
        assert [shown.marker for shown in picture] == [False] * (len(picture) - 1) + [True]
    got = camera.frames_received()
    for frame in camera.frames:
        if frame.number in got:
            assert frame.references <= got


@codecs
@pytest.mark.parametrize("mode", MODE_NAMES)
@pytest.mark.parametrize("spatial", [0, 1, 2, ALL_SPATIAL])
@pytest.mark.parametrize("temporal", [0, 1, ALL_TEMPORAL])
def test_what_is_left_out_leaves_no_trace(codec: str, mode: str, spatial: int, temporal: int) -> None:
    camera = Camera(mode, codec)
    camera.give(spatial, temporal)
    camera.play(24)
    assert_seamless(camera)
    top = min(spatial, camera.encoder.mode.spatial - 1)
    assert set(heights(camera)) == {top}
    assert camera.slot.spatial_sent == top
    assert all(shown.temporal <= temporal for picture in camera.pictures() for shown in picture)
    everything = top == camera.encoder.mode.spatial - 1 and temporal == ALL_TEMPORAL
    assert everything <= (camera.slot.drops[Drop.LAYER_LEFT_OUT] == 0 or mode.endswith("KEY"))
    assert camera.slot.packets == len(camera.received())


@codecs
@pytest.mark.parametrize("mode", ["L3T1", "L3T3", "L3T3_KEY", "L2T2_KEY"])
def test_a_spatial_layer_is_added_and_taken_away(codec: str, mode: str) -> None:
    """With key pictures where it needs them: they are asked for until they come."""
    camera = Camera(mode, codec)
    top = camera.encoder.mode.spatial - 1
    for spatial in (0, top, 0, top):
        camera.give(spatial)
        camera.play(3)
        camera.forget()
        camera.publisher.outlet.take_feedback()
        camera.now += 5.0
        camera.slot.tick(camera.now)
        asked = any(isinstance(each, KeyFrameRequest) for each in camera.publisher.outlet.take_feedback())
        waited = camera.slot.waits
        assert asked == waited
        camera.play(8, key=waited)
        assert_seamless_from_key(camera)
        assert heights(camera)[-1] == spatial
        assert not camera.slot.waits


def assert_seamless_from_key(camera: Camera) -> None:
    numbers = unwrapped(camera.received())
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for picture in camera.pictures():
        assert sum(shown.marker for shown in picture) == 1
        assert picture[-1].marker


@codecs
def test_what_came_late_is_sent_if_its_layer_is(codec: str) -> None:
    """And what is asked for again has the marker that it had."""
    camera = Camera("L3T3", codec)
    camera.give(1)
    camera.play(4)
    numbered = camera.encode(1)
    below = [each for each in numbered if each[1].payload.spatial < 2]
    above = [each for each in numbered if each[1].payload.spatial == 2]
    late = below[-1]
    camera.send(*below[:-1], above[0])
    camera.send(*camera.encode(1))
    before = len(camera.received())
    camera.send(late, *above[1:])
    (packet,) = camera.received()[before:]
    assert packet.marker
    camera.forget()
    camera.slot.nack([packet.seq], camera.now)
    (repair,) = [each for data in camera.shown.link.packets if (each := parse(data, 0.0)) is not None]
    assert (repair.ssrc, bool(repair.marker)) == (RTX_SSRC, True)


@codecs
def test_each_spatial_layer_is_an_option_with_a_size_and_a_rate_of_its_own(codec: str) -> None:
    """Of layers that depend on each other in key pictures only, the lower ones cost the upper ones little."""
    options = {}
    for mode in ("L3T3", "L3T3_KEY"):
        camera = Camera(mode, codec)
        camera.give(ALL_SPATIAL)
        track = camera.publisher.track
        for _ in range(20):
            camera.play(8)
            camera.now += 0.2
            track.measure(camera.now)
        options[mode] = track.options(camera.now)
        assert [(option.spatial, option.temporal) for option in options[mode]] == [
            (spatial, temporal) for spatial in range(3) for temporal in (0, 1, ALL_TEMPORAL)
        ]
        assert [option.height for option in options[mode]][::3] == [180, 360, 720]
    full = {mode: [option.bps for option in of][2::3] for mode, of in options.items()}
    assert full["L3T3"][2] > 1.8 * full["L3T3"][0]
    assert full["L3T3_KEY"][2] < 1.5 * full["L3T3_KEY"][0]


@pytest.mark.parametrize(
    ("said", "heights"),
    [
        ((90, 180), [360, 720]),
        ((90, 180, 0), [360, 720]),
        ((0, 180), [360, 720]),
        ((180, 90), [720, 360]),
        ((), [360, 720]),
    ],
)
def test_whatever_sizes_a_publisher_says_options_have_heights(
    said: tuple[int, ...], heights: list[int]
) -> None:
    camera = Camera("L2T2_KEY")
    camera.give(ALL_SPATIAL)
    structure = bytes((max(0, len(said) - 1) << 5 | 0x10,))
    sizes = b"".join(struct.pack("!HH", 320, height) for height in said)
    payload = bytes((0xBA, 0x80, 0, 0)) + structure + sizes + b"frame"
    camera.play(1)
    camera.publisher.send(65_400, now=camera.now, payload=payload)
    for _ in range(8):
        camera.play(4)
        camera.now += 0.2
        camera.publisher.track.measure(camera.now)
    found = {option.spatial: option.height for option in camera.publisher.track.options(camera.now)}
    assert list(found.values()) == heights


def test_who_takes_no_descriptors_gets_the_lowest_layer_of_what_only_they_tell_apart() -> None:
    camera = Camera("L3T3", "AV1", told=False)
    camera.give(ALL_SPATIAL)
    assert camera.slot.options(camera.now)
    for _ in range(8):
        camera.play(4)
        camera.now += 0.2
        camera.publisher.track.measure(camera.now)
    received = camera.received()
    numbers = unwrapped(received)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert camera.frames_received() == {frame.number for frame in camera.frames if frame.spatial == 0}
    assert not any(packet.extension_profile for packet in received)
    assert camera.slot.packets == len(received)
    options = camera.slot.options(camera.now)
    assert {option.spatial for option in options} == {0}
    assert len(camera.publisher.track.options(camera.now)) > len(options)


def test_frames_are_numbered_on_from_one_source_to_the_next() -> None:
    """And the templates of one cannot be taken for those of the other."""
    camera = Camera("L2T2_KEY", "AV1")
    camera.give(ALL_SPATIAL)
    camera.play(6)
    former, before = camera.publisher.track, camera.pictures()
    camera.publisher = Publisher("b.1", formats=former.formats.values(), extensions={OUR_ID: EXTENSION})
    camera.encoder = Encoder(MODES["L3T3"], number=9)
    camera.give(0)
    camera.play(6)
    after = camera.pictures()[len(before) :]
    assert after[0][0].number == (before[-1][-1].number + 1) & 0xFFFF
    assert [picture[0].temporal for picture in after] == [0, 2, 1, 2, 0, 2]
    assert {shown.spatial for picture in after for shown in picture} == {0}
    assert_seamless_from_key(camera)


def test_a_packet_whose_descriptor_says_nothing_known_is_forwarded() -> None:
    camera = Camera("L3T3", "AV1")
    camera.give(0)
    camera.play(1)
    before = len(camera.received())
    camera.publisher.send(
        65_600 & 0xFFFF,
        now=camera.now,
        payload=b"\0frame",
        extensions=wire.one_byte({OUR_ID: bytes.fromhex("e80001")}),
    )
    (packet,) = camera.received()[before:]
    assert packet.extension(THEIR_ID) is None


def test_a_structure_that_comes_late_does_not_replace_a_newer_one() -> None:
    camera = Camera("L3T3", "AV1")
    camera.give(ALL_SPATIAL)
    camera.play(2)
    late, *_ = camera.encode(1, key=True)
    camera.encoder = Encoder(MODES["L2T2_KEY"], number=30)
    camera.play(3, key=True)
    camera.send(late)
    before = len(camera.received())
    camera.play(4)
    assert len(camera.received()) > before
    assert heights(camera)[-1] == 1
