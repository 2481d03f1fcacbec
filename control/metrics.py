"""What control counts, in Prometheus' terms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

PREFIX = "parley_control"


class Metrics:
    """The counters of one control process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self.request_s = Histogram(
            f"{PREFIX}_request_seconds", "Time to answer.", ["route"], registry=self.registry
        )
        self.refusals = self._counter("refusals", "Requests refused, by reason.", "reason")
        self.conflicts = self._counter(
            "conflicts", "Transactions that the database ended for the sake of others; they were tried again."
        )
        self.relay_connected = self._gauge("relay_connected", "Whether Redis answers (1) or not (0).")
        self.hints = self._counter(
            "hints", "Hints told to and by other replicas over Redis, by outcome.", "outcome"
        )
        self.unshared_limits = self._counter(
            "unshared_limits", "Requests limited by this process alone, as Redis did not answer."
        )
        self.sockets = self._gauge("event_sockets", "Open event WebSockets and Socket.IO connections.")
        self.sockets_closed = self._counter(
            "event_sockets_closed", "Of these those closed by us, by reason.", "reason"
        )
        self.node_events = self._counter("node_events", "Events from nodes, by outcome.", "outcome")
        self.commands = self._counter("node_commands", "Commands to nodes, by outcome.", "outcome")
        self.jobs = self._counter("jobs", "Attempts at jobs, by kind and outcome.", "kind", "outcome")
        self.notices = self._counter(
            "job_notices", "Messages about jobs over RabbitMQ, by outcome.", "outcome"
        )
        self.broker_connected = self._gauge(
            "broker_connected", "Whether RabbitMQ answers (1) or not (0).", "purpose"
        )
        self.jobs_stored = self._gauge("jobs_stored", "Jobs in the database that are not done.", "state")
        self.jobs_late_s = self._gauge("jobs_late_seconds", "How long the longest due job has waited.")
        self.jobs_removed = self._counter("jobs_removed", "Jobs long over that were removed.", "state")
        self.files = self._counter("files", "Chat attachments, by outcome.", "outcome")
        self.recordings = self._counter("recordings", "Recordings, by outcome.", "outcome")
        self.objects_deleted = self._counter("objects_deleted", "Objects deleted, by reason.", "reason")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)
