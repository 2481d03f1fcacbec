"""Who sits where: a scenario's rooms, and a seat in one of them for each of its bots."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.load.scenario import Cohort, Group, Scenario


@dataclass(frozen=True)
class Seat:
    """A bot's place in a room. It is one of so many `voices` that speak there, by turns."""

    name: str
    room: str
    cohort: Cohort
    arrives_at_s: float
    voice: int
    voices: int


def seats(scenario: Scenario) -> list[Seat]:
    """Return the seats of all rooms, in the order in which their bots come: rooms fill evenly."""
    numbers = itertools.count(1)
    found: list[Seat] = []
    for group in scenario.groups:
        rooms = [f"{group.name} {next(numbers)}" for _ in range(group.rooms)]
        found.extend(_seats_in(rooms, group))
    return sorted(found, key=lambda seat: seat.arrives_at_s)


def _seats_in(rooms: Sequence[str], group: Group) -> Iterator[Seat]:
    voices = sum(cohort.count for cohort in group.bots if cohort.audio == "speech")
    before = spoken = 0
    for cohort in group.bots:
        for number in range(cohort.count):
            for place, room in enumerate(rooms, number * len(rooms)):
                yield Seat(
                    name=f"{room}, bot {before + number + 1}",
                    room=room,
                    cohort=cohort,
                    arrives_at_s=cohort.arrival_s(place, cohort.count * len(rooms)),
                    voice=spoken + number,
                    voices=voices,
                )
        before += cohort.count
        spoken += cohort.count * (cohort.audio == "speech")


class Habits:
    """How long the bot of a seat stays and is away each time: the same in each run of the same scenario."""

    def __init__(self, scenario: Scenario, seat: Seat) -> None:
        self._vary = seat.cohort.vary
        self._random = Random(f"{scenario.seed} {seat.name}")

    def vary(self, seconds: float) -> float:
        """Return about so many seconds."""
        return seconds * self._random.uniform(1 - self._vary, 1 + self._vary)
