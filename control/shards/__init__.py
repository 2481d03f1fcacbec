"""Several databases. Accounts and nodes are in the first; a meeting, with all that is its own, is in the one
that its id names, which it never leaves. A transaction is of one database.
"""
