"""Debian's Janus with its videoroom, as it comes: a thread for each handle, full ICE.

Configured in a folder of the benchmark's own, bound to the benchmark's addresses. A participant is two
connections, one that publishes and one that receives all others; that is how Janus is used.
"""

import asyncio
import contextlib
import os
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.namespace import ADDRESS
from tests.bench.scenario import Scenario
from tests.bench.subject import Population, SampledReception, SubjectFailed, stream_of
from tests.load.light import sdp
from tests.load.light.dtls import Identity, Profile
from tests.load.light.pump import Pump
from tests.load.light.sources import Stream
from tests.load.light.traffic import Traffic
from tests.load.process import Server

PORT = 18188
_PROGRAM = Path("/usr/bin/janus")
_LIBRARIES = next(Path("/usr/lib").glob("*/janus"), None)
_ROOM = 1
_AT_ONCE = 5
_STEP_S = 20.0

_CONFIGURATION = {
    "janus.jcfg": """
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{folder}/plugins"
    transports_folder = "{folder}/transports"
    events_folder = "{folder}/events"
    loggers_folder = "{folder}/loggers"
    debug_level = 3
    session_timeout = 0
}}
nat: {{
    ice_enforce_list = "{address}"
}}
""",
    "janus.transport.websockets.jcfg": """
general: {{
    json = "compact"
    ws = true
    ws_port = {port}
    ws_ip = "127.0.0.1"
    wss = false
}}
admin: {{
    admin_ws = false
}}
""",
    "janus.plugin.videoroom.jcfg": """
room-{room}: {{
    description = "bench"
    publishers = 64
    bitrate = 0
    fir_freq = 0
    audiocodec = "opus"
    videocodec = "vp8"
    audiolevel_ext = false
    videoorient_ext = false
    playoutdelay_ext = false
    transport_wide_cc_ext = false
}}
""",
}


def installed() -> bool:
    """Tell whether this machine has Janus."""
    return _PROGRAM.exists() and _LIBRARIES is not None


class Janus:
    """One run of Janus."""

    def __init__(self, profile: Profile, name: str = "janus") -> None:
        self.name = name
        self._identity = Identity(profile)
        self._traffics: list[Traffic] = []
        self._receptions: list[SampledReception] = []

    async def start(self, folder: Path) -> None:
        """Start Janus and open a WebSocket to it."""
        assert _LIBRARIES is not None
        for name, text in _CONFIGURATION.items():
            (folder / name).write_text(text.format(folder=folder, address=ADDRESS, port=PORT, room=_ROOM))
        for kind, library in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_websockets.so")):
            (folder / kind).mkdir()
            (folder / kind / library).symlink_to(_LIBRARIES / kind / library)
        for kind in ("events", "loggers"):
            (folder / kind).mkdir()
        command = [str(_PROGRAM), "--configs-folder", str(folder), "--disable-stdout"]
        self.server = Server(
            [*command, "--log-file", str(folder / "janus.log")], folder / "output", os.environ
        )
        await self.server.start()
        self._api = _Api()
        await self._api.open(self.server)

    async def populate(self, scenario: Scenario, pump: Pump) -> Population:
        """Publish, then subscribe everybody to all others, a few at a time."""
        feeds: list[int] = []
        streams: list[Stream] = []
        for index in range(scenario.participants):
            stream = stream_of(scenario, index)
            feeds.append(await self._publish(scenario, stream, pump))
            streams.append(stream)
        viewing = [feeds] * scenario.viewers
        if scenario.participants > 1:
            viewing += [[feed for feed in feeds if feed != own] for own in feeds]
        limit = asyncio.Semaphore(_AT_ONCE)

        async def subscribe(wanted: list[int]) -> None:
            async with limit:
                await self._subscribe(wanted, pump)

        await asyncio.gather(*(subscribe(wanted) for wanted in viewing))
        return Population(streams, self._receptions)

    async def stop(self) -> None:
        """Close all links, then Janus."""
        for traffic in self._traffics:
            traffic.close()
        with contextlib.suppress(AttributeError):
            await self._api.close()
        await self.server.stop()

    async def _publish(self, scenario: Scenario, stream: Stream, pump: Pump) -> int:
        traffic = Traffic(pump, self._identity, [stream])
        self._traffics.append(traffic)
        handle = await self._api.attach()
        joined = await handle.ask({"request": "join", "room": _ROOM, "ptype": "publisher"})
        section = sdp.Sending(scenario.kind, "0", ssrc=stream.ssrc)
        offer = sdp.offer(traffic.link.credentials, [section])
        reply = await handle.ask({"request": "publish"}, {"type": "offer", "sdp": offer, "trickle": False})
        answer = sdp.parse(reply["jsep"]["sdp"])
        traffic.link.connect(answer, "server" if answer.setup == "active" else "client")
        await traffic.link.wait_connected(_STEP_S)
        await handle.wait_up()
        traffic.begin(time.monotonic() + random.random() / scenario.packets_per_s)
        feed: int = joined["plugindata"]["data"]["id"]
        return feed

    async def _subscribe(self, feeds: list[int], pump: Pump) -> None:
        traffic = Traffic(pump, self._identity, controlling=False)
        self._traffics.append(traffic)
        handle = await self._api.attach()
        streams = [{"feed": feed} for feed in feeds]
        request = {"request": "join", "room": _ROOM, "ptype": "subscriber", "streams": streams}
        reply = await handle.ask(request)
        offer = sdp.parse(reply["jsep"]["sdp"])
        for section in offer.sections:
            reception = SampledReception(section.ssrcs[0], traffic)
            self._receptions.append(reception)
            traffic.expect(reception)
        answer = "\r\n".join(_answer(offer, traffic.link.credentials)) + "\r\n"
        traffic.link.connect(offer, "client")
        await handle.ask({"request": "start"}, {"type": "answer", "sdp": answer, "trickle": False})
        await traffic.link.wait_connected(_STEP_S)
        traffic.begin(time.monotonic())


def _answer(offer: sdp.Description, credentials: sdp.Credentials) -> Iterator[str]:
    """Accept every m-line of the offer, in its main codec, with no extensions and no RTX."""
    yield from ("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0")
    yield "a=group:BUNDLE " + " ".join(section.mid for section in offer.sections)
    for section in offer.sections:
        codec, rate = ("VP8", "90000") if section.kind == "video" else ("opus", "48000/2")
        number = section.payloads[codec.lower()]
        yield f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {number}"
        yield "c=IN IP4 0.0.0.0"
        yield f"a=mid:{section.mid}"
        yield f"a=ice-ufrag:{credentials.ufrag}"
        yield f"a=ice-pwd:{credentials.password}"
        yield f"a=fingerprint:sha-256 {credentials.fingerprint}"
        yield from ("a=setup:active", "a=rtcp-mux", "a=recvonly")
        yield f"a=rtpmap:{number} {codec}/{rate}"
        if section.kind == "video":
            yield from (f"a=rtcp-fb:{number} {feedback}" for feedback in ("ccm fir", "nack", "nack pli"))


class _Handle:
    """One attachment to the videoroom plugin."""

    def __init__(self, api: "_Api", number: int) -> None:
        self._api = api
        self._number = number

    async def wait_up(self) -> None:
        """Return when Janus says that media can flow: until then nobody can subscribe to it."""
        async with asyncio.timeout(_STEP_S):
            await self._api.up[self._number].wait()

    async def ask(self, body: dict[str, Any], jsep: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to the plugin and return its event."""
        message: dict[str, Any] = {"janus": "message", "handle_id": self._number, "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        reply = await self._api.ask(message)
        data = reply.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise SubjectFailed(f"Janus: {data['error']}")
        return reply


class _Api:
    """Janus' WebSocket: requests answered by transaction; acknowledgements are skipped."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._session: int | None = None
        self.up: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        """By handle: set once its connection is up."""

    async def open(self, server: Server) -> None:
        """Connect as soon as it listens, and create a session."""
        self._http = aiohttp.ClientSession()
        deadline = time.monotonic() + _STEP_S
        while True:
            try:
                url = f"ws://127.0.0.1:{PORT}"
                self._socket = await self._http.ws_connect(url, protocols=["janus-protocol"])
                break
            except aiohttp.ClientError:
                if not server.running or time.monotonic() > deadline:
                    raise SubjectFailed(f"Janus does not start: {server.last_words}") from None
                await asyncio.sleep(0.05)
        self._listening = asyncio.create_task(self._listen())
        self._session = (await self.ask({"janus": "create"}))["data"]["id"]

    async def attach(self) -> _Handle:
        """Return a new handle."""
        reply = await self.ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return _Handle(self, reply["data"]["id"])

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return the answer that is not an acknowledgement."""
        transaction = secrets.token_hex(8)
        message = {**message, "transaction": transaction}
        if self._session is not None:
            message["session_id"] = self._session
        self._waiting[transaction] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message)
        async with asyncio.timeout(_STEP_S):
            reply = await self._waiting[transaction]
        del self._waiting[transaction]
        if reply["janus"] == "error":
            raise SubjectFailed(f"Janus: {reply['error']['reason']}")
        return reply

    async def close(self) -> None:
        """Disconnect."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._socket.close()
        await self._http.close()

    async def _listen(self) -> None:
        async for message in self._socket:
            event = message.json()
            if event["janus"] == "webrtcup":
                self.up[event["sender"]].set()
            waiting = self._waiting.get(event.get("transaction", ""))
            if waiting is not None and not waiting.done() and event["janus"] != "ack":
                waiting.set_result(event)
