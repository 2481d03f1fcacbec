"""New credentials for TURN servers, over HTTP: the first come with the ticket."""

from aiohttp import web

from control.edge.body import answer
from control.edge.endpoint import Endpoint, Who
from control.people.members import Members
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.turn.schema import IceServers
from control.turn.service import TurnServers


class TurnRoutes:
    """The route of TURN servers."""

    def __init__(self, turn: TurnServers, members: Members) -> None:
        self._turn = turn
        self._members = members

    def table(self) -> list[Endpoint]:
        """Return the endpoint."""
        path = "/api/meetings/{code}/ice-servers"
        return [
            Endpoint("GET", path, self.list, Who.MEMBER, Scope.MEETINGS_JOIN)
            .gives(IceServers)
            .refuses(Reason.MEETING_ENDED, Reason.MEETING_CANCELLED)
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Give out new credentials for the TURN servers to somebody in the call; members only."""
        meeting, author = await self._members.admit(request)
        if meeting.over is not None:
            raise Refused(meeting.over)
        return answer(IceServers(ice_servers=self._turn.for_user(author.id)))
