"""Two neighbouring versions serve one cluster: each takes what the other says."""

import json
from typing import Any

import jsonschema_rs
import jwt
import msgspec
import pytest

from sfu.contract.operations import Report, events_of
from sfu.contract.ticket import verify
from tests.unit.contract import golden
from tests.unit.contract.test_ticket import CONTROL, NOW

SCHEMA = json.loads((golden.FOLDER / "schema.json").read_text())
BEFORE = [(kind, message) for kind in golden.KINDS for message in golden.said_before(kind)]
NOW_SAID = [(kind, message) for kind in golden.KINDS for message in golden.now_said(kind)]


def named(value: object) -> str:
    if isinstance(value, dict):
        return value.get("change", {}).get("kind") or value.get("type", "")
    return str(value)


def read(kind: str, message: dict[str, Any]) -> Any:
    """Return a message as this version reads it. Raises what says that it cannot."""
    if kind == "ticket":
        return verify(jwt.encode(message, CONTROL, algorithm="EdDSA"), CONTROL.public_key(), now=NOW)
    found = msgspec.json.decode(json.dumps(message), type=golden.KINDS[kind])
    if isinstance(found, Report):
        assert [event.seq for event in events_of(found)] == [event["seq"] for event in message["events"]]
    return found


@pytest.mark.parametrize(("kind", "message"), BEFORE, ids=named)
def test_what_the_last_version_says_is_read(kind: str, message: dict[str, Any]) -> None:
    assert read(kind, message) == read(kind, {**message, "later": [1]})


@pytest.mark.parametrize(("kind", "message"), [each for each in BEFORE if each[0] != "ticket"], ids=named)
def test_what_the_last_version_said_is_still_said(kind: str, message: dict[str, Any]) -> None:
    """No field went, none means another thing: what was read is written as it came, and more perhaps."""
    written = json.loads(msgspec.json.encode(read(kind, message)))
    assert {name: value for name, value in written.items() if name in message} == message


@pytest.mark.parametrize(("kind", "message"), NOW_SAID, ids=named)
def test_the_last_version_reads_what_is_said_now(kind: str, message: dict[str, Any]) -> None:
    """By its schema, unless the type is one that it did not know, which it passes over."""
    schema = SCHEMA["kinds"][kind]
    mapping = schema.get("discriminator", {}).get("mapping")
    if mapping is not None and message["type"] not in mapping:
        return
    if kind == "ticket":
        message = message | {"id": message["jti"], "peer": message["sub"], "expires_at": message["exp"]}
    jsonschema_rs.validate({**schema, "$defs": SCHEMA["$defs"]}, message)


def test_all_kinds_and_types_of_the_last_version_are_kept() -> None:
    for kind, schema in SCHEMA["kinds"].items():
        mapping = schema.get("discriminator", {}).get("mapping")
        if mapping is not None:
            assert {message["type"] for message in golden.said_before(kind)} == mapping.keys()
