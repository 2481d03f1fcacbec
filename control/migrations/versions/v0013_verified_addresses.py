"""When the address of an account was verified."""

import sqlalchemy as sa
from alembic import op

revision = "v0013"
down_revision = "v0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. The addresses there are counted as their owners' so far, and go on to."""
    op.add_column("accounts", sa.Column("email_verified_at", sa.DateTime(timezone=True)))
    accounts = sa.table("accounts", sa.column("created_at"), sa.column("email_verified_at"))
    op.execute(sa.update(accounts).values(email_verified_at=accounts.c.created_at))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("accounts") as batch:
        batch.drop_column("email_verified_at")
