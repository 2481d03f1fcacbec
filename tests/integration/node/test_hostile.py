"""Strangers and members who misbehave: they are dropped and counted, and the call goes on for the others."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable

import pytest

from sfu.contract.signals import View, Want
from sfu.media.ports import Drop
from sfu.rtp import rtcp
from tests.integration.node.client import Client
from tests.integration.node.conftest import House, eventually
from tests.integration.node.test_call import enter, receive_frames

CLIENT_HELLO = bytes.fromhex("16fefd0000000000000000002c010000200000000000000020fefd") + bytes(32)
STUN_HEAD = bytes.fromhex("000100082112a442") + bytes(12)


def stranger_datagrams() -> list[bytes]:
    """Return what somebody without a ticket may send to the media port."""
    rng = random.Random(1)
    return [
        b"",
        b"\x00",
        STUN_HEAD,
        STUN_HEAD + b"\x00\x06\xff\xff",
        STUN_HEAD + b"\x00\x06\x00\x04abcd",
        CLIENT_HELLO,
        CLIENT_HELLO * 20,
        struct.pack("!BBHII", 0x80, 96, 1, 2, 3) + bytes(100),
        struct.pack("!BBHI", 0x80, 200, 6, 1) + bytes(24),
        b"\x90" + bytes(3000),
        b"\xff" * 40,
        *(rng.randbytes(rng.randrange(1, 1500)) for _ in range(200)),
    ]


async def in_call(house: House) -> tuple[Client, Client]:
    """Return two clients, the second of whom sees the first."""
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await ben.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    return anna, ben


async def test_datagrams_from_strangers(house: House) -> None:
    _, ben = await in_call(house)
    counters = house.node.network.counters
    before = counters.drops.total()
    datagrams = stranger_datagrams()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        for datagram in datagrams:
            udp.sendto(datagram, ("127.0.0.1", house.node.network.port))
            await asyncio.sleep(0)
        await eventually(lambda: counters.drops.total() - before >= len(datagrams))
        udp.setblocking(False)
        with pytest.raises(BlockingIOError):
            udp.recv(1500)
    assert counters.faults == 0
    assert counters.links["connected"] == 2
    await receive_frames(ben, "video", 10)


def bad_rtp(rng: random.Random) -> bytes:
    """Return an RTP packet that is wrong in one of many ways."""
    first = rng.choice((0x8F, 0x90, 0xB0, 0xBF, 0x80, 0xA0))
    head = struct.pack(
        "!BBHII",
        first,
        rng.randrange(96, 128),
        rng.randrange(65536),
        rng.getrandbits(32),
        rng.getrandbits(32),
    )
    return head + rng.randbytes(rng.randrange(0, 60))


def bad_rtcp(rng: random.Random) -> bytes:
    """Return a compound whose packets lie about their length, their counts and their SSRCs."""
    kind = rng.randrange(200, 208)
    words = rng.randrange(1, 40)
    return struct.pack("!BBHI", 0x80 | rng.randrange(32), kind, words, rng.getrandbits(32)) + rng.randbytes(
        4 * rng.randrange(1, 40)
    )


@pytest.mark.parametrize("make", [bad_rtp, bad_rtcp], ids=["rtp", "rtcp"])
async def test_a_member_sends_broken_media(house: House, make: Callable[[random.Random], bytes]) -> None:
    _, ben = await in_call(house)
    mallory = await enter(house, "mallory")
    dtls = mallory.pc.sctp.transport
    await eventually(lambda: dtls._tx_srtp is not None)  # the node may be connected a moment before
    protect = dtls._tx_srtp.protect if make is bad_rtp else dtls._tx_srtp.protect_rtcp
    rng = random.Random(2)
    heard = house.node.network.counters.datagrams_in
    for _ in range(400):
        try:
            protected = protect(make(rng))
        except Exception:
            continue
        await dtls.transport._send(protected)
        await asyncio.sleep(0)
    await eventually(lambda: house.node.network.counters.datagrams_in > heard + 100)
    assert house.node.network.counters.faults == 0
    await receive_frames(ben, "video", 10)


async def test_a_member_asks_for_repairs_and_key_frames_without_end(house: House) -> None:
    anna, ben = await in_call(house)
    del anna
    room = house.node.rooms["room"]
    peer = room.peers["ben"]
    slot = peer.slots["3"]
    track = room.peers["anna"].publications["1"].line.track
    asked = track.plis_sent
    dtls = ben.pc.sctp.transport
    everything = rtcp.nack(1, slot.ssrc, list(range(0, 65536, 17))[:250])
    for _ in range(300):
        await dtls._send_rtp(everything)
        await dtls._send_rtp(rtcp.picture_loss(1, slot.ssrc))
        await dtls._send_rtp(rtcp.picture_loss(1, 12345))
    await eventually(lambda: peer.tally.drops[Drop.STRAY_FEEDBACK] >= 200)
    assert track.plis_sent - asked < 20
    assert slot.retransmitted < 5000
    await receive_frames(ben, "video", 10)


async def test_a_member_floods_the_data_channel(house: House) -> None:
    _, ben = await in_call(house)
    mallory = await enter(house, "mallory")
    await eventually(lambda: all(each.readyState == "open" for each in mallory.channels.values()))
    for text in ("", "null", "{", '{"topic": ""}', '{"topic": "x", "to": "no such peer"}', "[" * 10_000):
        mallory.channels["reliable"].send(text)
    for _ in range(300):
        mallory.channels["lossy"].send(b"\xff\xfe")
    drops = house.node.network.counters.drops
    await eventually(lambda: house.node.rooms["room"].peers["mallory"].tally.drops[Drop.BAD_DATA] >= 5)
    await eventually(lambda: sum(count for reason, count in drops.items() if reason.startswith("data_")) > 0)
    assert ben.texts == []
    await receive_frames(ben, "video", 10)
