"""`parley sfu`: every setting of a node as an option and an environment variable."""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from sfu.contract.operations import Label
from sfu.node.capacity import Capacity
from sfu.node.service import serve
from sfu.node.settings import Settings
from sfu.node.workers import cores, supervise, workers_of
from sfu.room.ports import Limits
from sfu.transport.settings import NetworkSettings

DEFAULTS = Settings()
MAX_WORKERS = 64
COUNT = click.IntRange(min=1)
BOUND = click.FloatRange(min=0.001)


def _option(
    name: str, variable: str, text: str, default: object, **more: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        f"--{name}",
        envvar=f"PARLEY_{variable}",
        show_envvar=True,
        show_default=True,
        default=default,
        help=text,
        **more,
    )


class Workers(click.ParamType[int]):
    """A number of nodes, or "auto"."""

    name = "number|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        if value == "auto":
            return cores()
        number: int = click.IntRange(min=1, max=MAX_WORKERS).convert(value, param, ctx)
        return number


def _label(_context: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        return msgspec.convert(value, Label)
    except msgspec.ValidationError as error:
        raise click.BadParameter("must be 64 printable characters of ASCII at most") from error


@click.command("sfu")
@_option("data", "DATA", "Folder with control's public key and the cluster secret.", DEFAULTS.data, type=Path)
@_option("node-id", "SFU_NODE_ID", "This node's name in tickets and reports.", DEFAULTS.node_id)
@_option("region", "SFU_REGION", "Region, for placement.", DEFAULTS.region, callback=_label)
@_option("host", "SFU_HOST", "Address to listen on for HTTP; empty: all.", DEFAULTS.host)
@_option("port", "SFU_PORT", "HTTP and WebSocket port.", DEFAULTS.port)
@_option(
    "workers",
    "SFU_WORKERS",
    "Nodes to run, that share the port; auto: one for each core. Their media ports follow one another.",
    "1",
    type=Workers(),
)
@_option(
    "internal-port",
    "SFU_INTERNAL_PORT",
    "With several: the first one's port for control and other nodes; 0: 100 above the shared one.",
    DEFAULTS.internal_port,
)
@_option("media-port", "SFU_MEDIA_PORT", "UDP port for all media.", DEFAULTS.network.port)
@_option(
    "media-tcp-port",
    "SFU_MEDIA_TCP_PORT",
    "TCP port for the media of those whom no UDP reaches; if absent, the same number; 0: none.",
    DEFAULTS.network.tcp_port,
    type=click.IntRange(0, 65535),
)
@_option("bind-v4", "SFU_BIND_V4", "IPv4 address for media; empty: none.", DEFAULTS.network.bind_v4)
@_option("bind-v6", "SFU_BIND_V6", "IPv6 address for media; empty: none.", DEFAULTS.network.bind_v6)
@_option(
    "advertise",
    "SFU_ADVERTISE",
    "IP addresses clients reach the media port at, separated by commas; empty: those of the interfaces.",
    "",
)
@_option("signal-url", "SFU_SIGNAL_URL", "WebSocket URL browsers use; empty: the page's host, this port.", "")
@_option("internal-url", "SFU_INTERNAL_URL", "URL at which control reaches this node; empty: loopback.", "")
@_option("control-url", "CONTROL_URL", "Control's URL, to report to; empty: report to nobody.", "")
@_option(
    "max-tcp",
    "SFU_MAX_TCP",
    "TCP connections for media open at once.",
    DEFAULTS.network.tcp_connections,
)
@_option(
    "max-tcp-each",
    "SFU_MAX_TCP_EACH",
    "Of these, from one IPv4 address or IPv6 /64.",
    DEFAULTS.network.tcp_connections_per_address,
)
@_option("loudest", "SFU_LOUDEST", "Microphones each peer hears; 0: all.", DEFAULTS.limits.loudest)
@_option("max-room-peers", "SFU_MAX_ROOM_PEERS", "Peers in one room.", DEFAULTS.limits.max_peers)
@_option("max-peers", "SFU_MAX_PEERS", "Peers on this node.", DEFAULTS.capacity.peers, type=COUNT)
@_option("max-cpu", "SFU_MAX_CPU", "Share of a core it may use.", DEFAULTS.capacity.cpu, type=BOUND)
@_option(
    "max-lag",
    "SFU_MAX_LAG_S",
    "Seconds its loop may be late on average.",
    DEFAULTS.capacity.lag_s,
    type=BOUND,
)
@_option(
    "reserve",
    "SFU_RESERVE",
    "Share of these three that is kept for people who come to the rooms it has.",
    DEFAULTS.capacity.reserve,
    type=click.FloatRange(0, 0.9),
)
@_option("max-connections", "SFU_MAX_CONNECTIONS", "WebSockets open at once.", DEFAULTS.max_connections)
@_option("max-tracks", "SFU_MAX_TRACKS", "Tracks one peer may publish.", DEFAULTS.limits.max_tracks)
@_option("max-slots", "SFU_MAX_SLOTS", "Receiving m-lines of one peer.", DEFAULTS.limits.max_slots)
@_option("linger", "SFU_LINGER_S", "Seconds a lost peer's place is kept.", DEFAULTS.limits.linger_s)
@_option("reload", "SFU_RELOAD_S", "Of these when its page was closed or reloads.", DEFAULTS.limits.reload_s)
@_option(
    "publisher-bitrate", "SFU_PUBLISHER_BPS", "Bit/s a publisher may send.", DEFAULTS.limits.publisher_max_bps
)
@_option("max-message", "SFU_MAX_MESSAGE_BYTES", "Largest signalling message.", DEFAULTS.max_message_bytes)
@_option(
    "message-rate", "SFU_MESSAGES_PER_S", "Signalling messages a client may send.", DEFAULTS.messages_per_s
)
@_option("message-burst", "SFU_MESSAGE_BURST", "Of these at once.", DEFAULTS.message_burst)
@_option("report-interval", "SFU_REPORT_INTERVAL_S", "Seconds between reports.", DEFAULTS.report_interval_s)
@_option(
    "drain-deadline",
    "SFU_DRAIN_DEADLINE_S",
    "Seconds that rooms have to move to other nodes, where there are any, after SIGTERM.",
    DEFAULTS.drain_deadline_s,
)
@_option("log-level", "LOG_LEVEL", "Least severe level that is logged.", "info")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Run a node: it forwards media, and needs no database and no control to keep calls going."""
    logging.basicConfig(
        level=options["log_level"].upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    settings = settings_from(options)
    if options["workers"] > 1:
        said = _options_said(context)
        sys.exit(asyncio.run(supervise(list(workers_of(settings, options["workers"])), said)))
    try:
        asyncio.run(serve(settings))
    except OSError as error:
        click.echo(f"parley sfu: {error}", err=True)
        if error.filename:
            click.echo("Run `parley run` once, or point --data at control's data folder.", err=True)
        sys.exit(1)


def _options_said(context: click.Context) -> list[str]:
    """Return all options as they are, however they were said."""
    return [f"{each.opts[0]}={context.params[each.name or '']}" for each in context.command.params]


def settings_from(options: dict[str, Any]) -> Settings:
    """Return the settings that the command line's options say."""
    return Settings(
        data=options["data"],
        node_id=options["node_id"],
        region=options["region"],
        host=options["host"],
        port=options["port"],
        signal_url=options["signal_url"],
        internal_url=options["internal_url"],
        internal_port=options["internal_port"],
        control_url=options["control_url"],
        network=NetworkSettings(
            port=options["media_port"],
            tcp_port=options["media_tcp_port"],
            bind_v4=options["bind_v4"],
            bind_v6=options["bind_v6"],
            tcp_connections=options["max_tcp"],
            tcp_connections_per_address=options["max_tcp_each"],
            addresses=tuple(part.strip() for part in options["advertise"].split(",") if part.strip()),
        ),
        limits=Limits(
            max_peers=options["max_room_peers"],
            max_tracks=options["max_tracks"],
            max_slots=options["max_slots"],
            loudest=options["loudest"],
            linger_s=options["linger"],
            reload_s=options["reload"],
            publisher_max_bps=options["publisher_bitrate"],
        ),
        capacity=Capacity(
            peers=options["max_peers"],
            cpu=options["max_cpu"],
            lag_s=options["max_lag"],
            reserve=options["reserve"],
        ),
        max_connections=options["max_connections"],
        max_message_bytes=options["max_message"],
        messages_per_s=options["message_rate"],
        message_burst=options["message_burst"],
        report_interval_s=options["report_interval"],
        drain_deadline_s=options["drain_deadline"],
    )


if __name__ == "__main__":
    command()
