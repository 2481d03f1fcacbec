"""Redundant audio (RFC 2198): each packet carries the one before it once more, or two.

The node takes redundancy apart when it comes in, and recovers with it what was lost on the way;
it adds some of its own only for receivers whose networks lose packets.
"""

from collections.abc import Iterator, Sequence

MAX_OFFSET = (1 << 14) - 1
"""How far back a block can reach, in clock ticks."""
MAX_BLOCK = (1 << 10) - 1
"""How long a redundant block can be, in bytes."""
MAX_BLOCKS = 16


def pack(payload_type: int, blocks: Sequence[tuple[int, bytes]], primary: bytes) -> bytes:
    """Return a payload of redundant `blocks`, oldest first, and the primary, all of `payload_type`.

    A block is how many ticks it was before the primary, and its bytes. Those that cannot be expressed
    are left out.
    """
    fitting = [each for each in blocks if 0 <= each[0] <= MAX_OFFSET and len(each[1]) <= MAX_BLOCK]
    head = b"".join(
        (1 << 31 | payload_type << 24 | ticks << 10 | len(block)).to_bytes(4, "big")
        for ticks, block in fitting
    )
    return head + bytes((payload_type,)) + b"".join(block for _, block in fitting) + primary


def unpack(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (payload type, ticks before the primary, bytes) of each block, the primary last.

    What is malformed yields nothing.
    """
    heads: list[tuple[int, int, int]] = []
    at = 0
    while at + 4 <= len(payload) and payload[at] & 0x80 and len(heads) < MAX_BLOCKS:
        word = int.from_bytes(payload[at : at + 4], "big")
        heads.append((word >> 24 & 0x7F, word >> 10 & MAX_OFFSET, word & MAX_BLOCK))
        at += 4
    if at >= len(payload) or payload[at] & 0x80:
        return
    primary_type, at = payload[at], at + 1
    if at + sum(size for _, _, size in heads) > len(payload):
        return
    for payload_type, ticks, size in heads:
        yield payload_type, ticks, payload[at : at + size]
        at += size
    yield primary_type, 0, payload[at:]
