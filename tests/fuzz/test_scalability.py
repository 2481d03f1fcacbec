"""Any descriptors in any order: packets are forwarded or left out, and state stays bounded."""

from hypothesis import given
from hypothesis import strategies as st

from sfu.media.ports import Format
from sfu.media.translation import Profile
from sfu.rtp.dependency_descriptor import EXTENSION, Structure, move, read
from sfu.rtp.payload import OPAQUE, describe, read_vp9
from sfu.rtp.scalability import HIGHEST, DescriptorSelection, IndicesSelection, Verdict
from tests.fuzz.damage import anything, search
from tests.unit.media.stage import Publisher, screen
from tests.unit.rtp import wire
from tests.unit.rtp.encoder import MODES, Encoder

PICTURES = [
    packet
    for mode in MODES.values()
    for encoder in (Encoder(mode),)
    for key in (True, False, False, False, False, True)
    for frame in encoder.encode(mode.spatial, key=key)
    for packet in frame.packets
]
DESCRIPTORS = [packet.descriptor for packet in PICTURES]
PAYLOADS = [
    *(wire.vp9(key=key, picture_id=9, spatial=spatial) for key in (True, False) for spatial in range(3)),
    bytes.fromhex("bacd211058014000b402800168050002d082"),
    bytes.fromhex("f9cd22540282"),
    bytes.fromhex("facd24100902400140"),
]
timestamps = st.integers(0, 3)
aims = st.none() | st.tuples(st.integers(0, HIGHEST), st.integers(0, HIGHEST))


@search()
@given(anything(DESCRIPTORS, 255), anything(DESCRIPTORS, 255), st.integers(), st.integers(0, (1 << 32) - 1))
def test_descriptors(first: bytes, second: bytes, by: int, active: int) -> None:
    structure: Structure | None = None
    for value in (first, second):
        assert move(move(value, by, by), -by, -by) == value
        found = read(value, structure)
        if found is None:
            continue
        structure = found.structure
        announced = found.announce(value, active)
        again = read(announced, structure)
        assert again is not None
        assert again.active == active & structure.every_target
        assert (again.number, again.starts_frame, again.ends_frame) == (
            found.number,
            found.starts_frame,
            found.ends_frame,
        )
        assert again.frame.indications == found.frame.indications
        assert again.frame.frame_diffs == found.frame.frame_diffs
        assert again.frame.chain_diffs == found.frame.chain_diffs
        assert again.announce(announced, active) == announced


@search()
@given(st.lists(st.tuples(timestamps, anything(DESCRIPTORS, 20), aims), max_size=20))
def test_selection_by_descriptors(packets: list[tuple[int, bytes, tuple[int, int] | None]]) -> None:
    selection = DescriptorSelection()
    structure: Structure | None = None
    targets = 0
    for timestamp, value, aim in packets:
        if aim is not None:
            selection.aim(*aim)
        descriptor = read(value, structure)
        if descriptor is not None:
            structure = descriptor.structure
            targets |= structure.every_target
            assert selection.choose(timestamp, describe(OPAQUE, descriptor)) in Verdict
            assert selection.spatial <= HIGHEST
            announces = selection.announces
            assert announces is None or announces | targets == targets
            assert selection.needs_key_frame in (True, False)


@search()
@given(st.lists(st.tuples(timestamps, anything(PAYLOADS, 20), aims), max_size=20))
def test_selection_by_layer_indices(packets: list[tuple[int, bytes, tuple[int, int] | None]]) -> None:
    selection = IndicesSelection()
    for timestamp, payload, aim in packets:
        if aim is not None:
            selection.aim(*aim)
        said = read_vp9(payload, 0, len(payload))
        assert len(said.sizes) <= HIGHEST + 1
        verdict = selection.choose(timestamp, said)
        assert said.indices is not None or verdict is Verdict.FORWARD
        assert -1 <= selection.spatial <= HIGHEST
        assert selection.needs_key_frame in (True, False)


@search()
@given(st.lists(st.tuples(timestamps, anything(DESCRIPTORS, 255), aims, st.booleans()), max_size=20))
def test_slots_of_streams_with_descriptors(
    packets: list[tuple[int, bytes, tuple[int, int] | None, bool]],
) -> None:
    """Whatever a publisher says of its layers, what is sent is well-formed."""
    video = Format("AV1", "0", 98, None, 90_000)
    publisher = Publisher(formats=[video], extensions={5: EXTENSION})
    shown = screen(Profile((video,), ((EXTENSION, 9),)), rtx=False)
    shown.slot.show(publisher.track, 720, 0.0)
    shown.slot.give(publisher.layer, HIGHEST, 0.0)
    for seq, (timestamp, value, aim, key) in enumerate(packets):
        if aim is not None:
            shown.slot.give(publisher.layer, aim[1], 0.0, spatial=aim[0])
        payload, extensions = bytes((0x08 if key else 0,)) + b"frame", wire.two_byte({5: value})
        publisher.send(seq, now=0.0, timestamp=timestamp, payload=payload, extensions=extensions)
    sent = shown.link.take()
    assert len(sent) == shown.slot.packets
    shown.slot.nack([packet.seq for packet in sent], 0.0)
    assert len(shown.link.take()) == len(sent)
