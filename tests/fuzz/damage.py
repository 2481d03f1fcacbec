"""Sound data with random damage: deeper into a parser than random bytes ever get.

A long night's search is `FUZZ_EXAMPLES=1000000 pytest tests/fuzz -o timeout=0`. What it finds becomes
a row of a table in the unit tests.
"""

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
"""How hard to search, per test: few by default, so that nobody waits."""


def search(examples: int = EXAMPLES) -> settings:
    """Return how to search. No example is late; a failure prints what makes it again."""
    return settings(
        max_examples=examples,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


@st.composite
def damaged(draw: st.DrawFn, sound: Sequence[bytes]) -> bytes:
    """Return one of `sound` after a few steps of damage: bytes changed, cut out, doubled, put in, spliced."""
    data = bytearray(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["set", "cut", "double", "put", "end", "splice"])):
            case "set" if data:
                data[at] = draw(st.sampled_from(EDGES) | st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 8))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 32))]
            case "put":
                data[at:at] = draw(st.binary(max_size=8))
            case "end":
                del data[at:]
            case "splice":
                data[at:] = draw(st.sampled_from(sound))[at:]
    return bytes(data)


def anything(sound: Sequence[bytes], size: int = 200) -> st.SearchStrategy[bytes]:
    """Return sound data with damage, or none at all."""
    return st.one_of(damaged(sound), damaged(sound), st.binary(max_size=size))
