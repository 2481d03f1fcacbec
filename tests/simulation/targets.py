"""What is to come of a meeting: numbers that are measured of it, and the bounds they must keep."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation import measures
from tests.simulation.meeting import Meeting


@dataclass(frozen=True)
class Target:
    """A number that a scenario must keep: at most `most`, or at least `least`, in `unit`."""

    text: str
    measure: Callable[[Meeting], float]
    most: float | None = None
    least: float | None = None
    unit: str = ""

    def judge(self, meeting: Meeting) -> "Verdict":
        value = self.measure(meeting)
        kept = (self.most is None or value <= self.most) and (self.least is None or value >= self.least)
        return Verdict(self, value, kept)


@dataclass(frozen=True)
class Verdict:
    target: Target
    value: float
    kept: bool

    @property
    def bound(self) -> str:
        if self.target.most is not None:
            return f"≤ {self._number(self.target.most)}"
        return f"≥ {self._number(self.target.least or 0.0)}"

    @property
    def found(self) -> str:
        return "never" if self.value > measures.END / 2 else self._number(self.value)

    def _number(self, value: float) -> str:
        match self.target.unit:
            case "%":
                return f"{100 * value:.1f} %"
            case "ms":
                return f"{1000 * value:.0f} ms"
            case "s":
                return f"{value:.2f} s"
            case unit:
                return f"{value:.4g} {unit}".rstrip()

    def __str__(self) -> str:
        return f"{self.target.text}: {self.found} (target {self.bound})"


def _wrong(meeting: Meeting) -> float:
    return float(measures.wrong_frames(meeting))


DECODED_WRONGLY = Target("Frames decoded without what they refer to", _wrong, most=0)


Measure = Callable[..., float]


def of(measure: Measure, *args: float, seat: int = 0) -> Callable[[Meeting], float]:
    """Return the measure of one receiver."""
    return lambda meeting: measure(meeting.seats[seat], *args)


def most_of(measure: Measure, *args: float, first: int = 0) -> Callable[[Meeting], float]:
    """Return the greatest measure of any receiver, from the `first` on."""
    return lambda meeting: max(measure(seat, *args) for seat in meeting.seats[first:])


def least_of(measure: Measure, *args: float, first: int = 0) -> Callable[[Meeting], float]:
    """Return the least measure of any receiver, from the `first` on."""
    return lambda meeting: min(measure(seat, *args) for seat in meeting.seats[first:])


def unbroken(
    until: float, *, since: float = 0.0, concealed: float = 0.03, longest_s: float = 0.4, frozen: float = 0.01
) -> tuple[Target, ...]:
    """Return what any call needs: sound, and a picture that moves."""
    return (
        Target("Sound concealed", most_of(measures.concealed_share, since, until), most=concealed, unit="%"),
        Target("Longest freeze", most_of(measures.longest_freeze_s, since, until), most=longest_s, unit="ms"),
        Target("Time frozen", most_of(measures.frozen_share, since, until), most=frozen, unit="%"),
    )


def joined(*, best_s: float = 4.0) -> tuple[Target, ...]:
    return (
        Target("First frame", most_of(measures.first_frame_s), most=0.8, unit="ms"),
        Target("Best layer", most_of(measures.first_at_s, 2), most=best_s, unit="s"),
    )


def fallen(
    at: float,
    until: float,
    rank: int,
    *,
    settled_s: float = 1.5,
    concealed: float = 0.03,
    longest_s: float = 1.0,
) -> tuple[Target, ...]:
    """Return what is to come of a link that becomes slow at a time, where layers up to a rank fit."""
    return (
        Target("On a fitting layer after", of(measures.settled_s, rank, at, until), most=settled_s, unit="s"),
        Target("Queue from 3 s after the fall on", of(measures.queue_s, at + 3, until), most=0.2, unit="ms"),
        Target(
            "Sound concealed meanwhile", of(measures.concealed_share, at, until), most=concealed, unit="%"
        ),
        Target(
            "Longest freeze meanwhile", of(measures.longest_freeze_s, at, until), most=longest_s, unit="ms"
        ),
    )


def risen(at: float, until: float) -> tuple[Target, ...]:
    return (
        Target("Best layer back after", of(measures.first_at_s, 2, at), most=8, unit="s"),
        Target(
            "Best layer from 8 s after the rise on",
            of(measures.share_of_time_at, 2, at + 8, until),
            least=0.95,
            unit="%",
        ),
        Target("Frames from then on", of(measures.frames_per_s, at + 8, until), least=28, unit="/s"),
    )
