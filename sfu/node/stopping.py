"""How a process of ours is asked to end: in order by SIGTERM, at once by SIGINT."""

import asyncio
import signal


async def stop_asked() -> signal.Signals:
    """Return which of the two came."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[signal.Signals] = loop.create_future()

    def ask(number: signal.Signals) -> None:
        if not asked.done():
            asked.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, number)
    return await asked
