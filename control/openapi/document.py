"""The OpenAPI 3.1 document: a pure function over the endpoints."""

import importlib
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from control.accounts.access import ACCESS_COOKIE, GUEST_COOKIE, REFRESH_COOKIE
from control.edge.answers import STATUS, Failure
from control.edge.endpoint import JSON, Endpoint, Who
from control.idempotency.header import IDEMPOTENCY_KEY, PATTERN
from control.refusals import SENTENCES, Reason

Json = dict[str, Any]

ABOUT = """\
Meetings, who is in them, and what is said there. Requests and answers are JSON in UTF-8, moments are \
RFC 3339 in UTC.

Whoever is refused gets a `Failure`: act on its `code`, whose meaning never changes, and on an unknown one \
as on its status; show `message` to people; quote `request_id`, which is also in `X-Request-Id`. Where there \
is a `Retry-After`, wait as many seconds.

A list comes in pages: ask with `limit`, and go on with the `next_cursor` of the page before as `cursor`, \
until it is null."""

SECURITY: dict[str, Json] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of an account, got by signing in.",
    },
    "accessCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": ACCESS_COOKIE,
        "description": "The same, as browsers keep it. Requests that change something must then come from "
        "a page of this server (`Origin`).",
    },
    "guestToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` that a guest got by joining; good for that one meeting.",
    },
    "guestCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": GUEST_COOKIE,
        "description": "The same, as browsers keep it.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "parley_…",
        "description": "The `secret` of an API key, got by `POST /api/keys`; it stands for its account where "
        "it has the scope that is named.",
    },
    "refreshCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": REFRESH_COOKIE,
        "description": "The `refresh_token` of an account on a device, as browsers keep it for "
        "`/api/session`; others send it in the body.",
    },
}
_STRANGER: tuple[Json, ...] = ({},)
_ACCOUNT: tuple[Json, ...] = ({"accessToken": []}, {"accessCookie": []})
_GUEST: tuple[Json, ...] = ({"guestToken": []}, {"guestCookie": []})
_ADMITTED: dict[Who, tuple[Json, ...]] = {
    Who.PUBLIC: (),
    Who.DEVICE: (*_STRANGER, {"refreshCookie": []}),
    Who.ANYONE: (*_STRANGER, *_ACCOUNT, *_GUEST),
    Who.MEMBER: (*_ACCOUNT, *_GUEST),
    Who.ACCOUNT: _ACCOUNT,
}

IN_PATHS: dict[str, str] = {
    "code": "A meeting's code, such as `abcd-efgh-jkmn`.",
    "archive": "The `id` of an archive of the chat.",
    "attachment": "An attachment's `id`.",
    "invitation": "The id of an invitation to the meeting.",
    "key": "An API key's `id`.",
    "recording": "A recording's `id`.",
    "webhook": "A webhook's `id`.",
}
REPEATABLE: Json = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "A string of the client's making, new for each thing to make. The same request sent "
    "again under it, for a day or as long as the server is set to remember, makes nothing more and gets "
    "the first answer.",
    "schema": {"type": "string", "pattern": PATTERN},
}

HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "Names the request in the server's log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
}
_WAITING = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.REQUEST_IN_PROGRESS,
        Reason.NO_NODE,
        Reason.NODES_FULL,
        Reason.OVERLOADED,
    }
)


def document(endpoints: Sequence[Endpoint], version: str) -> Json:
    """Return the document of these endpoints."""
    shapes = _Shapes(endpoints)
    paths: dict[str, Json] = {}
    tags: dict[str, Json] = {}
    for endpoint in endpoints:
        tag = _tag(endpoint)
        tags.setdefault(tag, {"name": tag, "description": _about(tag)})
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": version, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": list(tags.values()),
        "paths": paths,
        "components": {"schemas": shapes.components, "securitySchemes": SECURITY, "headers": HEADERS},
    }


class _Shapes:
    """The JSON Schemas of all that is read and given."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        bodies = [kind for each in endpoints for kind in (each.body, each.answer) if kind is not None]
        queries = [each.query for each in endpoints if each.query is not None]
        kinds = [Failure, *bodies, *queries]
        schemas, components = msgspec.json.schema_components(
            kinds, ref_template="#/components/schemas/{name}"
        )
        self._of = dict(zip(map(repr, kinds), schemas, strict=True))
        self.queries = {query: components.pop(query.__name__) for query in dict.fromkeys(queries)}
        self.components = components

    def of(self, kind: Any) -> Json:
        """Return the schema of what is read or given."""
        schema: Json = self._of[repr(kind)]
        return schema


def _operation(endpoint: Endpoint, shapes: _Shapes) -> Json:
    summary, _, description = (endpoint.handler.__doc__ or "").partition("\n\n")
    operation = {
        "operationId": f"{_tag(endpoint)}_{endpoint.handler.__name__}",
        "tags": [_tag(endpoint)],
        "summary": summary.strip(),
        "description": _flowing(f"{description}\n\n{endpoint.who.value}"),
        "security": _security(endpoint),
        "parameters": [*_in_path(endpoint), *_in_query(endpoint, shapes), *_in_headers(endpoint)],
        "responses": {str(endpoint.status): _success(endpoint, shapes), **_failures(endpoint, shapes)},
    }
    if endpoint.body is not None:
        operation["requestBody"] = _body(endpoint, shapes)
    return operation


def _security(endpoint: Endpoint) -> list[Json]:
    by_key = [] if endpoint.scope is None else [{"apiKey": [endpoint.scope]}]
    return [*_ADMITTED[endpoint.who], *by_key]


def _in_path(endpoint: Endpoint) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": IN_PATHS[name],
            "schema": {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _in_query(endpoint: Endpoint, shapes: _Shapes) -> list[Json]:
    if endpoint.query is None:
        return []
    shape = shapes.queries[endpoint.query]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in shape["required"],
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        for name, schema in ((name, dict(schema)) for name, schema in shape["properties"].items())
    ]


def _in_headers(endpoint: Endpoint) -> list[Json]:
    return [REPEATABLE] if endpoint.is_idempotent else []


def _body(endpoint: Endpoint, shapes: _Shapes) -> Json:
    schema = shapes.of(endpoint.body)
    return {"required": endpoint.body_required, "content": {JSON: {"schema": schema}}}


def _success(endpoint: Endpoint, shapes: _Shapes) -> Json:
    response: Json = {
        "description": HTTPStatus(endpoint.status).phrase,
        "headers": _headers("X-Request-Id"),
    }
    if endpoint.status == HTTPStatus.SWITCHING_PROTOCOLS:
        response["description"] = "A WebSocket opens, on which each text frame is one of `x-frames`."
        response["x-frames"] = shapes.of(endpoint.answer)
    elif endpoint.answer is not None:
        response["content"] = {endpoint.content_type: {"schema": shapes.of(endpoint.answer)}}
        if endpoint.other_type is not None:
            response["content"][endpoint.other_type] = {"schema": {"type": "string"}}
    return response


def _failures(endpoint: Endpoint, shapes: _Shapes) -> Json:
    """Return a response for each status of a refusal, which names the codes that come with it."""
    by_status: dict[int, list[Reason]] = {}
    for reason in sorted(endpoint.refusals, key=lambda reason: (STATUS[reason], reason)):
        by_status.setdefault(STATUS[reason], []).append(reason)
    return {str(status): _failure(reasons, shapes) for status, reasons in by_status.items()}


def _failure(reasons: list[Reason], shapes: _Shapes) -> Json:
    codes = {"properties": {"error": {"properties": {"code": {"enum": [*reasons]}}}}}
    told = ["X-Request-Id"]
    if STATUS[reasons[0]] == HTTPStatus.UNAUTHORIZED:
        told.append("WWW-Authenticate")
    if _WAITING.intersection(reasons):
        told.append("Retry-After")
    return {
        "description": "\n".join(f"- `{reason}`: {SENTENCES[reason]}" for reason in reasons),
        "headers": _headers(*told),
        "content": {JSON: {"schema": {"allOf": [shapes.of(Failure), codes]}}},
    }


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _tag(endpoint: Endpoint) -> str:
    """Return the name of the slice that answers."""
    return endpoint.handler.__module__.split(".")[1]


def _about(tag: str) -> str:
    """Return what the slice says of itself first; the rest is for its readers."""
    return _flowing((importlib.import_module(f"control.{tag}").__doc__ or "").partition("\n\n")[0])


def _flowing(text: str) -> str:
    """Return a docstring's text without its indentation and line ends."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
