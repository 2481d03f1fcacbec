"""Nodes and control are upgraded and killed under people, on a small scale: `make scale` has the larger."""

from tests.scale.__main__ import Asked, try_all

SILENCE_S = 2.0
"""Below 0.1 s on a machine that is not crowded."""
BACK_S = 20.0
"""Below 1 s there."""


async def test_people_stay_whatever_becomes_of_nodes_and_control() -> None:
    asked = Asked(nodes=2, rooms=2, people=6, away_s=3)
    peace, upgrade, killed_node, killed_control = await try_all(asked)
    assert [each.without for each in (peace, upgrade, killed_node, killed_control)] == [0, 0, 0, 0]
    assert (upgrade.cut_off, upgrade.moved > 0) == (0, True)
    assert upgrade.silence_max_s < SILENCE_S
    assert killed_node.cut_off > 0
    assert killed_node.silence_max_s < BACK_S
    assert (killed_control.cut_off, killed_control.moved) == (0, 0)
    assert killed_control.silence_max_s < SILENCE_S
