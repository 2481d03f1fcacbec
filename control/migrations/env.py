"""How Alembic reaches the database: over the connection that `control.database` hands it."""

from alembic import context

from control.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters tables by making them anew
)
with context.begin_transaction():
    context.run_migrations()
