"""Invitations over HTTP: for the host, and for whoever opens the link in a mail."""

from typing import Any

from aiohttp import web

from control.accounts.access import Access
from control.accounts.service import normalised
from control.edge.body import answer, read_json, read_query
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.edge.html import render
from control.invitations import store
from control.invitations.schema import InvitationView, Invited, NewInvitations, view_of
from control.invitations.service import Invitations
from control.invitations.tokens import MailTokens, Recipient
from control.meetings import store as meetings
from control.meetings.lookup import Lookup
from control.paging import Page, PageQuery, page, window
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards

INVITATIONS = "/api/meetings/{code}/invitations"
OVER = (Reason.MEETING_ENDED, Reason.MEETING_CANCELLED)


class InvitationRoutes:
    """The routes of a meeting's invitations, for its host."""

    def __init__(self, shards: Shards, invitations: Invitations, lookup: Lookup, access: Access) -> None:
        self._shards = shards
        self._invitations = invitations
        self._lookup = lookup
        self._access = access

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", INVITATIONS, self.invite, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .takes(NewInvitations)
            .gives(Invited, 201)
            .refuses(Reason.NOT_THE_HOST, *OVER),
            Endpoint("GET", INVITATIONS, self.list, Who.ACCOUNT, Scope.MEETINGS_READ)
            .asks(PageQuery)
            .gives(Page[InvitationView])
            .refuses(Reason.NOT_THE_HOST),
            Endpoint(
                "DELETE", f"{INVITATIONS}/{{invitation}}", self.remove, Who.ACCOUNT, Scope.MEETINGS_WRITE
            )
            .gives(None, 204)
            .refuses(Reason.NOT_THE_HOST, Reason.NOT_FOUND, *OVER),
        ]

    async def invite(self, request: web.Request) -> web.Response:
        """Invite people by e-mail; the host only.

        Each new one gets a mail with the link, and with an entry for the calendar if the meeting has times;
        another when these or the title change, when the meeting is cancelled, and before it begins. To an
        address that wishes no mail from this server none is sent, which is not told.
        """
        account_id = self._access.account(request)
        body = await read_json(request, NewInvitations)
        addresses = [normalised(address) for address in body.addresses]
        found = await self._lookup.find(request)
        async with self._shards.of(found.id).write() as session:
            invited = await self._invitations.invite(
                session, found.id, account_id, addresses, str(request[CALLER].base)
            )
        return answer(Invited([view_of(each) for each in invited]), status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List who is invited, by address; the host only."""
        account_id = self._access.account(request)
        wanted = window(read_query(request, PageQuery), str)
        found = await self._lookup.find(request)
        if found.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        async with self._shards.of(found.id).read() as session:
            rows = await store.listed(session, found.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.address, item=view_of))

    async def remove(self, request: web.Request) -> web.Response:
        """Take an invitation back; the host only. Whoever was invited is told by mail."""
        account_id = self._access.account(request)
        found = await self._lookup.find(request)
        invitation_id = request.match_info["invitation"]
        async with self._shards.of(found.id).write() as session:
            await self._invitations.remove(
                session, found.id, account_id, invitation_id, str(request[CALLER].base)
            )
        return web.Response(status=204)


class MailRoutes:
    """The page that the links in mails open: to decline, or to get no more mail."""

    def __init__(self, shards: Shards, invitations: Invitations, tokens: MailTokens) -> None:
        self._shards = shards
        self._invitations = invitations
        self._tokens = tokens

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/mail/{token}", self.look),
            web.post("/mail/{token}", self.unsubscribe),
            web.post("/mail/{token}/decline", self.decline),
        ]

    async def look(self, request: web.Request) -> web.Response:
        """Ask what is wished."""
        recipient = self._recipient(request)
        async with self._shards.of(recipient.meeting).read() as session:
            meeting = await meetings.by_id(session, recipient.meeting)
            invitation = await store.by_address(session, recipient.meeting, recipient.address)
        is_invited = invitation is not None and invitation.declined_at is None
        is_open = is_invited and meeting is not None and meeting.over is None
        return self._page(request, recipient, title=meeting.title if is_open and meeting else None)

    async def unsubscribe(self, request: web.Request) -> web.Response:
        """Remember that no more mail is wished: by the button, or at once by a mail program (RFC 8058)."""
        recipient = self._recipient(request)
        async with self._shards.first.write() as session:
            await self._invitations.unsubscribe(session, recipient.address)
        return self._page(request, recipient, done="You will get no more mail from this server.")

    async def decline(self, request: web.Request) -> web.Response:
        """Note that the invited will not come."""
        recipient = self._recipient(request)
        async with self._shards.of(recipient.meeting).write() as session:
            await self._invitations.decline(session, recipient.meeting, recipient.address)
        return self._page(request, recipient, done="The host can see that you are not coming.")

    def _recipient(self, request: web.Request) -> Recipient:
        recipient = self._tokens.read(request.match_info["token"])
        if recipient is None:
            raise Refused(Reason.NOT_FOUND)
        return recipient

    def _page(
        self, request: web.Request, recipient: Recipient, *, title: str | None = None, done: str | None = None
    ) -> web.Response:
        context: dict[str, Any] = {"user": None, "address": recipient.address, "title": title, "done": done}
        return render(request, "mail.html", context | {"token": request.match_info["token"]})
