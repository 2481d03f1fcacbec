"""Control's public API as a bot needs it: an account, meetings, the ticket to enter one."""

import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp

_TIMEOUT_S = 30.0


class ApiFailed(Exception):
    """Control refused, or cannot be reached."""


@dataclass(frozen=True)
class Admission:
    """What it takes to enter a room."""

    ticket: str
    signal_url: str
    node: str
    peer: str
    token: str
    """Says to control who this guest is."""


class Api:
    """One control service, seen by somebody without an account, and as a host by one with a fresh account."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token: str | None = None

    async def register(self) -> None:
        """Make an account; meetings are made with it from now on. Raises ApiFailed."""
        name = secrets.token_hex(6)
        reply = await self._post(
            "/api/accounts",
            {"email": f"bot-{name}@bots.example", "name": "Bot", "password": secrets.token_urlsafe(18)},
        )
        self._token = reply["access_token"]

    async def create_meeting(self, title: str) -> str:
        """Make a meeting that lets guests in; return its code. Raises ApiFailed."""
        headers = {"Authorization": f"Bearer {self._token}"}
        reply = await self._post("/api/meetings", {"title": title, "guests_allowed": True}, headers)
        code: str = reply["code"]
        return code

    async def end_meeting(self, code: str) -> None:
        """End a meeting. Raises ApiFailed."""
        await self._post(f"/api/meetings/{code}/end", {}, {"Authorization": f"Bearer {self._token}"})

    async def join(
        self, code: str, name: str, former: Admission | None = None, *, unreachable: bool = False
    ) -> Admission:
        """Join as a guest: anew, or as who was admitted before. Raises ApiFailed."""
        body: dict[str, Any] = {"name": name, "unreachable": unreachable}
        headers = None
        if former is not None:
            body["peer"] = former.peer
            headers = {"Authorization": f"Bearer {former.token}"}
        reply = await self._post(f"/api/meetings/{code}/join", body, headers)
        return Admission(
            reply["ticket"], reply["signal_url"], reply["node"], reply["peer"], reply["access_token"]
        )

    async def _post(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with self._http.post(
                self._url + path, json=body, headers=headers, timeout=timeout
            ) as response:
                reply: dict[str, Any] = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiFailed(
                f"control cannot be reached: {error or type(error).__name__} (POST {path})"
            ) from error
        if response.status >= 300:
            told = reply.get("error", {})
            raise ApiFailed(f"{response.status} {told.get('code')}: {told.get('message')} (POST {path})")
        return reply
