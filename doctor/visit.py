"""The way of a client who has the page's address alone: a ticket, signalling, media, and a call of three.

Each step needs those before it. What is left of it are accounts that nobody has the password of, and meetings
that have ended.
"""

import asyncio
import contextlib
import importlib.util
import secrets
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from doctor import page, relay, stun
from doctor.causes import failure, network_causes
from doctor.finding import Check, Verdict, failed, ok, skipped, unset, warning
from doctor.host import ApiRefused, Host
from doctor.relay import Relay
from doctor.stun import Answer, Candidate, Credentials
from sfu.contract.codes import Code
from sfu.contract.signals import Closed, Hello, Leave, NodeMessage, Refused, Welcome, decode_node, encode

CALL_S = 5.0
CALL_TAKES_S = 30.0
BOTS = 3
LOSS_MAX = 0.02
CLOSE_S = 5.0

_CAUSES = network_causes("the node, or the proxy in front of it", "PARLEY_SFU_SIGNAL_URL")
_RELAY_CAUSES = network_causes("the TURN server", "PARLEY_TURN_URLS")
_REFUSALS = {
    Code.TICKET_EXPIRED: "Set the clocks of control and the node: NTP.",
    Code.TICKET_INVALID: "Give the node control's ticket-verifying.pem (PARLEY_DATA).",
    Code.WRONG_NODE: "Give each node a PARLEY_SFU_NODE_ID and a PARLEY_SFU_SIGNAL_URL of its own.",
}
_OFFER = """\
v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=recvonly
"""


class Visit:
    """One client's way. `close` ends what it began."""

    def __init__(self, http: aiohttp.ClientSession, url: URL) -> None:
        self._http = http
        self._url = url
        self._host = Host(http, url)
        self._ours = Credentials(secrets.token_hex(4), secrets.token_hex(16))
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._answer: str | None = None
        self._is_reached = False

    @property
    def checks(self) -> list[Check]:
        """The steps, in order."""
        return [
            Check("ticket", self.ticket),
            Check("signalling", self.signalling),
            Check("udp", self.udp, stun.PATIENCE_S),
            Check("tcp", self.tcp),
            Check("turn", self.turn, 4 * relay.PATIENCE_S),
            Check("call", self.call, CALL_TAKES_S),
        ]

    async def ticket(self) -> Verdict:
        """Make an account and a meeting, and join it as a guest."""
        try:
            await self._host.open_meeting("Doctor")
            await self._host.join()
        except ApiRefused as error:
            if error.code == "no_node":
                return failed(
                    "control knows no node that is alive",
                    "Start one with PARLEY_CONTROL_URL and the secrets of control (PARLEY_DATA); "
                    "its log tells whether control takes its reports.",
                )
            return failed(f"no ticket: {error}", "See control's log for the request.")
        except (aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            return failure("no ticket", error, page.CAUSES, "--url")
        return ok(f"a guest is let in, and sent to {self._host.signal_url}")

    async def signalling(self) -> Verdict:
        """Say hello to the node over its WebSocket."""
        url = self._host.signal_url
        if url is None:
            return skipped("this needs a ticket")
        if self._url.scheme == "https" and URL(url).scheme != "wss":
            return failed(
                f"the page is encrypted and the node at {url} is not, so browsers do not connect",
                "Set PARLEY_SFU_SIGNAL_URL=wss://…, to a proxy that passes WebSockets to the node.",
            )
        try:
            message = await self._hello(url)
        except aiohttp.WSServerHandshakeError as error:
            return failed(
                f"{url} answers {error.status} instead of a WebSocket",
                "Have the proxy pass Upgrade and Connection on to the node.",
            )
        except (aiohttp.ClientError, OSError, TypeError, msgspec.DecodeError) as error:
            return failure(url, error, _CAUSES, "PARLEY_SFU_SIGNAL_URL")
        if not isinstance(message, Welcome):
            return _unwelcome(message)
        self._answer = message.sdp
        return ok(f"the node {message.node} lets us in")

    async def _hello(self, url: str) -> NodeMessage:
        """Return what the node says first."""
        self._socket = await self._http.ws_connect(url)
        fingerprint = ":".join(f"{octet:02X}" for octet in secrets.token_bytes(32))
        offer = _OFFER.format(
            ufrag=self._ours.ufrag, password=self._ours.password, fingerprint=fingerprint
        ).replace("\n", "\r\n")
        await self._socket.send_str(encode(Hello(ticket=self._host.ticket, offer=offer)))
        return decode_node(await self._socket.receive_str())

    async def udp(self) -> Verdict:
        """Ask each address that the node tells, as ICE does."""
        if self._answer is None:
            return skipped("this needs signalling")
        theirs, told = stun.credentials(self._answer), self._told("udp")
        answers = await asyncio.gather(*(stun.ask(each, self._ours, theirs) for each in told))
        self._is_reached = Answer.YES in answers
        return judged_udp(dict(zip(told, answers, strict=True)))

    async def tcp(self) -> Verdict:
        """Look whether the node's addresses over TCP, if it tells any, can be connected to."""
        if self._answer is None:
            return skipped("this needs signalling")
        told = self._told("tcp")
        if not told:
            return unset("the node takes no media over TCP, so networks without UDP stay outside")
        for each in told:
            try:
                _, writer = await asyncio.open_connection(each.address, each.port)
            except OSError as error:
                return failure(f"media over TCP at {each}", error, _CAUSES, "the node's settings")
            writer.close()
        return ok(f"{', '.join(map(str, told))} can be connected to")

    async def turn(self) -> Verdict:
        """Have each TURN server that clients are given allocate a relay."""
        if self._host.ticket is None:
            return skipped("this needs a ticket")
        if not self._host.ice_servers:
            return unset("clients are given no TURN server, so networks that let only TLS out stay outside")
        for server in self._host.ice_servers:
            for url in server["urls"]:
                try:
                    await Relay.at(url).allocate(server["username"], server["credential"])
                except PermissionError as error:
                    return failed(
                        f"{url}: {error}",
                        "Give control as PARLEY_TURN_SECRET coturn's static-auth-secret; look at clocks.",
                    )
                except (OSError, ValueError) as error:
                    return failure(url, error, _RELAY_CAUSES, "PARLEY_TURN_URLS")
        urls = [url for server in self._host.ice_servers for url in server["urls"]]
        return ok(f"{', '.join(urls)} relay")

    async def call(self) -> Verdict:
        """Have three bots call each other."""
        if not self._is_reached:
            return skipped("this needs udp")
        if importlib.util.find_spec("tests") is None:
            return skipped("the bots are in a source checkout only")
        from tests.load.cli import visit  # noqa: PLC0415 - it is not everywhere
        from tests.load.scenario import Cohort, Group, Scenario  # noqa: PLC0415

        asked = Scenario(seconds=CALL_S, groups=(Group(bots=(Cohort(count=BOTS),)),))
        return judged_call((await visit(str(self._url), asked)).outcomes)

    async def close(self) -> None:
        """Leave, and end the meeting."""
        with contextlib.suppress(ApiRefused, aiohttp.ClientError, OSError, msgspec.DecodeError):
            async with asyncio.timeout(CLOSE_S):
                if self._socket is not None and not self._socket.closed:
                    await self._socket.send_str(encode(Leave()))
                    await self._socket.close()
                await self._host.end_meeting()

    def _told(self, transport: str) -> list[Candidate]:
        return [each for each in stun.candidates(self._answer or "") if each.transport == transport]


def _unwelcome(message: NodeMessage) -> Verdict:
    if isinstance(message, Refused | Closed):
        fix = _REFUSALS.get(message.code, "See the node's log.")
        return failed(f"the node refuses us: {message.message}", fix)
    return failed(f"the node answers hello with {type(message).__name__}", "See the node's log.")


def judged_udp(answers: dict[Candidate, Answer]) -> Verdict:
    """Return what to think of a node whose addresses answer so."""
    if not answers:
        return failed("the node tells no address over UDP", "Set PARLEY_SFU_ADVERTISE.")
    seen = ", ".join(f"{candidate} {answer}" for candidate, answer in answers.items())
    is_reached = Answer.YES in answers.values()
    if is_reached and set(answers.values()) <= {Answer.YES, Answer.NO_WAY}:  # not all machines have IPv6
        return ok(seen)
    ports = ", ".join(sorted({str(candidate.port) for candidate in answers}))
    if is_reached:
        return warning(seen, f"Open UDP port {ports} for these, or leave them out of PARLEY_SFU_ADVERTISE.")
    if Answer.CLOSED in answers.values():
        return failed(
            seen, "This is not where the node listens: correct PARLEY_SFU_ADVERTISE, or the NAT's forwarding."
        )
    return failed(
        seen,
        f"Open UDP port {ports} to the node, both ways, in every firewall and security group, and see that "
        "PARLEY_SFU_ADVERTISE is its public address.",
    )


def judged_call(outcomes: Any) -> Verdict:
    """Return what to think of a call with these outcomes (`tests.load.outcome`)."""
    failures = [f"{each.name}: {each.failure}" for each in outcomes if each.failure]
    if failures:
        return failed(
            f"{len(failures)} of {len(outcomes)} bots fared badly: {'; '.join(failures)}",
            "See what the checks above found, and the node's log.",
        )
    joined_ms = 1000 * max(each.connected_s for each in outcomes)
    lost = sum(each.tally.lost for each in outcomes) / max(1, sum(each.tally.expected for each in outcomes))
    seen = f"{len(outcomes)} bots heard and saw each other; joined within {joined_ms:.0f} ms, {lost:.1%} lost"
    if lost > LOSS_MAX:
        return warning(seen, "Look at `buffers`, at the machines' load, and at the network between.")
    return ok(seen)
