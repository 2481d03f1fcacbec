"""The dependency descriptor: what is written is read, what is malformed is nothing, and no bit is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.dependency_descriptor import (
    MAX_SPATIAL,
    MAX_TEMPLATES,
    MAX_TEMPORAL,
    Descriptor,
    Structure,
    move,
    read,
)
from tests.unit.rtp.descriptors import Layout, Template, Written

SYMBOLS = "-DSR"


def indications(symbols: str) -> list[int]:
    return [SYMBOLS.index(symbol) for symbol in symbols]


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Return a structure of a size that is seen; the largest has a test of its own."""
    targets = draw(st.integers(1, 9))
    chains = draw(st.integers(0, targets))
    steps = draw(st.lists(st.sampled_from(["same", "temporal", "spatial"]), max_size=9))
    layers = [(0, 0)]
    for step in steps:
        spatial, temporal = layers[-1]
        if step == "temporal" and temporal + 1 < MAX_TEMPORAL:
            layers.append((spatial, temporal + 1))
        elif step == "spatial" and spatial + 1 < MAX_SPATIAL:
            layers.append((spatial + 1, 0))
        else:
            layers.append((spatial, temporal))
    drawn = st.integers(0, 3)
    templates = [
        Template(
            *layer,
            draw(st.lists(drawn, min_size=targets, max_size=targets)),
            draw(st.lists(st.integers(1, 16), max_size=3)),
            draw(st.lists(st.integers(0, 15), min_size=chains, max_size=chains)),
        )
        for layer in layers
    ]
    protected_by = (
        draw(st.lists(st.integers(0, chains - 1), min_size=targets, max_size=targets)) if chains else []
    )
    size = st.tuples(st.integers(1, 0x10000), st.integers(1, 0x10000))
    count = layers[-1][0] + 1
    resolutions = draw(st.just([]) | st.lists(size, min_size=count, max_size=count))
    return Layout(templates, draw(st.integers(0, 63)), protected_by, resolutions)


@st.composite
def descriptors(draw: st.DrawFn) -> Written:
    """Return a descriptor with a structure attached, and any fields of its own."""
    layout = draw(layouts())
    targets, chains = layout.targets, layout.chains
    return Written(
        draw(st.integers(0, 0xFFFF)),
        draw(st.integers(0, len(layout.templates) - 1)),
        layout,
        draw(st.booleans()),
        draw(st.booleans()),
        True,
        draw(st.none() | st.integers(0, (1 << targets) - 1)),
        draw(st.none() | st.lists(st.integers(0, 3), min_size=targets, max_size=targets)),
        draw(st.none() | st.lists(st.integers(1, 4096), max_size=4)),
        draw(st.none() | st.lists(st.integers(0, 255), min_size=chains, max_size=chains)),
    )


def assert_says(found: Descriptor | None, written: Written) -> Structure:
    """Check that a descriptor was read as it was written; return its structure."""
    assert found is not None
    template = written.layout.templates[written.template]
    assert found.number == written.number
    assert (found.starts_frame, found.ends_frame) == (written.starts, written.ends)
    assert (found.frame.spatial, found.frame.temporal) == (template.spatial, template.temporal)
    for own, common, read_ in (
        (written.indications, template.indications, found.frame.indications),
        (written.frame_diffs, template.frame_diffs, found.frame.frame_diffs),
        (written.chain_diffs, template.chain_diffs, found.frame.chain_diffs),
    ):
        assert list(read_) == list(common if own is None else own)
    assert found.attached is written.attached
    every = (1 << written.layout.targets) - 1
    assert found.active == (every if written.attached and written.active is None else written.active)
    return found.structure


@given(descriptors())
def test_what_is_written_is_read(written: Written) -> None:
    structure = assert_says(read(written.value(), None), written)
    layout = written.layout
    assert structure.offset == layout.offset
    assert structure.chains == layout.chains
    assert list(structure.protected_by) == list(layout.protected_by)
    assert list(structure.resolutions) == list(layout.resolutions)
    assert len(structure.templates) == len(layout.templates)
    written.attached = False
    assert_says(read(written.value(), structure), written)
    written.active = written.indications = written.frame_diffs = written.chain_diffs = None
    assert len(written.value()) == 3
    assert_says(read(written.value(), structure), written)


@given(descriptors())
def test_the_sets_of_decode_targets_are_those_of_the_indications(written: Written) -> None:
    found = read(written.value(), None)
    assert found is not None
    for frame in (found.frame, *found.structure.templates):
        for target, indication in enumerate(frame.indications):
            said = (frame.present >> target & 1, frame.needed >> target & 1, frame.switches >> target & 1)
            assert said == (indication != 0, indication in (2, 3), indication == 2)


@given(descriptors())
def test_a_target_is_contained_in_one_that_has_all_its_frames(written: Written) -> None:
    found = read(written.value(), None)
    assert found is not None
    structure = found.structure
    for target, contained in enumerate(structure.contained):
        for other in range(len(structure.layers)):
            frames = {at for at, frame in enumerate(structure.templates) if frame.indications[other]}
            has = {at for at, frame in enumerate(structure.templates) if frame.indications[target]}
            assert bool(contained >> other & 1) is (frames <= has)


@given(descriptors(), st.integers(0, (1 << 32) - 1))
def test_decode_targets_are_announced_and_nothing_else_changes(written: Written, active: int) -> None:
    """With and without a structure, with and without a word of the publisher's own on it."""
    whole = read(written.value(), None)
    assert whole is not None
    for attached in (True, False):
        written.attached = attached
        value = written.value()
        found = read(value, whole.structure)
        assert found is not None
        said = Written(**(vars(written) | {"active": active % (1 << written.layout.targets)}))
        assert found.announce(value, active) == said.value()


@given(descriptors(), st.integers(-100_000, 100_000), st.integers(-100, 100))
def test_numbers_are_moved_and_nothing_else(written: Written, frames: int, templates: int) -> None:
    value = written.value()
    moved = move(value, frames, templates)
    assert move(moved, -frames, -templates) == value
    written.number = (written.number + frames) % (1 << 16)
    written.layout.offset = (written.layout.offset + templates) % 64
    assert moved == written.value()
    assert_says(read(moved, None), written)


@pytest.mark.parametrize("value", ["", "c0", "c000"])
def test_what_is_too_short_to_have_numbers_stays_as_it_is(value: str) -> None:
    assert move(bytes.fromhex(value), 1, 1) == bytes.fromhex(value)
    assert read(bytes.fromhex(value), None) is None


@given(descriptors(), st.integers(1, 40))
def test_what_is_cut_short_is_nothing(written: Written, cut: int) -> None:
    value = written.value()
    if len(value) - cut > 3:
        assert read(value[:-cut], None) is None


@given(st.binary(max_size=255), descriptors())
def test_any_bytes_are_read_or_refused(value: bytes, written: Written) -> None:
    whole = read(written.value(), None)
    assert whole is not None
    for structure in (None, whole.structure):
        found = read(value, structure)
        if found is not None:
            assert len(found.structure.templates) <= MAX_TEMPLATES
            assert found.frame.spatial < MAX_SPATIAL
            assert found.frame.temporal < MAX_TEMPORAL


def test_padding_is_ignored() -> None:
    written = Written(7, 0, Layout([Template(0, 0, [2])]), attached=True)
    assert_says(read(written.value() + bytes(9), None), written)


@pytest.mark.parametrize(
    ("offset", "templates", "id_", "index"),
    [
        (0, 2, 0, 0),
        (0, 2, 1, 1),
        (0, 2, 2, None),
        (63, 2, 63, 0),
        (63, 2, 0, 1),
        (63, 2, 1, None),
        (10, 2, 9, None),
    ],
)
def test_template_ids_go_round(offset: int, templates: int, id_: int, index: int | None) -> None:
    layout = Layout([Template(0, at, [2]) for at in range(templates)], offset)
    whole = read(Written(1, 0, layout, attached=True).value(), None)
    assert whole is not None
    found = read(bytes((id_, 0, 1)), whole.structure)
    assert (None if found is None else found.frame.temporal) == index
    extended = read(bytes((id_, 0, 1, 0)), whole.structure)
    assert (extended is None) is (found is None)


def test_without_a_structure_nothing_can_be_read() -> None:
    assert read(bytes(3), None) is None
    assert read(bytes(4), None) is None


def test_layers_beyond_the_bounds_are_refused() -> None:
    for steps in (["10"] * MAX_SPATIAL, ["01"] * MAX_TEMPORAL, ["00"] * MAX_TEMPLATES):
        for count, sound in ((len(steps) - 1, True), (len(steps), False)):
            bits = "0" * 24 + "10000" + "000000" + "00000" + "".join(steps[:count]) + "11"
            bits += "10" * (count + 1) + "0" * (count + 1) + "0" + "0"
            bits += "0" * (-len(bits) % 8)
            value = int(bits, 2).to_bytes(len(bits) // 8, "big")
            assert (read(value, None) is not None) is sound


def test_the_largest_structure_there_can_be() -> None:
    layers = [(at // 8, at % 8) for at in range(MAX_TEMPLATES)]
    templates = [Template(*layer, [at % 4 for at in range(32)], [16] * 3, [15] * 32) for layer in layers]
    layout = Layout(templates, 63, range(32), [(0x10000, 1)] * MAX_SPATIAL)
    written = Written(0xFFFF, 63, layout, attached=True, active=0xFFFF_FFFF, frame_diffs=[4096] * 4)
    structure = assert_says(read(written.value(), None), written)
    assert structure.protected_by == tuple(range(32))
    assert structure.resolutions == ((0x10000, 1),) * MAX_SPATIAL


# §A.10.2.2: three spatial and three temporal layers; the decode targets from the best to the least.
L3T3 = Layout(
    [
        Template(spatial, temporal, indications(symbols), frame_diffs, chain_diffs)
        for spatial, temporal, frame_diffs, chain_diffs, symbols in [
            (0, 0, (), (0, 0, 0), "SSSSSSSSS"),
            (0, 0, (12,), (12, 11, 10), "RRRRRRSSS"),
            (0, 1, (6,), (6, 5, 4), "RR-RR-SD-"),
            (0, 2, (3,), (3, 2, 1), "R--R--D--"),
            (0, 2, (3,), (9, 8, 7), "R--R--D--"),
            (1, 0, (1,), (1, 1, 1), "SSSSSS---"),
            (1, 0, (12, 1), (1, 1, 1), "RRRSSS---"),
            (1, 1, (6, 1), (7, 6, 5), "RR-SD----"),
            (1, 2, (3, 1), (4, 3, 2), "R--D-----"),
            (1, 2, (3, 1), (10, 9, 8), "R--D-----"),
            (2, 0, (1,), (2, 1, 1), "SSS------"),
            (2, 0, (12, 1), (2, 1, 1), "SSS------"),
            (2, 1, (6, 1), (8, 7, 6), "SD-------"),
            (2, 2, (3, 1), (5, 4, 3), "D--------"),
            (2, 2, (3, 1), (11, 10, 9), "D--------"),
        ]
    ],
    protected_by=(2, 2, 2, 1, 1, 1, 0, 0, 0),
)


def test_the_layers_of_decode_targets_are_found() -> None:
    """After decode_target_layers of §A.8.2."""
    found = read(Written(100, 0, L3T3, attached=True).value(), None)
    assert found is not None
    structure = found.structure
    assert structure.layers == ((2, 2), (2, 1), (2, 0), (1, 2), (1, 1), (1, 0), (0, 2), (0, 1), (0, 0))
    assert structure.best_first == tuple(range(9))
    assert structure.contained[0] == 0b111111111
    assert structure.contained[2] == 0b100100100
    assert structure.contained[4] == 0b110110000


# What Chromium 156 sent: VP9 L1T3, AV1 L3T3 while it began with two layers, H.264 L1T3, VP8 L1T3.
@pytest.mark.parametrize(
    ("value", "layers", "chains", "resolutions", "active", "frame_diffs"),
    [
        (
            "c00001c0081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524"
            "906d54923157e001974ca864330e222396eca8655304224390eca87753013f00b3027f016704ff02cf1f80",
            [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)],
            3,
            [(320, 180), (640, 360), (1280, 720)],
            0b111111,
            (),
        ),
        ("800001800214eaa860414d1410208426", [(0, 0), (0, 1), (0, 2)], 1, [], 0b111, ()),
        (
            "c000018002044eaaaf2860414d34538a0940409fc059c0",
            [(0, 0), (0, 1), (0, 2)],
            0,
            [(640, 360)],
            0b111,
            (),
        ),
    ],
)
def test_what_a_browser_sent(
    value: str,
    layers: list[tuple[int, int]],
    chains: int,
    resolutions: list[tuple[int, int]],
    active: int,
    frame_diffs: tuple[int, ...],
) -> None:
    found = read(bytes.fromhex(value), None)
    assert found is not None
    assert found.attached
    assert found.number == 1
    assert (list(found.structure.layers), found.structure.chains) == (layers, chains)
    assert list(found.structure.resolutions) == resolutions
    assert found.active == active
    assert found.frame.frame_diffs == frame_diffs
    assert found.announce(bytes.fromhex(value), active)[:3] == bytes.fromhex(value)[:3]


@pytest.mark.parametrize(
    ("value", "active", "frame_diffs", "chain_diffs"),
    [
        ("c300031a20100800", None, (2,), (2, 1, 0)),
        ("c800041a20181000", None, (2,), (3, 2, 0)),
        ("c2002a58fd40141000", 0b111111, (5,), (5, 4, 0)),
        ("8a00395ffe1100804480", 0b111111111, (18,), (2, 1, 18)),
        ("0a00391c2201008900", None, (18,), (2, 1, 18)),
        ("c100090000", None, (12,), (12, 11, 10)),
    ],
)
def test_what_a_browser_sent_of_later_frames(
    value: str, active: int | None, frame_diffs: tuple[int, ...], chain_diffs: tuple[int, ...]
) -> None:
    """AV1 L3T3_KEY, with layers that come and go: frames with differences of their own."""
    key = (
        "c00001c0081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524"
        "906d54923157e001974ca864330e222396eca8655304224390eca87753013f00b3027f016704ff02cf1f80"
    )
    first = read(bytes.fromhex(key), None)
    assert first is not None
    found = read(bytes.fromhex(value), first.structure)
    assert found is not None
    assert found.active == active
    assert (found.frame.frame_diffs, found.frame.chain_diffs) == (frame_diffs, chain_diffs)
    if active is not None:
        assert found.announce(bytes.fromhex(value), active) == bytes.fromhex(value)
