"""Jobs: what is still to be done, written with the change that calls for it."""

import sqlalchemy as sa
from alembic import op

revision = "v0004"
down_revision = "v0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("key", sa.String(200), unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, index=True),
        sa.Column("ended_at", MOMENT),
        sa.Column("error", sa.Text),
        sa.Index(None, "state", "ended_at"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("jobs")
