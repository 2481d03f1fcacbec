"""Files: what goes with chat messages, recordings, and the objects that are to be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "v0006"
down_revision = "v0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _attachments()
    _recordings()
    op.create_table(
        "doomed_objects",
        sa.Column("key", sa.String(65), primary_key=True),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("doomed_at", MOMENT, nullable=False, index=True),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("doomed_objects", "recordings", "attachments"):
        op.drop_table(table)


def _attachments() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("author_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(127), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("message", sa.Integer),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(128)),
        sa.Column("removed_at", MOMENT),
        sa.Index(None, "meeting_id", "message"),
        sa.Index(None, "message", "created_at"),
    )


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("key", sa.String(65), nullable=False),
        sa.Column("content_type", sa.String(127), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Index(None, "meeting_id", "started_at"),
    )
