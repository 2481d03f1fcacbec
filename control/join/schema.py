"""What joining takes and gives, as JSON."""

from typing import Annotated

from msgspec import Meta, Struct

from control.relays.schema import IceServer


class JoinRequest(Struct, frozen=True):
    """Who would join. Guests need a name; with an account, the account's name is used."""

    name: Annotated[str, Meta(max_length=80)] | None = None


class Joined(Struct, frozen=True, kw_only=True):
    """Permission to enter: show `ticket` to the node at `signal_url`.

    `ice_servers` are for the connection to it. `access_token` is for guests: it opens this meeting's chat,
    people and events.
    """

    ticket: str
    signal_url: str
    peer: str
    room: str
    name: str
    is_host: bool
    ice_servers: list[IceServer]
    access_token: str | None
