"""Each scenario keeps what it says is to come of it."""

import pytest

from tests.simulation.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_is_to_come_of_it(scenario: Scenario) -> None:
    broken = [str(verdict) for verdict in scenario.judge(scenario.play()) if not verdict.kept]
    assert not broken
