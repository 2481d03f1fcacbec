"""Media made up in advance: packets with real headers and descriptors, and filler where the picture would be.

A stream is due by absolute time, so that a late tick sends more and the rate stays what it should be.
Each packet ends with the time it was made, for whoever measures delay.
"""

import random
import secrets
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.load.light import rtcp
from tests.load.light.rtp import (
    EXTENDED,
    HEADER,
    MARKER,
    VERSION,
    extension_block,
    vp8_descriptor,
    vp8_frame_tag,
)
from tests.load.light.sdp import OPUS, VP8

FRAMES_PER_S = 25
AUDIO_PACKETS_PER_S = 50
SILENT = 127
"""The level of silence, in -dBov (RFC 6464)."""

_VIDEO_CLOCK = 90_000
_AUDIO_CLOCK = 48_000
_KEY_FRAME_EVERY = 250
_MADE_AT = struct.Struct("!d")
_FILLER = bytes(range(256)) * 6
_HISTORY = 256


def made_at(payload: bytes) -> float:
    """Return when the packet with this payload was made, in seconds on the sender's monotonic clock."""
    moment: float = _MADE_AT.unpack_from(payload, len(payload) - _MADE_AT.size)[0]
    return moment


def intact(payload: bytes) -> bool:
    """Tell whether a payload of at least 60 bytes is one of ours, unharmed."""
    end = len(payload) - _MADE_AT.size
    return payload[16:end] in _FILLER


@dataclass(frozen=True, slots=True)
class Layer:
    """One encoding of a video: bytes of each whole RTP packet, packets of each frame, size in pixels."""

    width: int
    height: int
    packets_per_frame: int
    packet_bytes: int = 1200
    rid: str | None = None


class Stream:
    """One outgoing RTP stream: when packets are due, their numbers, and those that may be asked for again.

    `numbered`: packets have room for a transport-wide number, which whoever sends them fills in.
    """

    def __init__(
        self,
        *,
        payload_type: int,
        clock_hz: int,
        packets_per_s: float,
        extensions: Mapping[int, bytes] | None,
    ) -> None:
        self.ssrc = secrets.randbits(32) | 1
        self.packets = 0
        self.octets = 0
        self.numbered = False
        self._extensions = dict(extensions or {})
        self._payload_type = payload_type
        self._clock_hz = clock_hz
        self._interval_s = 1 / packets_per_s
        self._start = float("inf")
        self._sequence = random.randrange(1 << 15)
        self._first_timestamp = secrets.randbits(32)
        self._sent: dict[int, bytes] = {}

    def begin(self, at: float) -> None:
        """Start at that time, in seconds on the monotonic clock."""
        self._start = at

    @property
    def next_due(self) -> float:
        """When the next packet is due, in seconds on the monotonic clock."""
        return self._start + self.packets * self._interval_s

    def number(self, extension_id: int) -> None:
        """Make room for a transport-wide number in every packet from now on, as its first extension."""
        self.numbered = True
        self._extensions = {extension_id: bytes(2)} | self._extensions

    def due(self, now: float) -> Iterator[bytes]:
        """Yield the packets that should have been sent by `now`."""
        while self.next_due <= now:
            packet = self._make()
            self.packets += 1
            self.octets += len(packet)
            self._sequence = (self._sequence + 1) & 0xFFFF
            yield packet

    def sent(self, protected: bytes) -> None:
        """Remember the latest packet as it went out."""
        latest = (self._sequence - 1) & 0xFFFF
        self._sent[latest] = protected
        self._sent.pop((latest - _HISTORY) & 0xFFFF, None)

    def remembered(self, sequence: int) -> bytes | None:
        """Return the packet with that number as it went out, if it is not forgotten."""
        return self._sent.get(sequence)

    def report(self, now: float) -> bytes:
        """Return a sender report."""
        timestamp = self._first_timestamp + int((now - self._start) * self._clock_hz)
        return rtcp.sender_report(
            self.ssrc, unix_s=time.time(), timestamp=timestamp, packets=self.packets, octets=self.octets
        )

    def _make(self) -> bytes:
        raise NotImplementedError

    def _header(self, *, marker: bool, ticks: int) -> bytes:
        extensions = extension_block(self._extensions)
        return (
            HEADER.pack(
                EXTENDED if extensions else VERSION,
                MARKER * marker | self._payload_type,
                self._sequence,
                (self._first_timestamp + ticks) & 0xFFFFFFFF,
                self.ssrc,
            )
            + extensions
        )


class VideoStream(Stream):
    """VP8 in one layer, packets spread evenly; a key frame every ten seconds and whenever one is wanted."""

    def __init__(self, layer: Layer, extensions: Mapping[int, bytes] | None = None) -> None:
        rate = FRAMES_PER_S * layer.packets_per_frame
        super().__init__(payload_type=VP8, clock_hz=_VIDEO_CLOCK, packets_per_s=rate, extensions=extensions)
        self.layer = layer
        self.key_frames = 0
        self._picture = random.randrange(1 << 15)
        self._key_wanted = True
        self._key = False

    def want_key_frame(self) -> None:
        """Make the next frame a key frame."""
        self._key_wanted = True

    def _make(self) -> bytes:
        frame, index = divmod(self.packets, self.layer.packets_per_frame)
        if index == 0:
            self._key = self._key_wanted or frame % _KEY_FRAME_EVERY == 0
            self._key_wanted = False
            self.key_frames += self._key
        number = self._picture + frame
        start = vp8_frame_tag(key=self._key, width=self.layer.width, height=self.layer.height)
        head = (
            self._header(
                marker=index == self.layer.packets_per_frame - 1,
                ticks=frame * (_VIDEO_CLOCK // FRAMES_PER_S),
            )
            + vp8_descriptor(start=index == 0, picture_id=number & 0x7FFF, tl0=number & 0xFF)
            + (start if index == 0 else b"")
        )
        return _filled(head, self.layer.packet_bytes)


class AudioStream(Stream):
    """Opus of constant size with its level (RFC 6464) as `level` gives it for a time, in -dBov."""

    def __init__(
        self,
        *,
        level: Callable[[float], int],
        level_extension: int,
        packet_bytes: int = 100,
        extensions: Mapping[int, bytes] | None = None,
    ) -> None:
        super().__init__(
            payload_type=OPUS,
            clock_hz=_AUDIO_CLOCK,
            packets_per_s=AUDIO_PACKETS_PER_S,
            extensions=extensions,
        )
        self._packet_bytes = packet_bytes
        self._level = level
        self._level_extension = level_extension

    def _make(self) -> bytes:
        level = self._level(self.next_due)
        voice = 0x80 if level < SILENT else 0
        self._extensions[self._level_extension] = bytes((voice | level,))
        head = self._header(
            marker=self.packets == 0,
            ticks=self.packets * (_AUDIO_CLOCK // AUDIO_PACKETS_PER_S),
        )
        return _filled(head, self._packet_bytes)


def _filled(head: bytes, packet_bytes: int) -> bytes:
    filler = packet_bytes - len(head) - _MADE_AT.size
    return head + _FILLER[:filler] + _MADE_AT.pack(time.monotonic())
