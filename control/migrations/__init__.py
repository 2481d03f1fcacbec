"""The database's history: one module per step, each with its way up and its way down."""
