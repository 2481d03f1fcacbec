"""Commands, reports, and the tokens they travel with."""

import base64

import jwt
import msgspec
import pytest

from sfu.contract.codes import Code
from sfu.contract.operations import (
    CONTROL_AUDIENCE,
    TOKEN_LIFETIME_S,
    CloseRoom,
    Drain,
    Load,
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
    command_decoder,
    reply_decoder,
    report_decoder,
    sign_token,
    verify_token,
)
from sfu.contract.ticket import Source

NOW = 1_800_000_000.5
SECRET = b"s" * 64
DEEP = base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30"

EVENTS: tuple[NodeEvent, ...] = (
    RoomOpened(seq=1, at=NOW, room="r"),
    PeerEntered(seq=2, at=NOW, room="r", peer="p", ticket="t"),
    PeerGone(seq=3, at=NOW, room="r", peer="p", code=Code.LEFT),
    RoomClosed(seq=4, at=NOW, room="r", code=Code.LEFT),
)


def report(events: tuple[NodeEvent, ...] = ()) -> Report:
    return Report(
        node="n",
        boot="b",
        signal_port=8081,
        internal_url="http://10.0.0.1:8081",
        version="1",
        load=Load(rooms=1, peers=2, packets_out_per_s=3.5, loop_lag_s=0.001, cpu=0.4),
        events=events,
    )


def test_a_report_comes_back_as_it_was() -> None:
    assert report_decoder.decode(msgspec.json.encode(report(EVENTS))) == report(EVENTS)
    assert reply_decoder.decode(msgspec.json.encode(ReportReply(acknowledged=4))).acknowledged == 4


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


@pytest.mark.parametrize(
    "command",
    [
        CloseRoom(room="r"),
        RemovePeer(room="r", peer="p"),
        MutePeer(room="r", peer="p", source=Source.SCREEN),
        Drain(),
        Undrain(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_command_comes_back_as_it_was(command: NodeCommand) -> None:
    assert command_decoder.decode(msgspec.json.encode(command)) == command


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
