"""`make dashboards`: writes the dashboards as Grafana reads them, beside this file.

What must show even when it never happened is a query that ends with `or vector(0)`.
"""

from collections.abc import Iterable
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)

FOLDER = Path(__file__).parent
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WIDTH = 8, 12
NONE = " or vector(0)"
NODE = 'instance=~"$instance"'

Lines = dict[str, str]
"""Queries by the legend of what they draw."""


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return how often per second a counter rises, in all or by a label."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}{{{where}}}[$__rate_interval]))"


def quantiles(metric: str, where: str = "", *, by: str = "") -> Lines:
    """Return the median and the 99th percentile of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    buckets = f"sum by ({labels}) (rate({metric}_bucket{{{where}}}[$__rate_interval]))"
    return {f"p{share}{legend}": f"histogram_quantile(0.{share}, {buckets})" for share in (50, 99)}


def chart(title: str, unit: str, lines: Lines, description: str = "") -> timeseries.Panel:
    """Return a panel of lines over time."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .height(HEIGHT)
        .span(WIDTH)
        .datasource(SOURCE)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for letter, (name, query) in zip(ascii_uppercase, lines.items(), strict=False):
        target = prometheus.Dataquery().datasource(SOURCE).ref_id(letter)
        panel.with_target(target.expr(query).legend_format(name))
    return panel


def counted(metric: str, label: str, title: str, where: str = "", *, unit: str = "cps") -> timeseries.Panel:
    """Return a panel of how often a counter rises, a line for each value of the label."""
    return chart(title, unit, {f"{{{{{label}}}}}": rate(metric, label, where) + NONE})


def page(
    uid: str, title: str, rows: dict[str, Iterable[timeseries.Panel]], instances: str | None = None
) -> Dashboard:
    """Return a dashboard; `instances` is a metric whose instances one may choose from."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["parley"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    if instances is not None:
        made.with_variable(
            dashboard.QueryVariable("instance")
            .label("Node")
            .datasource(SOURCE)
            .query(f"label_values({instances}, instance)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    for row, panels in rows.items():
        made.with_row(dashboard.Row(row))
        for panel in panels:
            made.with_panel(panel)
    return made.build()


def nodes() -> Dashboard:
    """How many people are where, and whether the nodes keep up."""
    rows = {
        "People": [
            chart("People", "short", {"{{instance}}": f"parley_node_peers{{{NODE}}}"}),
            chart(
                "Rooms and tracks",
                "short",
                {
                    "rooms": f"sum(parley_node_rooms{{{NODE}}})",
                    "tracks": f"sum(parley_node_tracks{{{NODE}}})",
                },
            ),
            chart(
                "Coming and going",
                "cps",
                {
                    "joined": rate("parley_node_joins_total", where=NODE),
                    "{{code}}": rate("parley_node_goodbyes_total", "code", NODE) + NONE,
                },
                "People who entered, and stays that ended, by why.",
            ),
            chart(
                "Nodes",
                "short",
                {
                    "answering": 'sum(up{job="parley-node"})' + NONE,
                    "draining": f"sum(parley_node_draining){NONE}",
                },
            ),
        ],
        "Load": [
            chart(
                "Event loop's lateness",
                "s",
                quantiles("parley_node_loop_lag_seconds", NODE, by="instance"),
                "Above 50 ms a node is too busy to be heard well.",
            ),
            chart(
                "Time to forward",
                "s",
                quantiles("parley_node_forward_delay_seconds", NODE, by="instance"),
                "From waking for datagrams to having sent what came of them.",
            ),
            chart(
                "Traffic",
                "bps",
                {
                    "in {{instance}}": f"8 * {rate('parley_node_bytes_in_total', 'instance', NODE)}",
                    "out {{instance}}": f"8 * {rate('parley_node_bytes_out_total', 'instance', NODE)}",
                },
            ),
            chart(
                "Packets",
                "pps",
                {
                    "in {{instance}}": rate("parley_node_packets_in_total", "instance", NODE),
                    "out {{instance}}": rate("parley_node_packets_out_total", "instance", NODE),
                },
            ),
        ],
        "Trouble": [
            chart(
                "Refused",
                "cps",
                {"{{code}}": rate("parley_node_refusals_total", "code", NODE) + NONE},
                "Messages and connections, by why.",
            ),
            chart(
                "Connections for media",
                "short",
                {"{{state}}": f"sum by (state) (parley_node_links{{{NODE}}})"},
            ),
            counted("parley_node_link_ends_total", "reason", "Connections for media that ended", NODE),
            chart(
                "Reports and faults",
                "short",
                {
                    "events that wait for control {{instance}}": f"parley_node_events_waiting{{{NODE}}}",
                    "faults {{instance}}": f"increase(parley_node_faults_total{{{NODE}}}[$__rate_interval])",
                },
            ),
        ],
    }
    return page("parley-nodes", "Parley: nodes", rows, "parley_node_peers")


def media() -> Dashboard:
    """What receivers get, and why no more."""
    estimate = f"sum by (le) (parley_node_downlink_estimate_bps_bucket{{{NODE}}})"
    rows = {
        "What receivers get": [
            chart(
                "Pictures",
                "short",
                {"{{reason}}": f"sum by (reason) (parley_node_slots_given{{{NODE}}})"},
                "Slots for video, by why they get what they get.",
            ),
            chart(
                "What receivers' networks carry",
                "bps",
                {f"p{share}": f"histogram_quantile(0.{share}, {estimate})" for share in (10, 50, 90)},
            ),
            chart("Forwarded", "pps", {"packets": rate("parley_node_packets_forwarded_total", where=NODE)}),
            chart(
                "Changes of source or layer, and trouble",
                "cps",
                {
                    "switches": rate("parley_node_switches_total", where=NODE),
                    "stalls": rate("parley_node_stalls_total", where=NODE),
                    "key frames asked for": rate("parley_node_plis_sent_total", where=NODE),
                },
            ),
        ],
        "Loss": [
            chart(
                "Asked for again",
                "pps",
                {
                    "by receivers": rate("parley_node_nacks_received_total", where=NODE),
                    "of these not kept": rate("parley_node_nacks_missed_total", where=NODE),
                    "sent again": rate("parley_node_retransmissions_total", where=NODE),
                    "of publishers": rate("parley_node_nacks_sent_total", where=NODE),
                },
            ),
            chart(
                "Padding",
                "bps",
                {"padding": f"8 * {rate('parley_node_padding_bytes_total', where=NODE)}"},
                "Sent to find out what a network carries.",
            ),
            counted("parley_node_media_drops_total", "reason", "Not forwarded", NODE, unit="pps"),
            counted("parley_node_network_drops_total", "reason", "Dropped at the edge", NODE, unit="pps"),
        ],
    }
    return page("parley-media", "Parley: media", rows, "parley_node_peers")


def control() -> Dashboard:
    """What people ask of control, how it fares with its parts, and the jobs."""
    rows = {
        "Requests": [
            chart("Answered", "reqps", {"{{status}}": rate("parley_control_requests_total", "status")}),
            chart("Time to answer", "s", quantiles("parley_control_request_seconds")),
            chart(
                "Slowest routes",
                "s",
                {
                    "{{route}}": "topk(5, histogram_quantile(0.95, sum by (le, route) "
                    "(rate(parley_control_request_seconds_bucket[$__rate_interval]))))"
                },
            ),
            counted("parley_control_refusals_total", "reason", "Refused"),
        ],
        "Events": [
            chart("Listeners", "short", {"{{instance}}": "parley_control_event_sockets"}),
            counted("parley_control_event_sockets_closed_total", "reason", "Listeners closed by us"),
            chart(
                "Events between replicas",
                "cps",
                {
                    "{{outcome}}": rate("parley_control_hints_total", "outcome") + NONE,
                    "transactions begun anew": rate("parley_control_conflicts_total"),
                },
            ),
            chart(
                "Parts that answer",
                "short",
                {
                    "Redis {{instance}}": "parley_control_relay_connected",
                    "RabbitMQ {{instance}} {{purpose}}": f"parley_control_broker_connected{NONE}",
                    "{{proxy}} {{server}}": f'haproxy_server_status{{state="UP"}}{NONE}',
                },
            ),
        ],
        "Nodes": [
            counted("parley_control_node_events_total", "outcome", "Events of nodes"),
            counted("parley_control_node_commands_total", "outcome", "Commands to nodes"),
        ],
        "Jobs and files": [
            chart("Not done", "short", {"{{state}}": "max by (state) (parley_control_jobs_stored)"}),
            chart("The longest wait", "s", {"late": "max(parley_control_jobs_late_seconds)"}),
            chart(
                "Attempts",
                "cps",
                {"{{kind}} {{outcome}}": rate("parley_control_jobs_total", "kind, outcome") + NONE},
            ),
            chart(
                "Files",
                "cps",
                {
                    "{{outcome}}": rate("parley_control_files_total", "outcome") + NONE,
                    "recording {{outcome}}": rate("parley_control_recordings_total", "outcome") + NONE,
                    "deleted, {{reason}}": rate("parley_control_objects_deleted_total", "reason") + NONE,
                },
            ),
        ],
    }
    return page("parley-control", "Parley: control", rows)


def documents() -> dict[str, str]:
    """Return each dashboard's JSON by its file's name."""
    pages = (nodes(), media(), control())
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{each.uid}.json": encoder.encode(each) + "\n" for each in pages}


def main() -> None:
    """Write them."""
    for name, text in documents().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
