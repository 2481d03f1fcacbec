"""What is measured is what browsers would measure; charts have round numbers."""

import pytest

from tests.drawing.chart import stretches, ticks
from tests.simulation.measures import freezes, settled_s, share_of_time_at
from tests.simulation.meeting import Meeting, Network
from tests.simulation.pictures import Shown


@pytest.fixture
def meeting() -> Meeting:
    meeting = Meeting([Network()])
    meeting.run(1.0)
    return meeting


def test_a_freeze_is_a_gap_much_longer_than_usual(meeting: Meeting) -> None:
    (seat,) = meeting.seats
    (picture,) = seat.pictures
    times = [at / 30 for at in range(20)] + [1.0, 1.03, 1.06, 1.2, 1.23]
    picture.shown[:] = [Shown(seat.began + at - 0.2, 1, 0, 0, 0, 0.0) for at in times]
    assert [(round(at, 2), round(gap, 2)) for at, gap in freezes(seat, picture)] == [(0.43, 0.37)]


def test_settling_is_the_last_frame_that_was_too_large(meeting: Meeting) -> None:
    (seat,) = meeting.seats
    (picture,) = seat.pictures
    ranks = [2] * 10 + [0] * 5 + [2] * 2 + [1] * 13
    picture.shown[:] = [Shown(seat.began + at / 10, 1, rank, 0, 0, 0.0) for at, rank in enumerate(ranks)]
    assert settled_s(seat, 1, 0.5, 3) == pytest.approx(1.2)
    assert share_of_time_at(seat, 1, 0, 3) == pytest.approx(2.4 / 3)


@pytest.mark.parametrize(
    ("most", "wanted", "expected"),
    [(10, 2, [0, 5, 10]), (3.2, 3, [0, 1, 2, 3]), (0.5, 2, [0, 0.2, 0.4]), (1700, 3, [0, 500, 1000, 1500])],
)
def test_round_numbers(most: float, wanted: int, expected: list[float]) -> None:
    assert ticks(most, wanted) == pytest.approx(expected)


def test_runs_of_equal_values() -> None:
    points = [(0.0, 1.0), (0.1, 1.0), (0.2, 2.0), (1.0, 2.0)]
    runs = [(round(a, 3), round(b, 3), value) for a, b, value in stretches(points, 0.5)]
    assert runs == [(0.0, 0.2, 1.0), (0.2, 0.7, 2.0), (1.0, 1.0, 2.0)]
