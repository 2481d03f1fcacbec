"""Nodes that were given up, and how many nodes a meeting has been placed on."""

import sqlalchemy as sa
from alembic import op

revision = "v0009"
down_revision = "v0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, whose defaults serve processes that do not know of them yet."""
    with op.batch_alter_table("nodes") as batch:
        batch.add_column(sa.Column("lost_at", sa.DateTime(timezone=True)))
    with op.batch_alter_table("placements") as batch:
        batch.add_column(sa.Column("epoch", sa.Integer, nullable=False, server_default="1"))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("placements") as batch:
        batch.drop_column("epoch")
    with op.batch_alter_table("nodes") as batch:
        batch.drop_column("lost_at")
