"""Control's public API as far as the doctor goes: a meeting of its own, and a guest in it."""

import secrets
from typing import Any

import aiohttp
import msgspec
from yarl import URL


class ApiRefused(Exception):
    """Control refused; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Host:
    """Somebody new who makes a meeting. What is asked raises `ApiRefused`, or what the library raises."""

    def __init__(self, http: aiohttp.ClientSession, url: URL) -> None:
        self._http = http
        self._url = url
        self._token: str | None = None
        self._code: str | None = None
        self.ticket: str | None = None
        self.signal_url: str | None = None
        self.ice_servers: list[dict[str, Any]] = []

    async def open_meeting(self, title: str) -> None:
        """Make an account and a meeting."""
        somebody = {
            "email": f"doctor-{secrets.token_hex(8)}@doctor.invalid",
            "name": "Doctor",
            "password": secrets.token_urlsafe(24),
        }
        self._token = (await self._post("/api/accounts", somebody))["access_token"]
        self._code = (await self._post("/api/meetings", {"title": title}, self._token))["code"]

    async def join(self) -> None:
        """Let a guest join, whose `ticket`, `signal_url` and `ice_servers` are known from then on."""
        joined = await self._post(f"/api/meetings/{self._code}/join", {"name": "Doctor"})
        self.ticket, self.signal_url = joined["ticket"], joined["signal_url"]
        self.ice_servers = joined["ice_servers"]

    async def end_meeting(self) -> None:
        """End the meeting, if one was made."""
        if self._code is not None:
            await self._post(f"/api/meetings/{self._code}/end", {}, self._token)

    async def _post(self, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._http.post(self._url.join(URL(path)), json=body, headers=headers) as answer:
            reply: dict[str, Any] = msgspec.json.decode(await answer.read())
        if answer.status >= 300:
            told = reply.get("error", {})
            raise ApiRefused(str(told.get("code")), str(told.get("message")))
        return reply
