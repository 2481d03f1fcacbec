"""All that can be set, with defaults that suit one machine and a few hundred people."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import zip_longest
from pathlib import Path

from yarl import URL

from control.database import DatabaseUrl, database_url
from control.rates.port import Rate

Network = IPv4Network | IPv6Network

HERE_AND_PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often one caller may do one thing. An address is an IPv4 address or an IPv6 /64."""

    register_per_address: Rate = field(default=Rate(20, 600))
    sign_in_per_address: Rate = field(default=Rate(60, 60))
    sign_in_per_email: Rate = field(default=Rate(10, 60))
    refresh_per_address: Rate = field(default=Rate(120, 60))
    join_per_address: Rate = field(default=Rate(300, 60))
    guess_per_address: Rate = field(default=Rate(30, 60))
    create_per_account: Rate = field(default=Rate(60, 600))
    key_per_account: Rate = field(default=Rate(20, 600))
    invite_per_host: Rate = field(default=Rate(200, 3600))
    verify_per_account: Rate = field(default=Rate(5, 3600))
    reset_per_address: Rate = field(default=Rate(20, 600))
    reset_per_email: Rate = field(default=Rate(3, 3600))
    chat_per_author: Rate = field(default=Rate(20, 10))
    connect_per_address: Rate = field(default=Rate(300, 60))
    messages_per_connection: Rate = field(default=Rate(100, 10))
    upload_per_author: Rate = field(default=Rate(30, 60))
    download_per_author: Rate = field(default=Rate(600, 60))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on size and number."""

    body_bytes: int = 64 * 1024
    report_bytes: int = 512 * 1024
    event_history: int = 1000
    event_outbox: int = 256
    event_send_s: float = 10.0
    sockets: int = 5000
    sockets_each: int = 8
    socket_meetings: int = 32
    socket_present: int = 500
    password_queue: int = 64
    mail_files: int = 10_000
    api_keys_each: int = 20
    file_bytes: int = 25 * 1024 * 1024
    files_each: int = 10
    uploads: int = 64
    meeting_files_bytes: int = 1024 * 1024 * 1024
    recording_bytes: int = 5 * 1024 * 1024 * 1024
    meeting_recordings_bytes: int = 50 * 1024 * 1024 * 1024
    webhooks_each: int = 10
    webhook_history: int = 1000
    invitations: int = 100
    stays: int = 5000


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """How jobs are done, tried again, and forgotten."""

    jobs_concurrency: int = 8
    jobs_poll_s: float = 1.0
    jobs_lease_s: float = 60.0
    jobs_republish_s: float = 300.0
    jobs_attempts: int = 12
    jobs_backoff_s: float = 5.0
    jobs_backoff_max_s: float = 3600.0
    jobs_keep_s: int = 24 * 3600
    jobs_keep_dead_s: int = 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class MeetingSettings:
    """How long meetings are, how far ahead, and what happens by itself; 0 turns that off."""

    meeting_length_max_s: int = 24 * 3600
    meeting_ahead_max_s: int = 2 * 366 * 24 * 3600
    meeting_reminder_s: int = 600
    meeting_end_s: int = 3600
    meeting_end_unscheduled_s: int = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one control process."""

    host: str = ""
    port: int = 8080
    data: Path = Path("data")
    database_url: DatabaseUrl | None = None
    shard_urls: tuple[DatabaseUrl, ...] = ()
    replica_urls: tuple[DatabaseUrl, ...] = ()
    database_readers: int = 8
    database_writers: int = 8
    database_wait_s: float = 30.0
    redis_url: str | None = None
    amqp_url: str | None = None
    worker_port: int = 8079
    smtp_url: str | None = None
    smtp_starttls: str = "offered"
    smtp_timeout_s: float = 20.0
    mail_from: str | None = None
    email_verification: str | None = None
    verify_link_s: int = 3 * 24 * 3600
    reset_link_s: int = 3600
    s3_url: URL | None = None
    s3_public_url: URL | None = None
    s3_region: str = "us-east-1"
    s3_key: str | None = field(default=None, repr=False)
    s3_secret: str | None = field(default=None, repr=False)
    s3_wait_s: float = 30.0
    turn_urls: tuple[str, ...] = ()
    turn_secret: str | None = field(default=None, repr=False)
    turn_ttl_s: int = 12 * 3600
    upload_life_s: int = 15 * 60
    recording_upload_life_s: int = 6 * 3600
    download_life_s: int = 5 * 60
    retention_days: int | None = None
    sweep_s: float = 60.0
    webhooks_private: bool = False
    webhook_timeout_s: float = 10.0
    webhook_patience_s: int = 3 * 24 * 3600
    public_url: URL | None = None
    trusted_proxies: tuple[Network, ...] = ()
    metrics_from: tuple[Network, ...] = HERE_AND_PRIVATE
    socket_origins: tuple[URL, ...] = ()
    socket_ping_s: int = 25
    socket_pong_s: int = 30
    access_token_s: int = 3600
    refresh_token_s: int = 30 * 24 * 3600
    guest_token_s: int = 12 * 3600
    credential_trust_s: float = 5.0
    idempotency_s: int = 24 * 3600
    bcrypt_cost: int = 12
    bcrypt_threads: int = 2
    node_lease_s: float = 4.0
    placement: str = "least-loaded"
    region: str | None = None
    log_level: str = "INFO"
    rates: Rates = field(default_factory=Rates)
    limits: Limits = field(default_factory=Limits)
    jobs: JobSettings = field(default_factory=JobSettings)
    meetings: MeetingSettings = field(default_factory=MeetingSettings)

    @property
    def must_verify_email(self) -> bool:
        """Whether accounts' addresses must be verified: if nothing is set, where there is a mail server."""
        if self.email_verification is None:
            return self.smtp_url is not None
        return self.email_verification == "required"

    @property
    def databases(self) -> list[tuple[DatabaseUrl, DatabaseUrl | None]]:
        """Each database's address, and its replica's: if none is set, SQLite in the data folder."""
        first = self.database_url or database_url(f"sqlite:///{self.data.resolve() / 'control.sqlite'}")
        return list(zip_longest((first, *self.shard_urls), self.replica_urls))
