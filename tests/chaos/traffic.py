"""What people and programs do all the time, each thing tried until it is accepted, and what came of it."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from tests.integration.control.harness import Client, Reply
from tests.integration.control.stores import fetch, send_form

AGAIN_S = 0.2
NO_ANSWER = "no answer"


class NotTaken(Exception):
    """The thing was refused; says by which status and code."""


Attempt = Callable[[str], Awaitable[str]]
"""Does the thing of this name, as often as it is asked to, and returns by what it is found again."""


class Doing:
    """One kind of thing that is done again `pause_s` later. `accepted` has the things by their names."""

    def __init__(self, kind: str, attempt: Attempt, pause_s: float) -> None:
        self.kind = kind
        self.accepted: dict[str, str] = {}
        self.refusals: Counter[str] = Counter()
        self._attempt = attempt
        self._pause_s = pause_s

    async def run(self, stop: asyncio.Event) -> None:
        """Do one thing after the other until told to stop; the last is done, too."""
        while not stop.is_set():
            name = f"{self.kind} {len(self.accepted)}"
            self.accepted[name] = await self._done(name)
            await asyncio.sleep(self._pause_s)

    async def _done(self, name: str) -> str:
        while True:
            try:
                return await self._attempt(name)
            except NotTaken as refusal:
                self.refusals[str(refusal)] += 1
            except (aiohttp.ClientError, TimeoutError):
                self.refusals[NO_ANSWER] += 1
            await asyncio.sleep(AGAIN_S)


@dataclass
class Host:
    """Who does all this, in one meeting."""

    client: Client
    meeting: dict[str, Any]

    @property
    def path(self) -> str:
        """That of the meeting."""
        return f"/api/meetings/{self.meeting['code']}"

    def at(self, base: URL) -> "Host":
        """The same person at another replica."""
        return Host(Client(self.client.http, base, self.client.token, self.client.user), self.meeting)

    async def say(self, text: str) -> str:
        """Write a line."""
        return str((await self._post(text))["id"])

    async def share(self, name: str) -> str:
        """Upload a file that holds its name, and write a line with it."""
        body = {"name": name, "type": "text/plain", "size": len(name)}
        announced = _taken(await self.client.post(f"{self.path}/attachments", body)).json
        await self._upload(announced, name)
        (attachment,) = (await self._post(name, announced["id"]))["attachments"]
        return f"attachments/{attachment['id']}"

    async def record(self, name: str) -> str:
        """Hand in a recording that holds its name."""
        body = {
            "title": name,
            "type": "video/webm",
            "size": len(name),
            "started_at": self.meeting["created_at"],
            "duration": 1,
        }
        headers = {"Idempotency-Key": f'"{name}"'}
        announced = _taken(await self.client.post(f"{self.path}/recordings", body, headers=headers)).json
        await self._upload(announced, name)
        one = f"recordings/{announced['id']}"
        _taken(await self.client.post(f"{self.path}/{one}/complete"))
        return one

    async def _post(self, text: str, *attachments: str) -> dict[str, Any]:
        """Post a message once, however often; return it as it was posted first."""
        body = {"text": text, "client_id": text.replace(" ", "-"), "attachments": attachments}
        message: dict[str, Any] = _taken(await self.client.post(f"{self.path}/messages", body)).json
        return message

    async def _upload(self, announced: dict[str, Any], content: str) -> None:
        status = await send_form(self.client.http, self.client.base, announced, content.encode())
        if status != 204:
            raise NotTaken(f"{status} of S3")

    async def invite(self, name: str) -> str:
        """Invite somebody of this name."""
        address = f"{name.replace(' ', '-')}@example.org"
        _taken(await self.client.post(f"{self.path}/invitations", {"addresses": [address]}))
        return address

    async def welcome(self, name: str) -> str:
        """Have a guest of this name get a ticket; return as whom."""
        guest = Client(self.client.http, self.client.base)
        return str(_taken(await guest.post(f"{self.path}/join", {"name": name})).json["peer"])

    async def hold(self, name: str) -> str:
        """Hold a meeting of this name, from making it to its end; return its path."""
        headers = {"Idempotency-Key": f'"{name}"'}
        made = _taken(await self.client.post("/api/meetings", {"title": name}, headers=headers)).json
        held = Host(self.client, made)
        with contextlib.suppress(Ended):
            await held.say(name)
        _taken(await self.client.post(f"{held.path}/end"))
        return held.path

    async def content(self, place: str) -> str:
        """Return what a file or recording of the meeting holds."""
        sent_on = _taken(await self.client.get(f"{self.path}/{place}"))
        address = self.client.base.join(URL(sent_on.headers["Location"], encoded=True))
        return (await fetch(self.client.http, address)).text


class Ended(NotTaken):
    """The meeting is over already."""


def _taken(reply: Reply) -> Reply:
    """Return the reply of a request that was accepted. Raises `NotTaken`."""
    if reply.status >= 400:
        raise (Ended if reply.status == 410 else NotTaken)(f"{reply.status} {reply.code}")
    return reply


@dataclass
class Receiver:
    """An endpoint of webhooks: what it was told, by the ids of the deliveries. `open_` lets it answer."""

    url: str = ""
    told: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    open_: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """Note what is told, and answer as soon as allowed."""
        payload = msgspec.json.decode(await request.read())
        data = payload["data"]
        about = data["message"]["text"] if "message" in data else data["recording"]["title"]
        self.told[request.headers["webhook-id"]].append(about)
        await self.open_.wait()
        return web.Response()

    def deliveries(self) -> Counter[str]:
        """Return of what it was told, and in how many deliveries; one that was repeated counts once."""
        return Counter(about for abouts in self.told.values() for about in set(abouts))


class Listener:
    """Hears all of the meeting's events at one replica, and goes on where it was when it comes back."""

    def __init__(self, host: Host) -> None:
        self.texts: list[str] = []
        self.numbers: list[int] = []
        self._host = host

    async def run(self) -> None:
        """Hear until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await self._hear()
            await asyncio.sleep(AGAIN_S)

    async def _hear(self) -> None:
        after = self.numbers[-1] if self.numbers else 0
        async with await self._host.client.listen(self._host.meeting["code"], after) as socket:
            async for message in socket:
                frame = message.json()
                assert frame["type"] != "reset"
                if frame["type"] != "ready":
                    self.numbers.append(frame["id"])
                if frame["type"] == "message":
                    self.texts.append(frame["message"]["text"])
