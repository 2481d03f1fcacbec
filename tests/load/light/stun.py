"""STUN Binding messages (RFC 8489) with the attributes ICE adds (RFC 8445 section 16.1).

Only what a participant with one candidate needs: to ask, to answer, to check that a message is genuine.
"""

import hashlib
import hmac
import ipaddress
import struct
import zlib
from dataclasses import dataclass

REQUEST = 0x0001
SUCCESS = 0x0101
FAILURE = 0x0111

_COOKIE = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_USERNAME = 0x0006
_INTEGRITY = 0x0008
_XOR_MAPPED_ADDRESS = 0x0020
_PRIORITY = 0x0024
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_CONTROLLED = 0x8029
_CONTROLLING = 0x802A
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_BYTES = 24
_FINGERPRINT_BYTES = 8

HOST_PRIORITY = 0x7E0000FF
"""Priority of a peer-reflexive candidate's only component (RFC 8445 section 5.1.2)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message; `attributes` holds raw values by type."""

    kind: int
    transaction: bytes
    attributes: dict[int, bytes]


def request(*, transaction: bytes, username: str, password: str, tiebreaker: int, controlling: bool) -> bytes:
    """Return a connectivity check; a controlling agent nominates with every check."""
    attributes = [
        (_USERNAME, username.encode()),
        (_PRIORITY, HOST_PRIORITY.to_bytes(4, "big")),
        (_CONTROLLING if controlling else _CONTROLLED, tiebreaker.to_bytes(8, "big")),
    ]
    if controlling:
        attributes.append((_USE_CANDIDATE, b""))
    return _seal(REQUEST, transaction, attributes, password)


def success(*, transaction: bytes, address: tuple[str, int], password: str) -> bytes:
    """Return the answer to a check that came from `address`."""
    host = ipaddress.ip_address(address[0])
    family = 1 if host.version == 4 else 2
    mask = (_COOKIE.to_bytes(4, "big") + transaction)[: len(host.packed)]
    mapped = struct.pack("!BBH", 0, family, address[1] ^ (_COOKIE >> 16))
    mapped += bytes(byte ^ key for byte, key in zip(host.packed, mask, strict=True))
    return _seal(SUCCESS, transaction, [(_XOR_MAPPED_ADDRESS, mapped)], password)


def parse(data: bytes) -> Message | None:
    """Return the message, or None if `data` is not one whole STUN message."""
    if len(data) < _HEADER.size:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if cookie != _COOKIE or length % 4 or length != len(data) - _HEADER.size:
        return None
    attributes: dict[int, bytes] = {}
    position = _HEADER.size
    while position < len(data):
        name, size = _ATTRIBUTE.unpack_from(data, position)
        position += _ATTRIBUTE.size
        if position + size > len(data):
            return None
        attributes.setdefault(name, data[position : position + size])
        position += size + -size % 4
    return Message(kind, transaction, attributes)


def genuine(data: bytes, password: str) -> bool:
    """Tell whether a parsed message ends as ICE wants it: integrity under `password`, then fingerprint."""
    body = len(data) - _INTEGRITY_BYTES - _FINGERPRINT_BYTES
    if body < _HEADER.size or data[body : body + 4] != _ATTRIBUTE.pack(_INTEGRITY, 20):
        return False
    covered = data[:2] + (body + _INTEGRITY_BYTES - _HEADER.size).to_bytes(2, "big") + data[4:body]
    expected = hmac.digest(password.encode(), covered, hashlib.sha1)
    return hmac.compare_digest(data[body + 4 : body + 24], expected) and data[-8:] == _fingerprint(data[:-8])


def _seal(kind: int, transaction: bytes, attributes: list[tuple[int, bytes]], password: str) -> bytes:
    """Return the message with integrity and fingerprint, each computed as if it were the last attribute."""
    body = b"".join(
        _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes
    )
    head = _HEADER.pack(kind, len(body) + _INTEGRITY_BYTES, _COOKIE, transaction)
    integrity = hmac.digest(password.encode(), head + body, hashlib.sha1)
    body += _ATTRIBUTE.pack(_INTEGRITY, len(integrity)) + integrity
    message = _HEADER.pack(kind, len(body) + _FINGERPRINT_BYTES, _COOKIE, transaction) + body
    return message + _fingerprint(message)


def _fingerprint(message: bytes) -> bytes:
    return _ATTRIBUTE.pack(_FINGERPRINT, 4) + (zlib.crc32(message) ^ _FINGERPRINT_XOR).to_bytes(4, "big")
