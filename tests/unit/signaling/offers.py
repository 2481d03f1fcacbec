"""Small offers for tests, written line by line."""

from collections.abc import Iterable

TRANSPORT = (
    "a=ice-ufrag:user",
    "a=ice-pwd:" + "p" * 22,
    "a=fingerprint:sha-256 " + ":".join(["0A"] * 32),
    "a=setup:actpass",
)
OPUS = ("a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1")
VP8 = ("a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")


def section(
    mid: str,
    *lines: str,
    kind: str = "video",
    direction: str = "sendonly",
    formats: str = "96 97",
    port: str = "9",
    protocol: str = "UDP/TLS/RTP/SAVPF",
) -> list[str]:
    """Return an m-line of VP8 video with its attributes."""
    head = [f"m={kind} {port} {protocol} {formats}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", f"a={direction}"]
    return [*head, *TRANSPORT, "a=rtcp-mux", *VP8, *lines]


def audio(mid: str, *lines: str, direction: str = "sendonly", formats: str = "111") -> list[str]:
    """Return an m-line of Opus audio with its attributes."""
    head = [f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", f"a={direction}"]
    return [*head, *TRANSPORT, "a=rtcp-mux", *OPUS, *lines]


def data(
    mid: str, *lines: str, protocol: str = "UDP/DTLS/SCTP", formats: str = "webrtc-datachannel"
) -> list[str]:
    """Return an m-line of data channels with its attributes."""
    return [f"m=application 9 {protocol} {formats}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", *TRANSPORT, *lines]


def offer(*sections: Iterable[str], session: Iterable[str] = (), group: str | None = None) -> str:
    """Return an offer of these m-lines in one BUNDLE group, or in the group given (empty: none)."""
    lines = [line for block in sections for line in block]
    if group is None:
        group = "BUNDLE " + " ".join(line[6:] for line in lines if line.startswith("a=mid:"))
    head = [
        "v=0",
        "o=- 42 7 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        *([f"a=group:{group}"] if group else []),
        *session,
    ]
    return "".join(f"{line}\r\n" for line in [*head, *lines])
