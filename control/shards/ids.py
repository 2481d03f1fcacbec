"""Ids of meetings, which name the database: UUIDs of version 8 (RFC 9562) that begin with its number.

An id of any other form is the first database's, where meetings were before there were several.
"""

import re
import secrets

SHARDS_MAX = 32
"""As many as there are symbols a meeting's code may begin with."""

_NUMBERED = re.compile(r"([0-9a-f]{2})[0-9a-f]{10}8[0-9a-f]{3}[89ab][0-9a-f]{15}")


def new_id(shard: int) -> str:
    """Return an id of the database numbered `shard`, as 32 hex digits of which 114 bits are random."""
    octets = bytearray(secrets.token_bytes(16))
    octets[0] = shard
    octets[6] = 0x80 | octets[6] & 0x0F
    octets[8] = 0x80 | octets[8] & 0x3F
    return octets.hex()


def shard_of(meeting_id: str) -> int:
    """Return the number of the database that the id names."""
    parts = _NUMBERED.fullmatch(meeting_id)
    return 0 if parts is None else int(parts[1], 16)
