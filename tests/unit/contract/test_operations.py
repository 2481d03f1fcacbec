"""Commands, reports, and the tokens they travel with."""

import base64
import json
from typing import get_args

import jwt
import msgspec
import pytest

from sfu.contract.codes import Code
from sfu.contract.operations import (
    CONTROL_AUDIENCE,
    TOKEN_LIFETIME_S,
    CloseRoom,
    Drain,
    LaterEvent,
    Load,
    MoveRoom,
    MutePeer,
    NodeCommand,
    NodeEvent,
    PeerEntered,
    PeerGone,
    RemovePeer,
    Report,
    ReportReply,
    RoomClosed,
    RoomOpened,
    Undrain,
    YieldRoom,
    command_decoder,
    events_of,
    reply_decoder,
    report_decoder,
    sign_token,
    verify_token,
    written,
)
from sfu.contract.ticket import Source

NOW = 1_800_000_000.5
SECRET = b"s" * 64
DEEP = base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30"

EVENTS: tuple[NodeEvent, ...] = (
    RoomOpened(seq=1, at=NOW, room="r", epoch=2),
    PeerEntered(seq=2, at=NOW, room="r", peer="p", ticket="t"),
    PeerGone(seq=3, at=NOW, room="r", peer="p", code=Code.LEFT),
    RoomClosed(seq=4, at=NOW, room="r", code=Code.LEFT),
)


COMMANDS: tuple[NodeCommand, ...] = (
    CloseRoom(room="r"),
    YieldRoom(room="r", epoch=2),
    MoveRoom(room="r", epoch=2),
    RemovePeer(room="r", peer="p"),
    MutePeer(room="r", peer="p", source=Source.SCREEN),
    Drain(deadline_s=60),
    Undrain(),
)


def report(events: tuple[NodeEvent, ...] = ()) -> Report:
    return Report(
        node="n",
        boot="b",
        signal_port=8081,
        internal_url="http://10.0.0.1:8081",
        version="1",
        load=Load(rooms=1, peers=2, packets_out_per_s=3.5, loop_lag_s=0.001, cpu=0.4),
        events=tuple(map(written, events)),
    )


def test_the_tables_above_are_complete() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(NodeEvent))
    assert {type(command) for command in COMMANDS} == set(get_args(NodeCommand))


def test_a_report_comes_back_as_it_was() -> None:
    told = report_decoder.decode(msgspec.json.encode(report(EVENTS)))
    assert msgspec.structs.replace(told, events=()) == report()
    assert tuple(events_of(told)) == EVENTS
    assert reply_decoder.decode(msgspec.json.encode(ReportReply(acknowledged=4))).acknowledged == 4


LATER = {"type": "room_lit", "seq": 3, "at": NOW, "room": "r", "lamps": 4}


def told_of(*events: object) -> Report:
    """Return a report of these events as it reads, whatever they are."""
    text = json.loads(msgspec.json.encode(report())) | {"events": events, "later": {}}
    return report_decoder.decode(json.dumps(text))


def test_of_an_event_of_a_later_version_the_number_is_left() -> None:
    known = json.loads(bytes(written(EVENTS[0]))) | {"later": 1}
    later = LaterEvent(type="room_lit", seq=3, at=NOW, room="r")
    assert events_of(told_of(known, LATER)) == [EVENTS[0], later]


@pytest.mark.parametrize(
    "event",
    [
        {},
        7,
        {"type": "room_opened"},
        {"type": 7},
        {"type": "room_lit"},
        LATER | {"seq": 0},
        LATER | {"seq": 2**63},
        LATER | {"room": "a/b"},
        json.loads(bytes(written(EVENTS[1]))) | {"peer": ""},
    ],
    ids=str,
)
def test_what_is_no_event(event: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        events_of(told_of(event))


def test_a_report_holds_a_bounded_number_of_events() -> None:
    event = EVENTS[0]
    assert len(report_decoder.decode(msgspec.json.encode(report((event,) * 512))).events) == 512
    with pytest.raises(msgspec.ValidationError):
        report_decoder.decode(msgspec.json.encode(report((event,) * 513)))


@pytest.mark.parametrize(
    "load",
    [
        {"peers": -1},
        {"rooms": 2**31},
        {"cpu": -0.5},
        {"cpu": 1e300},
        {"loop_lag_s": None},
        {"packets_out_per_s": "many"},
        {"fullness": 1.1},
        {"full": 1},
    ],
    ids=str,
)
def test_loads_that_nothing_can_have(load: dict[str, object]) -> None:
    text = msgspec.json.encode(msgspec.to_builtins(report()) | {"load": load})
    with pytest.raises(msgspec.ValidationError):
        report_decoder.decode(text)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_none(number: bytes) -> None:
    text = msgspec.json.encode(report()).replace(b'"cpu":0.4', b'"cpu":' + number)
    assert number in text
    with pytest.raises(msgspec.DecodeError):
        report_decoder.decode(text)


@pytest.mark.parametrize("change", [{"region": "a\nb"}, {"region": "x" * 65}, {"version": "\0"}], ids=str)
def test_labels_are_short_and_printable(change: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        report_decoder.decode(msgspec.json.encode(msgspec.to_builtins(report()) | change))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_comes_back_as_it_was_whatever_a_later_version_adds(command: NodeCommand) -> None:
    assert command_decoder.decode(msgspec.json.encode(command)) == command
    more = msgspec.to_builtins(command) | {"later": [1]}
    assert command_decoder.decode(msgspec.json.encode(more)) == command


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"reboot"}',
        b'{"room":"r"}',
        b'{"type":"close_room"}',
        b'{"type":"close_room","room":"a/b"}',
        b'{"type":"remove_peer","room":"r"}',
        b'{"type":"mute_peer","room":"r","peer":"p","source":"nose"}',
        b"[]",
        b"",
    ],
)
def test_what_is_no_command(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        command_decoder.decode(text)


def test_a_token_is_good_for_its_audience_and_its_time() -> None:
    token = sign_token(SECRET, audience="node-1", now=NOW)
    assert verify_token(token, SECRET, audience="node-1", now=NOW)
    assert verify_token(token, SECRET, audience="node-1", now=NOW + TOKEN_LIFETIME_S - 1)
    assert not verify_token(token, SECRET, audience="node-1", now=NOW + TOKEN_LIFETIME_S)
    assert not verify_token(token, SECRET, audience="node-2", now=NOW)
    assert not verify_token(token, SECRET, audience=CONTROL_AUDIENCE, now=NOW)


def test_a_token_is_good_under_its_secret_alone() -> None:
    token = sign_token(SECRET, audience="node-1", now=NOW)
    assert not verify_token(token, b"x" * 64, audience="node-1", now=NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "node-1"},
        {"exp": 1_900_000_000},
        {"aud": "node-1", "exp": "1900000000"},
        {"aud": "node-1", "exp": 1.9e9},
        {"aud": "node-1", "exp": None},
        {"aud": ["node-2"], "exp": 1_900_000_000},
        {"aud": 1, "exp": 1_900_000_000},
    ],
    ids=str,
)
def test_a_token_whose_claims_will_not_do(claims: dict[str, object]) -> None:
    assert not verify_token(jwt.encode(claims, SECRET, algorithm="HS256"), SECRET, audience="node-1", now=NOW)


def test_the_token_does_not_choose_its_algorithm() -> None:
    claims = {"aud": "node-1", "exp": 1_900_000_000}
    for token in (jwt.encode(claims, "", algorithm="none"), jwt.encode(claims, SECRET, algorithm="HS512")):
        assert not verify_token(token, SECRET, audience="node-1", now=NOW)


@pytest.mark.parametrize("text", ["", "..", "a.b.c", "é", "\ud800", DEEP, "\x00", "x" * 8192])
def test_what_is_no_token(text: str) -> None:
    assert not verify_token(text, SECRET, audience="node-1", now=NOW)
