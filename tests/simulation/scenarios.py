"""What happens to whom, and what is to come of it: the bad networks of the real world, as data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulation import measures
from tests.simulation.meeting import Meeting, Network
from tests.simulation.targets import (
    DECODED_WRONGLY,
    Target,
    Verdict,
    fallen,
    joined,
    least_of,
    most_of,
    of,
    risen,
    unbroken,
)


@dataclass(frozen=True)
class Scenario:
    """A meeting of `seconds`: `publishers` cameras, and a receiver for each of `networks`."""

    name: str
    title: str
    story: str
    networks: Sequence[Network]
    seconds: float
    targets: Sequence[Target]
    publishers: int = 1
    heights: Sequence[tuple[float, int]] = ((0, 720),)

    def play(self, seed: int = 1) -> Meeting:
        meeting = Meeting(self.networks, publishers=self.publishers, heights=self.heights, seed=seed)
        meeting.run(self.seconds)
        return meeting

    def judge(self, meeting: Meeting) -> list[Verdict]:
        return [target.judge(meeting) for target in (*self.targets, DECODED_WRONGLY)]


def _largest_share(since: float, until: float) -> Callable[[Meeting], float]:
    return lambda meeting: measures.largest_share(meeting.seats, since, until)


def _uplink(since: float, until: float) -> Callable[[Meeting], float]:
    return lambda meeting: measures.uplink_bps(meeting, since, until) / 1e6


def _key_frames(meeting: Meeting) -> float:
    return float(sum(each.requests for each in meeting.publishers))


SCENARIOS = (
    Scenario(
        "start",
        "Start on 5 Mbit/s",
        "Somebody joins a running meeting.",
        (Network(),),
        10,
        (
            *joined(),
            *unbroken(10),
            Target(
                "Best layer, share of the time",
                of(measures.share_of_time_at, 2, 4, 10),
                least=0.95,
                unit="%",
            ),
            Target("Sound and picture apart", of(measures.apart_s, 2, 10), most=0.08, unit="ms"),
        ),
    ),
    Scenario(
        "start-four",
        "Start on 5 Mbit/s with four cameras",
        "Somebody joins a meeting of four, each drawn 360 pixels high.",
        (Network(),),
        15,
        (
            Target("First frame", most_of(measures.first_frame_s), most=0.8, unit="ms"),
            Target("Layer h of all four", most_of(measures.first_at_s, 1), most=4, unit="s"),
            *unbroken(15),
        ),
        publishers=4,
        heights=((0, 360),),
    ),
    Scenario(
        "drop",
        "5 Mbit/s → 500 kbit/s → 5 Mbit/s",
        "The link becomes ten times slower at 8 s, and recovers at 24 s. Its queue holds 64 kB.",
        (Network(((0, 5e6), (8, 500e3), (24, 5e6))),),
        40,
        (*joined(), *fallen(8, 24, 1), *risen(24, 40)),
    ),
    Scenario(
        "steps",
        "5 Mbit/s → 300 kbit/s → 5 Mbit/s",
        "The link becomes almost useless at 8 s, and recovers at 24 s.",
        (Network(((0, 5e6), (8, 300e3), (24, 5e6))),),
        40,
        (*joined(), *fallen(8, 24, 0, settled_s=3.0, concealed=0.06, longest_s=1.5), *risen(24, 40)),
    ),
    Scenario(
        "steady",
        "A steady 2 Mbit/s",
        "Three cameras, of which all are wanted large: more than the link carries.",
        (Network(((0, 2e6),)),),
        40,
        (
            Target("Utilisation", of(measures.utilisation, 10, 40), least=0.85, unit="%"),
            Target("Queue on average", of(measures.mean_queue_s, 10, 40), most=0.05, unit="ms"),
            Target("Queue, 95 % of the time below", of(measures.queue_s, 10, 40, 0.95), most=0.15, unit="ms"),
            *unbroken(40, since=5),
        ),
        publishers=3,
    ),
    Scenario(
        "random-loss",
        "10 % random loss",
        "2 Mbit/s, 100 ms round trip; every tenth packet is lost, whatever is sent.",
        (Network(((0, 2e6),), rtt_s=0.1, loss=0.1),),
        40,
        (
            *unbroken(40, since=2, concealed=0.05),
            Target("Layer h or better", of(measures.share_of_time_at, 1, 5, 40), least=0.9, unit="%"),
        ),
    ),
    Scenario(
        "burst-loss",
        "5 % loss in bursts",
        "3 Mbit/s, 50 ms round trip; losses come five packets at a time.",
        (Network(((0, 3e6),), loss=0.05, burst=5),),
        40,
        (
            *unbroken(40, since=2, concealed=0.05),
            Target("Layer h or better", of(measures.share_of_time_at, 1, 5, 40), least=0.9, unit="%"),
        ),
    ),
    Scenario(
        "long-way",
        "300 ms round trip",
        "3 Mbit/s to the other side of the world, with half a percent of loss.",
        (Network(((0, 3e6),), rtt_s=0.3, loss=0.005, queue_octets=128_000),),
        30,
        (
            Target("First frame", most_of(measures.first_frame_s), most=1.6, unit="ms"),
            Target("Best layer", most_of(measures.first_at_s, 2), most=6, unit="s"),
            *unbroken(30, since=2, longest_s=0.5, frozen=0.06),
        ),
    ),
    Scenario(
        "wifi",
        "Jitter of a busy Wi-Fi",
        "10 Mbit/s; packets wait 6 ms for the channel, and come in bursts; at times it is gone for 80 ms.",
        (Network(((0, 10e6),), wifi=(0.006, 0.08, 0.3)),),
        30,
        (
            *joined(best_s=6),
            *unbroken(30, since=2),
            Target(
                "Best layer, share of the time",
                of(measures.share_of_time_at, 2, 6, 30),
                least=0.95,
                unit="%",
            ),
            Target("Sound and picture apart", of(measures.apart_s, 2, 30), most=0.08, unit="ms"),
        ),
    ),
    Scenario(
        "busy-machine",
        "A receiver's machine with other things to do",
        "1 Mbit/s for three cameras; packets wait 15 ms to be read, and now and then up to 150 ms.",
        (Network(((0, 1e6),), wifi=(0.015, 0.15, 1.5)),),
        40,
        (
            Target("Utilisation", of(measures.utilisation, 5, 40), least=0.66, unit="%"),
            *unbroken(40, since=5),
        ),
        publishers=3,
    ),
    Scenario(
        "reordering",
        "Packets that overtake each other",
        "5 Mbit/s; every packet is late by a time of its own, 5 ms typically.",
        (Network(reordering=0.005),),
        20,
        (*joined(best_s=6), *unbroken(20, since=2)),
    ),
    Scenario(
        "policer",
        "A policer at 1 Mbit/s",
        "What exceeds 1 Mbit/s is dropped, not queued: there is no delay that would warn.",
        (Network(((0, 20e6),), policed_bps=1e6),),
        30,
        (
            *unbroken(30, since=5, concealed=0.05, longest_s=0.8),
            Target("Loss", of(measures.lost_share, 10, 30), most=0.05, unit="%"),
            Target("Layer h or better", of(measures.share_of_time_at, 1, 8, 30), least=0.8, unit="%"),
        ),
    ),
    Scenario(
        "competing",
        "Somebody else's traffic",
        "3 Mbit/s, of which another flow takes 2 Mbit/s from 8 to 20 s.",
        (Network(((0, 3e6),), flow=(2e6, (8, 20))),),
        35,
        (
            Target("Queue from 3 s after it begins on", of(measures.queue_s, 11, 20), most=0.2, unit="ms"),
            *unbroken(35, longest_s=1.2, frozen=0.05),
            *risen(20, 35),
        ),
    ),
    Scenario(
        "two-share",
        "Two receivers behind one bottleneck",
        "3 Mbit/s for two, who each want four cameras; the second comes 10 s after the first.",
        (Network(((0, 3e6),), shared="home"), Network(shared="home", joins=10)),
        120,
        (
            Target("Larger share", _largest_share(30, 120), most=0.6, unit="%"),
            Target("Queue on average", of(measures.mean_queue_s, 30, 120), most=0.05, unit="ms"),
            *unbroken(120, since=15, longest_s=0.6),
        ),
        publishers=4,
    ),
    Scenario(
        "one-slow",
        "One slow receiver among fast ones",
        "Three receivers with 10 Mbit/s, and one with 400 kbit/s.",
        (Network(((0, 400e3),)), *[Network(((0, 10e6),))] * 3),
        20,
        (
            Target("First frame of the fast", most_of(measures.first_frame_s, first=1), most=0.8, unit="ms"),
            Target("Best layer of the fast", most_of(measures.first_at_s, 2, first=1), most=4, unit="s"),
            Target(
                "Best layer of the fast, share of the time",
                least_of(measures.share_of_time_at, 2, 4, 20, first=1),
                least=0.98,
                unit="%",
            ),
            Target(
                "Frames of the fast", least_of(measures.frames_per_s, 4, 20, first=1), least=29, unit="/s"
            ),
            Target(
                "Longest freeze of the fast", most_of(measures.longest_freeze_s, first=1), most=0.0, unit="ms"
            ),
            Target("Sound of the slow concealed", of(measures.concealed_share, 2, 20), most=0.03, unit="%"),
            Target("Longest freeze of the slow", of(measures.longest_freeze_s, 2, 20), most=0.5, unit="ms"),
        ),
    ),
    Scenario(
        "small-then-large",
        "Layers that nobody needs",
        "A picture is drawn as a thumbnail for 12 s, then large.",
        (Network(),),
        20,
        (
            Target("Uplink for the thumbnail", _uplink(6, 12), most=0.25, unit="Mbit/s"),
            Target("Best layer when it is large, after", of(measures.first_at_s, 2, 12), most=1, unit="s"),
            Target("Longest freeze", of(measures.longest_freeze_s), most=0.0, unit="ms"),
        ),
        heights=((0, 180), (12, 720)),
    ),
    Scenario(
        "fifty",
        "Fifty receivers",
        "Fifty receivers with 1 to 10 Mbit/s watch one camera.",
        tuple(Network(((0, 1e6 + 9e6 * at / 49),), rtt_s=0.02 + 0.002 * at) for at in range(50)),
        12,
        (
            Target("First frame", most_of(measures.first_frame_s), most=0.8, unit="ms"),
            Target("Sound concealed", most_of(measures.concealed_share, 2, 12), most=0.03, unit="%"),
            Target("Longest freeze", most_of(measures.longest_freeze_s, 2), most=0.4, unit="ms"),
            Target(
                "Best layer of those with 3 Mbit/s or more, share of the time",
                least_of(measures.share_of_time_at, 2, 6, 12, first=11),
                least=0.9,
                unit="%",
            ),
            Target("Key frames asked for", _key_frames, most=30),
        ),
    ),
)
