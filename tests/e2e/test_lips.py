"""Sound and picture of one moment play together, though one of them comes later than the other."""

import asyncio
from statistics import quantiles
from typing import Any

import pytest

from tests.e2e.stage import Desk, Stage
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVEN_MS = 80.0
LATE_MS = 200.0
SETTLES_S = 40.0
LOOKS, LOOK_S = 60, 0.1

# Of each slot that shows something: what it played last, and when.
PLAYED = """() => parley.call.link.slots.flatMap(({ labels, kind, mid, transceiver }) => {
    const [played] = transceiver.receiver.getSynchronizationSources();
    return labels.latest && played
        ? [{ kind, mid, rtp_timestamp: played.rtpTimestamp, timestamp: played.timestamp }] : [];
})"""

RATES = {"audio": 48_000, "video": 90_000}


@pytest.mark.parametrize("late", ["sound_ms", "picture_ms"], ids=["sound-late", "picture-late"])
async def test_what_comes_early_is_held_back(stage: Stage, red: Desk, either: Desk, late: str) -> None:
    """By what plays of each medium while both come at once, one can tell how far apart they are later."""
    anna, ben = await stage.member("Anna", either), await stage.member("Ben", red)
    meeting = await stage.meeting()
    await ben.join(meeting)
    await anna.join(meeting)
    await anna.sees(ben)
    await anna.hears(ben)

    async def leads() -> list[float]:
        """Return by how many ms more of the sound was played than of the picture, at several times."""
        seen = []
        for _ in range(LOOKS):
            seen.append(lead_ms(await anna.page.evaluate(PLAYED), start))
            await asyncio.sleep(LOOK_S)
        return seen

    start = await anna.page.until(PLAYED, accept=lambda slots: len(slots) == 2)
    even = await until("it plays steadily", leads, accept=is_steady, deadline_s=SETTLES_S)
    together = quantiles(even)[1]
    red.machine.link.set("up", **{late: LATE_MS})
    apart = await leads()

    def worst_ms(seen: list[float]) -> float:
        return quantiles([abs(each - together) for each in seen], n=20)[-1]

    evened = await until(
        "sound and picture are even",
        leads,
        accept=lambda seen: worst_ms(seen) <= EVEN_MS,
        deadline_s=SETTLES_S,
    )
    print(f"skew, 95th percentile: {worst_ms(apart):.0f} ms at first, {worst_ms(evened):.0f} ms in the end")
    await anna.sees(ben)
    await anna.hears(ben)


def lead_ms(now: list[dict[str, Any]], then: list[dict[str, Any]]) -> float:
    """Return by how much more the sound went on than the picture since `then`."""
    before = {played["kind"]: played for played in then}
    ahead = {}
    for played in now:
        kind, start = played["kind"], before[played["kind"]]
        ticks = (played["rtp_timestamp"] - start["rtp_timestamp"] + 2**31) % 2**32 - 2**31
        ahead[kind] = ticks * 1000 / RATES[kind] - (played["timestamp"] - start["timestamp"])
    return ahead["audio"] - ahead["video"]


def is_steady(leads: list[float]) -> bool:
    """Whether sound and picture move apart no more than by a frame or so."""
    low, *_, high = quantiles(leads, n=20)
    return high - low < EVEN_MS / 2
