"""The header `Idempotency-Key`."""

import hashlib
import re

import msgspec
from aiohttp import web

from control.edge.endpoint import ENDPOINT
from control.idempotency.service import Attempt
from control.refusals import Reason, Refused

IDEMPOTENCY_KEY = "Idempotency-Key"
PATTERN = r'^(?:"([ !#-\[\]-~]{1,64})"|([!#-\[\]-~]{1,64}))$'


def attempt_of(request: web.Request, caller: str, body: msgspec.Struct) -> Attempt | None:
    """Return the attempt that the request is, or None when it does not say. Raises BAD_REQUEST.

    The key is a string of RFC 8941; without its quotes, as many clients send it, it is the same key.
    """
    endpoint = request[ENDPOINT]
    assert endpoint.is_idempotent, f"{endpoint.path} does not declare {IDEMPOTENCY_KEY}"
    value = request.headers.get(IDEMPOTENCY_KEY)
    if value is None:
        return None
    key = re.fullmatch(PATTERN, value)
    if key is None:
        raise Refused(
            Reason.BAD_REQUEST, fields={IDEMPOTENCY_KEY: "Must be a string of at most 64 characters."}
        )
    meant = msgspec.json.encode([endpoint.method, request.path, body])
    return Attempt(caller, key[1] or key[2], hashlib.sha256(meant).hexdigest())
