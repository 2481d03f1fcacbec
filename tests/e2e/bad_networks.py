"""What a receiver gets across a bad network, from publishers who have a good one.

    python -m tests.e2e.bad_networks [chromium | firefox | fall | loss | four | beside ...]

prints what was measured with each browser as the receiver; `test_bad_networks` judges the same. A target
is what a person should have. A limit is the target times `BUSY_MACHINE`, as browsers, services and
emulated networks share two cores; a figure with a target but no limit is not judged.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.e2e.measured import Figure, Record, Recorder, Window, recorder, table
from tests.e2e.person import Person
from tests.e2e.stage import Desk, Stage
from tests.support.browsers import chromium, firefox
from tests.support.network import Network, network
from tests.support.senders import BLUE, RED, TEXTURE_WIDTH, YELLOW, texture_file
from tests.support.servers import CONTROL_PORT, Meeting, service

BUSY_MACHINE = 3.0
"""How much worse things may be where all browsers and both services share two cores with others."""

YIELDING = 15
BEAT_S, LATE_S = 0.01, 0.02
LATE_SHARE = 0.02
"""Where more than this share of short waits ends so late, browsers stall too: that is no network's doing."""

NAMES = ("Anna", "Ben", "Cleo", "Dora")
WIDE = 1280, 800
"""A window in which two people are drawn large enough for their best layer."""
SMALL = 400, 300
"""A window in which the others are drawn so small that their least layer is enough."""

GOOD_KBPS, FAIR_KBPS, CROWDED_KBPS, POOR_KBPS = 5000, 2000, 1000, 500

FIRST_PICTURE_S = 0.8
BEST_LAYER_S = 4.0
FITTING_LAYER_S = 1.5
QUEUE_MS, QUEUE_EMPTIES_S = 200.0, 3.0
BEST_LAYER_BACK_S = 8.0
LONGEST_FREEZE_S = 0.4
FROZEN_SHARE = 0.01
CONCEALED_AFTER_FALL = 0.03
CONCEALED_UNDER_LOSS = 0.05

MOST_LESSER = 75.0
"""Stalls of a busy machine lower the fast receiver too, for a while; a slow one would lower it for good."""

POOR_S = 10.0
LOSSY_S = 12.0
CROWDED_S = 8.0
SETTLES_S = 4.0

Scenario = Callable[[Stage, Desk, Desk], Awaitable[list[Figure]]]


def judged(what: str, measured: float, target: float, unit: str = "s") -> Figure:
    """Return a figure whose limit allows for a busy machine."""
    return Figure(what, measured, unit, target, target * BUSY_MACHINE)


def percent(what: str, share: float, target: float) -> Figure:
    """Return a figure that is a share."""
    return judged(what, share * 100, target * 100, "%")


async def rate_falls_and_rises(stage: Stage, studio: Desk, desk: Desk) -> list[Figure]:
    """Two publishers; from 5 Mbit/s to 500 kbit/s and back, 50 ms round trip."""
    meeting = await publishing(stage, studio, 2)
    desk.machine.link.set(delay_ms=25)
    desk.machine.link.set("down", rate_kbps=GOOD_KBPS)
    person = await stage.member("Rita", desk)
    at = await watching(person, meeting)
    arrivals = await person.join_and_time(others=2)
    await at.sees(2, best, deadline_s=BEST_LAYER_S * BUSY_MACHINE)
    await asyncio.sleep(SETTLES_S)

    fell_s = await at.now_s()
    desk.machine.link.set("down", rate_kbps=POOR_KBPS)
    await asyncio.sleep(QUEUE_EMPTIES_S)
    queue_ms = await longest_queue_ms(desk, POOR_S - QUEUE_EMPTIES_S)
    rose_s = await at.now_s()
    desk.machine.link.set("down", rate_kbps=GOOD_KBPS)
    await at.sees(2, best, deadline_s=BEST_LAYER_BACK_S * BUSY_MACHINE)

    record = await at.record()
    start_s = record.reached_s(TEXTURE_WIDTH, record.clicked_s)
    return [
        judged("start: the first picture of both", max(arrivals.seen_s), FIRST_PICTURE_S),
        judged("start: the best layer of both", start_s, BEST_LAYER_S),
        *after_the_fall(record, Window(fell_s, rose_s)),
        judged(f"fall: the longest queue after {QUEUE_EMPTIES_S:g} s", queue_ms, QUEUE_MS, "ms"),
        judged("rise: the best layer of both", record.reached_s(TEXTURE_WIDTH, rose_s), BEST_LAYER_BACK_S),
    ]


def after_the_fall(record: Record, poor: Window) -> list[Figure]:
    """Return what became of sound and pictures."""
    settled = Window(poor.begin_s + FITTING_LAYER_S * BUSY_MACHINE, poor.end_s)
    return [
        judged("fall: until the best layer is left", record.left_s(TEXTURE_WIDTH, poor), FITTING_LAYER_S),
        percent("fall: sound concealed", record.concealed_share(poor), CONCEALED_AFTER_FALL),
        Figure("fall: a picture stands still at most", record.longest_gap_s(poor)),
        Figure("fall: the same, later on", record.longest_gap_s(settled), "s", LONGEST_FREEZE_S),
        *received("fall", record, settled),
    ]


async def packets_are_lost(stage: Stage, studio: Desk, desk: Desk) -> list[Figure]:
    """Two publishers; 10 % random loss, 2 Mbit/s, 100 ms round trip."""
    meeting = await publishing(stage, studio, 2)
    desk.machine.link.set(delay_ms=50)
    desk.machine.link.set("down", rate_kbps=FAIR_KBPS, loss=0.1)
    person = await stage.member("Rita", desk)
    at = await watching(person, meeting)
    await person.join_and_time(others=2)
    await asyncio.sleep(SETTLES_S)
    lossy, record = await window(at, LOSSY_S)
    return [
        judged("loss: a picture stands still at most", record.longest_gap_s(lossy), LONGEST_FREEZE_S),
        *steadiness("loss", record, lossy),
    ]


async def four_share_a_poor_network(stage: Stage, studio: Desk, desk: Desk) -> list[Figure]:
    """Four publishers; 1 Mbit/s, 50 ms round trip."""
    meeting = await publishing(stage, studio, 4)
    desk.machine.link.set(delay_ms=25)
    desk.machine.link.set("down", rate_kbps=CROWDED_KBPS)
    person = await stage.member("Rita", desk)
    at = await watching(person, meeting)
    await person.join_and_time(others=3)
    everybody = await at.sees(4, bool, deadline_s=SETTLES_S * BUSY_MACHINE)
    crowded, record = await window(at, CROWDED_S)
    return [
        Figure("four: pictures missing", not everybody, "", 0, 0),
        Figure("four: a picture stands still at most", record.longest_gap_s(crowded)),
        *steadiness("four", record, crowded),
    ]


async def a_slow_receiver_beside_a_fast_one(stage: Stage, studio: Desk, desk: Desk) -> list[Figure]:
    """Two publishers; one receiver with all the network there is, joined by one of 500 kbit/s."""
    meeting = await publishing(stage, studio, 2)
    fast = await stage.member("Fritz", studio)
    at = await watching(fast, meeting)
    await fast.join_and_time(others=2)
    await at.sees(2, best, deadline_s=BEST_LAYER_S * BUSY_MACHINE)
    desk.machine.link.set(delay_ms=25)
    desk.machine.link.set("down", rate_kbps=POOR_KBPS)
    slow = await stage.member("Rita", desk)
    slow_at = await watching(slow, meeting)
    await slow.join_and_time(others=2)

    slow_began_s = await slow_at.now_s()
    beside, record = await window(at, CROWDED_S)
    slow_beside = Window(slow_began_s, await slow_at.now_s())
    lesser = record.narrower_share(TEXTURE_WIDTH, beside)
    return [
        Figure("fast: frames in less than the best layer", lesser * 100, "%", 0, MOST_LESSER),
        judged("fast: a picture stands still at most", record.longest_gap_s(beside), LONGEST_FREEZE_S),
        Figure("fast: the least frame rate", record.frames_per_s(beside), "frames/s"),
        *received("fast", record, beside),
        *received("slow", await slow_at.record(), slow_beside),
    ]


async def publishing(stage: Stage, studio: Desk, count: int) -> Meeting:
    """Return a meeting of so many people who send their best, and look at each other in small windows."""
    meeting = await stage.meeting()
    for name in NAMES[:count]:
        person = await stage.member(name, studio)
        await person.page.resize(*SMALL)
        await person.join(meeting)
    return meeting


async def watching(person: Person, meeting: Meeting) -> Recorder:
    """Bring somebody with a large window and no camera to the lobby, and begin to record."""
    await person.page.resize(*WIDE)
    await person.open(meeting)
    await person.press("prejoin-camera")
    return await recorder(person)


async def window(at: Recorder, length_s: float) -> tuple[Window, Record]:
    """Let so much time pass, and return it and what was recorded."""
    begin_s = await at.now_s()
    await asyncio.sleep(length_s)
    end_s = await at.now_s()
    return Window(begin_s, end_s), await at.record()


async def longest_queue_ms(desk: Desk, length_s: float) -> float:
    """Let so much time pass, and return the longest queue seen on the way to the desk."""
    end, longest = time.monotonic() + length_s, 0.0
    while time.monotonic() < end:
        longest = max(longest, desk.machine.link.queue_ms("down"))
        await asyncio.sleep(0.05)
    return longest


def steadiness(name: str, record: Record, window: Window) -> list[Figure]:
    """Return how steady sound and pictures were in a window."""
    return [
        percent(f"{name}: sound concealed", record.concealed_share(window), CONCEALED_UNDER_LOSS),
        Figure(f"{name}: time in freezes", record.frozen_share(window) * 100, "%", FROZEN_SHARE * 100),
        Figure(f"{name}: the least frame rate", record.frames_per_s(window), "frames/s"),
        Figure(f"{name}: the narrowest picture at the end", min(record.widths(window)), "pixels"),
        *received(name, record, window),
    ]


def received(name: str, record: Record, window: Window) -> list[Figure]:
    """Return the rates of sound and pictures in a window."""
    sound, picture = record.received_bps(window)
    return [
        Figure(f"{name}: sound received", sound / 1000, "kbit/s"),
        Figure(f"{name}: pictures received", picture / 1000, "kbit/s"),
    ]


def best(width: int) -> bool:
    """Whether that is the width of the best layer."""
    return width >= TEXTURE_WIDTH


SCENARIOS: dict[str, Scenario] = {
    "fall": rate_falls_and_rises,
    "loss": packets_are_lost,
    "four": four_share_a_poor_network,
    "beside": a_slow_receiver_beside_a_fast_one,
}
RECEIVERS = {"chromium": (chromium, BLUE), "firefox": (firefox, YELLOW)}


async def measure(name: str, stage: Stage, studio: Desk, desk: Desk) -> tuple[list[Figure], float]:
    """Run a scenario; return its figures, and the share of short waits that the machine made long."""
    late: list[bool] = []
    beating = asyncio.create_task(_beat(late))
    try:
        figures = await SCENARIOS[name](stage, studio, desk)
    finally:
        beating.cancel()
    return figures, sum(late) / len(late)


async def _beat(late: list[bool]) -> None:
    while True:
        due = time.monotonic() + BEAT_S
        await asyncio.sleep(BEAT_S)
        late.append(time.monotonic() - due > LATE_S)


async def show(names: Sequence[str], browsers: Sequence[str]) -> None:
    """Run scenarios with each of the browsers as the receiver, and print what was measured."""
    async with AsyncExitStack() as closing:
        net = closing.enter_context(network())
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        stage = Stage(await closing.enter_async_context(service(net, _subfolder(folder, "parley"))))
        studio = await closing.enter_async_context(filming(net, _subfolder(folder, "studio")))
        for browser in browsers:
            launch, sender = RECEIVERS[browser]
            machine = net.client()
            running = launch(machine.namespace, sender, _subfolder(folder, browser), origin=origin(net))
            desk = Desk(await closing.enter_async_context(running), machine)
            for name in names:
                figures, late = await measure(name, stage, studio, desk)
                print(table(f"{browser}, {name} (waits too long: {late:.1%})", figures), flush=True)
                await stage.clear()


@asynccontextmanager
async def filming(net: Network, folder: Path) -> AsyncIterator[Desk]:
    """Run the browser of those who publish, whose camera takes all the bits it may have.

    Their machines would be others: they leave the time they must share here to the receiver and the node.
    """
    machine = net.client()
    running = chromium(
        machine.namespace, RED, folder, origin=origin(net), filming=texture_file, yielding=YIELDING
    )
    async with running as browser:
        yield Desk(browser, machine)


def origin(net: Network) -> str:
    """Return where the pages come from."""
    return f"http://{net.address}:{CONTROL_PORT}"


def _subfolder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(
        show(
            [name for name in SCENARIOS if name in arguments] or list(SCENARIOS),
            [name for name in RECEIVERS if name in arguments] or list(RECEIVERS),
        )
    )
