"""Whatever a receiver is to have, and whenever that changes: all it is sent can be decoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.dependency_descriptor import Descriptor, Structure, read
from sfu.rtp.payload import OPAQUE, Payload, describe, read_vp9
from sfu.rtp.scalability import HIGHEST, DescriptorSelection, IndicesSelection, Selection, Verdict
from tests.unit.rtp.descriptors import Layout, Template, Written
from tests.unit.rtp.encoder import MODES, EncodedFrame, Encoder, Mode, Packet, Reader


def told(descriptor: Descriptor | None) -> Payload:
    """Return what a packet says that says nothing but its descriptor."""
    return OPAQUE if descriptor is None else describe(OPAQUE, descriptor)


class Receiver:
    """Gets what a selection lets through, and knows which frames it has."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.frames: set[int] = set()
        self._reader = Reader()

    def choose(self, packet: Packet) -> Verdict:
        if isinstance(self.selection, IndicesSelection):
            return self.selection.choose(packet.timestamp, packet.payload)
        return self.selection.choose(packet.timestamp, told(self._reader.read(packet)))

    def take(self, picture: Sequence[EncodedFrame]) -> list[EncodedFrame]:
        """Return the frames of a picture that came through, which they do whole, ending with one marker."""
        sent = []
        markers = []
        for frame in picture:
            verdicts = [self.choose(packet) for packet in frame.packets]
            forwarded = [verdict is not Verdict.LEAVE_OUT for verdict in verdicts]
            assert all(forwarded) or not any(forwarded)
            if all(forwarded):
                sent.append(frame)
                markers += [
                    packet.marker or verdict is Verdict.END
                    for packet, verdict in zip(frame.packets, verdicts, strict=True)
                ]
        if sent:
            assert markers.index(True) == len(markers) - 1
        self.frames.update(frame.number for frame in sent)
        return sent


@dataclass(frozen=True)
class Step:
    """One picture. `aim` is the (spatial, temporal) layer wanted from it on, None: as before."""

    layers: int
    key: bool
    aim: tuple[int, int] | None


KINDS: list[Callable[[], Selection]] = [DescriptorSelection, IndicesSelection]
modes = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
kinds = pytest.mark.parametrize("kind", KINDS)


def steps(changing_layers: bool = True) -> st.SearchStrategy[list[Step]]:
    aims = st.tuples(st.sampled_from([0, 1, 2, HIGHEST]), st.sampled_from([0, 1, 2, HIGHEST]))
    seldom = st.integers(0, 5)
    step = st.builds(
        lambda layers, key, aim, when: Step(layers, key == 0, aim if when < 2 else None),
        st.integers(1, 3) if changing_layers else st.just(3),
        st.integers(0, 9),
        aims,
        seldom,
    )
    return st.lists(step, min_size=1, max_size=24)


def joinable(picture: Sequence[EncodedFrame], has: set[int]) -> set[int]:
    """Return the spatial layers of a picture that could be decoded by who has these frames."""
    layers: set[int] = set()
    numbers: set[int] = set()
    for frame in picture:
        if frame.references <= has | numbers:
            numbers.add(frame.number)
            layers.add(frame.spatial)
    return layers


@modes
@kinds
@given(steps=steps())
def test_what_is_sent_can_be_decoded(mode: Mode, kind: Callable[[], Selection], steps: list[Step]) -> None:
    encoder, receiver = Encoder(mode), Receiver(kind())
    for step in steps:
        if step.aim is not None:
            receiver.selection.aim(*step.aim)
        for frame in receiver.take(encoder.encode(min(step.layers, mode.spatial), key=step.key)):
            assert frame.references <= receiver.frames


@modes
@kinds
@given(steps=steps())
def test_the_best_within_the_aim_is_sent_as_soon_as_it_can_be(
    mode: Mode, kind: Callable[[], Selection], steps: list[Step]
) -> None:
    """In pictures of the temporal base; what lies above the aim, only while nothing within it can be."""
    encoder, receiver = Encoder(mode), Receiver(kind())
    aim = (HIGHEST, HIGHEST)
    for step in steps:
        if step.aim is not None:
            aim = step.aim
            receiver.selection.aim(*aim)
        picture = encoder.encode(min(step.layers, mode.spatial), key=step.key)
        temporal = picture[0].temporal
        within = [layer for layer in joinable(picture, receiver.frames) if layer <= aim[0]]
        sent = [frame.spatial for frame in receiver.take(picture)]
        if temporal > aim[1]:
            assert not sent
        if temporal == 0 and within:
            assert max(sent) == max(within)
        if any(layer > aim[0] for layer in sent):
            assert temporal == 0
            assert not within
            assert receiver.selection.needs_key_frame


@modes
@kinds
@given(steps=steps(changing_layers=False), aim=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_the_aim_is_reached_with_a_key_picture_at_the_latest(
    mode: Mode, kind: Callable[[], Selection], steps: list[Step], aim: tuple[int, int]
) -> None:
    encoder, receiver = Encoder(mode), Receiver(kind())
    for step in steps:
        if step.aim is not None:
            receiver.selection.aim(*step.aim)
        receiver.take(encoder.encode(mode.spatial, key=step.key))
    receiver.selection.aim(*aim)
    for at in range(9):
        picture = encoder.encode(mode.spatial, key=at == 0)
        sent = receiver.take(picture)
        wanted = picture[0].temporal <= aim[1]
        assert bool(sent) is wanted
        assert all(frame.temporal <= aim[1] for frame in sent)
        if wanted:
            assert sent[-1].spatial == min(aim[0], mode.spatial - 1)
        assert not receiver.selection.needs_key_frame


@modes
@kinds
@given(steps=steps(), lost=st.sets(st.integers(0, 400), max_size=60))
def test_a_receiver_of_everything_goes_on_after_a_loss(
    mode: Mode, kind: Callable[[], Selection], steps: list[Step], lost: set[int]
) -> None:
    """What is lost before the selection will be repaired. Key pictures lose nothing of their beginning."""
    encoder, receiver = Encoder(mode), Receiver(kind())
    count = 0
    for at, step in enumerate(steps):
        key = step.key or at == 0
        for frame in encoder.encode(mode.spatial, key=key):
            needed = key or mode.every_picture or frame.spatial == mode.spatial - 1
            for packet in frame.packets:
                count += 1
                if count not in lost or (key and packet is frame.packets[0] and frame.spatial == 0):
                    assert (receiver.choose(packet) is not Verdict.LEAVE_OUT) is needed


@modes
@kinds
@pytest.mark.parametrize("lost", range(9))
def test_any_packet_of_a_key_picture_can_be_late(
    mode: Mode, kind: Callable[[], Selection], lost: int
) -> None:
    encoder, receiver = Encoder(mode), Receiver(kind())
    receiver.take(encoder.encode(mode.spatial))
    packets = [packet for frame in encoder.encode(mode.spatial, key=True) for packet in frame.packets]
    del packets[lost : lost + 1]
    assert all(receiver.choose(packet) is not Verdict.LEAVE_OUT for packet in packets)
    for _ in range(8):
        assert receiver.take(encoder.encode(mode.spatial))
        assert receiver.selection.spatial == mode.spatial - 1


@modes
@kinds
@given(steps=steps(changing_layers=False))
def test_what_became_of_a_packet_is_recalled(
    mode: Mode, kind: Callable[[], Selection], steps: list[Step]
) -> None:
    """And asking changes nothing."""
    encoder, receiver, reader = Encoder(mode), Receiver(kind()), Reader()
    chosen: list[tuple[Packet, Verdict]] = []
    for step in steps:
        if step.aim is not None:
            receiver.selection.aim(*step.aim)
        for frame in encoder.encode(mode.spatial, key=step.key):
            chosen += [(packet, receiver.choose(packet)) for packet in frame.packets]
    for packet, verdict in chosen:
        descriptor = reader.read(packet)
        assert descriptor is not None
        if isinstance(receiver.selection, DescriptorSelection):
            assert receiver.selection.recall(packet.timestamp, told(descriptor)) is verdict
        else:
            assert receiver.selection.recall(packet.timestamp, packet.payload) is verdict


@kinds
def test_a_frame_that_was_lost_whole_goes_the_way_of_the_others(kind: Callable[[], Selection]) -> None:
    encoder, receiver, reader = Encoder(MODES["L3T1"]), Receiver(kind()), Reader()
    receiver.selection.aim(1, HIGHEST)
    receiver.take(encoder.encode(3))
    lost = encoder.encode(3)
    receiver.take(encoder.encode(3))
    for frame, verdict in zip(lost, (Verdict.FORWARD, Verdict.END, Verdict.LEAVE_OUT), strict=True):
        packet = frame.packets[-1]
        if isinstance(receiver.selection, DescriptorSelection):
            reader.read(Encoder(MODES["L3T1"]).encode(3)[0].packets[0])
            descriptor = reader.read(packet)
            assert descriptor is not None
            assert receiver.selection.recall(packet.timestamp, told(descriptor)) is verdict
        else:
            assert receiver.selection.recall(packet.timestamp, packet.payload) is verdict


@modes
@given(steps=steps(changing_layers=False))
def test_both_selections_agree(mode: Mode, steps: list[Step]) -> None:
    """Where no layer comes or goes; the dependency descriptor knows of that sooner."""
    encoder = Encoder(mode)
    one, other = Receiver(DescriptorSelection()), Receiver(IndicesSelection())
    for step in steps:
        if step.aim is not None:
            one.selection.aim(*step.aim)
            other.selection.aim(*step.aim)
        picture = encoder.encode(mode.spatial, key=step.key)
        assert one.take(picture) == other.take(picture)
        assert one.selection.spatial == other.selection.spatial


@modes
@given(steps=steps())
def test_what_is_announced_is_what_is_sent(mode: Mode, steps: list[Step]) -> None:
    """A receiver takes no decode target for available of which it lacks a frame that others need."""
    encoder, selection, reader = Encoder(mode), DescriptorSelection(), Reader()
    known = missing = 0
    for step in steps:
        if step.aim is not None:
            selection.aim(*step.aim)
        for frame in encoder.encode(min(step.layers, mode.spatial), key=step.key):
            for packet in frame.packets:
                descriptor = reader.read(packet)
                assert descriptor is not None
                if selection.choose(packet.timestamp, told(descriptor)) is Verdict.LEAVE_OUT:
                    missing |= descriptor.frame.needed & known
                    continue
                said = descriptor.active if selection.announces is None else selection.announces
                known = known if said is None else said
                assert descriptor.frame.present & known
                assert not known & missing & ~descriptor.frame.switches
                missing = 0


GOLDEN = Path(__file__).parents[2] / "golden" / "scalable"


@pytest.mark.parametrize("stream", ["vp9_l3t3", "vp9_l3t3_key", "av1_l3t3"])
@pytest.mark.parametrize("aim", [(0, 0), (0, 7), (1, 1), (1, 7), (2, 0), (7, 7)])
def test_what_a_browser_sent(stream: str, aim: tuple[int, int]) -> None:
    """All that is sent can be decoded, and a picture ends where it should if it did before."""
    selections: list[Selection] = [DescriptorSelection()]
    if stream.startswith("vp9"):
        selections.append(IndicesSelection())
    for selection in selections:
        selection.aim(*aim)
        structure: Structure | None = None
        frames: set[int] = set()
        pictures: dict[str, list[bool]] = {}
        ended: set[str] = set()
        for line in (GOLDEN / f"{stream}.txt").read_text().splitlines()[2:]:
            timestamp, marker, value, payload = line.split()
            descriptor = read(bytes.fromhex(value), structure)
            assert descriptor is not None
            structure = descriptor.structure
            if marker == "1":
                ended.add(timestamp)
            if isinstance(selection, DescriptorSelection):
                verdict = selection.choose(int(timestamp), told(descriptor))
            else:
                data = bytes.fromhex(payload)
                verdict = selection.choose(int(timestamp), read_vp9(data, 0, len(data)))
            if verdict is Verdict.LEAVE_OUT:
                continue
            frame = descriptor.frame
            assert frame.spatial <= aim[0]
            assert frame.temporal <= aim[1]
            assert {descriptor.number - diff for diff in frame.frame_diffs} <= frames
            if descriptor.ends_frame:
                frames.add(descriptor.number)
            pictures.setdefault(timestamp, []).append(marker == "1" or verdict is Verdict.END)
        assert len(pictures) >= 5
        for timestamp, markers in pictures.items():
            assert True not in markers[:-1]
            assert markers[-1] or timestamp not in ended


def test_a_packet_that_was_overtaken_goes_the_way_of_its_frame() -> None:
    encoder, reader, selection = Encoder(MODES["L3T1"]), Reader(), DescriptorSelection()
    selection.aim(1, 0)
    late = []
    for picture in range(2):
        for frame in encoder.encode(3):
            for packet in frame.packets:
                descriptor = reader.read(packet)
                assert descriptor is not None
                if not descriptor.starts_frame and picture == 0:
                    late.append((packet, descriptor))
                else:
                    selection.choose(packet.timestamp, told(descriptor))
    assert {descriptor.frame.spatial for _, descriptor in late} == {0, 2}
    for packet, descriptor in late:
        left_out = selection.choose(packet.timestamp, told(descriptor)) is Verdict.LEAVE_OUT
        assert left_out is (descriptor.frame.spatial == 2)


def test_a_structure_of_other_layers_is_a_new_beginning() -> None:
    selection = DescriptorSelection()
    for number, mode in enumerate(("L3T3", "L1T3", "L3T3")):
        encoder, reader = Encoder(MODES[mode], number=60 * number), Reader()
        for frame in (frame for _ in range(4) for frame in encoder.encode(encoder.mode.spatial)):
            for packet in frame.packets:
                descriptor = reader.read(packet)
                assert descriptor is not None
                assert selection.choose(packet.timestamp, told(descriptor)) is not Verdict.LEAVE_OUT
        assert selection.spatial == encoder.mode.spatial - 1


def test_without_a_key_picture_nothing_is_sent() -> None:
    for kind in KINDS:
        encoder, receiver = Encoder(MODES["L3T3"]), Receiver(kind())
        receiver.take(encoder.encode(3))
        receiver.selection = kind()
        for _ in range(8):
            assert not receiver.take(encoder.encode(3))
        assert receiver.selection.needs_key_frame
        assert len(receiver.take(encoder.encode(3, key=True))) == 3
        assert not receiver.selection.needs_key_frame


@kinds
def test_a_picture_that_was_ended_is_not_gone_on_with(kind: Callable[[], Selection]) -> None:
    """Even if a layer above can be joined in it, unforeseen: the marker bit was sent."""
    encoder, receiver = Encoder(MODES["L3T1"]), Receiver(kind())
    receiver.take(encoder.encode(3))
    receiver.selection.aim(0, HIGHEST)
    receiver.take(encoder.encode(3))
    receiver.selection.aim(1, HIGHEST)
    encoder.forget(1)
    assert [frame.spatial for frame in receiver.take(encoder.encode(3))] == [0]
    assert receiver.selection.needs_key_frame


@kinds
def test_a_layer_is_not_joined_without_the_one_below(kind: Callable[[], Selection]) -> None:
    """What is above the base is looked at although the base was lost."""
    encoder, receiver = Encoder(MODES["L3T1"]), Receiver(kind())
    receiver.take(encoder.encode(3))
    receiver.selection.aim(0, HIGHEST)
    receiver.take(encoder.encode(3))
    receiver.selection.aim(HIGHEST, HIGHEST)
    encoder.forget(2)
    assert not receiver.take(encoder.encode(3)[1:])


@kinds
def test_a_layer_that_went_and_came_is_not_taken_for_the_former_one(kind: Callable[[], Selection]) -> None:
    """It builds on the layer below, which was left out meanwhile."""
    encoder, receiver = Encoder(MODES["L3T1"]), Receiver(kind())
    receiver.take(encoder.encode(3))
    receiver.selection.aim(0, HIGHEST)
    receiver.take(encoder.encode(2))
    receiver.selection.aim(2, HIGHEST)
    assert [frame.spatial for frame in receiver.take(encoder.encode(3))] == [0]


def test_what_is_discardable_is_not_missed() -> None:
    """One may leave it out and go on with it, without a switch indication."""
    layout = Layout([Template(0, 0, [2, 2]), Template(0, 0, [2, 3], [2]), Template(0, 1, [0, 1], [1])])
    selection = DescriptorSelection()
    structure: Structure | None = None
    for number, (template, temporal, sent) in enumerate(
        [(0, 1, True), (2, 1, True), (1, 0, True), (2, 0, False), (1, 1, True), (2, 1, True)]
    ):
        selection.aim(0, temporal)
        descriptor = read(Written(number, template, layout, attached=number == 0).value(), structure)
        assert descriptor is not None
        structure = descriptor.structure
        assert (selection.choose(number, told(descriptor)) is not Verdict.LEAVE_OUT) is sent


def test_layers_that_a_stream_does_not_speak_of_are_not_left_out() -> None:
    payload = bytes.fromhex("888123a2")
    selection = IndicesSelection()
    selection.aim(0, 0)
    assert selection.choose(1, read_vp9(payload, 0, len(payload))) is Verdict.FORWARD
