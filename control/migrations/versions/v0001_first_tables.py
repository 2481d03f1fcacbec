"""The first tables: accounts, meetings, who was there, what was said, and the nodes."""

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _accounts()
    _meetings()
    _feeds()
    _nodes()


def downgrade() -> None:
    """Drop them, those that refer to others first."""
    for table in (
        "placements", "node_commands", "boots", "nodes", "messages", "events", "feeds", "attendances",
        "meetings", "sign_ins", "accounts",
    ):  # fmt: skip
        op.drop_table(table)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("password_hash", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "account_id",
            sa.String(32),
            sa.ForeignKey("accounts.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("previous_hash", sa.String(64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("rotated_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
    )


def _meetings() -> None:
    op.create_table(
        "meetings",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("code", sa.String(14), nullable=False, unique=True),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("host_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("guests_allowed", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Index(None, "host_id", "created_at"),
    )
    op.create_table(
        "attendances",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id")),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("node_id", sa.String(64)),
        sa.Column("boot", sa.String(64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("joined_at", MOMENT),
        sa.Column("left_at", MOMENT),
        sa.Index(None, "meeting_id", "joined_at"),
        sa.Index(None, "account_id", "meeting_id"),
        sa.Index(None, "node_id", "left_at"),
    )


def _feeds() -> None:
    op.create_table(
        "feeds",
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("last_number", sa.Integer, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("frame", sa.Text, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author_id", sa.String(32)),
        sa.Column("author_name", sa.String(80)),
        sa.Column("client_id", sa.String(64)),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.UniqueConstraint("meeting_id", "author_id", "client_id"),
    )


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("boot", sa.String(64), nullable=False),
        sa.Column("signal_url", sa.String(2048), nullable=False),
        sa.Column("signal_port", sa.Integer, nullable=False),
        sa.Column("internal_url", sa.String(2048), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("peers", sa.Integer, nullable=False),
        sa.Column("reported_at", MOMENT, nullable=False),
    )
    op.create_table(
        "boots",
        sa.Column("node_id", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "node_commands",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("node_id", sa.String(64), nullable=False, index=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "placements",
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("node_id", sa.String(64), nullable=False, index=True),
        sa.Column("room_open", sa.Boolean, nullable=False),
        sa.Column("closing", sa.Boolean, nullable=False),
        sa.Column("tickets_until", MOMENT, nullable=False),
    )
