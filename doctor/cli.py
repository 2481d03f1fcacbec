"""`parley doctor`: looks at everything, prints one line each, and fails if anything has to be put right."""

import asyncio
import copy
import json
import logging
import sys
from typing import Any

import aiohttp
import click
from yarl import URL

from control import cli as control
from control.parameters import BASE, SECONDS
from control.settings import Settings
from doctor import machine, parts, report
from doctor.finding import Check, Finding, examine
from doctor.machine import NodePlace
from doctor.page import Page
from doctor.visit import Visit
from sfu.node import cli as node
from sfu.transport.settings import NetworkSettings

OF_NODE = ("media_port", "bind_v4", "bind_v6", "advertise", "max_connections")


def _of_node() -> list[click.Parameter]:
    """Return the node's options that matter here, as it has them; its port under a name of its own."""
    chosen = [param for param in node.command.params if param.name in OF_NODE]
    (port,) = (copy.copy(param) for param in node.command.params if param.name == "port")
    port.name, port.opts = "node_port", ["--node-port"]
    return [*chosen, port]


@click.command("doctor", params=[*control.command.params, *_of_node()])
@click.option(
    "--url", type=BASE, help="Where people open the page; if absent, --public-url, or this machine."
)
@click.option(
    "--patience-s",
    type=SECONDS,
    default=5.0,
    show_default=True,
    help="How long a check may take beyond what it needs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(url: URL | None, patience_s: float, as_json: bool, **options: Any) -> None:
    """Look for what is wrong, and say what to do about it.

    Looks at the parts that the settings name, at this machine as a node's, and goes a client's way from the
    page to a call of three bots. That makes two accounts, and two meetings, which it ends.

    Exits with 1 if anything failed.
    """
    logging.basicConfig(level=logging.CRITICAL)
    place = NodePlace(_network(options), options.pop("node_port"), options.pop("max_connections"))
    settings = control.settings_from(options)
    page = url or settings.public_url or URL(f"http://127.0.0.1:{settings.port}")
    findings = asyncio.run(_examine(settings, place, page, patience_s, is_silent=as_json))
    if as_json:
        click.echo(json.dumps(report.document(findings), indent=2))
    sys.exit(0 if report.is_well(findings) else 1)


def _network(options: dict[str, Any]) -> NetworkSettings:
    addresses = tuple(part.strip() for part in options.pop("advertise").split(",") if part.strip())
    return NetworkSettings(
        port=options.pop("media_port"),
        bind_v4=options.pop("bind_v4"),
        bind_v6=options.pop("bind_v6"),
        addresses=addresses,
    )


async def _examine(
    settings: Settings, place: NodePlace, page: URL, patience_s: float, *, is_silent: bool
) -> list[Finding]:
    """Make all checks one after the other; print each finding as it comes, unless silent."""
    findings = []

    async def make(checks: list[Check]) -> None:
        for check in checks:
            finding = await examine(check, patience_s)
            findings.append(finding)
            if not is_silent:
                click.echo(report.line(finding))

    await make([*parts.checks(settings), *machine.checks(place, page.host or "")])
    jar = aiohttp.DummyCookieJar()  # a guest is nobody who was here before
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        visit = Visit(http, page)
        try:
            await make([*Page(http, page).checks, *visit.checks])
        finally:
            await visit.close()
    return findings


if __name__ == "__main__":
    command()
