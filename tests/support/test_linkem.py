"""The emulated link: its arithmetic on a virtual clock, and a real one between two namespaces."""

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.linkem import Conditions, Pipe
from tests.support.network import network
from tests.support.waiting import until_now

PACKET = bytes(1000)
"""Of no protocol."""


def pipe(**conditions: float) -> Pipe:
    made = Pipe(seed=7)
    made.conditions = Conditions(**conditions)
    return made


def arrivals(subject: Pipe) -> list[float]:
    times = []
    while (at := subject.next_arrival()) is not None:
        times += [at] * len(subject.take(at))
    return times


def test_a_pipe_as_made_passes_everything_at_once_and_in_order() -> None:
    subject = pipe()
    for number in range(5):
        subject.put(bytes([number]), now=1.0)
    assert subject.take(1.0) == [bytes([number]) for number in range(5)]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"delay_ms": 50}, [0.05, 0.05, 0.05]),
        ({"rate_kbps": 800}, [0.01, 0.02, 0.03]),  # 1000 bytes take 10 ms
        ({"rate_kbps": 800, "delay_ms": 50}, [0.06, 0.07, 0.08]),
        ({"rate_kbps": 800, "queue_ms": 10}, [0.01, 0.02]),  # the third would wait 20 ms
    ],
)
def test_delay_rate_and_queue(conditions: dict[str, float], expected: list[float]) -> None:
    subject = pipe(**conditions)
    for _ in range(3):
        subject.put(PACKET, now=0.0)
    assert arrivals(subject) == pytest.approx(expected)
    assert subject.counters.overflowed == 3 - len(expected)


def udp(payload: bytes) -> bytes:
    """Return an IPv4 packet, of which nothing but what makes it one is filled in."""
    return bytes((0x45, *bytes(8), 17, *bytes(18))) + payload


@pytest.mark.parametrize(
    ("packet", "delay_ms"),
    [
        (udp(bytes((0x80, 111)) + bytes(50)), 210),
        (udp(bytes((0x90, 0x80 | 109)) + bytes(50)), 210),
        (udp(bytes((0x80, 0x80 | 96)) + bytes(50)), 40),
        (udp(bytes((0x80, 200)) + bytes(50)), 10),  # a sender report
        (udp(bytes((0x16, 111)) + bytes(50)), 10),  # DTLS
        (udp(bytes((0x80, 111))), 10),
        (PACKET, 10),
    ],
)
def test_sound_and_pictures_can_be_delayed_apart(packet: bytes, delay_ms: float) -> None:
    subject = pipe(delay_ms=10, sound_ms=200, picture_ms=30)
    subject.put(packet, now=0.0)
    assert arrivals(subject) == pytest.approx([delay_ms / 1000])


def test_a_queue_is_as_long_as_what_waits_in_it() -> None:
    subject = pipe(rate_kbps=800, delay_ms=50)
    for _ in range(3):
        subject.put(PACKET, now=0.0)
    assert [subject.queue_ms(now) for now in (0.0, 0.01, 1.0)] == pytest.approx([30, 20, 0])


@given(st.floats(0, 200), st.floats(0, 200))
def test_jitter_only_adds(delay_ms: float, jitter_ms: float) -> None:
    subject = pipe(delay_ms=delay_ms, jitter_ms=jitter_ms)
    for _ in range(20):
        subject.put(PACKET, now=0.0)
    times_ms = [at * 1000 for at in arrivals(subject)]
    assert delay_ms - 1e-6 <= min(times_ms) and max(times_ms) <= delay_ms + jitter_ms + 1e-6


@pytest.mark.parametrize("burst", [1.0, 4.0])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3, 1.0])
def test_the_share_lost_is_the_one_asked_for(loss: float, burst: float) -> None:
    subject = pipe(loss=loss, burst=burst)
    for _ in range(20_000):
        subject.put(b"", now=0.0)
    assert subject.counters.lost / subject.counters.packets == pytest.approx(loss, abs=0.03)


def test_losses_come_in_runs_of_the_length_asked_for() -> None:
    subject = pipe(loss=0.1, burst=5.0)
    fates = []
    for _ in range(20_000):
        before = subject.counters.lost
        subject.put(b"", now=0.0)
        fates.append(subject.counters.lost > before)
    runs = sum(lost and not previous for previous, lost in zip([False, *fates], fates, strict=False))
    assert sum(fates) / runs == pytest.approx(5.0, rel=0.15)


def test_a_link_between_namespaces_delays_cuts_and_heals() -> None:
    with network() as net:
        client = net.client()
        with (
            net.server.socket(kind=socket.SOCK_DGRAM) as server,
            client.namespace.socket(kind=socket.SOCK_DGRAM) as probe,
        ):
            server.settimeout(10.0)
            server.bind((net.address, 7))
            probe.settimeout(10.0)
            probe.connect((net.address, 7))

            client.link.set(delay_ms=40)
            assert round_trip_s(probe, server) >= 0.08

            client.link.set("up", loss=1.0)
            lost = client.link.counters("up").lost
            probe.send(b"into the void")
            until_now("the packet is lost", lambda: client.link.counters("up").lost == lost + 1)

            client.link.set(loss=0.0, delay_ms=0.0)
            assert round_trip_s(probe, server) < 0.08


def round_trip_s(probe: socket.socket, server: socket.socket) -> float:
    sent_at = time.monotonic()
    probe.send(b"ping")
    data, sender = server.recvfrom(64)
    server.sendto(data, sender)
    assert probe.recv(64) == b"ping"
    return time.monotonic() - sent_at
