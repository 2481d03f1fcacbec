"""What an API key may be allowed to do: the one list of it."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission of an API key. Each endpoint that is open to keys asks for one."""

    ACCOUNT_READ = "account:read"
    MEETINGS_READ = "meetings:read"
    MEETINGS_WRITE = "meetings:write"
    MEETINGS_JOIN = "meetings:join"
    CHAT_READ = "chat:read"
    CHAT_WRITE = "chat:write"
    PEOPLE_READ = "people:read"
    EVENTS_READ = "events:read"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    RECORDINGS_WRITE = "recordings:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
