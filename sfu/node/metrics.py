"""The node's metrics page, read off live state when it is scraped: counting costs the media path nothing.

Counters of peers that are gone are folded into totals, so that no counter ever falls.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sfu.congestion.allocation import Reason
from sfu.media.tally import Tally
from sfu.node.node import Node
from sfu.room.peer import Peer
from sfu.transport.counters import Histogram, LinkState

ESTIMATE_BPS = (100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000)


class Metrics(Collector):
    """Collects from one node. Names are `parley_node_…`, of its process `process_…`; units are base units."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def page(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        yield from self._presence()
        yield from self._traffic()
        yield from self._media()
        totals = self._node.totals
        yield _histogram("loop_lag_seconds", "How late the event loop's ticks come.", totals.lag)
        yield _histogram(
            "forward_delay_seconds",
            "From waking for datagrams to having sent what came of them.",
            self._node.network.counters.forward_delay,
        )

    def _presence(self) -> Iterator[Metric]:
        node = self._node
        peers = list(_peers(node))
        yield _gauge("rooms", "Rooms with peers in them.", len(node.rooms))
        yield _gauge("peers", "Peers in all rooms.", len(peers))
        yield _gauge("tracks", "Published tracks.", sum(len(peer.publications) for peer in peers))
        yield _gauge("slots", "Slots of all peers.", sum(len(peer.slots) for peer in peers))
        yield _gauge("draining", "1 while no new rooms are accepted.", int(node.draining))
        yield _gauge("fullness", "How full it is, from 0 to 1: nobody more is let in.", node.fullness)
        yield _gauge("full", "1 while no new rooms are opened because of that.", int(node.is_full))
        yield _gauge("events_waiting", "Events control has not acknowledged.", node.journal.waiting)
        yield _counter("joins", "Peers that entered.", node.totals.joins)
        yield _counter("connections", "WebSockets opened.", node.totals.connections)
        yield _counter("passed_on", "Of these, passed on to the node they were for.", node.totals.passed_on)
        yield _counters("goodbyes", "Stays that ended, by code.", "code", node.totals.goodbyes)
        yield _counters(
            "refusals", "Messages, commands and connections refused, by code.", "code", node.totals.refusals
        )
        states = {state: node.network.counters.links[state] for state in LinkState}
        family = GaugeMetricFamily(
            "parley_node_links", "Encrypted pipes to peers, by state.", labels=["state"]
        )
        for state, number in states.items():
            family.add_metric([state.value], number)
        yield family

    def _traffic(self) -> Iterator[Metric]:
        counters = self._node.network.counters
        yield _counter("packets_in", "Datagrams received.", counters.datagrams_in)
        yield _counter("packets_out", "Datagrams sent.", counters.datagrams_out)
        yield _counter("bytes_in", "Bytes received.", counters.bytes_in)
        yield _counter("bytes_out", "Bytes sent.", counters.bytes_out)
        yield _counter("checks_answered", "ICE connectivity checks answered.", counters.checks_answered)
        yield _counter("faults", "Contained exceptions; each is a bug.", counters.faults)
        yield _counters("network_drops", "Datagrams dropped at the edge.", "reason", counters.drops)
        yield _counters("link_ends", "Links that closed, by reason.", "reason", counters.ends)
        yield _gauge("tcp_connections", "TCP connections for media.", counters.connections)
        yield _counters(
            "tcp_connection_ends", "Those that ended or were not taken.", "reason", counters.connection_ends
        )

    def _media(self) -> Iterator[Metric]:
        tally = Tally()
        tally.add(self._node.totals.media)
        for peer in _peers(self._node):
            tally.add(peer.tally)
        yield _counter("packets_forwarded", "Media packets forwarded into slots.", tally.forwarded)
        yield _counter("retransmissions", "Packets sent again for a NACK.", tally.retransmitted)
        yield _counter("nacks_received", "Packets receivers asked for again.", tally.nacks)
        yield _counter("nacks_missed", "Of these, not in any history.", tally.nacks_missed)
        yield _counter("nacks_sent", "Packets asked of publishers again.", tally.nacks_sent)
        yield _counter("plis_sent", "Key frames asked of publishers.", tally.plis_sent)
        yield _counter("switches", "Sources or layers that began in a slot.", tally.switches)
        yield _counter("padding_bytes", "Sent to find out what a network carries.", tally.padding)
        yield _counter("stalls", "Slots in trouble that were given a key frame.", tally.stalls)
        yield from self._downlinks()
        yield _counters("media_drops", "Packets, feedback and data not used.", "reason", tally.drops)

    def _downlinks(self) -> Iterator[Metric]:
        """Yield what the networks to the peers are thought to carry, and what their slots get of it."""
        estimates = Histogram(ESTIMATE_BPS)
        reasons: Counter[str] = Counter({reason.value: 0 for reason in Reason})
        for peer in _peers(self._node):
            if peer.downlink is not None:
                estimates.observe(peer.downlink.estimate.bps)
                reasons.update(grant.reason.value for grant in peer.downlink.grants.values())
        yield GaugeHistogramMetricFamily(
            "parley_node_downlink_estimate_bps",
            "What the peers' networks carry, now.",
            buckets=_buckets(estimates),
            gsum_value=estimates.sum,
        )
        family = GaugeMetricFamily(
            "parley_node_slots_given", "Video slots, by why they get what they get.", labels=["reason"]
        )
        for reason, count in reasons.items():
            family.add_metric([reason], count)
        yield family


def _peers(node: Node) -> Iterator[Peer]:
    for room in node.rooms.values():
        yield from room.peers.values()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"parley_node_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"parley_node_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"parley_node_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([str(key)], value)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    buckets = _buckets(histogram)
    return HistogramMetricFamily(f"parley_node_{name}", text, buckets=buckets, sum_value=histogram.sum)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = (*map(str, histogram.bounds), "+Inf")
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
