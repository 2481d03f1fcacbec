"""Where changes leave what others have to hear of."""

from dataclasses import dataclass

from control.events.service import Events
from control.jobs.service import Jobs
from control.nodes.commands import Commands
from control.webhooks.service import Webhooks


@dataclass(frozen=True)
class Outbox:
    """Events for listeners, commands for nodes, jobs, and what accounts' endpoints are told."""

    events: Events
    commands: Commands
    jobs: Jobs
    webhooks: Webhooks
