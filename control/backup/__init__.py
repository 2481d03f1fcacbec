"""Backup and restore: everything that must last, in files that either kind of database can be made from.

A backup is a set of files under one name:

- `manifest.json` (`schema.Manifest`): what there is, with the size and SHA-256 of each file.
- `manifest.sha256`: that of the manifest, as `sha256sum` checks it. Written last: without it, no backup.
- `database-0/accounts.jsonl.gz` and so on: a table's rows, each a line of JSON, an array of values in the
  order of the manifest's columns. Moments are RFC 3339 in UTC.
- `objects.jsonl.gz` (rows of `schema.OBJECTS`) and `objects/<key>`: files that people shared, as they are.
- `secrets/<name>`: the data folder's secrets, if they were asked for.

All databases are read first, each as it was at one moment: what a transaction changed is there whole or not
at all. The snapshot of the first database is the last to be taken, so each account that a meeting elsewhere
names is in it. Objects follow. They never change, and are in the store before a row names them, so what a
snapshot names is still there or was deleted in between, by retention for instance. That one is not in the
backup, and gone to whoever asks for it in the restored system, as it is in the one that was backed up.
Objects that came after the snapshots are there as well, and nobody names them.
"""
