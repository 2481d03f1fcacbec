from uuid import RFC_4122, UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from control.shards.ids import SHARDS_MAX, new_id, shard_of


@given(st.integers(0, SHARDS_MAX - 1))
def test_an_id_tells_its_database(shard: int) -> None:
    made = new_id(shard)
    assert shard_of(made) == shard
    assert made == UUID(made).hex
    assert (UUID(made).version, UUID(made).variant) == (8, RFC_4122)


def test_ids_differ() -> None:
    assert len({new_id(3) for _ in range(1000)}) == 1000


def test_ids_from_before_there_were_several_are_the_first_databases() -> None:
    assert {shard_of(uuid4().hex) for _ in range(1000)} == {0}


@given(st.text(max_size=40))
def test_what_is_no_id_is_looked_for_in_the_first(text: str) -> None:
    assert shard_of(text) == 0
