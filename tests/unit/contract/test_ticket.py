"""Only what control signed, for this node, in time, opens a room."""

import base64
import json
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sfu.contract.codes import Code
from sfu.contract.ticket import AUDIENCE, ISSUER, Rights, Source, Ticket, TicketRefused, sign, verify

NOW = 1_800_000_000.0
CONTROL = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
IMPOSTOR = Ed25519PrivateKey.from_private_bytes(bytes(32))
TICKET = Ticket(
    id="t-1",
    room="room-1",
    peer="peer-1",
    node="node-1",
    name="Ada Ł 🎈",
    user="user-1",
    expires_at=1_800_000_300,
)
CLAIMS: dict[str, Any] = jwt.decode(sign(TICKET, CONTROL), options={"verify_signature": False})
DEEP = base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30"


def check(text: str, *, now: float = NOW) -> Ticket:
    return verify(text, CONTROL.public_key(), now=now)


def refusal(text: str, *, now: float = NOW) -> Code:
    with pytest.raises(TicketRefused) as caught:
        check(text, now=now)
    return caught.value.code


def signed(**changes: Any) -> str:
    """Return a token of control's own key whose claims differ by `changes` (None: left out)."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode(claims, CONTROL, algorithm="EdDSA")


@pytest.mark.parametrize(
    "ticket",
    [
        TICKET,
        msgspec.structs.replace(TICKET, user=None),
        msgspec.structs.replace(TICKET, rights=Rights(publish=(), subscribe=False, data=False)),
        msgspec.structs.replace(TICKET, rights=Rights(publish=(Source.SCREEN, Source.SCREEN_AUDIO))),
        msgspec.structs.replace(TICKET, name="n" * 80, room="r" * 64, peer="A.z_0~9-"),
        msgspec.structs.replace(TICKET, address="http://10.0.0.7:8081", epoch=7),
    ],
    ids=lambda ticket: ticket.name[:5] + str(ticket.rights.publish),
)
def test_what_was_signed_comes_back(ticket: Ticket) -> None:
    assert check(sign(ticket, CONTROL)) == ticket


def test_a_ticket_ends_at_its_second() -> None:
    text = sign(TICKET, CONTROL)
    assert check(text, now=TICKET.expires_at - 0.01) == TICKET
    assert refusal(text, now=TICKET.expires_at) is Code.TICKET_EXPIRED


def test_another_key_opens_nothing() -> None:
    assert refusal(sign(TICKET, IMPOSTOR)) is Code.TICKET_INVALID


def test_a_changed_claim_breaks_the_signature() -> None:
    head, _, signature = sign(TICKET, CONTROL).split(".")
    forged = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "room": "other"}).encode()).rstrip(b"=").decode()
    assert refusal(f"{head}.{forged}.{signature}") is Code.TICKET_INVALID


def test_the_token_does_not_choose_its_algorithm() -> None:
    public = CONTROL.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert refusal(jwt.encode(CLAIMS, "", algorithm="none")) is Code.TICKET_INVALID
    assert refusal(jwt.encode(CLAIMS, public, algorithm="HS256")) is Code.TICKET_INVALID


@pytest.mark.parametrize("claim", ["iss", "aud", "jti", "sub", "exp", "room", "node", "name", "rights"])
def test_a_missing_claim(claim: str) -> None:
    if claim == "rights":
        assert check(signed(rights=None)).rights == Rights()
    else:
        assert refusal(signed(**{claim: None})) is Code.TICKET_INVALID


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "parley-control"},
        {"exp": "1800000300"},
        {"exp": 1_800_000_300.5},
        {"exp": True},
        {"jti": 5},
        {"jti": ""},
        {"sub": "a b"},
        {"sub": "a\n"},
        {"room": "a/b"},
        {"room": "r" * 65},
        {"node": "../node-1"},
        {"user": "ü"},
        {"name": ""},
        {"name": "n" * 81},
        {"name": 7},
        {"rights": {"publish": ["projector"]}},
        {"rights": {"subscribe": "yes"}},
        {"rights": []},
    ],
    ids=str,
)
def test_a_claim_that_is_not_what_it_should_be(changes: dict[str, Any]) -> None:
    assert refusal(signed(**changes)) is Code.TICKET_INVALID


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b.c", "é.é.é", "\ud800", DEEP, "{}", "x" * 4096, sign(TICKET, CONTROL)[:-2], "\x00"],
)
def test_what_is_no_token(text: str) -> None:
    assert refusal(text) is Code.TICKET_INVALID


def test_what_a_later_version_adds_is_left_alone() -> None:
    later = signed(later=1, rights={"publish": ["camera"], "record": True})
    assert check(later).rights == Rights((Source.CAMERA,))


def test_rights_name_what_is_unusual_alone_so_that_a_new_source_breaks_no_older_node() -> None:
    assert CLAIMS["rights"] == {}


def test_a_list_of_audiences_may_name_the_node() -> None:
    assert check(signed(aud=["elsewhere", AUDIENCE], iss=ISSUER)) == TICKET
