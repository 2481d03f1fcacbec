"""Joining a meeting over HTTP."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession
from yarl import URL

from control.accounts import store as accounts
from control.accounts.access import GUEST_COOKIE, Access
from control.accounts.tokens import AccessTokens, AccountIdentity, GuestIdentity, Identity
from control.edge.body import answer, one_line, read_json
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.join.schema import Joined, JoinRequest
from control.join.service import Admission, Entrant, Joining
from control.meetings.lookup import Lookup
from control.meetings.store import Meeting
from control.nodes.store import Node
from control.rates.port import Buckets
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards


class JoinRoutes:
    """The route of joining."""

    def __init__(
        self,
        shards: Shards,
        joining: Joining,
        lookup: Lookup,
        access: Access,
        tokens: AccessTokens,
        joins: Buckets,
    ) -> None:
        self._shards = shards
        self._joining = joining
        self._lookup = lookup
        self._access = access
        self._tokens = tokens
        self._joins = joins

    def table(self) -> list[Endpoint]:
        """Return the endpoint."""
        return [
            Endpoint("POST", "/api/meetings/{code}/join", self.join, Who.ANYONE, Scope.MEETINGS_JOIN)
            .takes(JoinRequest)
            .gives(Joined)
            .refuses(
                Reason.GUESTS_NOT_ALLOWED,
                Reason.MEETING_ENDED,
                Reason.MEETING_CANCELLED,
                Reason.NO_NODE,
                Reason.NODES_FULL,
            )
        ]

    async def join(self, request: web.Request) -> web.Response:
        """Give out a ticket, to an account or to a guest by name."""
        await self._joins.take(request[CALLER].rate_key)
        identity = self._access.identity(request)
        body = await read_json(request, JoinRequest)
        meeting = await self._lookup.find(request)
        async with self._shards.first.read() as session:
            entrant = await _entrant(session, meeting, identity, body)
        if body.unreachable:
            await self._joining.suspicion.look_after(meeting.id)
        async with self._shards.first.read() as session:
            nodes = await self._joining.living_nodes(session)
        async with self._shards.of(meeting.id).write() as session:
            admission = await self._joining.admit(session, meeting.id, entrant, nodes)
        return self._joined(request, meeting, admission)

    def _joined(self, request: web.Request, meeting: Meeting, admission: Admission) -> web.Response:
        ticket = admission.ticket
        token = None
        if ticket.user is None:
            token = self._tokens.for_guest(GuestIdentity(meeting.id, ticket.peer, ticket.name))
        response = answer(
            Joined(
                ticket=self._joining.sign(ticket),
                signal_url=str(signal_url(admission.node, request[CALLER].base)),
                node=ticket.node,
                peer=ticket.peer,
                room=ticket.room,
                name=ticket.name,
                is_host=ticket.user == meeting.host_id,
                ice_servers=admission.ice_servers,
                access_token=token,
            )
        )
        if token is not None:
            response.set_cookie(
                GUEST_COOKIE,
                token,
                max_age=self._tokens.guest_s,
                httponly=True,
                samesite="Lax",
                secure=request[CALLER].secure,
                path=f"/api/meetings/{meeting.code}",
            )
        return response


def signal_url(node: Node, base: URL) -> URL:
    """Return the node's WebSocket as the caller reaches it: its own word, else at the host they see us at."""
    if node.signal_url:
        return URL(node.signal_url)
    scheme = "wss" if base.scheme == "https" else "ws"
    return URL.build(scheme=scheme, host=base.host or "", port=node.signal_port, path="/signal")


async def _entrant(
    session: AsyncSession, meeting: Meeting, identity: Identity | None, body: JoinRequest
) -> Entrant:
    """Return as whom the caller may enter. Raises `Refused`."""
    if isinstance(identity, AccountIdentity):
        account = await accounts.by_id(session, identity.account)
        if account is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return Entrant(account.name, account.id, body.region, body.peer)
    if not meeting.guests_allowed:
        raise Refused(Reason.GUESTS_NOT_ALLOWED)
    stay = identity.peer if identity is not None and identity.meeting == meeting.id else None
    return Entrant(one_line(body.name or "", "name"), None, body.region, stay if stay == body.peer else None)
