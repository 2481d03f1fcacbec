"""How busy nodes said they are."""

import sqlalchemy as sa
from alembic import op

revision = "v0010"
down_revision = "v0009"
branch_labels = None
depends_on = None

COLUMNS = {
    "rooms": sa.Integer,
    "cpu": sa.Double,
    "loop_lag_s": sa.Double,
    "packets_out_per_s": sa.Double,
    "fullness": sa.Double,
}


def upgrade() -> None:
    """Make the columns, whose defaults serve processes that do not know of them yet."""
    with op.batch_alter_table("nodes") as batch:
        for name, kind in COLUMNS.items():
            batch.add_column(sa.Column(name, kind, nullable=False, server_default="0"))
        batch.add_column(sa.Column("full", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("nodes") as batch:
        for name in ("full", *COLUMNS):
            batch.drop_column(name)
