"""Recordings that are being handed in."""

import sqlalchemy as sa
from alembic import op

revision = "v0012"
down_revision = "v0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
COLUMNS = ("deleted_at", "digest", "ready_at", "created_at", "title")


def upgrade() -> None:
    """Add the columns. Recordings that there are count as complete since they ended."""
    with op.batch_alter_table("recordings") as batch:
        batch.add_column(sa.Column("title", sa.String(120), nullable=False, server_default=""))
        batch.add_column(sa.Column("created_at", MOMENT))
        batch.add_column(sa.Column("ready_at", MOMENT))
        batch.add_column(sa.Column("digest", sa.String(128)))
        batch.add_column(sa.Column("deleted_at", MOMENT))
    op.execute("UPDATE recordings SET created_at = ended_at, ready_at = ended_at")
    with op.batch_alter_table("recordings") as batch:
        batch.alter_column("created_at", existing_type=MOMENT, nullable=False)
        batch.create_index("ix_recordings_created_at", ["created_at"])


def downgrade() -> None:
    """Drop them, and the recordings that were not listed."""
    op.execute("DELETE FROM recordings WHERE ready_at IS NULL OR deleted_at IS NOT NULL")
    with op.batch_alter_table("recordings") as batch:
        batch.drop_index("ix_recordings_created_at")
        for name in COLUMNS:
            batch.drop_column(name)
