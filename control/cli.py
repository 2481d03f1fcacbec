"""The command `control`: settings from options and environment variables, then `serve`."""

import asyncio
import dataclasses
import logging
from typing import Any

import click

from control.app import serve
from control.database import Unreachable
from control.options import GROUPS, option
from control.parameters import (
    BASE,
    BROKER,
    COUNT,
    DATABASE,
    DATABASES,
    FOLDER,
    LEVEL,
    LIFE,
    MAIL_SERVER,
    MAILBOX,
    NETWORKS,
    OFF_OR_SECONDS,
    ORIGINS,
    PORT,
    RATE,
    REDIS,
    SECONDS,
)
from control.settings import Settings
from control.shards.ids import SHARDS_MAX

QUIET = ("aiosqlite", "alembic", "aio_pika", "aiormq")
"""Libraries that would log what people write, or are chatty."""


@click.command("control")
@option("--host", "PARLEY_CONTROL_HOST", "host", str, "Address to listen on.")
@option("--port", "PARLEY_CONTROL_PORT", "port", PORT, "TCP port to listen on.")
@option("--data", "PARLEY_DATA", "data", FOLDER, "Folder of keys, secrets and the embedded database.")
@option(
    "--database-url",
    "PARLEY_DATABASE_URL",
    "database_url",
    DATABASE,
    "postgresql://… or sqlite:///…; SQLite in the data folder if absent.",
)
@option(
    "--shard-urls",
    "PARLEY_SHARD_URLS",
    "shard_urls",
    DATABASES,
    "Further databases for meetings, in an order that stays; add new ones at the end.",
)
@option(
    "--replica-urls",
    "PARLEY_REPLICA_URLS",
    "replica_urls",
    DATABASES,
    "Read replicas for history and lists: the database's own, then the further ones' in their order.",
)
@option(
    "--database-readers",
    "PARLEY_DATABASE_READERS",
    "database_readers",
    COUNT,
    "Connections to each database that read.",
)
@option(
    "--database-writers",
    "PARLEY_DATABASE_WRITERS",
    "database_writers",
    COUNT,
    "Connections to each database that write; SQLite has one.",
)
@option(
    "--database-wait-s",
    "PARLEY_DATABASE_WAIT_S",
    "database_wait_s",
    SECONDS,
    "How long the database may keep us waiting at the start.",
)
@option(
    "--redis-url",
    "PARLEY_REDIS_URL",
    "redis_url",
    REDIS,
    "redis://… if there are several control processes: they tell each other of events.",
)
@option(
    "--amqp-url",
    "PARLEY_AMQP_URL",
    "amqp_url",
    BROKER,
    "amqp://… of a RabbitMQ that hands jobs to `parley worker`; control does them itself if absent.",
)
@option("--worker-port", "PARLEY_WORKER_PORT", "worker_port", PORT, "TCP port of a worker's metrics.")
@option(
    "--smtp-url",
    "PARLEY_SMTP_URL",
    "smtp_url",
    MAIL_SERVER,
    "smtp://user:password@host:587 or smtps://… to send mail by; files in the data folder if absent.",
)
@option(
    "--smtp-starttls",
    "PARLEY_SMTP_STARTTLS",
    "smtp_starttls",
    click.Choice(["offered", "required", "never"]),
    "When to encrypt a connection that begins as smtp://.",
)
@option(
    "--smtp-timeout-s",
    "PARLEY_SMTP_TIMEOUT_S",
    "smtp_timeout_s",
    SECONDS,
    "How long the mail server may take for an answer.",
)
@option("--mail-from", "PARLEY_MAIL_FROM", "mail_from", MAILBOX, "Whom mail is from; needed with SMTP.")
@option(
    "--jobs-concurrency",
    "PARLEY_JOBS_CONCURRENCY",
    "jobs_concurrency",
    COUNT,
    "Jobs done at a time.",
)
@option("--jobs-poll-s", "PARLEY_JOBS_POLL_S", "jobs_poll_s", SECONDS, "How often due jobs are looked for.")
@option(
    "--jobs-lease-s",
    "PARLEY_JOBS_LEASE_S",
    "jobs_lease_s",
    SECONDS,
    "How long an attempt at a job may take; after that another process takes it.",
)
@option(
    "--jobs-republish-s",
    "PARLEY_JOBS_REPUBLISH_S",
    "jobs_republish_s",
    SECONDS,
    "A job published so long ago that nobody has begun is published again.",
)
@option(
    "--jobs-attempts", "PARLEY_JOBS_ATTEMPTS", "jobs_attempts", COUNT, "Attempts before a job is given up."
)
@option(
    "--jobs-backoff-s",
    "PARLEY_JOBS_BACKOFF_S",
    "jobs_backoff_s",
    SECONDS,
    "Wait before the second attempt; doubled for each after it.",
)
@option(
    "--jobs-backoff-max-s",
    "PARLEY_JOBS_BACKOFF_MAX_S",
    "jobs_backoff_max_s",
    SECONDS,
    "The longest wait between two attempts.",
)
@option("--jobs-keep-s", "PARLEY_JOBS_KEEP_S", "jobs_keep_s", LIFE, "How long jobs are kept when done.")
@option(
    "--jobs-keep-dead-s",
    "PARLEY_JOBS_KEEP_DEAD_S",
    "jobs_keep_dead_s",
    LIFE,
    "How long jobs are kept that were given up.",
)
@option(
    "--meeting-length-max-s",
    "PARLEY_MEETING_LENGTH_MAX_S",
    "meeting_length_max_s",
    LIFE,
    "The longest a meeting may be planned for.",
)
@option(
    "--meeting-ahead-max-s",
    "PARLEY_MEETING_AHEAD_MAX_S",
    "meeting_ahead_max_s",
    LIFE,
    "How far ahead a meeting may be planned.",
)
@option(
    "--meeting-reminder-s",
    "PARLEY_MEETING_REMINDER_S",
    "meeting_reminder_s",
    OFF_OR_SECONDS,
    "How long before a meeting the host and the invited are reminded by mail; 0: not at all.",
)
@option(
    "--meeting-end-s",
    "PARLEY_MEETING_END_S",
    "meeting_end_s",
    OFF_OR_SECONDS,
    "A planned meeting ends when it is over and has been empty for so long; 0: not by itself.",
)
@option(
    "--meeting-end-unscheduled-s",
    "PARLEY_MEETING_END_UNSCHEDULED_S",
    "meeting_end_unscheduled_s",
    OFF_OR_SECONDS,
    "A meeting without times ends when it has been empty for so long; 0: not by itself.",
)
@option("--max-invitations", "PARLEY_MAX_INVITATIONS", "invitations", COUNT, "Invitations to one meeting.")
@option("--max-stays", "PARLEY_MAX_STAYS", "stays", COUNT, "Stays in a meeting that its attendance counts.")
@option("--max-mail-files", "PARLEY_MAX_MAIL_FILES", "mail_files", COUNT, "Messages in the data folder.")
@option(
    "--public-url",
    "PARLEY_PUBLIC_URL",
    "public_url",
    BASE,
    "What people open; if absent, what a request names.",
)
@option(
    "--trusted-proxies",
    "PARLEY_TRUSTED_PROXIES",
    "trusted_proxies",
    NETWORKS,
    "Whose X-Forwarded-* to believe.",
)
@option("--metrics-from", "PARLEY_METRICS_FROM", "metrics_from", NETWORKS, "Who may read /metrics.")
@option(
    "--socket-origins",
    "PARLEY_SOCKET_ORIGINS",
    "socket_origins",
    ORIGINS,
    "Whose pages may use Socket.IO besides ours, such as https://app.example.org.",
)
@option("--socket-ping-s", "PARLEY_SOCKET_PING_S", "socket_ping_s", COUNT, "Seconds from ping to ping.")
@option(
    "--socket-pong-s", "PARLEY_SOCKET_PONG_S", "socket_pong_s", COUNT, "How long a ping may go unanswered."
)
@option("--access-token-s", "PARLEY_ACCESS_TOKEN_S", "access_token_s", LIFE, "Life of an access token.")
@option(
    "--refresh-token-s",
    "PARLEY_REFRESH_TOKEN_S",
    "refresh_token_s",
    LIFE,
    "How long an unused device stays signed in.",
)
@option("--guest-token-s", "PARLEY_GUEST_TOKEN_S", "guest_token_s", LIFE, "Life of a guest's token.")
@option(
    "--idempotency-s",
    "PARLEY_IDEMPOTENCY_S",
    "idempotency_s",
    LIFE,
    "How long the answer to a request with an Idempotency-Key is kept.",
)
@option(
    "--bcrypt-cost",
    "PARLEY_BCRYPT_COST",
    "bcrypt_cost",
    click.IntRange(4, 16),
    "Hashing rounds, a power of two.",
)
@option("--bcrypt-threads", "PARLEY_BCRYPT_THREADS", "bcrypt_threads", COUNT, "Passwords hashed at a time.")
@option(
    "--password-queue", "PARLEY_PASSWORD_QUEUE", "password_queue", COUNT, "Passwords that may wait for that."
)
@option(
    "--node-lease-s",
    "PARLEY_NODE_LEASE_S",
    "node_lease_s",
    SECONDS,
    "A node silent for so long counts as gone.",
)
@option(
    "--rate-register", "PARLEY_RATE_REGISTER", "register_per_address", RATE, "Accounts made by one address."
)
@option("--rate-sign-in", "PARLEY_RATE_SIGN_IN", "sign_in_per_address", RATE, "Sign-ins by one address.")
@option(
    "--rate-sign-in-email", "PARLEY_RATE_SIGN_IN_EMAIL", "sign_in_per_email", RATE, "Sign-ins to one account."
)
@option(
    "--rate-refresh", "PARLEY_RATE_REFRESH", "refresh_per_address", RATE, "Token refreshes by one address."
)
@option("--rate-join", "PARLEY_RATE_JOIN", "join_per_address", RATE, "Tickets given to one address.")
@option(
    "--rate-guess", "PARLEY_RATE_GUESS", "guess_per_address", RATE, "Wrong meeting codes from one address."
)
@option("--rate-create", "PARLEY_RATE_CREATE", "create_per_account", RATE, "Meetings made by one account.")
@option("--rate-invite", "PARLEY_RATE_INVITE", "invite_per_host", RATE, "Mails to the invited of one host.")
@option("--rate-key", "PARLEY_RATE_KEY", "key_per_account", RATE, "API keys made by one account.")
@option("--rate-chat", "PARLEY_RATE_CHAT", "chat_per_author", RATE, "Messages of one author in one meeting.")
@option("--max-api-keys", "PARLEY_MAX_API_KEYS", "api_keys_each", COUNT, "API keys of one account.")
@option(
    "--rate-connect",
    "PARLEY_RATE_CONNECT",
    "connect_per_address",
    RATE,
    "Socket.IO connections made by one address.",
)
@option(
    "--rate-socket",
    "PARLEY_RATE_SOCKET",
    "messages_per_connection",
    RATE,
    "Messages on one Socket.IO connection.",
)
@option(
    "--max-body",
    "PARLEY_MAX_BODY",
    "body_bytes",
    COUNT,
    "Bytes in a request's body or a Socket.IO message.",
)
@option("--max-report", "PARLEY_MAX_REPORT", "report_bytes", COUNT, "Bytes in a node's report.")
@option(
    "--max-sockets",
    "PARLEY_MAX_SOCKETS",
    "sockets",
    COUNT,
    "Event WebSockets and Socket.IO connections.",
)
@option("--max-sockets-each", "PARLEY_MAX_SOCKETS_EACH", "sockets_each", COUNT, "Those of one member.")
@option(
    "--max-socket-meetings",
    "PARLEY_MAX_SOCKET_MEETINGS",
    "socket_meetings",
    COUNT,
    "Meetings joined by one Socket.IO connection.",
)
@option(
    "--max-socket-present",
    "PARLEY_MAX_SOCKET_PRESENT",
    "socket_present",
    COUNT,
    "People listed when a meeting is joined over Socket.IO.",
)
@option(
    "--event-history",
    "PARLEY_EVENT_HISTORY",
    "event_history",
    COUNT,
    "Events kept per meeting for reconnecting.",
)
@option(
    "--event-outbox", "PARLEY_EVENT_OUTBOX", "event_outbox", COUNT, "Events that may wait for one listener."
)
@option(
    "--event-send-s", "PARLEY_EVENT_SEND_S", "event_send_s", SECONDS, "How long sending one event may take."
)
@option("--log-level", "PARLEY_LOG_LEVEL", "log_level", LEVEL, "What is logged.")
def command(**options: Any) -> None:
    """Run the control service: accounts, meetings, chat, tickets.

    Rates are count/seconds, networks are separated by commas, lives are in seconds.
    """
    settings = prepared(options)
    try:
        asyncio.run(serve(settings))
    except Unreachable as error:
        raise click.ClickException(str(error)) from error


def prepared(options: dict[str, Any]) -> Settings:
    """Return the settings that the options make up, with the logging begun that they ask for."""
    settings = _settings(options)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    return settings


def shared(*fields: str) -> list[click.Parameter]:
    """Return the options of these fields of the settings, for other commands that need them too."""
    return [param for param in command.params if param.name in fields]


def _settings(options: dict[str, Any]) -> Settings:
    """Return the settings that the options, each named as its field, make up."""
    databases = 1 + len(options["shard_urls"])
    if databases > SHARDS_MAX:
        raise click.UsageError(f"There may be {SHARDS_MAX} databases, not {databases}.")
    if len(options["replica_urls"]) > databases:
        raise click.UsageError("There are more replicas than databases.")
    if options["smtp_url"] and not options["mail_from"]:
        raise click.UsageError("--smtp-url needs --mail-from (PARLEY_MAIL_FROM)")
    if options["smtp_url"] and not options["public_url"]:
        raise click.UsageError("--smtp-url needs --public-url (PARLEY_PUBLIC_URL), for the links in mails")
    groups = {
        name: kind(**{field.name: options.pop(field.name) for field in dataclasses.fields(kind)})
        for name, kind in GROUPS.items()
    }
    return Settings(**options, **groups)


if __name__ == "__main__":
    command()
