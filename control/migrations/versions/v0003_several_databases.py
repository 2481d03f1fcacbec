"""Meetings may be in another database than accounts: no references, and the host's name with the meeting."""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "v0003"
down_revision = "v0002"
branch_labels = None
depends_on = None

REFERENCES = {"meetings": "host_id", "attendances": "account_id"}


def upgrade() -> None:
    """Give the database its place, meetings their host's name, and each run of a node its standing."""
    place = op.create_table(
        "place",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("system", sa.String(32)),
        sa.Column("number", sa.Integer),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.bulk_insert(place, [_first_place() if _is_used() else _no_place()])
    _add("meetings", sa.Column("host_name", sa.String(80)), "(SELECT name FROM accounts WHERE id = host_id)")
    _add("boots", sa.Column("current", sa.Boolean), "EXISTS (SELECT 1 FROM nodes WHERE boot = boots.id)")
    for table, column in REFERENCES.items():
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"fk_{table}_{column}", type_="foreignkey")


def downgrade() -> None:
    """Bring the references back, which the first database alone can keep."""
    for table, column in REFERENCES.items():
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(f"fk_{table}_{column}", "accounts", [column], ["id"])
    with op.batch_alter_table("boots") as batch:
        batch.drop_column("current")
    with op.batch_alter_table("meetings") as batch:
        batch.drop_column("host_name")
    op.drop_table("place")


def _add(table: str, column: sa.Column[Any], value: str) -> None:
    """Add a column that is never null, and has this value in the rows there are."""
    op.add_column(table, column)
    filling = sa.update(sa.table(table, sa.column(column.name)))
    op.execute(filling.values({column.name: sa.literal_column(value)}))
    with op.batch_alter_table(table) as batch:
        batch.alter_column(column.name, existing_type=column.type, nullable=False)


def _is_used() -> bool:
    """Tell whether there is anything in the database, which then is the first: there was no other."""
    return bool(op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT 1 FROM accounts)")))


def _first_place() -> dict[str, object]:
    return {"id": 1, "system": uuid4().hex, "number": 0, "count": 1}


def _no_place() -> dict[str, object]:
    return {"id": 1, "system": None, "number": None, "count": 0}
