"""A few seconds of picture and sound, encoded once and played again and again by every full bot."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av

WIDTH, HEIGHT = 640, 360
FRAMES_PER_S = 25
_SECONDS = 4
_VIDEO_BPS = 500_000
_SAMPLES_PER_S = 48_000
_SAMPLES = 960
_TONE_HZ = 440
_LOUDNESS = 8000


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded frame."""

    data: bytes
    key: bool


@dataclass(frozen=True)
class Clip:
    """Encoded frames of equal duration, in seconds; the first is a key frame."""

    kind: str
    units: tuple[Unit, ...]
    duration: Fraction


@cache
def picture() -> Clip:
    """Return a grey ramp that moves, as VP8 with a key frame each second."""
    codec = av.VideoCodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base = Fraction(1, FRAMES_PER_S)
    codec.bit_rate = _VIDEO_BPS
    codec.options = {"deadline": "realtime", "cpu-used": "8", "g": str(FRAMES_PER_S), "lag-in-frames": "0"}
    packets = [packet for frame in _frames() for packet in codec.encode(frame)]
    packets += codec.encode(None)
    units = tuple(Unit(bytes(packet), packet.is_keyframe) for packet in packets)
    return Clip("video", units, Fraction(1, FRAMES_PER_S))


@cache
def sound() -> Clip:
    """Return a tone, as Opus in packets of 20 ms."""
    codec = av.AudioCodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = _SAMPLES_PER_S, "mono", "s16"
    codec.time_base = Fraction(1, _SAMPLES_PER_S)
    packets = [packet for frame in _samples() for packet in codec.encode(frame)]
    packets += codec.encode(None)
    units = tuple(Unit(bytes(packet), True) for packet in packets)
    return Clip("audio", units, Fraction(_SAMPLES, _SAMPLES_PER_S))


def _frames() -> Iterator[av.VideoFrame]:
    for number in range(_SECONDS * FRAMES_PER_S):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        luma, *chroma = frame.planes
        ramp = bytes((column + 4 * number) & 0xFF for column in range(luma.line_size))
        luma.update(ramp * HEIGHT)
        for plane in chroma:
            plane.update(bytes((128,)) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
        yield frame


def _samples() -> Iterator[av.AudioFrame]:
    for number in range(_SECONDS * _SAMPLES_PER_S // _SAMPLES):
        first = number * _SAMPLES
        wave = (
            int(_LOUDNESS * math.sin(2 * math.pi * _TONE_HZ * (first + sample) / _SAMPLES_PER_S))
            for sample in range(_SAMPLES)
        )
        frame = av.AudioFrame("s16", "mono", _SAMPLES)
        frame.planes[0].update(struct.pack(f"={_SAMPLES}h", *wave))
        frame.sample_rate, frame.pts = _SAMPLES_PER_S, first
        frame.time_base = Fraction(1, _SAMPLES_PER_S)
        yield frame
