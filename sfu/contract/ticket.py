"""The ticket: a short-lived, signed permission to enter one room on one node.

Control signs it with Ed25519; the node checks it offline with control's public key, so a call can
be joined while control is down. A ticket opens one connection: the node remembers its id until it
expires. Any node may be shown it: one it does not name passes the connection on to `address`.
`epoch` counts the nodes that the room has been placed on, so that the newest place is told from those
before it. Claims follow RFC 7519; the algorithm is fixed to EdDSA (RFC 8037), never read from the
token.
"""

from enum import StrEnum
from typing import Annotated, Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sfu.contract.codes import Code

ISSUER = "parley-control"
AUDIENCE = "parley-node"
LIFETIME_S = 300
"""How long a ticket is good for after it was signed, in seconds."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._~-]+$(?!\n)")]


class Source(StrEnum):
    """What a published track shows or sounds."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen_audio"


class Rights(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the bearer may do in the room. What a later version adds must permit something, not forbid it."""

    publish: tuple[Source, ...] = tuple(Source)
    subscribe: bool = True
    data: bool = True


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One permission. `expires_at` is Unix time in seconds."""

    id: Identifier
    room: Identifier
    peer: Identifier
    node: Identifier
    address: Annotated[str, msgspec.Meta(max_length=2048)] = ""
    """URL at which other nodes reach the node; empty: not at all."""
    epoch: Annotated[int, msgspec.Meta(ge=0)] = 0
    name: Name
    user: Identifier | None = None
    rights: Rights = Rights()
    expires_at: int


class TicketRefused(Exception):
    """The ticket does not open this room here; `code` says why."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code


def sign(ticket: Ticket, key: Ed25519PrivateKey) -> str:
    """Return the ticket as a compact JWT."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "jti": ticket.id,
        "sub": ticket.peer,
        "exp": ticket.expires_at,
        "room": ticket.room,
        "node": ticket.node,
        "address": ticket.address,
        "epoch": ticket.epoch,
        "name": ticket.name,
        "user": ticket.user,
        "rights": msgspec.to_builtins(ticket.rights),
    }
    return jwt.encode(claims, key, algorithm="EdDSA")


def verify(text: str, key: Ed25519PublicKey, *, now: float) -> Ticket:
    """Return the ticket if `text` is one that control signed and it is valid at Unix time `now`.

    Raises `TicketRefused` with TICKET_INVALID or TICKET_EXPIRED. Which node it is for, and whether it was
    used before, is the caller's to judge.
    """
    try:
        claims = jwt.decode(
            text,
            key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "jti", "sub"], "verify_exp": False},
        )
        ticket = msgspec.convert(
            {**claims, "id": claims["jti"], "peer": claims["sub"], "expires_at": claims["exp"]}, Ticket
        )
    except (jwt.InvalidTokenError, msgspec.ValidationError, UnicodeError) as error:
        raise TicketRefused(Code.TICKET_INVALID) from error
    if now >= ticket.expires_at:
        raise TicketRefused(Code.TICKET_EXPIRED)
    return ticket
