"""Cutting datagrams into records, the queue aiortc reads them from, and running its coroutines at once."""

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.transport.dtls import MAX_QUEUED_RECORDS, RecordWire, run_at_once, split_records


def record(content: bytes, kind: int = 22) -> bytes:
    return struct.pack("!BHHHIH", kind, 0xFEFD, 0, 0, 7, len(content)) + content


records = st.builds(record, st.binary(max_size=200), st.integers(20, 26))


@given(st.lists(records, max_size=8))
def test_whole_records_come_out_as_they_went_in(parts: list[bytes]) -> None:
    assert list(split_records(b"".join(parts))) == parts


@given(st.lists(records, max_size=4), st.binary(max_size=40))
def test_any_bytes_split_into_a_beginning_of_themselves(parts: list[bytes], rest: bytes) -> None:
    datagram = b"".join(parts) + rest
    assert datagram.startswith(b"".join(split_records(datagram)))


@pytest.mark.parametrize("rest", [b"\x16", record(b"abc")[:-1], b"\x13" + record(b"abc")[1:], bytes(20)])
def test_a_malformed_rest_is_left_out(rest: bytes) -> None:
    assert list(split_records(record(b"good") + rest)) == [record(b"good")]


async def test_the_queue_is_bounded() -> None:
    wire = RecordWire(lambda data: None)
    assert all(wire.feed(b"x") for _ in range(MAX_QUEUED_RECORDS))
    assert not wire.feed(b"x")
    await wire._recv()
    assert wire.feed(b"x")


async def test_a_cancelled_reader_loses_no_record() -> None:
    wire = RecordWire(lambda data: None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire._recv(), 0.01)
    waiting = asyncio.ensure_future(wire._recv())
    await asyncio.sleep(0)
    wire.feed(b"first")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    wire.feed(b"second")
    assert [await wire._recv(), await wire._recv()] == [b"first", b"second"]


def test_a_coroutine_that_does_not_wait_runs_to_its_end() -> None:
    done = []

    async def prompt() -> None:
        done.append(True)

    run_at_once(prompt())
    assert done


async def test_a_coroutine_that_waits_is_a_bug() -> None:
    with pytest.raises(RuntimeError):
        run_at_once(asyncio.sleep(1))
