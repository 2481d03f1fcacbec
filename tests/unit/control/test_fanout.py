import asyncio

import pytest

from control.events.fanout import Announcement, Fanout, Lagging


def numbered(count: int) -> list[Announcement]:
    return [Announcement(number, str(number)) for number in range(count)]


async def test_each_listener_of_the_meeting_gets_each_announcement_in_order() -> None:
    fanout = Fanout(10)
    with fanout.listen("m") as one, fanout.listen("m") as two, fanout.listen("other") as other:
        for announcement in numbered(5):
            fanout.announce("m", announcement)
        for listener in (one, two):
            assert [await listener.next() for _ in range(5)] == numbered(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await other.next()


async def test_who_waits_is_woken() -> None:
    fanout = Fanout(1)
    with fanout.listen("m") as listener:
        waiting = asyncio.create_task(listener.next())
        await asyncio.sleep(0)
        fanout.announce("m", Announcement(1, "1"))
        assert await waiting == Announcement(1, "1")


async def test_who_lags_is_cut_off_alone() -> None:
    fanout = Fanout(3)
    with fanout.listen("m") as slow, fanout.listen("m") as quick:
        for announcement in numbered(4):
            fanout.announce("m", announcement)
            assert await quick.next() == announcement
        with pytest.raises(Lagging):
            await slow.next()


async def test_stopping_ends_all_listening_now_and_later() -> None:
    fanout = Fanout(3)
    with fanout.listen("m") as before:
        fanout.announce("m", Announcement(1, "1"))
        fanout.stop()
        assert await before.next() is None
    with fanout.listen("m") as after:
        assert await after.next() is None


async def test_nothing_is_kept_for_those_who_left() -> None:
    fanout = Fanout(3)
    with fanout.listen("m"):
        pass
    fanout.announce("m", Announcement(1, "1"))
    with fanout.listen("m") as listener, pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await listener.next()
