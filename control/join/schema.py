"""What joining takes and gives, as JSON."""

from typing import Annotated

from msgspec import Meta, Struct

from control.turn.schema import IceServer
from sfu.contract.operations import Label


class JoinRequest(Struct, frozen=True):
    """Who would join. Guests need a name; with an account, the account's name is used.

    The room is opened in the `region` of whoever comes first, if a node there takes it; who names none is
    taken to be in that of the server that is asked. Who was in the call and lost it names the `peer` they
    were, to go on as the same; and says with `unreachable` that they could not reach its node, so that it
    is looked after at once.
    """

    name: Annotated[str, Meta(max_length=80)] | None = None
    region: Label | None = None
    peer: Annotated[str, Meta(max_length=64)] | None = None
    unreachable: bool = False


class Joined(Struct, frozen=True, kw_only=True):
    """Permission to enter: show `ticket` to `node`, or any other, at `signal_url`.

    `ice_servers` are for the connection to it. `access_token` is for guests: it opens this meeting's chat,
    people and events.
    """

    ticket: str
    signal_url: str
    node: str
    peer: str
    room: str
    name: str
    is_host: bool
    ice_servers: list[IceServer]
    access_token: str | None
