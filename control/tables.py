"""Every table of control, for migrations: importing this module makes `metadata` whole."""

from control.accounts import store as accounts
from control.api_keys import store as api_keys
from control.archives import store as archives
from control.attachments import store as attachments
from control.chat import store as chat
from control.database import Base
from control.events import store as events
from control.idempotency import store as idempotency
from control.invitations import store as invitations
from control.jobs import store as jobs
from control.meetings import store as meetings
from control.nodes import store as nodes
from control.objects import store as objects
from control.people import store as people
from control.recordings import store as recordings
from control.shards import store as shards
from control.webhooks import store as webhooks

SLICES = (
    accounts,
    api_keys,
    archives,
    attachments,
    chat,
    events,
    idempotency,
    invitations,
    jobs,
    meetings,
    nodes,
    objects,
    people,
    recordings,
    shards,
    webhooks,
)

metadata = Base.metadata
