"""`parley nodes`: what an operator sees of the nodes, and taking one out of use."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import sqlalchemy
from click.testing import CliRunner, Result

from control.nodes.cli import command
from control.settings import Settings
from sfu.contract.operations import Load
from sfu.node.node import Node
from tests.integration.control.conftest import PLENTY, running
from tests.integration.control.harness import Control, rows
from tests.integration.control.jobbing import Ticking
from tests.integration.control.real_nodes import real_node
from tests.integration.control.test_workers import plain
from tests.support.waiting import until

BUSY = Load(rooms=3, peers=9, packets_out_per_s=2500.4, loop_lag_s=0.0021, cpu=0.251, fullness=0.5)


@pytest.fixture
async def control(tmp_path: Path, database: sqlalchemy.URL) -> AsyncIterator[Control]:
    """Control by the clock that the command has."""
    settings = Settings(data=tmp_path, database_url=database, bcrypt_cost=4, rates=PLENTY)
    async with running(settings, Ticking()) as control:
        yield control


async def nodes(database: sqlalchemy.URL, *arguments: str) -> Result:
    options = [*arguments, "--database-url", plain(database)]
    return await asyncio.to_thread(CliRunner().invoke, command, options)


async def listed(database: sqlalchemy.URL, *arguments: str) -> list[dict]:
    result = await nodes(database, "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.output)


async def test_nodes_are_listed(control: Control, database: sqlalchemy.URL) -> None:
    assert await listed(database) == []
    await control.report(node="b", boot="b", load=BUSY, region="eu", version="1.2")
    await control.report(node="a", boot="a")
    table = (await nodes(database, "list")).output.splitlines()
    assert [line.rpartition("  ")[0].rstrip() for line in table] == [
        "ID  REGION  VERSION  STATE   ROOMS  PEERS  FULL  CPU  LAG     PACKETS/S",
        "a   -       1.0      living  0      0      0%    0%   0.0 ms  0",
        "b   eu      1.2      living  3      9      50%   25%  2.1 ms  2500",
    ]
    assert [line.endswith(" s ago") for line in table] == [False, True, True]
    first, second = await listed(database)
    assert first["id"] == "a"
    assert abs(datetime.fromisoformat(second.pop("reported_at")) - datetime.now(UTC)).total_seconds() < 600
    assert second == {
        "id": "b",
        "region": "eu",
        "version": "1.2",
        "state": "living",
        "rooms": 3,
        "peers": 9,
        "fullness": 0.5,
        "cpu": 0.251,
        "loop_lag_s": 0.0021,
        "packets_out_per_s": 2500.4,
    }


async def test_the_state_of_a_node(control: Control, database: sqlalchemy.URL) -> None:
    full = Load(full=True)
    await control.report(node="a", boot="a", draining=True, load=full)
    await control.report(node="b", boot="b", load=full)
    await control.report(node="c", boot="c")

    async def states(lease_s: float) -> list[str]:
        return [node["state"] for node in await listed(database, "--node-lease-s", str(lease_s))]

    assert await states(3600) == ["draining", "full", "living"]

    async def after_a_moment() -> list[str]:
        return await states(0.1)

    await until("silent by a shorter lease", after_a_moment, accept=lambda seen: seen == ["silent"] * 3)


async def test_a_node_is_taken_out_of_use_and_back(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()
    meeting = await control.meeting(ann)

    async def join() -> int:
        return (await ann.post(f"/api/meetings/{meeting['code']}/join")).status

    async with real_node(control, "a") as node:
        drained = await nodes(database, "drain", "a")
        assert drained.exit_code == 0
        assert drained.output.startswith("a will be told to take no new rooms")
        await until("the node drains", lambda: draining(node))
        await until("control knows", join, accept=lambda status: status == 503)
        assert [each["state"] for each in await listed(database)] == ["draining"]
        assert (await nodes(database, "undrain", "a")).exit_code == 0
        await until("control sends people there again", join, accept=lambda status: status == 200)
        assert not node.draining


async def draining(node: Node) -> bool:
    return node.draining


async def test_of_two_orders_the_later_counts(control: Control, database: sqlalchemy.URL) -> None:
    await control.report(internal_url="http://127.0.0.1:9")  # where nobody takes anything
    await control.report(node="other", boot="o", internal_url="http://127.0.0.1:9")
    for order in ("drain", "undrain", "drain"):
        assert (await nodes(database, order, "node-1")).exit_code == 0
    assert (await nodes(database, "undrain", "other")).exit_code == 0
    waiting = sorted(rows(database, "SELECT node_id, body FROM node_commands"))
    assert waiting == [("node-1", '{"type":"drain","deadline_s":600.0}'), ("other", '{"type":"undrain"}')]


@pytest.mark.parametrize("deadline", ["", "m", "10", "-1m", "1d", "1.5h", "100000s", "25h"])
async def test_a_deadline_must_be_a_time(control: Control, database: sqlalchemy.URL, deadline: str) -> None:
    await control.report()
    refused = await nodes(database, "drain", "node-1", "--deadline", deadline)
    assert refused.exit_code == 2
    assert rows(database, "SELECT id FROM node_commands") == []


async def test_a_node_that_nobody_knows_is_not_told(control: Control, database: sqlalchemy.URL) -> None:
    await control.report()
    for order in ("drain", "undrain"):
        refused = await nodes(database, order, "node-2")
        assert refused.exit_code == 2
        assert "There is no node 'node-2'" in refused.output
    assert rows(database, "SELECT id FROM node_commands") == []
