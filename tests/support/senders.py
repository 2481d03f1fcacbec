"""Who is who by pixels and by ear: each browser sends its own colour and its own tone.

Chromium plays files as its camera and microphone; `colour_file` and `tone_file` make them. A plain
colour takes few bits; where the bits matter, `texture_file` makes a camera whose picture takes many.
"""

import math
import struct
import wave
from dataclasses import dataclass
from pathlib import Path

import av
from av.filter import Graph

RGB = tuple[int, int, int]

SAMPLE_RATE = 48_000
WIDTH, HEIGHT, FRAMES_PER_S = 640, 360, 15
LENGTH_S = 4
TEXTURE_WIDTH, TEXTURE_HEIGHT = 960, 540
FURTHEST = 90.0
"""How far, in RGB space, a seen colour may be from the sender's after encoding and scaling."""


@dataclass(frozen=True)
class Sender:
    """What one browser sends: a colour, and a tone in Hz."""

    colour: str
    rgb: RGB
    tone_hz: int


RED = Sender("red", (200, 40, 40), 500)
GREEN = Sender("green", (30, 150, 60), 800)
BLUE = Sender("blue", (40, 60, 200), 1250)
YELLOW = Sender("yellow", (210, 190, 40), 1900)

SENDERS = (RED, GREEN, BLUE, YELLOW)


def by_colour(seen: RGB) -> Sender | None:
    """Return the sender whose colour this is, or None if it is nobody's."""
    nearest = min(SENDERS, key=lambda sender: math.dist(sender.rgb, seen))
    return nearest if math.dist(nearest.rgb, seen) <= FURTHEST else None


def colour_file(sender: Sender, folder: Path) -> Path:
    """Write a looping camera: the sender's colour with a white square that travels along the lower edge."""
    path = folder / "camera.mjpeg"
    with av.open(str(path), "w", format="mjpeg") as target:
        stream = target.add_stream("mjpeg", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(LENGTH_S * FRAMES_PER_S):
            target.mux(stream.encode(_picture(sender, number / (LENGTH_S * FRAMES_PER_S))))
        target.mux(stream.encode(None))
    return path


def texture_file(sender: Sender, folder: Path) -> Path:
    """Write a looping camera: a coarse texture around the sender's colour that drifts once around.

    It takes an encoder all the bits it may use, as a plain colour does not. Uncompressed, as Chromium
    plays only such files at their own frame rate.
    """
    path = folder / "camera.y4m"
    frames = LENGTH_S * FRAMES_PER_S
    size = f"{TEXTURE_WIDTH}x{TEXTURE_HEIGHT}"
    graph = Graph()
    graph.link_nodes(
        graph.add("color", f"c=0x{bytes(sender.rgb).hex()}:size={size}:rate={FRAMES_PER_S}"),
        graph.add("noise", "alls=70"),
        graph.add("gblur", "sigma=2"),
        graph.add("scroll", f"horizontal={1 / frames}:vertical={1 / frames}"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    with av.open(str(path), "w", format="yuv4mpegpipe") as target:
        stream = target.add_stream("wrapped_avframe", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = TEXTURE_WIDTH, TEXTURE_HEIGHT, "yuv420p"
        for number in range(frames):
            frame = graph.vpull()
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def _picture(sender: Sender, progress: float) -> av.VideoFrame:
    size = 32
    left = round(progress * (WIDTH - size))
    plain = bytes(sender.rgb) * WIDTH
    marked = bytes(sender.rgb) * left + b"\xff" * (3 * size) + bytes(sender.rgb) * (WIDTH - size - left)
    frame = av.VideoFrame(WIDTH, HEIGHT, "rgb24")
    frame.planes[0].update(plain * (HEIGHT - size) + marked * size)
    return frame.reformat(format="yuvj420p")


def tone_file(sender: Sender, path: Path) -> None:
    """Write a looping microphone: beeps of the sender's tone. A steady tone would be taken for noise."""
    beep_s, pause_s = 0.35, 0.15
    samples = []
    for index in range(LENGTH_S * SAMPLE_RATE):
        at_s = index / SAMPLE_RATE
        loud = at_s % (beep_s + pause_s) < beep_s
        samples.append(round(10_000 * math.sin(2 * math.pi * sender.tone_hz * at_s)) if loud else 0)
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(SAMPLE_RATE)
        target.writeframes(struct.pack(f"<{len(samples)}h", *samples))
