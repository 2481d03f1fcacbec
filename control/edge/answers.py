"""From a refusal to HTTP: the one map of statuses, the one shape of an error.

A browser that asked for a page gets a page; everybody else gets JSON. What an unexpected exception says
stays in the log.
"""

import math

import msgspec
from aiohttp import hdrs, web

from control.edge.body import answer
from control.edge.headers import REQUEST_ID
from control.edge.html import render
from control.refusals import SENTENCES, Reason, Refused

STATUS: dict[Reason, int] = {
    Reason.BAD_REQUEST: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.BAD_CREDENTIALS: 401,
    Reason.CROSS_SITE: 403,
    Reason.FORBIDDEN: 403,
    Reason.NOT_A_MEMBER: 403,
    Reason.NOT_THE_HOST: 403,
    Reason.GUESTS_NOT_ALLOWED: 403,
    Reason.NOT_FOUND: 404,
    Reason.MEETING_UNKNOWN: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.EMAIL_TAKEN: 409,
    Reason.MEETING_ENDED: 410,
    Reason.MEETING_CANCELLED: 410,
    Reason.TOO_LARGE: 413,
    Reason.INVALID: 422,
    Reason.RATE_LIMITED: 429,
    Reason.INTERNAL: 500,
    Reason.NO_NODE: 503,
    Reason.OVERLOADED: 503,
}

_FROM_FRAMEWORK: dict[int, Reason] = {
    403: Reason.NOT_FOUND,  # a folder among the static files
    404: Reason.NOT_FOUND,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.TOO_LARGE,
}
_TITLES: dict[int, str] = {404: "Not found", 410: "Ended", 429: "Slow down", 500: "Our fault", 503: "Busy"}
_NO_PAGES = ("/api/", "/internal/", "/static/", "/metrics", "/healthz", "/readyz")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong. `message` is a sentence for people; `fields` has one for each that is wrong."""

    code: Reason
    message: str
    request_id: str
    fields: dict[str, str] | None = None


class Failure(msgspec.Struct, frozen=True):
    """The answer to a request that was refused."""

    error: Problem


def from_framework(error: web.HTTPException) -> Refused:
    """Return the refusal that an error status raised by aiohttp stands for."""
    return Refused(_FROM_FRAMEWORK.get(error.status, Reason.BAD_REQUEST))


def refusal(request: web.Request, refused: Refused) -> web.Response:
    """Return the response that tells of `refused`."""
    status, message = STATUS[refused.reason], SENTENCES[refused.reason]
    if request.path.startswith(_NO_PAGES):
        fields = None if refused.fields is None else dict(refused.fields)
        problem = Problem(refused.reason, message, request[REQUEST_ID], fields)
        response = answer(Failure(problem), status)
    else:
        title = _TITLES.get(status, "This did not work")
        context = {"user": None, "code": status, "title": title, "message": message}
        response = render(request, "error.html", context, status)
    if refused.retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(math.ceil(refused.retry_after_s))
    return response
