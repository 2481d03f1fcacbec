"""The endpoints of the API: for each, who may ask for it, what it takes, what it gives, why it refuses.

A slice's `table()` lists its endpoints, and the API's document (`control.openapi`) is made of nothing
else. A handler that reads what its endpoint does not declare is a bug, and is told so.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from aiohttp import web

from control.edge.caller import SAFE_METHODS
from control.refusals import Reason
from control.scopes import Scope

JSON = "application/json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Admit = Callable[[web.Request], Awaitable[None]]


class Who(Enum):
    """Whom an endpoint is for."""

    PUBLIC = "Open to all."
    DEVICE = "For whoever holds a refresh token."
    ANYONE = "Open to all; who calls may change the answer."
    MEMBER = "For the meeting's members: its host, who joined with an account, and guests."
    ACCOUNT = "For accounts."

    @property
    def is_known(self) -> bool:
        """Whether the handler learns who calls."""
        return self in (Who.ANYONE, Who.MEMBER, Who.ACCOUNT)


@dataclass(frozen=True)
class Endpoint:
    """One method at one path. The handler's docstring says what it does.

    Without a `scope` it is closed to API keys. `reasons` are those that do not follow from the rest.
    """

    method: str
    path: str
    handler: Handler
    who: Who
    scope: Scope | None = None
    query: type | None = None
    body: type | None = None
    body_required: bool = True
    answer: Any = None
    status: int = 200
    content_type: str = JSON
    other_type: str | None = None
    reasons: tuple[Reason, ...] = ()
    is_idempotent: bool = False

    def asks(self, query: type) -> "Endpoint":
        """Return it with these parameters after the path's `?`."""
        return replace(self, query=query)

    def takes(self, body: type, *, required: bool = True) -> "Endpoint":
        """Return it with this JSON body."""
        return replace(self, body=body, body_required=required)

    def gives(self, answer: Any, status: int = 200, content_type: str = JSON) -> "Endpoint":
        """Return it with this answer; with status 101 it is what the WebSocket sends."""
        return replace(self, answer=answer, status=status, content_type=content_type)

    def also(self, content_type: str) -> "Endpoint":
        """Return it giving the same as text of this type to those who accept that."""
        return replace(self, other_type=content_type)

    def refuses(self, *reasons: Reason) -> "Endpoint":
        """Return it with these reasons for a refusal."""
        return replace(self, reasons=reasons)

    def idempotent(self) -> "Endpoint":
        """Return it taking an `Idempotency-Key`."""
        return replace(self, is_idempotent=True)

    def reads(self, schema: type) -> bool:
        """Tell whether parameters or a body of this kind are declared."""
        return schema in (self.query, self.body)

    @property
    def refusals(self) -> frozenset[Reason]:
        """Every reason for which a request may be refused here."""
        reasons = {Reason.BAD_REQUEST, Reason.INTERNAL, Reason.OVERLOADED, *self.reasons}
        if self.method not in SAFE_METHODS:
            reasons.add(Reason.CROSS_SITE)
        if self.body is not None:
            reasons |= {Reason.INVALID, Reason.TOO_LARGE}
        if self.query is not None:
            reasons.add(Reason.INVALID)
        if "{code}" in self.path:
            reasons |= {Reason.MEETING_UNKNOWN, Reason.RATE_LIMITED}
        if self.who.is_known:
            reasons |= {Reason.UNAUTHENTICATED, Reason.INSUFFICIENT_SCOPE}
        if self.who is Who.MEMBER:
            reasons.add(Reason.NOT_A_MEMBER)
        if self.is_idempotent:
            reasons |= {Reason.REQUEST_IN_PROGRESS, Reason.IDEMPOTENCY_KEY_REUSED}
        return frozenset(reasons)

    def route(self, admit: Admit) -> web.RouteDef:
        """Return the route that answers it. `admit` comes first where the handler learns who calls."""

        async def handle(request: web.Request) -> web.StreamResponse:
            request[ENDPOINT] = self
            if self.who.is_known:
                await admit(request)
            return await self.handler(request)

        return web.route(self.method, self.path, handle)


ENDPOINT: web.RequestKey[Endpoint] = web.RequestKey("endpoint", Endpoint)
