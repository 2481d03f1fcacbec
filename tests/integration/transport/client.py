"""A peer for the tests: one UDP socket, checks written with aioice, aiortc's own DTLS, SRTP and SCTP.

It shares no code with what it tests, and lets a test say any datagram from any address.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from aioice import stun
from aiortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCSctpCapabilities,
    RTCSctpTransport,
)
from aiortc.rtcsctptransport import crc32c

from sfu.transport.counters import LinkEnd
from sfu.transport.link import Link
from sfu.transport.network import Network

PATIENCE_S = 10.0


async def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until `condition()` holds, and fail if it does not in time."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another object's plain attributes
            await asyncio.sleep(0.005)


class Listener:
    """Keeps all that a link tells."""

    def __init__(self) -> None:
        self.connected = False
        self.ends: list[LinkEnd] = []
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.data: list[tuple[str, str]] = []
        self.times: list[float] = []

    def link_connected(self) -> None:
        self.connected = True

    def link_closed(self, reason: LinkEnd) -> None:
        self.ends.append(reason)

    def received_rtp(self, packet: bytes, now: float) -> None:
        self.rtp.append(packet)
        self.times.append(now)

    def received_rtcp(self, compound: bytes, now: float) -> None:
        self.rtcp.append(compound)
        self.times.append(now)

    def received_data(self, label: str, text: str) -> None:
        self.data.append((label, text))


class Client:
    """The peer's end of a link. A duck of aiortc's ICE transport: `role`, `_recv`, `_send`."""

    role = "controlling"

    def __init__(self, network: Network, *, host: str = "127.0.0.1") -> None:
        self.node = (host, network.port)
        self.network = network
        self.udp = self.bind()
        self.certificate = RTCCertificate.generateCertificate()
        self.dtls = RTCDtlsTransport(self, [self.certificate])
        self.sctp: RTCSctpTransport | None = None
        self.answers: list[stun.Message] = []
        self.srtp: list[bytes] = []
        self.messages: list[tuple[str, str]] = []
        self.channels: dict[str, RTCDataChannel] = {}
        self._records: asyncio.Queue[bytes] = asyncio.Queue()
        self.record_sizes: list[int] = []
        self.lose_records = 0
        self.sctp_packets: list[bytes] = []
        self._old: list[socket.socket] = []

    def bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.node[0] else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.setblocking(False)
        udp.bind((self.node[0], 0))
        asyncio.get_running_loop().add_reader(udp, self._read, udp)
        return udp

    def move(self) -> None:
        """Go on from another address, hearing at the old one too."""
        self._old.append(self.udp)
        self.udp = self.bind()

    @property
    def address(self) -> tuple[str, int]:
        return self.udp.getsockname()[:2]

    @property
    def fingerprint(self) -> tuple[str, str]:
        first = self.certificate.getFingerprints()[0]
        return first.algorithm, first.value

    def say(self, datagram: bytes) -> None:
        self.udp.sendto(datagram, self.node)

    def check_bytes(
        self, ufrag: str, pwd: str, *, nominate: bool = True, controlled: bool = False
    ) -> tuple[bytes, bytes]:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{ufrag}:peer"
        request.attributes["PRIORITY"] = 1234
        request.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 99
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(pwd.encode())
        return bytes(request), request.transaction_id

    async def check(self, link: Link, *, nominate: bool = True, controlled: bool = False) -> stun.Message:
        return await self.check_with(link.ufrag, link.pwd, nominate=nominate, controlled=controlled)

    async def check_with(
        self, ufrag: str, pwd: str, *, nominate: bool = True, controlled: bool = False
    ) -> stun.Message:
        """Send a check and return its answer, whose integrity and fingerprint aioice has verified."""
        request, transaction = self.check_bytes(ufrag, pwd, nominate=nominate, controlled=controlled)
        self.say(request)
        found: list[stun.Message] = []
        await until(lambda: found or found.extend(a for a in self.answers if a.transaction_id == transaction))
        assert found[0].check_message_integrity(pwd.encode())
        return found[0]

    async def secure(self, profile: bytes | None = None, fingerprint: str | None = None) -> None:
        """Shake hands as the DTLS client."""
        self.dtls._set_role("client")
        if profile is not None:
            self.dtls._srtp_profiles = [p for p in self.dtls._srtp_profiles if p.openssl_profile == profile]
        value = fingerprint or self.network.fingerprint.partition(" ")[2]
        async with asyncio.timeout(PATIENCE_S):
            await self.dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", value)]))

    async def associate(self) -> RTCSctpTransport:
        """Begin SCTP and await the association; keep a copy of every packet that comes."""
        self.sctp = RTCSctpTransport(self.dtls)
        handle = self.sctp._handle_data

        async def keep(packet: bytes) -> None:
            self.sctp_packets.append(packet)
            await handle(packet)

        self.sctp._handle_data = keep  # type: ignore[method-assign]
        await self.sctp.start(RTCSctpCapabilities(maxMessageSize=65536), 5000)
        await until(lambda: self.sctp is not None and self.sctp.state == "connected")
        return self.sctp

    def send_rtp(self, packet: bytes) -> None:
        self.say(self.dtls._tx_srtp.protect(packet))

    def send_rtcp(self, compound: bytes) -> None:
        self.say(self.dtls._tx_srtp.protect_rtcp(compound))

    def received_rtp(self) -> list[bytes]:
        """Decrypt, once, the RTP that has come."""
        taken, self.srtp = (
            [p for p in self.srtp if not 192 <= p[1] < 224],
            [p for p in self.srtp if 192 <= p[1] < 224],
        )
        return [self.dtls._rx_srtp.unprotect(packet) for packet in taken]

    def received_rtcp(self) -> list[bytes]:
        """Decrypt, once, the RTCP that has come."""
        taken, self.srtp = (
            [p for p in self.srtp if 192 <= p[1] < 224],
            [p for p in self.srtp if not 192 <= p[1] < 224],
        )
        return [self.dtls._rx_srtp.unprotect_rtcp(packet) for packet in taken]

    async def open_channel(self, label: str, **parameters: object) -> RTCDataChannel:
        """Open a data channel, and await the node's consent."""
        assert self.sctp is not None
        channel = RTCDataChannel(self.sctp, RTCDataChannelParameters(label=label, **parameters))
        channel.on("message", lambda text: self.messages.append((label, text)))
        await until(lambda: channel.readyState == "open")
        self.channels[label] = channel
        return channel

    async def send_sctp(self, *chunks: bytes) -> None:
        """Send one SCTP packet of raw chunks, which aiortc's own association knows nothing of."""
        await self.dtls._send_data(self.sctp_packet(*chunks))

    def sctp_packet(self, *chunks: bytes) -> bytes:
        assert self.sctp is not None
        header = struct.pack("!HHI", 5000, 5000, self.sctp._remote_verification_tag)
        body = b"".join(chunks)
        checksum = struct.pack("<I", crc32c(header + bytes(4) + body))
        return header + checksum + body

    async def leave(self) -> None:
        """Say goodbye and close the sockets."""
        if self.udp.fileno() < 0:
            return
        if self.sctp is not None:
            await self.sctp.stop()
        await self.dtls.stop()
        for udp in (*self._old, self.udp):
            asyncio.get_running_loop().remove_reader(udp)
            udp.close()

    def _read(self, udp: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                self.hear(udp.recv(4096))

    def hear(self, data: bytes) -> None:
        """Take a datagram of the node's."""
        if data[0] < 4:
            self.answers.append(stun.parse_message(data))
        elif data[0] < 64:
            self.record_sizes.append(len(data))
            if self.lose_records:
                self.lose_records -= 1
            else:
                self._records.put_nowait(data)
        else:
            self.srtp.append(data)

    async def _recv(self) -> bytes:
        return await self._records.get()

    async def _send(self, data: bytes) -> None:
        self.say(data)


def frame(datagram: bytes) -> bytes:
    """Return a datagram as it goes over TCP (RFC 4571)."""
    return struct.pack("!H", len(datagram)) + datagram


class TcpClient(Client):
    """The same over TCP: `udp` is a connection to the node's TCP port."""

    def bind(self) -> socket.socket:
        tcp = socket.create_connection((self.node[0], self.network.tcp_port), PATIENCE_S)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.setblocking(False)
        self.stream = bytearray()
        self.ended = False
        asyncio.get_running_loop().add_reader(tcp, self._read, tcp)
        return tcp

    def say(self, datagram: bytes) -> None:
        self.udp.sendall(frame(datagram))

    def _read(self, tcp: socket.socket) -> None:
        try:
            read = tcp.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            read = b""
        if not read:
            self.ended = True
            asyncio.get_running_loop().remove_reader(tcp)
        self.stream += read
        while len(self.stream) >= 2 and len(self.stream) - 2 >= (
            size := self.stream[0] << 8 | self.stream[1]
        ):
            datagram = bytes(self.stream[2 : 2 + size])
            del self.stream[: 2 + size]
            self.hear(datagram)


def rtp(sequence: int, payload: bytes = b"payload", ssrc: int = 0x1234) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, sequence * 90, ssrc) + payload


def receiver_report(ssrc: int = 0x1234) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


class Pair:
    """A link and the client at its other end."""

    def __init__(self, network: Network, link: Link, listener: Listener, client: Client) -> None:
        self.network = network
        self.link = link
        self.listener = listener
        self.client = client
        self._sequence = 1000

    async def works(self) -> None:
        """Assert that media passes both ways, and messages if there are channels."""
        self._sequence += 1
        up, down = rtp(self._sequence, b"up"), rtp(self._sequence, b"down", ssrc=0x5678)
        self.client.send_rtp(up)
        await until(lambda: up in self.listener.rtp)
        self.link.send_rtp(down)
        self.network.flush()
        await until(lambda: self.client.srtp)
        assert down in self.client.received_rtp()
        for label, channel in self.client.channels.items():
            channel.send(f"up {self._sequence}")
            await until(lambda label=label: (label, f"up {self._sequence}") in self.listener.data)
            assert self.link.send_data(label, f"down {self._sequence}")
            await until(lambda label=label: (label, f"down {self._sequence}") in self.client.messages)
