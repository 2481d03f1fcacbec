"""Nodes' reports over HTTP, for nodes alone: a bearer token under the cluster secret."""

import msgspec
from aiohttp import hdrs, web
from yarl import URL

from control.clock import Clock
from control.edge.body import answer, read_json
from control.nodes.service import Nodes
from control.refusals import Reason, Refused, invalid
from sfu.contract.operations import CONTROL_AUDIENCE, Report, events_of, verify_token


class NodeRoutes:
    """The routes of nodes. Reports may be larger than other bodies: they carry all that was missed."""

    def __init__(self, nodes: Nodes, clock: Clock, secret: bytes, report_bytes: int) -> None:
        self._nodes = nodes
        self._clock = clock
        self._secret = secret
        self._report_bytes = report_bytes

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/internal/nodes/report", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """Take in a node's report."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        now = self._clock().timestamp()
        if scheme != "Bearer" or not verify_token(token, self._secret, audience=CONTROL_AUDIENCE, now=now):
            raise Refused(Reason.UNAUTHENTICATED)
        report = await read_json(request.clone(client_max_size=self._report_bytes), Report)
        _check_url(report.internal_url, "internal_url", ("http", "https"))
        if report.signal_url:
            _check_url(report.signal_url, "signal_url", ("ws", "wss"))
        if not 0 < report.signal_port < 65536:
            raise invalid(signal_port="Must be a port.")
        try:
            events = events_of(report)
        except msgspec.ValidationError as error:
            raise invalid(events="Are not all events.") from error
        return answer(await self._nodes.report(report, events))


def _check_url(text: str, field: str, schemes: tuple[str, ...]) -> None:
    try:
        url = URL(text)
    except ValueError as error:
        raise invalid(**{field: "Is not an address."}) from error
    if url.scheme not in schemes or not url.host or len(text) > 2048:
        raise invalid(**{field: f"Must be an address that begins with {' or '.join(schemes)}."})
