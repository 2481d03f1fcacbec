"""What servers tell of themselves at `/metrics`: processor time, packets, people."""

import time
from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlsplit

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_S = 2.0
_CPU = "process_cpu_seconds_total"
_PACKETS_IN = "parley_node_packets_in_total"
_PACKETS_OUT = "parley_node_packets_out_total"
_PEERS = "parley_node_peers"
_ROOMS = "parley_node_rooms"
_WANTED = {_CPU, _PACKETS_IN, _PACKETS_OUT, _PEERS, _ROOMS}


@dataclass(frozen=True)
class Target:
    """A page of metrics, and what its server is called."""

    name: str
    url: str

    @classmethod
    def of(cls, text: str) -> "Target":
        """Return the target of `NAME=URL`, or of a URL, named by its address. Raises ValueError."""
        name, named, url = text.partition("=")
        if not named or "/" in name:
            name, url = "", text
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{text!r} is no URL such as http://10.0.0.5:8081/metrics")
        return cls(name or parts.netloc, url if parts.path.strip("/") else f"{url.rstrip('/')}/metrics")


@dataclass(frozen=True)
class Scrape:
    """What a page said at a time, in monotonic seconds."""

    at: float
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How busy a server is; `cpu` is the share of a core. None: it does not tell."""

    cpu: float | None = None
    packets_in_per_s: float | None = None
    packets_out_per_s: float | None = None
    peers: float | None = None
    rooms: float | None = None


async def scrape(http: aiohttp.ClientSession, target: Target) -> Scrape | None:
    """Return what the page says now; None if it does not answer as it should."""
    try:
        async with http.get(target.url, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as response:
            response.raise_for_status()
            return parse(await response.text(), time.monotonic())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


def parse(text: str, at: float) -> Scrape:
    """Return what a page of Prometheus' text format says. Raises ValueError."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    told = {sample.name: sample.value for sample in samples if sample.name in _WANTED}
    return Scrape(at, {name: value for name, value in told.items() if isfinite(value)})


def usage(before: Scrape, after: Scrape) -> Usage:
    """Return how busy a server was between two scrapes."""
    over_s = max(after.at - before.at, 1e-3)

    def rate(name: str) -> float | None:
        if name not in before.values or name not in after.values:
            return None
        return max(0.0, after.values[name] - before.values[name]) / over_s

    return Usage(
        cpu=rate(_CPU),
        packets_in_per_s=rate(_PACKETS_IN),
        packets_out_per_s=rate(_PACKETS_OUT),
        peers=after.values.get(_PEERS),
        rooms=after.values.get(_ROOMS),
    )
