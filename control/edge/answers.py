"""From a refusal to HTTP: the one map of statuses, the one shape of an error.

A browser that asked for a page gets a page; everybody else gets JSON. What an unexpected exception says
stays in the log.
"""

import logging
import math

import msgspec
from aiohttp import hdrs, web
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from control.edge.body import answer
from control.edge.headers import REQUEST_ID
from control.edge.html import render
from control.objects.port import Away
from control.refusals import SENTENCES, Reason, Refused

log = logging.getLogger(__name__)

STATUS: dict[Reason, int] = {
    Reason.BAD_REQUEST: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.BAD_CREDENTIALS: 401,
    Reason.CROSS_SITE: 403,
    Reason.FORBIDDEN: 403,
    Reason.INSUFFICIENT_SCOPE: 403,
    Reason.NOT_A_MEMBER: 403,
    Reason.NOT_THE_HOST: 403,
    Reason.GUESTS_NOT_ALLOWED: 403,
    Reason.NOT_FOUND: 404,
    Reason.MEETING_UNKNOWN: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.EMAIL_TAKEN: 409,
    Reason.TOO_MANY_KEYS: 409,
    Reason.REQUEST_IN_PROGRESS: 409,
    Reason.TOO_MANY_WEBHOOKS: 409,
    Reason.MEETING_ENDED: 410,
    Reason.FILE_GONE: 410,
    Reason.MEETING_CANCELLED: 410,
    Reason.LINK_EXPIRED: 410,
    Reason.TOO_LARGE: 413,
    Reason.INVALID: 422,
    Reason.IDEMPOTENCY_KEY_REUSED: 422,
    Reason.RATE_LIMITED: 429,
    Reason.INTERNAL: 500,
    Reason.NO_NODE: 503,
    Reason.NODES_FULL: 503,
    Reason.OVERLOADED: 503,
}

_FROM_FRAMEWORK: dict[int, Reason] = {
    403: Reason.NOT_FOUND,  # a folder among the static files
    404: Reason.NOT_FOUND,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.TOO_LARGE,
}
_TITLES: dict[int, str] = {404: "Not found", 410: "Ended", 429: "Slow down", 500: "Our fault", 503: "Busy"}
_NO_PAGES = ("/api/", "/internal/", "/objects/", "/socket.io/", "/static/", "/metrics", "/healthz", "/readyz")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong. `message` is a sentence for people, `retry_after` in seconds.

    `fields` has a sentence for each that is wrong.
    """

    code: Reason
    message: str
    request_id: str
    fields: dict[str, str] | None = None
    retry_after: int | None = None


def mishap(error: Exception, request_id: str) -> Refused:
    """Return the refusal that an exception nobody expected stands for, and log it."""
    if isinstance(error, Away):
        log.warning("the store of files did not answer: %s id=%s", error, request_id)
        return Refused(Reason.OVERLOADED, retry_after_s=5)
    if isinstance(error, OperationalError | PoolTimeoutError):
        log.error("the database did not answer id=%s", request_id, exc_info=error)
        return Refused(Reason.OVERLOADED, retry_after_s=2)
    log.error("a bug id=%s", request_id, exc_info=error)
    return Refused(Reason.INTERNAL)


def problem_of(refused: Refused, request_id: str) -> Problem:
    """Return what is wrong as JSON has it."""
    return Problem(
        code=refused.reason,
        message=SENTENCES[refused.reason],
        request_id=request_id,
        fields=None if refused.fields is None else dict(refused.fields),
        retry_after=None if refused.retry_after_s is None else math.ceil(refused.retry_after_s),
    )


class Failure(msgspec.Struct, frozen=True):
    """The answer to a request that was refused."""

    error: Problem


def from_framework(error: web.HTTPException) -> Refused:
    """Return the refusal that an error status raised by aiohttp stands for."""
    return Refused(_FROM_FRAMEWORK.get(error.status, Reason.BAD_REQUEST))


def refusal(request: web.Request, refused: Refused) -> web.Response:
    """Return the response that tells of `refused`."""
    status, problem = STATUS[refused.reason], problem_of(refused, request[REQUEST_ID])
    if request.path.startswith(_NO_PAGES):
        response = answer(Failure(problem), status)
    else:
        title = _TITLES.get(status, "This did not work")
        context = {"user": None, "code": status, "title": title, "message": problem.message}
        response = render(request, "error.html", context, status)
    if status == web.HTTPUnauthorized.status_code:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    if problem.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(problem.retry_after)
    return response
