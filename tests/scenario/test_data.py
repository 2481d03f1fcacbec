"""Data messages reach whom they name, or all others, under their sender's own name."""

import json

import pytest

from sfu.contract.ticket import Rights
from sfu.media.ports import Drop
from tests.scenario.world import Client, World


def received(client: Client) -> list[tuple[str, object]]:
    taken = [(label, json.loads(text)) for label, text in client.data]
    client.data.clear()
    return taken


def test_a_message_reaches_all_others() -> None:
    world = World()
    ada, ben, cyd = world.meeting("ada", "ben", "cyd")
    ada.peer.received_data("reliable", '{"topic":"hand","body":{"up":true}}')
    delivery = ("reliable", {"topic": "hand", "body": {"up": True}, "from": "ada"})
    assert (received(ada), received(ben), received(cyd)) == ([], [delivery], [delivery])


def test_a_message_reaches_the_one_it_names_on_the_channel_it_came_by() -> None:
    world = World()
    ada, ben, cyd = world.meeting("ada", "ben", "cyd")
    ada.peer.received_data("lossy", '{"topic":"nudge","to":"cyd"}')
    assert received(cyd) == [("lossy", {"topic": "nudge", "body": None, "from": "ada"})]
    assert received(ben) == []


@pytest.mark.parametrize("to", ["nobody", "ada"])
def test_a_message_to_nobody_reaches_nobody(to: str) -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.peer.received_data("lossy", f'{{"topic":"nudge","to":"{to}"}}')
    assert received(ada) == received(ben) == []
    assert ada.peer.tally.drops[Drop.BAD_DATA] == 0


def test_nobody_can_speak_in_anothers_name() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.peer.received_data("lossy", '{"topic":"x","from":"cyd","sender":"cyd","body":1}')
    ((_, delivery),) = received(ben)
    assert delivery == {"topic": "x", "body": 1, "from": "ada"}


def test_who_may_not_send_data_is_not_passed_on() -> None:
    world = World()
    (ben,) = world.meeting("ben")
    ada = world.join("ada", rights=Rights(data=False))
    ada.peer.received_data("lossy", '{"topic":"x"}')
    assert received(ben) == []
    assert ada.peer.tally.drops[Drop.BAD_DATA] == 1


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"body":1}', '{"topic":""}', "[" * 100_000])
def test_what_is_no_message_is_counted(text: str) -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.peer.received_data("lossy", text)
    assert received(ben) == []
    assert ada.peer.tally.drops[Drop.BAD_DATA] == 1
