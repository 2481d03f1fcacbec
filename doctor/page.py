"""The page, as whoever opens its address finds it: reached, encrypted, and of the same time."""

import asyncio
import contextlib
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from doctor.causes import failure, network_causes
from doctor.finding import Check, Verdict, failed, ok, skipped, unset, warning

CERTIFICATE_DAYS = 14
CLOCK_OK_S = 2.0
CLOCK_MAX_S = 20.0
"""Tokens between control and its nodes live for a minute."""

CAUSES = network_causes("control, or the proxy in front of it", "--url (PARLEY_PUBLIC_URL)")


class Page:
    """The address that people open."""

    def __init__(self, http: aiohttp.ClientSession, url: URL) -> None:
        self._http = http
        self._url = url
        self._clocks: tuple[datetime, datetime] | None = None

    @property
    def checks(self) -> list[Check]:
        """What is looked at, in order."""
        return [Check("page", self.page), Check("tls", self.tls), Check("clock", self.clock)]

    async def page(self) -> Verdict:
        """Look whether control answers where people open the page, and whether its database does."""
        began = time.monotonic()
        try:
            async with self._http.get(self._url / "readyz") as answer:
                self._clocks = _clocks(answer)
        except (aiohttp.ClientError, OSError) as error:
            return failure(str(self._url), error, CAUSES, "--url")
        took_ms = 1000 * (time.monotonic() - began)
        match answer.status:
            case 200:
                return ok(f"{self._url} answers in {took_ms:.0f} ms")
            case 502 | 504:
                return failed(
                    f"{self._url}: the proxy does not reach control ({answer.status})",
                    "Start control, or correct the proxy's upstream.",
                )
            case 503:
                return failed(
                    f"{self._url}: control answers, but not its database",
                    "See `database` and its log.",
                )
        return failed(
            f"{self._url}/readyz answers {answer.status}, as Parley does not", "Correct --url, or the proxy."
        )

    async def tls(self) -> Verdict:
        """Look whether the page's certificate is good, and for how long."""
        if self._url.scheme == "http":
            return _unencrypted(self._url)
        host = self._url.host or ""
        try:
            _, writer = await asyncio.open_connection(host, self._url.port, ssl=ssl.create_default_context())
        except ssl.SSLCertVerificationError as error:
            return failed(
                f"the certificate of {host} is no good: {error.verify_message}",
                "Renew it, or give the proxy the one for this name, with all between it and its authority.",
            )
        except OSError as error:
            return failure(f"{host} port {self._url.port}", error, CAUSES, "--url")
        certificate = writer.get_extra_info("peercert")
        writer.close()
        left_s = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
        seen = f"the certificate of {host} is good for {left_s / 86_400:.0f} days"
        if left_s < CERTIFICATE_DAYS * 86_400:
            return warning(seen, "Renew it.")
        return ok(seen)

    async def clock(self) -> Verdict:
        """Look whether this machine's clock is that of the server."""
        if self._clocks is None:
            return skipped("the page did not tell the time")
        theirs, ours = self._clocks
        ahead_s = (ours - theirs).total_seconds() - 0.5  # they tell whole seconds
        if abs(ahead_s) <= CLOCK_OK_S:
            return ok(f"this machine and {self._url.host} agree")
        verdict = warning if abs(ahead_s) <= CLOCK_MAX_S else failed
        return verdict(
            f"this machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} that of "
            f"{self._url.host}",
            "Let NTP set both: timedatectl set-ntp true, or chrony.",
        )


def _clocks(answer: aiohttp.ClientResponse) -> tuple[datetime, datetime] | None:
    """Return their time and ours, if they tell it."""
    with contextlib.suppress(ValueError, KeyError):
        return parsedate_to_datetime(answer.headers["Date"]), datetime.now(UTC)
    return None


def _unencrypted(url: URL) -> Verdict:
    host = url.host or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return unset("not needed on this machine itself")
    return failed(
        f"the page is not encrypted, so browsers give it no camera and no microphone: {url}",
        "Put a proxy with a certificate in front, and set PARLEY_PUBLIC_URL=https://….",
    )
