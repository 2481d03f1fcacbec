"""What is said of TURN servers, as JSON."""

from msgspec import Struct


class IceServer(Struct, frozen=True, kw_only=True):
    """TURN servers, as an `RTCPeerConnection` takes them, and how long their credentials are good."""

    urls: list[str]
    username: str
    credential: str
    ttl_s: int


class IceServers(Struct, frozen=True, kw_only=True):
    """What there is; empty if there is no TURN server."""

    ice_servers: list[IceServer]
