"""Every table of control, for migrations: importing this module makes `metadata` whole."""

from control.accounts import store as accounts
from control.attachments import store as attachments
from control.chat import store as chat
from control.database import Base
from control.events import store as events
from control.meetings import store as meetings
from control.nodes import store as nodes
from control.objects import store as objects
from control.people import store as people
from control.recordings import store as recordings

SLICES = (accounts, attachments, chat, events, meetings, nodes, objects, people, recordings)

metadata = Base.metadata
