"""Publishers are told when their packets arrived, soon and once; and again after they come back."""

import pytest

from tests.scenario.numbered import NumberedClient, first, join
from tests.scenario.world import World


def alone() -> tuple[World, NumberedClient]:
    world = World()
    ada = join(world, "ada")
    world.run(1.0)
    return world, ada


def test_everything_that_came_is_acknowledged() -> None:
    world, ada = alone()
    ada.take_acknowledged()
    began = ada.sent
    world.run(10.0)
    said = ada.take_acknowledged()
    assert all(said.values())
    assert len(said) == pytest.approx(ada.sent - began, rel=0.05)


def test_it_is_said_as_often_as_browsers_expect() -> None:
    """Every 50 to 100 ms."""
    world, ada = alone()
    ada.acknowledged.clear()
    world.run(6.0)
    assert 50 <= 6000 / len(ada.acknowledged) <= 105


def test_what_was_lost_is_said_not_to_have_come() -> None:
    world, ada = alone()
    world.run(0.2)
    ada.take_acknowledged()
    ada.up.loses = first(12)
    world.run(1.0)
    said = ada.take_acknowledged()
    assert sum(not came for came in said.values()) == 12


def test_numbers_wrap() -> None:
    world, ada = alone()
    ada.sent = 0xFF00
    world.run(0.5)
    ada.take_acknowledged()
    world.run(10.0)
    assert ada.sent > 0x10000
    said = ada.take_acknowledged()
    assert all(said.values())
    assert {0xFFFF, 0, 1} <= set(said)


def test_who_comes_back_over_a_new_link_is_told_of_its_new_numbers() -> None:
    """A browser that restarts its numbers, and gets no feedback, sends at its least for ever."""
    world, ada = alone()
    ada.sent = 20_000
    world.run(5.0)
    ada.lose_signalling()
    world.run(1.0)
    ada.connect()
    ada.take_acknowledged()
    world.run(3.0)
    said = ada.take_acknowledged()
    assert ada.sent < 10_000
    new = {number: came for number, came in said.items() if number <= ada.sent}
    assert all(new.values())
    assert len(new) > 0.8 * ada.sent
    assert set(said) == set(new)


def test_a_client_without_numbers_is_told_nothing() -> None:
    world = World()
    ada, _ = world.meeting("ada", "ben")
    world.run(2.0)
    assert ada.feedback["Feedback"] == 0


def test_who_is_told_of_arrivals_is_told_no_bitrate() -> None:
    world, ada = alone()
    ben = world.join("ben")
    world.run(3.0)
    assert ada.feedback["Remb"] == 0
    assert ben.feedback["Remb"] > 0
