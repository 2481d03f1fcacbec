"""What control counts, in Prometheus' terms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The counters of one control process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "parley_control_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_s = Histogram(
            "parley_control_request_seconds", "Time to answer.", ["route"], registry=self.registry
        )
        self.refusals = Counter(
            "parley_control_refusals", "Requests refused, by reason.", ["reason"], registry=self.registry
        )
        self.conflicts = Counter(
            "parley_control_conflicts",
            "Transactions that the database ended for the sake of others, and that were tried again.",
            registry=self.registry,
        )
        self.sockets = Gauge("parley_control_event_sockets", "Open event WebSockets.", registry=self.registry)
        self.sockets_closed = Counter(
            "parley_control_event_sockets_closed", "Event WebSockets closed by us, by reason.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.node_events = Counter(
            "parley_control_node_events",
            "Events from nodes, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.commands = Counter(
            "parley_control_node_commands",
            "Commands to nodes, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
