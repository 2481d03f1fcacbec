"""What everything stands on is killed under a call and traffic, and then control and its worker themselves.

What was accepted is there once, calls notice nothing, refusals are clear, and nothing has to be restarted.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from tests.chaos.system import LEASE_S, Mortal, Part, System, system
from tests.chaos.traffic import NO_ANSWER, Doing, Host, Listener, Receiver
from tests.integration.control.harness import PASSWORD, Client, rows
from tests.load.api import Api
from tests.load.light.bot import LightBot, ReceptionOf, Shape
from tests.load.light.dtls import Identity
from tests.load.light.pump import Pump
from tests.load.light.sources import Layer
from tests.load.resident import Resident, dispersed, gathered
from tests.load.voices import turns
from tests.support.smtp import MailServer, mail_server
from tests.support.waiting import until

AWAY_S = 20.0
SHORTLY_S = 3.0
SILENCE_S = 3.0
"""Of sound; below 0.1 s on a machine that is not crowded."""
AFTERWARDS_S = 90.0
PEOPLE = 3
BUSY, NO_NODE = "503 overloaded", "503 no_node"
OFTEN_S, SELDOM_S = 1.0, 2.0
FEW = 1
TOLD = ("talk", "file", "recording", "meeting")
"""What webhooks are told of."""


@dataclass
class Life:
    """A system with people in a call, and with traffic."""

    system: System
    host: Host
    mail: MailServer
    receiver: Receiver
    doings: list[Doing]
    residents: list[Resident]
    listeners: list[Listener] = field(default_factory=list)

    def accepted(self, *kinds: str) -> dict[str, str]:
        """Return all that was accepted of these kinds."""
        doings = [each for each in self.doings if each.kind.startswith(kinds)]
        return {name: found for each in doings for name, found in each.accepted.items()}

    def letters(self) -> dict[str, set[str]]:
        """Return the ids of the letters to each address."""
        found: dict[str, set[str]] = {}
        for each in self.mail.received:
            found.setdefault(str(each.message["To"]), set()).add(str(each.message["Message-ID"]))
        return found

    async def goes_on(self) -> None:
        """Wait until more is accepted of everything, and what was accepted until now is done."""
        before = {each.kind: len(each.accepted) for each in self.doings}

        async def waited_for() -> list[tuple[str, Counter[str]]]:
            behind = [each for each in self.doings if len(each.accepted) < before[each.kind] + FEW]
            return [(each.kind, each.refusals) for each in behind]

        await until("more is accepted", waited_for, accept=lambda kinds: not kinds, deadline_s=AFTERWARDS_S)
        await self.catches_up()

    async def catches_up(self) -> None:
        """Wait until listeners, webhooks and the invited have been told of all that is accepted by now."""
        spoken, told = self.accepted("talk", "file"), self.accepted(*TOLD)
        addresses = set(self.accepted("invitation").values())

        async def missing() -> list[set[str]]:
            heard = [spoken.keys() - set(each.texts) for each in self.listeners]
            return [
                *heard,
                told.keys() - self.receiver.deliveries().keys(),
                addresses - self.letters().keys(),
            ]

        await until("all is told", missing, accept=lambda found: not any(found), deadline_s=AFTERWARDS_S)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    made = Receiver()
    made.open_.set()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


async def host_of(running: System, receiver: Receiver) -> Host:
    """Return somebody with a meeting, whose webhook both replicas know of."""
    client = Client(running.http, running.replicas[0].base)
    body = {"email": f"{uuid4().hex}@example.org", "name": "Ann", "password": PASSWORD}
    client.token = (await client.post("/api/accounts", body)).json["access_token"]
    hook = {"url": receiver.url, "kinds": ["message.posted", "recording.ready"]}
    assert (await client.post("/api/webhooks", hook)).status == 201
    meeting = await client.post("/api/meetings", {"title": "Chaos", "guests_allowed": True})
    host = Host(client, meeting.json)
    for number, replica in enumerate(running.replicas):
        there = host.at(replica.base)

        async def is_told(there: Host = there, number: int = number) -> bool:
            await there.say(f"hello {number} {uuid4().hex}")
            return any(name.startswith(f"hello {number}") for name in receiver.deliveries())

        await until("webhooks are known everywhere", is_told, every_s=1)
    return host


def doings_of(running: System, host: Host) -> list[Doing]:
    """Return what is done: talk, files and the rest, at the one replica or the other."""
    one, other = (host.at(replica.base) for replica in running.replicas)
    return [
        Doing("talk one", one.say, OFTEN_S),
        Doing("talk other", other.say, OFTEN_S),
        Doing("file", one.share, SELDOM_S),
        Doing("recording", other.record, SELDOM_S),
        Doing("invitation", one.invite, SELDOM_S),
        Doing("meeting", other.hold, SELDOM_S),
        Doing("guest", one.welcome, SELDOM_S),
    ]


@asynccontextmanager
async def call(running: System, host: Host) -> AsyncIterator[list[Resident]]:
    """Have people in the meeting, who talk in turns."""
    api, identity = Api(running.http, running.url), Identity()
    async with Pump() as pump:

        def resident(seat: int) -> Resident:
            shape = Shape(
                camera=(Layer(320, 180, 1, 750),), microphone=turns(seat, PEOPLE), video_slots=PEOPLE
            )

            def make(reception_of: ReceptionOf) -> LightBot:
                return LightBot(pump, identity, shape, reception_of)

            return Resident(api, running.http, host.meeting["code"], f"Bot {seat + 1}", make)

        residents = [resident(seat) for seat in range(PEOPLE)]
        try:
            await gathered(residents, PEOPLE)
            yield residents
        finally:
            await dispersed(residents)


@asynccontextmanager
async def undisturbed(residents: Sequence[Resident]) -> AsyncIterator[None]:
    """Fail if the block is noticed in the call."""
    began = time.monotonic()
    before = [(each.moves, each.losses) for each in residents]
    yield
    assert [(each.moves, each.losses) for each in residents] == before
    assert [each.missing() for each in residents] == [""] * PEOPLE
    assert max(each.silence.longest(began, time.monotonic()) for each in residents) < SILENCE_S


async def outage(life: Life, victim: Mortal, refusing: dict[str, set[str]]) -> None:
    """Kill a part and start it again a while later; things of these kinds may be refused meanwhile, so."""
    for each in life.doings:
        each.refusals.clear()
    async with undisturbed(life.residents):
        victim.kill()
        before = {each.kind: len(each.accepted) for each in life.doings}
        await asyncio.sleep(AWAY_S)
        for each in life.doings:
            is_refused = any(each.kind.startswith(kind) for kind in refusing)
            assert is_refused == bool(each.refusals), (each.kind, each.refusals)
            assert is_refused or len(each.accepted) > before[each.kind], each.kind
        await asyncio.to_thread(victim.start)
        await life.goes_on()
    for each in life.doings:
        allowed = set().union(*(codes for kind, codes in refusing.items() if each.kind.startswith(kind)))
        assert each.refusals.keys() <= allowed, (each.kind, each.refusals)


async def killed_replica(life: Life, replica: Part) -> None:
    """Kill a replica in mid-traffic, and start it again."""
    async with undisturbed(life.residents):
        replica.kill()
        await asyncio.sleep(SHORTLY_S)
        await replica.start(life.system.http)
        await life.goes_on()
    assert {code for each in life.doings for code in each.refusals} <= {BUSY, NO_NODE, NO_ANSWER}


async def killed_worker(life: Life) -> None:
    """Kill the worker while a receiver keeps it waiting, and start it again."""
    async with undisturbed(life.residents):
        told = len(life.receiver.told)
        life.receiver.open_.clear()

        async def begun() -> list[str]:
            return [*life.receiver.told][told:]

        held = await until("it is in mid-job", begun)
        life.system.worker.kill()
        running = rows(life.system.database, "SELECT kind FROM jobs WHERE state = 'running'")
        assert ("webhooks.deliver.v1",) in running
        life.receiver.open_.set()
        await life.system.worker.start(life.system.http)
        await life.goes_on()

        async def cut_short() -> list[str]:
            return [id_ for id_ in held if len(life.receiver.told[id_]) < 2]

        again = "what was cut short is told again"
        await until(again, cut_short, accept=lambda ids: not ids, deadline_s=AFTERWARDS_S + LEASE_S)


async def everything_is_there_once(life: Life) -> None:
    """Look at all that was ever accepted; letters and deliveries may be doubled only under the same id."""
    spoken = life.accepted("talk", "file")
    kept = [text for (text,) in rows(life.system.database, "SELECT text FROM messages WHERE kind = 'text'")]
    held = life.accepted("meeting")
    assert sorted(text for text in kept if not text.startswith("hello")) == sorted([*spoken, *held])
    for listener in life.listeners:
        assert sorted(text for text in listener.texts if text in spoken) == sorted(spoken)
        assert listener.numbers == sorted(set(listener.numbers))
    assert all(len(set(abouts)) == 1 for abouts in life.receiver.told.values())
    deliveries = life.receiver.deliveries()
    assert {name: deliveries[name] for name in life.accepted(*TOLD)} == dict.fromkeys(life.accepted(*TOLD), 1)
    letters = life.letters()
    assert all(len(letters[address]) == 1 for address in life.accepted("invitation").values())
    for name, place in life.accepted("file", "recording").items():
        assert await life.host.content(place) == name
    recordings = rows(life.system.database, "SELECT title FROM recordings WHERE ready_at IS NOT NULL")
    assert sorted(title for (title,) in recordings) == sorted(life.accepted("recording"))
    titles = rows(life.system.database, "SELECT title FROM meetings WHERE title <> 'Chaos'")
    assert sorted(title for (title,) in titles) == sorted(held)
    for path in held.values():

        async def archived(path: str = path) -> list[int]:
            archives = (await life.host.client.get(f"{path}/archives")).json["items"]
            return [each["messages"] for each in archives]

        await until("the chat is archived", archived, accept=lambda found: found == [1])


@pytest.mark.timeout(600)
async def test_nothing_accepted_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with (
        mail_server() as mail,
        receiving() as receiver,
        system(tmp_path, mail.port) as running,
    ):
        host = await host_of(running, receiver)
        async with call(running, host) as residents:
            life = Life(running, host, mail, receiver, doings_of(running, host), residents)
            life.listeners = [Listener(host.at(replica.base)) for replica in running.replicas]
            hearing = [asyncio.create_task(each.run()) for each in life.listeners]
            doing = [asyncio.create_task(each.run(stop)) for each in life.doings]
            try:
                await life.goes_on()
                everything = {each.kind: {BUSY} for each in life.doings} | {"guest": {BUSY, NO_NODE}}
                files = {"file": {BUSY, NO_ANSWER}, "recording": {BUSY, NO_ANSWER}}
                await outage(life, running.postgres, everything)
                await outage(life, running.redis, {})
                await outage(life, running.rabbitmq, {})
                await outage(life, running.s3, files)
                for replica in running.replicas:
                    await killed_replica(life, replica)
                await killed_worker(life)
                stop.set()
                await asyncio.gather(*doing)
                await life.catches_up()
                await everything_is_there_once(life)
                assert running.bugs() == []
            finally:
                for task in (*doing, *hearing):
                    task.cancel()
                await asyncio.gather(*doing, *hearing, return_exceptions=True)
