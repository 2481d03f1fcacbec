"""What all links of a network stand on: settings, counters, sockets, and the tables they are found in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfu.transport.counters import Counters
from sfu.transport.settings import NetworkSettings
from sfu.transport.sockets import Remote, Sockets

if TYPE_CHECKING:
    from sfu.transport.link import Link


class Directory:
    """Whose a datagram is: links by the ufrags that checks name, and by where validated checks came from.

    Links keep their own entries.
    """

    __slots__ = ("by_remote", "by_ufrag")

    def __init__(self) -> None:
        self.by_ufrag: dict[bytes, Link] = {}
        self.by_remote: dict[Remote, Link] = {}


@dataclass(frozen=True, slots=True)
class Ground:
    """What the links of one network share."""

    settings: NetworkSettings
    counters: Counters
    directory: Directory
    sockets: Sockets
