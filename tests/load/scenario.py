"""What bots are to do: groups of rooms, and who comes to each, when, for how long. A file says it, in TOML.

Everything has a default. Times are on the scenario's clock, which starts once all those are in (or failed)
who are there from the beginning.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.inspect import CollectionType, LiteralType, StructType, Type

MAX_FILE_BYTES = 256 * 1024
MAX_BOTS = 20_000
MAX_STAYS = 100_000

Name = Annotated[str, Meta(min_length=1, max_length=40)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Long = Annotated[float, Meta(ge=1, le=86_400)]


class Cohort(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bots of a room that are alike: `count` of them in each room of the group.

    They are there from the beginning, unless `begin_s` is later or they arrive one by one: at a rate of
    `arrivals_per_s`, or spread over `ramp_s`, in all rooms of the group together. Each stays for `stay_s`, or
    to the end; and comes back `away_s` after it left, if that is given. Stays and absences are longer or
    shorter at random, by up to the share `vary`.

    Full bots send a single layer; all of them decode what they get if one cohort's are to `decode`. A muted
    microphone sends silence that nobody gets.
    """

    count: Count = 4
    kind: Literal["light", "full"] = "light"
    video: Literal["simulcast", "single", "none"] = "simulcast"
    audio: Literal["speech", "muted", "none"] = "speech"
    decode: bool = False
    begin_s: Seconds = 0.0
    arrivals_per_s: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    ramp_s: Seconds = 0.0
    stay_s: Long | None = None
    away_s: Seconds | None = None
    vary: Annotated[float, Meta(ge=0, le=0.9)] = 0.0

    def __post_init__(self) -> None:
        if self.arrivals_per_s and self.ramp_s:
            raise ValueError("allowed is one of `arrivals_per_s` and `ramp_s`")
        if self.away_s is not None and self.stay_s is None:
            raise ValueError("`away_s` is allowed with `stay_s` alone: who never leaves cannot come back")
        if self.decode and self.kind != "full":
            raise ValueError('`decode` is allowed with `kind = "full"` alone')

    def arrival_s(self, number: int, of: int) -> float:
        """Return when that bot, counted from 0, of so many in all rooms arrives."""
        if self.arrivals_per_s:
            return self.begin_s + number / self.arrivals_per_s
        return self.begin_s + self.ramp_s * number / of

    @property
    def is_there_from_the_beginning(self) -> bool:
        """Whether the clock waits for them."""
        return not (self.begin_s or self.arrivals_per_s or self.ramp_s)

    def stays_within(self, seconds: float) -> int:
        """Return how often each comes in that time, at most."""
        if self.stay_s is None or self.away_s is None:
            return 1
        return 1 + int(seconds / ((self.stay_s + self.away_s) * (1 - self.vary)))


class Group(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rooms that are alike."""

    name: Name = "room"
    rooms: Annotated[int, Meta(ge=1, le=1000)] = 1
    bots: Annotated[tuple[Cohort, ...], Meta(min_length=1, max_length=20)] = (Cohort(),)


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it: `seconds` in total on its clock, with so many bots joining at a time."""

    title: Annotated[str, Meta(min_length=1, max_length=200)] = "Bots"
    seconds: Long = 10.0
    joining_at_once: Annotated[int, Meta(ge=1, le=1000)] = 8
    seed: int = 1
    groups: Annotated[tuple[Group, ...], Meta(min_length=1, max_length=100)] = (Group(),)

    def __post_init__(self) -> None:
        cohorts = [
            (f"groups[{number}].bots[{place}]", cohort, cohort.count * group.rooms)
            for number, group in enumerate(self.groups)
            for place, cohort in enumerate(group.bots)
        ]
        for path, cohort, bots in cohorts:
            last_s = cohort.arrival_s(bots - 1, bots)
            if last_s >= self.seconds:
                raise ValueError(
                    f"the last of {bots} bots would arrive after {last_s:g} s, allowed is less than "
                    f"`seconds` = {self.seconds:g} - at `$.{path}`"
                )
        if (bots := sum(bots for *_, bots in cohorts)) > MAX_BOTS:
            raise ValueError(f"{bots} bots in all rooms, allowed are {MAX_BOTS}")
        stays = sum(bots * cohort.stays_within(self.seconds) for _, cohort, bots in cohorts)
        if stays > MAX_STAYS:
            raise ValueError(f"up to {stays} stays of all bots, allowed are {MAX_STAYS}")


class ScenarioInvalid(Exception):
    """It cannot be: tells the file, the field, and what is allowed there."""


def read(file: Path) -> Scenario:
    """Return the scenario of a TOML file. Raises ScenarioInvalid."""
    try:
        return made(tomllib.loads(_content(file)))
    except OSError as error:
        raise ScenarioInvalid(f"{file}: {error.strerror}") from error
    except ScenarioInvalid as error:
        raise ScenarioInvalid(f"{file}: {error}") from error
    except (ValueError, RecursionError) as error:  # of TOML, or of UTF-8
        raise ScenarioInvalid(f"{file}: not TOML: {error}") from error


def _content(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ScenarioInvalid(f"too large, allowed are {MAX_FILE_BYTES} bytes")
    return content.decode()


def made(content: dict[str, Any]) -> Scenario:
    """Return the scenario with the content of a file. Raises ScenarioInvalid."""
    try:
        return msgspec.convert(content, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioInvalid(_told(str(error))) from error


def _told(error: str) -> str:
    """Put msgspec's message into the order of a reader: path, what is wrong, what is allowed."""
    located = re.fullmatch(r"(.*) - at `\$\.?([\w.\[\]]*)`", error, re.DOTALL)
    what, path = located.groups() if located else (error, "")
    place = _type_at(path)
    allowed: list[str] = []
    if isinstance(place, LiteralType):
        allowed = [str(value) for value in place.values]
    elif isinstance(place, StructType) and "unknown field" in what:
        allowed = [field.name for field in place.fields]
    return f"{path}: " * bool(path) + what + f" (allowed: {', '.join(allowed)})" * bool(allowed)


def _type_at(path: str) -> Type | None:
    """Return the type of what is at a path such as `groups[0].bots[1].kind`."""
    place: Type | None = msgspec.inspect.type_info(Scenario)
    for name in re.findall(r"[a-z_]+", path):
        fields: dict[str, Type] = {each.name: each.type for each in getattr(place, "fields", ())}
        place = fields.get(name)
        if isinstance(place, CollectionType):
            place = place.item_type
    return place
