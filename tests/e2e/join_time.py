"""How long joining takes: from the click on join to the first decoded picture of somebody in the call.

    python -m tests.e2e.join_time [RUNS]

One Chromium sends; another joins RUNS times (20 by default) over a link that neither delays nor loses.
Prints JSON; times are in seconds. Includes all there is: the ticket, signalling, ICE, DTLS, a key frame.
"""

import asyncio
import json
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.e2e.stage import Desk, Stage
from tests.support.browsers import chromium
from tests.support.network import network
from tests.support.senders import GREEN, RED
from tests.support.servers import CONTROL_PORT, service

TARGET_S = 0.8


async def measure(runs: int) -> dict[str, Any]:
    """Return the times and what they come to."""
    async with AsyncExitStack() as closing:
        net = closing.enter_context(network())
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        stage = Stage(await closing.enter_async_context(service(net, _subfolder(folder, "parley"))))
        desks = []
        for sender in (RED, GREEN):
            machine = net.client()
            running = chromium(
                machine.namespace,
                sender,
                _subfolder(folder, sender.colour),
                origin=f"http://{net.address}:{CONTROL_PORT}",
            )
            desks.append(Desk(await closing.enter_async_context(running), machine))
        return _summary([await _join(stage, *desks) for _ in range(runs)])


async def _join(stage: Stage, sending: Desk, joining: Desk) -> dict[str, float]:
    anna, ben = await stage.member("Anna", sending), await stage.member("Ben", joining)
    meeting = await stage.meeting()
    await anna.join(meeting)
    await ben.open(meeting)
    arrivals = await ben.join_and_time(others=1)
    await stage.clear()
    return {"picture": arrivals.seen_s[0], "sound": arrivals.heard_s[0]}


def _summary(times: list[dict[str, float]]) -> dict[str, Any]:
    pictures = [each["picture"] for each in times]
    return {
        "join_to_first_picture_s": {
            "p50": round(statistics.median(pictures), 3),
            "max": round(max(pictures), 3),
            "target_p50": TARGET_S,
        },
        "runs": times,
    }


def _subfolder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


if __name__ == "__main__":
    arguments = sys.argv[1:]
    print(json.dumps(asyncio.run(measure(int(arguments[0]) if arguments else 20)), indent=2))
