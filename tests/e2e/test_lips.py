"""Sound and picture of one moment play together, though they come by different ways."""

import asyncio
from typing import Any

import pytest

from sfu.contract.signals import Clocks, SlotClock
from tests.e2e.prompter import prompted
from tests.e2e.stage import Desk, Stage
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVEN_MS = 80.0
LEAD_MS = 200.0
SETTLES_S = 40.0

# Of each slot that shows something: what it played last, and when.
PLAYED = """() => parley.call.link.slots.flatMap(({ labels, kind, mid, transceiver }) => {
    const [played] = transceiver.receiver.getSynchronizationSources();
    return labels.latest && played
        ? [{ kind, mid, rtp_timestamp: played.rtpTimestamp, timestamp: played.timestamp }] : [];
})"""

RATES = {"audio": 48_000, "video": 90_000}


def delays_ms(now: list[dict[str, Any]], then: list[dict[str, Any]]) -> dict[str, float]:
    """Return by how much later each medium plays than it did."""
    before = {played["mid"]: played for played in then}
    delays = {}
    for played in now:
        start = before[played["mid"]]
        ticks = (played["rtp_timestamp"] - start["rtp_timestamp"] + 2**31) % 2**32 - 2**31
        passed_ms = played["timestamp"] - start["timestamp"]
        delays[played["kind"]] = passed_ms - ticks * 1000 / RATES[played["kind"]]
    return delays


@pytest.mark.parametrize("lead_ms", [LEAD_MS, -LEAD_MS], ids=["sound-ahead", "picture-ahead"])
async def test_what_is_ahead_is_held_back(stage: Stage, red: Desk, either: Desk, lead_ms: float) -> None:
    anna, ben = await stage.member("Anna", either), await stage.member("Ben", red)
    meeting = await stage.meeting()
    await ben.join(meeting)
    await anna.open(meeting)
    node = await prompted(anna)
    await anna.sees(ben)
    start = await anna.page.until(PLAYED, accept=lambda slots: len(slots) == 2)

    # As the node would have it, the sound that plays now is of a later moment than the picture.
    await node.say(
        Clocks(
            slots=tuple(
                SlotClock(
                    mid=played["mid"],
                    rtp_timestamp=played["rtp_timestamp"],
                    captured_ms=played["timestamp"] + (lead_ms if played["kind"] == "audio" else 0),
                )
                for played in start
            )
        )
    )

    async def skews() -> list[float]:
        seen: list[float] = []
        for _ in range(5):
            delays = delays_ms(await anna.page.evaluate(PLAYED), start)
            seen.append(round(lead_ms - delays["audio"] + delays["video"]))
            await asyncio.sleep(0.2)
        return seen

    settled = await until(
        "sound and picture are even",
        skews,
        accept=lambda seen: max(map(abs, seen)) <= EVEN_MS,
        deadline_s=SETTLES_S,
    )
    print(f"skew, ms: {settled}")
    await anna.sees(ben)
    await anna.hears(ben)
