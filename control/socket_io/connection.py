"""Who is at the other end of a connection, and which meetings they hear of."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field

from control.accounts.tokens import Grant, GuestIdentity
from control.edge.caller import Caller
from control.socket_io.wire import Wire


@dataclass(frozen=True)
class Member:
    """Somebody who has shown a token. `sid` is Socket.IO's name of the connection."""

    sid: str
    grant: Grant

    @property
    def is_guest(self) -> bool:
        """Whether they are nobody outside of one meeting."""
        return isinstance(self.grant.identity, GuestIdentity)

    @property
    def key(self) -> str:
        """What connections are counted by; of a guest the same as for event WebSockets."""
        identity = self.grant.identity
        if isinstance(identity, GuestIdentity):
            return f"{identity.meeting}/{identity.peer}"
        return identity.account


@dataclass(eq=False)
class Connection:
    """One connection. `turn` is held while a message of it is answered, `places` until it ends.

    `meetings` has, by code, what tells it of each meeting it joined.
    """

    wire: Wire
    caller: Caller
    request_id: str
    member: Member | None = None
    meetings: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    places: ExitStack = field(default_factory=ExitStack)
    parting: bool = False

    def leave(self, code: str) -> None:
        """Hear no more of a meeting."""
        telling = self.meetings.pop(code, None)
        if telling is not None:
            telling.cancel()

    def release(self) -> None:
        """Give everything back."""
        self.parting = True
        for code in tuple(self.meetings):
            self.leave(code)
        self.places.close()
