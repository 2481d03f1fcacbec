"""How often one caller may do one thing: token buckets, of one process or of all that share a Redis."""
