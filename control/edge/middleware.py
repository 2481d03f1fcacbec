"""The way in and out of every request: named, counted, logged, checked, and never a bare traceback."""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import hdrs, web

from control.conflicts import begun_anew
from control.edge.answers import from_framework, mishap, refusal
from control.edge.caller import CALLER, identify, refuse_cross_site
from control.edge.headers import CSP_NONCE, REQUEST_ID, new_nonce
from control.metrics import Metrics
from control.refusals import Refused
from control.settings import Settings

log = logging.getLogger(__name__)

UPGRADED = 101
ROUTINE = frozenset({"/internal/nodes/report", "/healthz", "/readyz", "/metrics", "/socket.io/"})
"""Routes that machines call every few seconds: they would drown what people do."""
COOKIELESS = frozenset({"/socket.io/"})
"""Routes that no cookie opens, and that say themselves whose pages may use them."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Edge:
    """The middlewares, outermost first. `cookies` are the names of those that authenticate."""

    def __init__(self, settings: Settings, metrics: Metrics, cookies: Sequence[str]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cookies = cookies
        self.middlewares = (self.record, self.translate, self.admit, self.retry)

    @web.middleware
    async def record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give the request its id; count it and log one line when it is answered."""
        request[REQUEST_ID] = secrets.token_hex(8)
        request[CSP_NONCE] = new_nonce()
        began_s = time.perf_counter()
        status = 499  # the caller went away before there was an answer
        try:
            response = await handler(request)
            status = response.status
        finally:
            took_s = time.perf_counter() - began_s
            route = _route(request)
            method = request.method if request.method in hdrs.METH_ALL else "OTHER"
            self._metrics.requests.labels(method, route, str(status)).inc()
            if status != UPGRADED:  # a WebSocket lasts as long as it is wanted
                self._metrics.request_s.labels(route).observe(took_s)
            level = logging.DEBUG if route in ROUTINE else logging.INFO
            log.log(level, "%s %s %d %.1f ms id=%s", method, route, status, took_s * 1e3, request[REQUEST_ID])
        return response

    @web.middleware
    async def translate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn whatever goes wrong into the one shape of an error."""
        try:
            return await handler(request)
        except Refused as refused:
            return self._refuse(request, refused)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._refuse(request, from_framework(error))
        except Exception as error:
            return self._refuse(request, mishap(error, request[REQUEST_ID]))

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Learn who calls, and refuse what another site's page sent."""
        request[CALLER] = identify(request, self._settings.trusted_proxies, self._settings.public_url)
        if request.path not in COOKIELESS:
            refuse_cross_site(request, self._cookies)
        return await handler(request)

    @web.middleware
    async def retry(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Begin anew when the database ended a transaction; the request's body can be read again."""
        return await begun_anew(lambda: handler(request), self._metrics)

    def _refuse(self, request: web.Request, refused: Refused) -> web.Response:
        self._metrics.refusals.labels(refused.reason.value).inc()
        return refusal(request, refused)


def _route(request: web.Request) -> str:
    """Return the path's template: bounded in number, and free of codes and tokens."""
    resource = request.match_info.route.resource
    return "(none)" if resource is None else resource.canonical
