"""Every message survives the journey; nothing else is let in."""

import json

import msgspec
import pytest

from sfu.contract import signals
from sfu.contract.codes import Code
from sfu.contract.signals import (
    MAX_RIDS,
    MAX_SDP,
    MAX_WANTS,
    Answer,
    ClientMessage,
    ClientSignal,
    Clocks,
    Closed,
    DataDelivery,
    Delta,
    Encodings,
    Hello,
    Leave,
    Mute,
    NodeMessage,
    NodeSignal,
    Offer,
    PeerConnection,
    PeerInfo,
    PeerJoined,
    PeerLeft,
    Ping,
    Pong,
    PublishedTrack,
    Quality,
    QualityReason,
    Refused,
    RoomSnapshot,
    SlotClock,
    SlotLabel,
    SlotQuality,
    Slots,
    Speakers,
    TrackChanged,
    TrackInfo,
    TrackPublished,
    TrackUnpublished,
    View,
    Want,
    Welcome,
    decode_client,
    decode_node,
    encode,
)
from sfu.contract.ticket import Source

PUBLISHED = PublishedTrack(mid="1", source=Source.CAMERA, muted=True, width=1280, height=720)
TRACK = TrackInfo(id="p.1", kind="video", source=Source.CAMERA, muted=False, width=1280, height=720)
PEER = PeerInfo(id="p", name="Ada", user="u", connected=False, tracks=(TRACK,))

FROM_CLIENT: list[ClientSignal] = [
    Hello(ticket="t", offer="v=0", tracks=(PUBLISHED,)),
    Hello(resume="r", offer="v=0"),
    Offer(id=0, sdp="v=0", tracks=(PUBLISHED,)),
    View(wants=()),
    View(wants=(Want(track="p.1", width=640, height=360, priority="pinned"),)),
    Mute(mid="1", muted=True),
    Ping(id=-7),
    Leave(),
]
FROM_NODE: list[NodeSignal] = [
    Welcome(
        node="n",
        peer="p",
        resume="r",
        linger_s=30.0,
        room=RoomSnapshot(version=3, room="r", peers=(PEER,)),
        sdp="v=0",
    ),
    Answer(id=1, sdp="v=0"),
    Delta(version=1, change=PeerJoined(peer=PEER)),
    Delta(version=2, change=PeerLeft(peer="p", code=Code.LEFT)),
    Delta(version=3, change=PeerConnection(peer="p", connected=False)),
    Delta(version=4, change=TrackPublished(peer="p", track=TRACK)),
    Delta(version=5, change=TrackChanged(peer="p", track=TRACK)),
    Delta(version=6, change=TrackUnpublished(peer="p", track="p.1")),
    Speakers(peers=("p", "q")),
    Slots(slots=(SlotLabel(mid="9", track="p.1", rtp_timestamp=2**32 - 1), SlotLabel(mid="8", track=None))),
    Clocks(slots=(SlotClock(mid="9", rtp_timestamp=2**32 - 1, captured_ms=1_800_000_000_000.125),)),
    Encodings(mid="1", rids=("q", "h")),
    Encodings(mid="2", rids=("",)),
    Encodings(mid="1", rids=()),
    Quality(slots=()),
    Quality(
        slots=tuple(
            SlotQuality(
                mid="9", track="p.1", wanted_height=720, given_height=180, frame_share=0.5, reason=reason
            )
            for reason in QualityReason
        )
    ),
    Pong(id=-7),
    Refused(code=Code.FORBIDDEN, message="no", id=4),
    Closed(code=Code.DRAINING, message="bye", retry="join"),
]


def named(message: ClientMessage | NodeMessage) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", FROM_CLIENT, ids=named)
def test_a_client_message_comes_back_as_it_was(message: ClientSignal) -> None:
    assert decode_client(encode(message)) == message
    assert decode_client(encode(message).encode()) == message


@pytest.mark.parametrize("message", FROM_NODE, ids=named)
def test_a_node_message_comes_back_as_it_was(message: NodeSignal) -> None:
    assert decode_node(encode(message)) == message


def test_the_tables_above_are_complete() -> None:
    def tags(kind: type) -> set[str]:
        return {each.__struct_config__.tag for each in kind.__subclasses__()}

    assert {json.loads(encode(message))["type"] for message in FROM_CLIENT} == tags(ClientMessage)
    assert {json.loads(encode(message))["type"] for message in FROM_NODE} == tags(NodeMessage)
    changes = {message.change.__struct_config__.tag for message in FROM_NODE if isinstance(message, Delta)}
    assert changes == tags(signals.Change)


@pytest.mark.parametrize("message", FROM_CLIENT, ids=named)
def test_unknown_fields_are_ignored(message: ClientSignal) -> None:
    assert decode_client(json.dumps({**json.loads(encode(message)), "later": [1]})) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"hello"',
        "{}",
        '{"type":"shout"}',
        '{"type":null}',
        '{"type":"welcome"}',
        '{"id":1}',
        '{"type":"ping"}',
        '{"type":"ping","id":"1"}',
        '{"type":"ping","id":1.5}',
        '{"type":"ping","id":1}x',
        '{"type":"ping","id":1',
        '{"type":"mute","mid":"","muted":true}',
        '{"type":"mute","mid":"a b","muted":true}',
        '{"type":"mute","mid":"a\\n","muted":true}',
        '{"type":"mute","mid":"12345678901234567","muted":true}',
        '{"type":"mute","mid":"1","muted":1}',
        '{"type":"offer","id":-1,"sdp":"v=0"}',
        '{"type":"offer","id":1,"sdp":""}',
        '{"type":"hello","offer":"v=0","tracks":[{"mid":"1","source":"nose"}]}',
        '{"type":"hello","offer":"v=0","tracks":[{"mid":"1","source":"camera","width":-1}]}',
        '{"type":"hello","offer":"v=0","tracks":[{"mid":"1","source":"camera","height":16385}]}',
        '{"type":"view","wants":[{"track":"p.1","width":1,"height":1,"priority":"boss"}]}',
        '{"type":"view","wants":[{"track":"p.1","width":1}]}',
        '{"type":"view"}',
    ],
)
def test_what_is_no_client_message(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_client(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"mute","mid":"\xff","muted":true}',
        '{"type":"mute","mid":"\ud800","muted":true}',
        '{"type":"mute","mid":"\\ud800","muted":true}',
        '{"type":"ping","id":1,"x":' + "[" * 5000 + "]" * 5000 + "}",
    ],
    ids=["bytes", "surrogate", "escaped surrogate", "nested"],
)
def test_what_is_no_text_or_nests_without_end(text: str | bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_client(text)
    with pytest.raises(msgspec.DecodeError):
        decode_node(text)


@pytest.mark.parametrize(
    ("largest", "too_large"),
    [
        (Hello(offer="x" * MAX_SDP), Hello(offer="x" * (MAX_SDP + 1))),
        (Hello(offer="x", ticket="t" * 4096), Hello(offer="x", ticket="t" * 4097)),
        (Hello(offer="x", resume="t" * 4096), Hello(offer="x", resume="t" * 4097)),
        (Hello(offer="x", tracks=(PUBLISHED,) * 16), Hello(offer="x", tracks=(PUBLISHED,) * 17)),
        (Offer(id=1, sdp="x", tracks=(PUBLISHED,) * 16), Offer(id=1, sdp="x", tracks=(PUBLISHED,) * 17)),
        (
            View(wants=(Want(track="p" * 81, width=16384, height=0),) * MAX_WANTS),
            View(wants=(Want(track="p.1", width=1, height=1),) * (MAX_WANTS + 1)),
        ),
        (Mute(mid="m" * 16, muted=True), View(wants=(Want(track="p" * 82, width=1, height=1),))),
    ],
)
def test_sizes_are_limited(largest: ClientSignal, too_large: ClientSignal) -> None:
    assert decode_client(encode(largest)) == largest
    with pytest.raises(msgspec.ValidationError):
        decode_client(encode(too_large))


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"clocks","slots":[{"mid":"9","rtp_timestamp":4294967296,"captured_ms":0}]}',
        '{"type":"clocks","slots":[{"mid":"9","rtp_timestamp":0}]}',
        '{"type":"encodings","mid":"1"}',
        '{"type":"encodings","mid":"","rids":[]}',
        '{"type":"encodings","mid":"1","rids":["q h"]}',
        '{"type":"encodings","mid":"1","rids":["q\\n"]}',
        '{"type":"encodings","mid":"1","rids":["12345678901234567"]}',
        json.dumps({"type": "encodings", "mid": "1", "rids": ["q"] * (MAX_RIDS + 1)}),
        '{"type":"quality"}',
        '{"type":"quality","slots":[{"mid":"9","track":"p.1","reason":"full"}]}',
        '{"type":"quality","slots":[{"mid":"9","track":"p.1","wanted_height":720,"given_height":720,'
        '"frame_share":1.1,"reason":"full"}]}',
        '{"type":"quality","slots":[{"mid":"9","track":"p.1","wanted_height":720,"given_height":720,'
        '"frame_share":1,"reason":"fog"}]}',
    ],
)
def test_what_is_no_node_message(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_node(text)


BODIES = [
    "null",
    '{"up":true}',
    "1e400",
    "9" * 5000,
    "[" * 900 + "]" * 900,
    '"\\ud83c\\udf88"',
    "-0.0",
    '{"a":1,"a":2}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:12])
def test_a_body_is_passed_on_as_it_was_written(body: str) -> None:
    message = signals.decode_data('{"from":"somebody else","to":"q","topic":"hand","body":' + body + "}")
    assert (message.topic, message.to) == ("hand", "q")
    delivery = signals.encode_data(DataDelivery(topic=message.topic, body=message.body, sender="p"))
    assert delivery == '{"topic":"hand","body":' + body + ',"from":"p"}'


def test_a_data_message_may_have_no_body() -> None:
    message = signals.decode_data('{"topic":"wave"}')
    assert signals.encode_data(DataDelivery(topic=message.topic, body=message.body, sender="p")) == (
        '{"topic":"wave","body":null,"from":"p"}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"body":1}',
        '{"topic":""}',
        '{"topic":"' + "t" * 33 + '"}',
        '{"topic":"t","to":"a b"}',
        '{"topic":"t","to":"' + "p" * 65 + '"}',
        '{"topic":"t","body":tru}',
        '{"topic":"t","body":"\ud800"}',
        '{"topic":"t","body":' + "[" * 5000 + "]" * 5000 + "}",
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_data_message(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        signals.decode_data(text)
