"""A scenario is played as its file says, by real bots on two real nodes, and all of it is written down."""

import asyncio
import json
import sys
from pathlib import Path

SCENARIO = """
title = "Two calls"
seconds = 3
joining_at_once = 1

[[groups]]
name = "call"
rooms = 2

[[groups.bots]]
count = 2
video = "single"

[[groups.bots]]
count = 1
video = "none"
audio = "none"
ramp_s = 1
"""


async def played(folder: Path) -> tuple[int | None, str]:
    """Return exit code and output of `make load`'s command."""
    scenario, as_json, as_html = folder / "scenario.toml", folder / "told.json", folder / "told.html"
    scenario.write_text(SCENARIO)
    files = ("--scenario", scenario, "--json", as_json, "--html", as_html)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.load.local", "--nodes", "2", *map(str, files)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_bots_in_two_rooms_on_two_nodes(tmp_path: Path) -> None:
    code, output = await played(tmp_path)
    assert code == 0, output
    assert "0 failed" in output.splitlines()[0]
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["failed"], told["failures"]) == (False, [])
    assert {room["name"]: len(room["nodes"]) for room in told["rooms"]} == {"call 1": 1, "call 2": 1}
    assert told["summary"]["nodes"] == ["node-1", "node-2"]
    assert len(told["stays"]) == 6
    for stay in told["stays"]:
        assert (stay["connected_s"] > 0, stay["first_media_s"] > 0) == (True, True), stay
        assert (stay["in_bps"] > 0, stay["tally"]["frames"] > 0) == (True, True), stay
    busiest = max(told["samples"], key=lambda sample: sample["in_bps"])
    assert (busiest["in_bps"] > 0, busiest["rooms"], busiest["nodes"]) == (True, 2, 2)
    assert {*busiest["servers"]} == {"control", "node-1", "node-2"}
    assert all(busiest["servers"][node]["packets_out_per_s"] > 0 for node in ("node-1", "node-2"))
    assert sum(sample["servers"].get("node-1", {}).get("cpu", 0) for sample in told["samples"]) > 0
    assert "Servers: processor time" in (tmp_path / "told.html").read_text()
