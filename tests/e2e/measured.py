"""What a person's page plays of the others, recorded by the page itself while a test changes its network.

The page keeps the time and the width of every frame it presents, and reads its receivers' statistics
a few times a second. What comes of that is worked out here, in windows of time on the page's own clock.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from tests.e2e.person import Person, mark
from tests.support.waiting import until

FREEZE_FACTOR, FREEZE_EXTRA_S, FREEZE_MEMORY = 3.0, 0.15, 30
"""A frame that takes this much longer than the last ones did is a freeze: `freezeCount` in webrtc-stats."""

# `look` finds videos that are new, so the first frames of one may be missed.
RECORD = """(button) => {
    const record = window.record = { clicked: 0, frames: {}, sounds: [], octets: [], quality: [] };
    const now = () => performance.now() / 1000;
    const clicked = ({ timeStamp }) => { record.clicked = timeStamp / 1000; };
    document.querySelector(button).addEventListener("click", clicked, { capture: true, once: true });
    const followed = new WeakSet();
    const follow = (video) => {
        const presented = (_, { width }) => {
            const tile = video.closest("article.tile[data-self=false]");
            const name = tile?.querySelector("[data-slot=name]").textContent;
            if (name) (record.frames[name] ??= []).push([now(), width]);
            video.requestVideoFrameCallback(presented);
        };
        followed.add(video);
        video.requestVideoFrameCallback(presented);
    };
    const look = async () => {
        for (const video of document.querySelectorAll("article.tile video")) {
            if (!followed.has(video)) follow(video);
        }
        const reports = [...((await probe.connections.at(-1)?.getStats())?.values() ?? [])];
        const inbound = reports.filter(({ type }) => type === "inbound-rtp");
        const octets = (kind) => inbound.filter((report) => report.kind === kind)
            .reduce((sum, report) => sum + report.bytesReceived + report.headerBytesReceived, 0);
        record.octets.push([now(), octets("audio"), octets("video")]);
        for (const report of inbound.filter(({ kind }) => kind === "audio")) {
            const { id, packetsReceived, totalSamplesReceived, concealedSamples } = report;
            const concealed = (concealedSamples ?? 0) - (report.silentConcealedSamples ?? 0);
            record.sounds.push([now(), id, packetsReceived, totalSamplesReceived ?? 0, concealed]);
        }
        record.quality.push([now(), parley.call?.quality ?? []]);
        setTimeout(look, 200);
    };
    look();
}"""

# The width of the last frame of each of the others.
WIDTHS = """() => Object.fromEntries(
    Object.entries(record.frames).map(([name, frames]) => [name, frames.at(-1)[1]]))"""


@dataclass(frozen=True)
class Frame:
    """A frame the page presented."""

    at_s: float
    width: int


@dataclass(frozen=True)
class Sound:
    """Counters of one receiver of sound; `concealed` is without the concealment of silence."""

    at_s: float
    receiver: str
    packets: int
    samples: int
    concealed: int


@dataclass(frozen=True)
class Window:
    """A stretch of the page's time."""

    begin_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Return how long it is."""
        return self.end_s - self.begin_s

    def holds(self, at_s: float) -> bool:
        """Whether it lies inside."""
        return self.begin_s <= at_s <= self.end_s


@dataclass(frozen=True)
class Record:
    """All that was recorded; times are of the page's clock. `frames` are by the name on the tile."""

    clicked_s: float
    frames: dict[str, list[Frame]]
    sounds: list[Sound]
    octets: list[tuple[float, int, int]]
    """When, and all octets of sound and of pictures that came until then, RTP headers among them."""
    quality: list[tuple[float, list[dict[str, Any]]]]
    """What the node said it gives, and why."""

    def gaps_s(self, window: Window) -> list[list[float]]:
        """Return each person's times between frames, also those cut off by the window's edges."""
        gaps = []
        for frames in self.frames.values():
            inside = [frame.at_s for frame in frames if window.holds(frame.at_s)]
            times = [window.begin_s, *inside, window.end_s]
            gaps.append([after - before for before, after in pairwise(times)])
        return gaps

    def longest_gap_s(self, window: Window) -> float:
        """Return for how long the picture of somebody stood still at most."""
        return max(map(max, self.gaps_s(window)))

    def frozen_share(self, window: Window) -> float:
        """Return the share of the time in freezes, of the picture that froze the most."""
        return max(sum(_freezes_s(gaps)) for gaps in self.gaps_s(window)) / window.length_s

    def frames_per_s(self, window: Window) -> float:
        """Return the frame rate of the picture with the fewest frames."""
        return (min(map(len, self.gaps_s(window))) - 1) / window.length_s

    def widths(self, window: Window) -> list[int]:
        """Return how wide each of the others was last."""
        return [
            next((frame.width for frame in reversed(frames) if window.holds(frame.at_s)), 0)
            for frames in self.frames.values()
        ]

    def narrower_share(self, width: int, window: Window) -> float:
        """Return the share of the frames narrower than this, of the picture that had the most of them."""
        shares = []
        for frames in self.frames.values():
            inside = [frame for frame in frames if window.holds(frame.at_s)]
            shares.append(sum(frame.width < width for frame in inside) / len(inside) if inside else 1.0)
        return max(shares, default=1.0)

    def concealed_share(self, window: Window) -> float:
        """Return the share of the sound that was made up for want of packets, over all that came."""
        samples = concealed = 0
        for receiver in {sound.receiver for sound in self.sounds}:
            own = [sound for sound in self.sounds if sound.receiver == receiver and window.holds(sound.at_s)]
            if len(own) > 1 and own[-1].packets > own[0].packets:
                samples += own[-1].samples - own[0].samples
                concealed += own[-1].concealed - own[0].concealed
        assert samples, "no sound came at all"
        return concealed / samples

    def received_bps(self, window: Window) -> tuple[float, float]:
        """Return at what rates sound and pictures came."""
        inside = [each for each in self.octets if window.holds(each[0])]
        first, last = inside[0], inside[-1]
        sound, picture = ((last[at] - first[at]) * 8 / (last[0] - first[0]) for at in (1, 2))
        return sound, picture

    def reached_s(self, width: int, since_s: float) -> float:
        """Return how long it took until everybody's picture had been this wide; infinity: it was not."""
        firsts = [
            min(
                (frame.at_s for frame in frames if frame.at_s > since_s and frame.width >= width), default=inf
            )
            for frames in self.frames.values()
        ]
        return max(firsts, default=inf) - since_s

    def left_s(self, width: int, window: Window) -> float:
        """Return how long it took until nobody's picture was this wide any more."""
        late = [
            frame.at_s - window.begin_s
            for frames in self.frames.values()
            for frame in frames
            if window.holds(frame.at_s) and frame.width >= width
        ]
        return max(late, default=0.0)


class Recorder:
    """Records at somebody's page."""

    def __init__(self, person: Person) -> None:
        self._page = person.page

    async def now_s(self) -> float:
        """Return the page's time."""
        at_s: float = await self._page.evaluate("() => performance.now() / 1000")
        return at_s

    async def widths(self) -> dict[str, int]:
        """Return how wide each of the others is now, or was when last seen."""
        widths: dict[str, int] = await self._page.evaluate(WIDTHS)
        return widths

    async def sees(self, count: int, accept: Callable[[int], bool], *, deadline_s: float) -> bool:
        """Wait until so many pictures have a width as wanted; return whether they did in time."""
        try:
            await until(
                f"{count} pictures of the width wanted",
                self.widths,
                accept=lambda widths: len(widths) == count and all(map(accept, widths.values())),
                deadline_s=deadline_s,
            )
        except TimeoutError:
            return False
        return True

    async def record(self) -> Record:
        """Return all that was recorded so far."""
        raw = await self._page.evaluate("() => record")
        return Record(
            clicked_s=raw["clicked"],
            frames={name: [Frame(*frame) for frame in frames] for name, frames in raw["frames"].items()},
            sounds=[Sound(*sound) for sound in raw["sounds"]],
            octets=[(at_s, sound, picture) for at_s, sound, picture in raw["octets"]],
            quality=[(at_s, slots) for at_s, slots in raw["quality"]],
        )


async def recorder(person: Person) -> Recorder:
    """Begin to record at the page of somebody who is in the lobby."""
    await person.page.evaluate(RECORD, mark("join"))
    return Recorder(person)


@dataclass(frozen=True)
class Figure:
    """One thing measured, in some unit: what it should be at most, and up to what it is let pass."""

    what: str
    measured: float
    unit: str = "s"
    target: float | None = None
    limit: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it is within its limit, if it has one."""
        return self.limit is None or self.measured <= self.limit

    def __str__(self) -> str:
        aimed = "" if self.target is None else f"  target {self.target:g}"
        bound = "" if self.limit is None else f", limit {self.limit:g}"
        return f"{self.what:<46}{self.measured:>9.2f} {self.unit:<8}{aimed}{bound}"


def table(title: str, figures: Sequence[Figure]) -> str:
    """Return what was measured as text, a line each."""
    return "\n".join([title, *(f"  {figure}{'' if figure.holds else '  MISSED'}" for figure in figures)])


def _freezes_s(gaps: list[float]) -> list[float]:
    freezes = []
    for at, gap in enumerate(gaps):
        mean = statistics.mean(gaps[max(0, at - FREEZE_MEMORY) : at] or gaps)
        if gap > max(FREEZE_FACTOR * mean, mean + FREEZE_EXTRA_S):
            freezes.append(gap)
    return freezes
