"""The API's document over HTTP, for programs and for people."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
from aiohttp import web

from control.edge.endpoint import JSON, Endpoint, Who
from control.edge.html import render
from control.openapi.document import document
from control.version import VERSION


class OpenApiRoutes:
    """The routes of the document of `endpoints` and of its own."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = [*endpoints, *self.table()]

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", "/api/openapi.json", self.document, Who.PUBLIC).gives(dict[str, Any]),
            Endpoint("GET", "/api/docs", self.page, Who.PUBLIC).gives(str, content_type="text/html"),
        ]

    @cached_property
    def _document(self) -> dict[str, Any]:
        """The document. It takes longer to make than all else that a service begins with."""
        return document(self._endpoints, VERSION)

    @cached_property
    def _body(self) -> bytes:
        return msgspec.json.encode(self._document)

    async def document(self, _request: web.Request) -> web.Response:
        """Give this document."""
        return web.Response(body=self._body, content_type=JSON)

    async def page(self, request: web.Request) -> web.Response:
        """Give this document as a page to read."""
        return render(request, "api.html", {"user": None, "api": self._document})
