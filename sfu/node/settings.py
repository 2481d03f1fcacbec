"""Everything an operator may set on a node, with its default. `cli` maps each to an option and a variable."""

from dataclasses import dataclass, field
from pathlib import Path

from sfu.node.capacity import Capacity
from sfu.room.ports import Limits
from sfu.transport.settings import NetworkSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A node's settings.

    `control_url` is where reports go; empty: the node reports to nobody. `signal_url` is where
    browsers reach its WebSocket; empty: at the host the page came from, on `port`. `internal_url`
    is where control and other nodes reach it.
    """

    data: Path = Path("data")
    node_id: str = "node-1"
    region: str = ""
    host: str = ""
    port: int = 8081
    signal_url: str = ""
    internal_url: str = ""
    internal_port: int = 0
    """Where this node alone is reached, when `port` is shared by the nodes of a host; 0: it is not."""
    control_url: str = ""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    limits: Limits = field(default_factory=Limits)
    capacity: Capacity = field(default_factory=Capacity)
    max_connections: int = 4000
    """WebSockets open at once, those included that have not said hello."""
    hello_timeout_s: float = 10.0
    max_message_bytes: int = 768 * 1024
    messages_per_s: float = 30.0
    message_burst: int = 120
    outbox_messages: int = 1024
    outbox_timeout_s: float = 15.0
    """A message not taken by a client's socket in this time ends the connection."""
    tick_s: float = 0.02
    report_interval_s: float = 1.0
    drain_deadline_s: float = 600.0
    """How long rooms are given to move to other nodes, as long as one takes them, when the node stops."""
    drain_s: float = 5.0
    """How long peers are given to be told when the node stops."""

    @property
    def commands_url(self) -> str:
        """Return where control and other nodes reach this node."""
        return self.internal_url or f"http://127.0.0.1:{self.internal_port or self.port}"
