"""Meetings with times, who is invited to them, and who wishes no mail from this server."""

import sqlalchemy as sa
from alembic import op

revision = "v0008"
down_revision = "v0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and the columns, whose defaults serve processes that do not know of them yet."""
    with op.batch_alter_table("meetings") as batch:
        batch.add_column(sa.Column("starts_at", MOMENT))
        batch.add_column(sa.Column("ends_at", MOMENT))
        batch.add_column(sa.Column("time_zone", sa.String(64)))
        batch.add_column(sa.Column("cancelled", sa.Boolean, nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("sequence", sa.Integer, nullable=False, server_default="0"))
        batch.create_index("ix_meetings_host_id_ended_at", ["host_id", "ended_at"])
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "meeting_id", sa.String(32), sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("declined_at", MOMENT),
        sa.UniqueConstraint("meeting_id", "address"),
        sa.Index(None, "address", "meeting_id"),
    )
    op.create_table(
        "unsubscriptions",
        sa.Column("address", sa.String(254), primary_key=True),
        sa.Column("created_at", MOMENT, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("unsubscriptions")
    op.drop_table("invitations")
    with op.batch_alter_table("meetings") as batch:
        batch.drop_index("ix_meetings_host_id_ended_at")
        for column in ("sequence", "cancelled", "time_zone", "ends_at", "starts_at"):
            batch.drop_column(column)
