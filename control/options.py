"""The options of control: one for each field of its settings."""

from collections.abc import Callable
from typing import Any

import click

from control.parameters import (
    BASE,
    COUNT,
    FOLDER,
    LEVEL,
    LIFE,
    NETWORKS,
    OFF_OR_SECONDS,
    ORIGINS,
    PORT,
    RATE,
    REGION,
    SECONDS,
)
from control.settings import JobSettings, Limits, MeetingSettings, Rates, Settings

Command = Callable[..., None]
Decorator = Callable[[Command], Command]

DEFAULTS: dict[str, Any] = {
    name: value
    for defaults in (Settings(), Rates(), Limits(), JobSettings(), MeetingSettings())
    for name, value in vars(defaults).items()
}


def option(flag: str, variable: str, field: str, kind: Any, text: str) -> Decorator:
    """Return the option of one field of the settings; the environment variable sets it as well."""
    return click.option(
        flag,
        field,
        type=kind,
        default=DEFAULTS[field],
        help=text,
        envvar=variable,
        show_envvar=True,
        show_default=True,
    )


def together(*options: Decorator) -> Decorator:
    """Return what gives a command these options, in this order."""

    def add(command: Command) -> Command:
        for each in reversed(options):
            command = each(command)
        return command

    return add


OF_PLACE = together(
    option("--host", "PARLEY_CONTROL_HOST", "host", str, "Address to listen on; empty: all."),
    option("--port", "PARLEY_CONTROL_PORT", "port", PORT, "TCP port to listen on."),
    option("--data", "PARLEY_DATA", "data", FOLDER, "Folder of keys, secrets and the embedded database."),
    option(
        "--public-url",
        "PARLEY_PUBLIC_URL",
        "public_url",
        BASE,
        "What people open; if absent, what a request names.",
    ),
    option(
        "--trusted-proxies",
        "PARLEY_TRUSTED_PROXIES",
        "trusted_proxies",
        NETWORKS,
        "Whose X-Forwarded-* to believe.",
    ),
    option("--metrics-from", "PARLEY_METRICS_FROM", "metrics_from", NETWORKS, "Who may read /metrics."),
    option(
        "--socket-origins",
        "PARLEY_SOCKET_ORIGINS",
        "socket_origins",
        ORIGINS,
        "Whose pages may use Socket.IO besides ours, such as https://app.example.org.",
    ),
    option("--socket-ping-s", "PARLEY_SOCKET_PING_S", "socket_ping_s", COUNT, "Seconds from ping to ping."),
    option(
        "--socket-pong-s",
        "PARLEY_SOCKET_PONG_S",
        "socket_pong_s",
        COUNT,
        "How long a ping may go unanswered.",
    ),
    option("--access-token-s", "PARLEY_ACCESS_TOKEN_S", "access_token_s", LIFE, "Life of an access token."),
    option(
        "--refresh-token-s",
        "PARLEY_REFRESH_TOKEN_S",
        "refresh_token_s",
        LIFE,
        "How long an unused device stays signed in.",
    ),
    option("--guest-token-s", "PARLEY_GUEST_TOKEN_S", "guest_token_s", LIFE, "Life of a guest's token."),
    option(
        "--credential-trust-s",
        "PARLEY_CREDENTIAL_TRUST_S",
        "credential_trust_s",
        SECONDS,
        "How long a sign-in or key that ended may pass where nobody told so.",
    ),
    option(
        "--idempotency-s",
        "PARLEY_IDEMPOTENCY_S",
        "idempotency_s",
        LIFE,
        "How long the answer to a request with an Idempotency-Key is kept.",
    ),
    option(
        "--bcrypt-cost",
        "PARLEY_BCRYPT_COST",
        "bcrypt_cost",
        click.IntRange(4, 16),
        "Hashing rounds, a power of two.",
    ),
    option(
        "--bcrypt-threads", "PARLEY_BCRYPT_THREADS", "bcrypt_threads", COUNT, "Passwords hashed at a time."
    ),
    option(
        "--password-queue",
        "PARLEY_PASSWORD_QUEUE",
        "password_queue",
        COUNT,
        "Passwords that may wait for that.",
    ),
    option(
        "--node-lease-s",
        "PARLEY_NODE_LEASE_S",
        "node_lease_s",
        SECONDS,
        "A node silent for so long counts as gone.",
    ),
    option(
        "--placement",
        "PARLEY_PLACEMENT",
        "placement",
        click.Choice(["least-loaded", "fill-first"]),
        "Which node takes a new room: the emptiest, or the fullest that has places left.",
    ),
    option(
        "--region",
        "PARLEY_REGION",
        "region",
        REGION,
        "Region of this replica, and of those who join here without naming theirs; nodes there go first.",
    ),
    option("--log-level", "PARLEY_LOG_LEVEL", "log_level", LEVEL, "What is logged."),
)
"""Where control is, whom it trusts, and how long what it gives out is good."""

OF_BOUNDS = together(
    option("--max-mail-files", "PARLEY_MAX_MAIL_FILES", "mail_files", COUNT, "Messages in the data folder."),
    option(
        "--rate-register",
        "PARLEY_RATE_REGISTER",
        "register_per_address",
        RATE,
        "Accounts made by one address.",
    ),
    option("--rate-sign-in", "PARLEY_RATE_SIGN_IN", "sign_in_per_address", RATE, "Sign-ins by one address."),
    option(
        "--rate-sign-in-email",
        "PARLEY_RATE_SIGN_IN_EMAIL",
        "sign_in_per_email",
        RATE,
        "Sign-ins to one account.",
    ),
    option(
        "--rate-refresh",
        "PARLEY_RATE_REFRESH",
        "refresh_per_address",
        RATE,
        "Token refreshes by one address.",
    ),
    option("--rate-join", "PARLEY_RATE_JOIN", "join_per_address", RATE, "Tickets given to one address."),
    option(
        "--rate-guess",
        "PARLEY_RATE_GUESS",
        "guess_per_address",
        RATE,
        "Wrong meeting codes from one address.",
    ),
    option(
        "--rate-create", "PARLEY_RATE_CREATE", "create_per_account", RATE, "Meetings made by one account."
    ),
    option("--rate-key", "PARLEY_RATE_KEY", "key_per_account", RATE, "API keys made by one account."),
    option(
        "--rate-chat",
        "PARLEY_RATE_CHAT",
        "chat_per_author",
        RATE,
        "Messages of one author in one meeting.",
    ),
    option("--max-webhooks", "PARLEY_MAX_WEBHOOKS", "webhooks_each", COUNT, "Webhooks of one account."),
    option(
        "--webhook-history",
        "PARLEY_WEBHOOK_HISTORY",
        "webhook_history",
        COUNT,
        "Deliveries kept of each webhook, to be sent again.",
    ),
    option(
        "--meeting-length-max-s",
        "PARLEY_MEETING_LENGTH_MAX_S",
        "meeting_length_max_s",
        LIFE,
        "The longest a meeting may be planned for.",
    ),
    option(
        "--meeting-ahead-max-s",
        "PARLEY_MEETING_AHEAD_MAX_S",
        "meeting_ahead_max_s",
        LIFE,
        "How far ahead a meeting may be planned.",
    ),
    option(
        "--meeting-reminder-s",
        "PARLEY_MEETING_REMINDER_S",
        "meeting_reminder_s",
        OFF_OR_SECONDS,
        "How long before a meeting the host and the invited are reminded by mail; 0: not at all.",
    ),
    option(
        "--meeting-end-s",
        "PARLEY_MEETING_END_S",
        "meeting_end_s",
        OFF_OR_SECONDS,
        "A planned meeting ends when it is over and has been empty for so long; 0: not by itself.",
    ),
    option(
        "--meeting-end-unscheduled-s",
        "PARLEY_MEETING_END_UNSCHEDULED_S",
        "meeting_end_unscheduled_s",
        OFF_OR_SECONDS,
        "A meeting without times ends when it has been empty for so long; 0: not by itself.",
    ),
    option(
        "--max-invitations", "PARLEY_MAX_INVITATIONS", "invitations", COUNT, "Invitations to one meeting."
    ),
    option(
        "--max-stays", "PARLEY_MAX_STAYS", "stays", COUNT, "Stays in a meeting that its attendance counts."
    ),
    option(
        "--rate-invite", "PARLEY_RATE_INVITE", "invite_per_host", RATE, "Mails to the invited of one host."
    ),
    option(
        "--rate-verify",
        "PARLEY_RATE_VERIFY",
        "verify_per_account",
        RATE,
        "Letters that one account asks for to verify its address.",
    ),
    option(
        "--rate-reset",
        "PARLEY_RATE_RESET",
        "reset_per_address",
        RATE,
        "New passwords asked for, or set by a link, by one address.",
    ),
    option(
        "--rate-reset-email",
        "PARLEY_RATE_RESET_EMAIL",
        "reset_per_email",
        RATE,
        "Letters to one account that has forgotten its password.",
    ),
    option("--max-api-keys", "PARLEY_MAX_API_KEYS", "api_keys_each", COUNT, "API keys of one account."),
    option(
        "--rate-upload",
        "PARLEY_RATE_UPLOAD",
        "upload_per_author",
        RATE,
        "Files of one author in one meeting.",
    ),
    option(
        "--rate-download",
        "PARLEY_RATE_DOWNLOAD",
        "download_per_author",
        RATE,
        "Files that one member of a meeting opens.",
    ),
    option("--max-file", "PARLEY_MAX_FILE", "file_bytes", COUNT, "Bytes in a file."),
    option("--max-uploads", "PARLEY_MAX_UPLOADS", "uploads", COUNT, "Uploads into the folder at a time."),
    option("--max-files-each", "PARLEY_MAX_FILES_EACH", "files_each", COUNT, "Files in one chat message."),
    option(
        "--max-meeting-files",
        "PARLEY_MAX_MEETING_FILES",
        "meeting_files_bytes",
        COUNT,
        "Bytes in all files of one meeting's chat.",
    ),
    option(
        "--max-recording",
        "PARLEY_MAX_RECORDING",
        "recording_bytes",
        COUNT,
        "Bytes in a recording; most S3 servers take 5 GiB at once.",
    ),
    option(
        "--max-meeting-recordings",
        "PARLEY_MAX_MEETING_RECORDINGS",
        "meeting_recordings_bytes",
        COUNT,
        "Bytes in all recordings of one meeting.",
    ),
    option(
        "--rate-connect",
        "PARLEY_RATE_CONNECT",
        "connect_per_address",
        RATE,
        "Socket.IO connections made by one address.",
    ),
    option(
        "--rate-socket",
        "PARLEY_RATE_SOCKET",
        "messages_per_connection",
        RATE,
        "Messages on one Socket.IO connection.",
    ),
    option(
        "--max-body",
        "PARLEY_MAX_BODY",
        "body_bytes",
        COUNT,
        "Bytes in a request's body or a Socket.IO message.",
    ),
    option("--max-report", "PARLEY_MAX_REPORT", "report_bytes", COUNT, "Bytes in a node's report."),
    option(
        "--max-sockets",
        "PARLEY_MAX_SOCKETS",
        "sockets",
        COUNT,
        "Event WebSockets and Socket.IO connections.",
    ),
    option("--max-sockets-each", "PARLEY_MAX_SOCKETS_EACH", "sockets_each", COUNT, "Those of one member."),
    option(
        "--max-socket-meetings",
        "PARLEY_MAX_SOCKET_MEETINGS",
        "socket_meetings",
        COUNT,
        "Meetings joined by one Socket.IO connection.",
    ),
    option(
        "--max-socket-present",
        "PARLEY_MAX_SOCKET_PRESENT",
        "socket_present",
        COUNT,
        "People listed when a meeting is joined over Socket.IO.",
    ),
    option(
        "--event-history",
        "PARLEY_EVENT_HISTORY",
        "event_history",
        COUNT,
        "Events kept per meeting for reconnecting.",
    ),
    option(
        "--event-outbox",
        "PARLEY_EVENT_OUTBOX",
        "event_outbox",
        COUNT,
        "Events that may wait for one listener.",
    ),
    option(
        "--event-send-s",
        "PARLEY_EVENT_SEND_S",
        "event_send_s",
        SECONDS,
        "How long sending one event may take.",
    ),
)
"""How often and how much."""
