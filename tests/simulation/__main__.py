"""Play scenarios and write a page of plots: `python -m tests.simulation [--to FILE] [SCENARIO …]`."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from tests.simulation.page import report
from tests.simulation.scenarios import SCENARIOS


def main() -> int:
    names = [scenario.name for scenario in SCENARIOS]
    parser = ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("build/scenarios.html"))
    parser.add_argument("scenarios", nargs="*", choices=[[], *names], default=[], metavar="SCENARIO")
    arguments = parser.parse_args()
    wanted = arguments.scenarios or names
    played = []
    broken = 0
    for scenario in SCENARIOS:
        if scenario.name not in wanted:
            continue
        meeting = scenario.play()
        played.append((scenario, meeting))
        print(scenario.title)
        for verdict in scenario.judge(meeting):
            broken += not verdict.kept
            print("  ", "kept    " if verdict.kept else "NOT KEPT", verdict)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    arguments.to.write_text(report(played), encoding="utf-8")
    print(f"Plots: {arguments.to}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
