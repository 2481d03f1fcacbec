"""Makes the bot of each seat, and what all bots of a run share."""

import contextlib
from collections.abc import AsyncIterator, Callable

from tests.load.light.bot import SIMULCAST, LightBot, Shape
from tests.load.light.dtls import Identity
from tests.load.light.pump import Pump
from tests.load.light.reader import StampingReader
from tests.load.light.sources import SILENT, Layer
from tests.load.participant import Bot
from tests.load.scenario import Scenario
from tests.load.seating import Seat
from tests.load.voices import turns

CAMERAS: dict[str, tuple[Layer, ...]] = {"simulcast": SIMULCAST, "single": SIMULCAST[1:2], "none": ()}

Make = Callable[[Seat], Bot]


@contextlib.asynccontextmanager
async def casting(scenario: Scenario) -> AsyncIterator[Make]:
    """Give what makes the bots of a scenario."""
    cohorts = [cohort for group in scenario.groups for cohort in group.bots]
    if any(cohort.kind == "full" for cohort in cohorts):
        from tests.load import full  # aiortc and its codecs take their time to load

        full.prepare(decode=any(cohort.decode for cohort in cohorts))
    identity = Identity()
    # Arrivals bear the kernel's time, lest nodes take for congestion that this process is late.
    async with Pump(StampingReader()) as pump:

        def make(seat: Seat) -> Bot:
            if seat.cohort.kind == "full":
                return _full(seat)
            return LightBot(pump, identity, _shape(seat))

        yield make


def _full(seat: Seat) -> Bot:
    from tests.load.full import FullBot

    cohort = seat.cohort
    return FullBot(
        microphone=cohort.audio != "none",
        muted=cohort.audio == "muted",
        camera=cohort.video != "none",
        decode=cohort.decode,
    )


def _shape(seat: Seat) -> Shape:
    microphones: dict[str, Callable[[float], int] | None] = {
        "speech": turns(seat.voice, seat.voices),
        "muted": lambda _now: SILENT,
        "none": None,
    }
    audio = seat.cohort.audio
    return Shape(camera=CAMERAS[seat.cohort.video], microphone=microphones[audio], muted=audio == "muted")
