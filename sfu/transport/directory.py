"""Whose a datagram is: links by the ufrag that a check names, and by the addresses that checks validated."""

from typing import TYPE_CHECKING

from sfu.transport.stun import Address

if TYPE_CHECKING:
    from sfu.transport.link import Link


class Directory:
    """The two tables that every received datagram is looked up in. Links keep their own entries."""

    __slots__ = ("by_address", "by_ufrag")

    def __init__(self) -> None:
        self.by_ufrag: dict[bytes, Link] = {}
        self.by_address: dict[Address, Link] = {}
