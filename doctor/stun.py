"""Whether a candidate answers: connectivity checks (RFC 8445 §7.2) over a socket of our own."""

import asyncio
import secrets
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from aioice.stun import Class, Message, Method, parse_message

REPEAT_S = 0.25
PATIENCE_S = 3.0
_PRIORITY = 0x6E0000FF  # of a peer-reflexive candidate (RFC 8445 §5.1.2.1)


class Answer(StrEnum):
    """What came of asking."""

    YES = "answers"
    CLOSED = "is closed: nothing listens there"
    SILENT = "does not answer"
    NO_WAY = "cannot be sent to from here"


@dataclass(frozen=True)
class Candidate:
    """Where a node says it can be reached."""

    transport: str
    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ip_address(self.address).version == 6 else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Credentials:
    """Of an ICE agent."""

    ufrag: str
    password: str


def candidates(sdp: str) -> list[Candidate]:
    """Return the candidates of a description, each once."""
    found = []
    for line in sdp.splitlines():
        if line.startswith("a=candidate:"):
            _, _, transport, _, address, port, *_ = line.split()
            found.append(Candidate(transport.lower(), address, int(port)))
    return list(dict.fromkeys(found))


def credentials(sdp: str) -> Credentials:
    """Return who answers under a description."""
    lines = [line.partition(":") for line in sdp.splitlines()]
    values = {name: value for name, _, value in reversed(lines)}
    return Credentials(values["a=ice-ufrag"], values["a=ice-pwd"])


async def ask(candidate: Candidate, ours: Credentials, theirs: Credentials) -> Answer:
    """Send connectivity checks until one is answered, or for a while."""
    loop = asyncio.get_running_loop()
    receiving: asyncio.Future[Answer] = loop.create_future()
    password = theirs.password.encode()
    request = _request(ours, theirs)
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Receiver(receiving, request.transaction_id, password),
            remote_addr=(candidate.address, candidate.port),
        )
    except OSError:
        return Answer.NO_WAY
    try:
        for _ in range(int(PATIENCE_S / REPEAT_S)):
            transport.sendto(bytes(request))
            done, _ = await asyncio.wait([receiving], timeout=REPEAT_S)
            if done:
                return receiving.result()
        return Answer.SILENT
    finally:
        transport.close()


def _request(ours: Credentials, theirs: Credentials) -> Message:
    attributes = {
        "USERNAME": f"{theirs.ufrag}:{ours.ufrag}",
        "PRIORITY": _PRIORITY,
        "ICE-CONTROLLING": secrets.randbits(64),
    }
    request = Message(Method.BINDING, Class.REQUEST, attributes=attributes)
    request.add_message_integrity(theirs.password.encode())
    return request


class _Receiver(asyncio.DatagramProtocol):
    """Waits for the answer to one request."""

    def __init__(self, receiving: "asyncio.Future[Answer]", transaction: bytes, password: bytes) -> None:
        self._receiving = receiving
        self._transaction = transaction
        self._password = password

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        """Take what may be the answer."""
        try:
            message = parse_message(data)
        except ValueError:
            return
        if message.transaction_id == self._transaction and message.check_message_integrity(self._password):
            self._settle(Answer.YES)

    def error_received(self, exc: Exception) -> None:
        """Take what the network says: that the port is closed, or that there is no way."""
        self._settle(Answer.CLOSED if isinstance(exc, ConnectionRefusedError) else Answer.NO_WAY)

    def _settle(self, answer: Answer) -> None:
        if not self._receiving.done():
            self._receiving.set_result(answer)
