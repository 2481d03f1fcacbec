"""What goes on in the background goes on, whatever fails in it."""

import asyncio
import logging

import pytest
from sqlalchemy.exc import OperationalError

from control.loop import Repeated, pause


@pytest.mark.parametrize("error", [OperationalError("", None, Exception("away")), KeyError("a bug")])
async def test_a_failure_is_told_and_is_no_end(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    failures = [error, error]
    again = asyncio.Event()

    async def do() -> None:
        if failures:
            raise failures.pop()
        again.set()

    loop = Repeated(do, 0, "it could not be done")
    with caplog.at_level(logging.WARNING):
        running = asyncio.create_task(loop.run())
        await asyncio.wait_for(again.wait(), 10)
    loop.stop()
    await asyncio.wait_for(running, 10)
    assert [record.message.split(";")[0] for record in caplog.records] == ["it could not be done"] * 2


async def test_a_pause_ends_with_its_event() -> None:
    stop = asyncio.Event()
    await pause(stop, 0)
    assert not stop.is_set()
    stop.set()
    await asyncio.wait_for(pause(stop, 3600), 10)
