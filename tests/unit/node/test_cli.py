"""The options of a node that say what it bears and where it is."""

import click
import pytest

from sfu.node.capacity import Capacity
from sfu.node.cli import command, settings_from
from sfu.node.settings import Settings


def settings(*arguments: str) -> Settings:
    return settings_from(command.make_context("sfu", list(arguments)).params)


def test_what_a_node_bears_is_set_by_options() -> None:
    assert settings().capacity == Capacity()
    bounds = settings("--max-peers", "50", "--max-cpu", "0.7", "--max-lag", "0.02", "--reserve", "0.2")
    assert bounds.capacity == Capacity(peers=50, cpu=0.7, lag_s=0.02, reserve=0.2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--max-peers", "0"),
        ("--max-cpu", "0"),
        ("--max-lag", "-1"),
        ("--reserve", "1"),
        ("--region", "x" * 65),
        ("--region", "Zürich"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused_before_the_node_starts(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.BadParameter):
        settings(*arguments)


def test_a_region_may_be_several_words() -> None:
    assert settings("--region", "Europe West").region == "Europe West"
