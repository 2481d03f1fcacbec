"""What is measured of a meeting that was played. Times are seconds since the receivers joined."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean

from tests.simulation.meeting import Meeting, Seat
from tests.simulation.pictures import Picture, Shown
from tests.simulation.publishers import PATTERN

END = 1e9
MOMENT_S = 0.1
TOP = max(temporal for temporal, _, _ in PATTERN)
USUAL = 30
"""Intervals between frames of which the mean is what is usual."""


def shown(seat: Seat, since: float = 0.0, until: float = END) -> Iterator[Shown]:
    """Yield the frames that all pictures rendered."""
    for picture in seat.pictures:
        for frame in picture.shown:
            if since <= frame.at - seat.began < until:
                yield frame


def first_frame_s(seat: Seat) -> float:
    """Return when the first frame was rendered."""
    return min((frame.at - seat.began for frame in shown(seat)), default=END)


def first_at_s(seat: Seat, rank: int, since: float = 0.0) -> float:
    """Return how long after `since` every picture had shown a layer of at least this rank in full.

    In full: with frames of its highest temporal layer.
    """

    def is_it(frame: Shown) -> bool:
        return frame.rank >= rank and frame.temporal == TOP and frame.at - seat.began >= since

    firsts = [
        min((each.at for each in picture.shown if is_it(each)), default=END) for picture in seat.pictures
    ]
    return max(firsts, default=END) - seat.began - since


def settled_s(seat: Seat, most_rank: int, since: float, until: float) -> float:
    """Return how long after `since` the last frame above a rank was shown, and one that is not came."""
    last = max((f.at for f in shown(seat, since, until) if f.rank > most_rank), default=seat.began + since)
    after = [f.at for f in shown(seat, since, until) if f.at >= last and f.rank <= most_rank]
    return min(after, default=END) - seat.began - since


def share_of_time_at(seat: Seat, rank: int, since: float, until: float) -> float:
    """Return the share of the time that a layer of at least this rank was on screen."""
    total = 0.0
    for picture in seat.pictures:
        frames = [f for f in picture.shown if since <= f.at - seat.began < until]
        total += sum(b.at - a.at for a, b in pairwise(frames) if a.rank >= rank)
    return total / (until - since) / max(1, len(seat.pictures))


def frames_per_s(seat: Seat, since: float, until: float) -> float:
    """Return the frame rate of the average picture."""
    return len(list(shown(seat, since, until))) / (until - since) / max(1, len(seat.pictures))


def freezes(
    seat: Seat, picture: Picture, since: float = 0.0, until: float = END
) -> list[tuple[float, float]]:
    """Return when and how long a picture froze, as browsers count it (W3C webrtc-stats, freezeCount)."""
    end = seat.receiver.world.now
    times = [frame.at for frame in picture.shown] + [end]
    usual: list[float] = []
    found = []
    for before, after in pairwise(times):
        gap = after - before
        mean = fmean(usual[-USUAL:]) if usual else gap
        if gap > max(3 * mean, mean + 0.15) and since <= before - seat.began < until:
            found.append((before - seat.began, gap))
        usual.append(gap)
    return found


def longest_freeze_s(seat: Seat, since: float = 0.0, until: float = END) -> float:
    """Return the longest freeze of any picture; a picture that never came is one for ever."""
    if not seat.pictures:
        return END
    return max((gap for each in seat.pictures for _, gap in freezes(seat, each, since, until)), default=0.0)


def frozen_share(seat: Seat, since: float, until: float) -> float:
    """Return the share of the time that the average picture was frozen."""
    if not seat.pictures:
        return 1.0
    total = sum(gap for each in seat.pictures for _, gap in freezes(seat, each, since, until))
    return total / (until - since) / len(seat.pictures)


def concealed_share(seat: Seat, since: float = 0.0, until: float = END) -> float:
    """Return the share of concealed sound; sound that never came is all concealed."""
    slots = [
        concealed
        for sound in seat.receiver.sounds.values()
        for at, concealed, _ in sound.slots
        if since <= at - seat.began < until
    ]
    return sum(slots) / len(slots) if slots else 1.0


def sound_age_s(seat: Seat, since: float, until: float) -> float:
    """Return how old the sound is that is heard, on average."""
    ages = [
        age
        for sound in seat.receiver.sounds.values()
        for at, _, age in sound.slots
        if age is not None and since <= at - seat.began < until
    ]
    return fmean(ages) if ages else END


def apart_s(seat: Seat, since: float, until: float) -> float:
    """Return how far apart sound and picture are, one in twenty moments excepted.

    Both are as old as their capture says; nothing here evens them out, as a page would.
    """
    heard = {
        round((at - seat.began) / MOMENT_S): age
        for sound in seat.receiver.sounds.values()
        for at, _, age in sound.slots
        if age is not None
    }
    apart = sorted(
        abs(frame.at - frame.captured - heard[moment])
        for frame in shown(seat, since, until)
        if (moment := round((frame.at - seat.began) / MOMENT_S)) in heard
    )
    return apart[int(0.95 * len(apart))] if apart else END


def queue_s(seat: Seat, since: float, until: float, share: float = 1.0) -> float:
    """Return what the queue stays below for a share of the time (1: all of it)."""
    queues = sorted(queue for at, queue in seat.queues if since <= at < until)
    return queues[min(len(queues) - 1, int(share * len(queues)))]


def mean_queue_s(seat: Seat, since: float, until: float) -> float:
    """Return the queue on average."""
    return fmean(queue for at, queue in seat.queues if since <= at < until)


def useful_bps(seat: Seat, since: float, until: float) -> float:
    """Return the rate of all that arrived but padding, headers included."""
    return fmean(each.received_bps - each.padding_bps for each in seat.samples if since < each.at <= until)


def lost_share(seat: Seat, since: float, until: float) -> float:
    """Return the share of packets that the network did not deliver."""
    some = [each for each in seat.samples if since < each.at <= until]
    return sum(each.lost for each in some) / max(1, sum(each.packets for each in some))


def utilisation(seat: Seat, since: float, until: float) -> float:
    """Return the share of the link that was used for what is of use."""
    link = fmean(each.link_bps for each in seat.samples if since < each.at <= until)
    return useful_bps(seat, since, until) / link


def largest_share(seats: Sequence[Seat], since: float, until: float) -> float:
    """Return the largest receiver's share of what all were sent."""
    rates = [useful_bps(seat, since, until) for seat in seats]
    return max(rates) / sum(rates)


def uplink_bps(meeting: Meeting, since: float, until: float) -> float:
    """Return what the average publisher sent, pictures alone."""
    some = [(at, octets) for at, octets in meeting.uplinks if since <= at <= until]
    (began, first), (ended, last) = some[0], some[-1]
    return (last - first) * 8 / (ended - began) / len(meeting.publishers)


def wrong_frames(meeting: Meeting) -> int:
    """Return how many frames were decoded though what they refer to had not been."""
    return sum(picture.wrong for seat in meeting.seats for picture in seat.pictures)
