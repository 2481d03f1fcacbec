"""Any text from a client, anybody's token: a message or a refusal, and never another exception."""

import json

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sfu.contract.codes import Code
from sfu.contract.operations import sign_token, verify_token
from sfu.contract.signals import (
    DataDelivery,
    decode_client,
    decode_data,
    decode_node,
    encode,
    encode_data,
)
from sfu.contract.ticket import Rights, Ticket, TicketRefused, sign, verify
from sfu.node.destination import Destination, resume_token, resumed_at
from tests.fuzz.damage import anything, search
from tests.unit.contract.test_signals import FROM_CLIENT, FROM_NODE

MESSAGES = [encode(message).encode() for message in (*FROM_CLIENT, *FROM_NODE)]
DATA = [b'{"topic":"hand","to":"peer","body":{"up":[true,null,-1.5e3,"\\ud83c\\udf88"]}}', b'{"topic":"a"}']

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SECRET = b"s" * 32
TICKET = Ticket(
    id="t", room="r", peer="p", node="n", name="Ada", rights=Rights(publish=()), expires_at=2_000_000_000
)
CLAIMS = jwt.decode(sign(TICKET, KEY), options={"verify_signature": False})
TOKENS = [
    sign(TICKET, KEY).encode(),
    sign_token(SECRET, audience="n", now=1e9).encode(),
    resume_token(Destination("n", "http://n"), SECRET).encode(),
    jwt.encode(CLAIMS, "", algorithm="none").encode(),
]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def as_text(data: bytes) -> str:
    """Return text as a lenient reader would make it of bytes, lone surrogates and all."""
    return data.decode("utf-8", "surrogateescape")


@search()
@given(anything(MESSAGES))
def test_messages(data: bytes) -> None:
    for text in (data, as_text(data)):
        for decode in (decode_client, decode_node):
            try:
                message = decode(text)
            except msgspec.DecodeError:
                continue
            assert decode(encode(message)) == message


@search()
@given(anything(DATA))
def test_data_messages_are_passed_on_as_json_or_refused(data: bytes) -> None:
    try:
        message = decode_data(as_text(data))
    except msgspec.DecodeError:
        return
    text = encode_data(DataDelivery(topic=message.topic, body=message.body, sender="p"))
    delivered = json.loads(text)
    assert delivered["from"] == "p"
    assert set(delivered) == {"topic", "body", "from"}


@search()
@given(anything(TOKENS))
def test_tokens(data: bytes) -> None:
    text = as_text(data)
    try:
        assert verify(text, KEY.public_key(), now=1e9) == TICKET
    except TicketRefused as refused:
        assert refused.code in (Code.TICKET_INVALID, Code.TICKET_EXPIRED)
    good = verify_token(text, SECRET, audience="n", now=1e9)
    assert not good or text == as_text(TOKENS[1])
    where = resumed_at(text, SECRET)
    assert where is None or text == as_text(TOKENS[2])


@search()
@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "iat", "crit"]), values, max_size=4))
def test_claims_that_control_would_never_sign(changes: dict[str, object]) -> None:
    try:
        text = jwt.encode({**CLAIMS, **changes}, KEY, algorithm="EdDSA")
    except (TypeError, ValueError):
        return
    try:
        ticket = verify(text, KEY.public_key(), now=1e9)
    except TicketRefused:
        return
    assert 1 <= len(ticket.node) <= 64
    assert ticket.epoch >= 0
    assert ticket.expires_at > 1e9
    assert 1 <= len(ticket.name) <= 80
