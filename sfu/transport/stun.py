"""STUN as an ICE-lite agent needs it: read Binding requests, write their answers (RFC 8489, RFC 8445).

A total function over any bytes: what does not parse is None, and nothing here raises. It knows no
link, address table or clock; whether a request is genuine is for the caller, who has the password.
"""

import hmac
import struct
import zlib
from dataclasses import dataclass
from ipaddress import ip_address

BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111
ROLE_CONFLICT = 487

_COOKIE = 0x2112A442
_FINGERPRINT_XOR = 0x5354554E
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_HEADER_BYTES = 20
_INTEGRITY_BYTES = 20
_FINGERPRINT_BYTES = 8

_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_ERROR_CODE = 0x0009
_XOR_MAPPED_ADDRESS = 0x0020
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_ICE_CONTROLLED = 0x8029

Address = tuple[str, int] | tuple[str, int, int, int]
"""An IPv4 or IPv6 socket address, as the socket module has it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A well-formed STUN message. Attributes that ICE-lite has no use for are not kept.

    `username` is None if absent. `signed` is the part that MESSAGE-INTEGRITY covers, with the length
    field as the signature has it, and `signature` the HMAC; both are empty if it was absent.
    Attributes after MESSAGE-INTEGRITY are not authentic, so they are not read (RFC 8489 §14.5).
    """

    type: int
    transaction: bytes
    username: bytes | None
    use_candidate: bool
    controlled: bool
    signed: bytes
    signature: bytes

    def authentic(self, password: bytes) -> bool:
        """Tell whether MESSAGE-INTEGRITY was made with `password`."""
        if not self.signature:
            return False
        return hmac.compare_digest(hmac.digest(password, self.signed, "sha1"), self.signature)


def parse(data: bytes) -> Message | None:
    """Read a STUN message, or return None if `data` is not a well-formed one with a right FINGERPRINT."""
    if len(data) < _HEADER_BYTES or len(data) % 4:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind > 0x3FFF or cookie != _COOKIE or length != len(data) - _HEADER_BYTES:
        return None
    attributes: dict[int, bytes] = {}
    integrity_at = 0
    at = _HEADER_BYTES
    while at < len(data):
        name, size = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) != size:
            return None
        if name == _FINGERPRINT:
            if not _fingerprint_holds(data, at, value):
                return None
        elif name == _MESSAGE_INTEGRITY and not integrity_at:
            if size != _INTEGRITY_BYTES:
                return None
            integrity_at = at
            attributes[name] = value
        elif not integrity_at:
            attributes.setdefault(name, value)
        at += 4 + size + (-size % 4)
    return Message(
        type=kind,
        transaction=transaction,
        username=attributes.get(_USERNAME),
        use_candidate=_USE_CANDIDATE in attributes,
        controlled=_ICE_CONTROLLED in attributes,
        signed=_signed_part(data, integrity_at) if integrity_at else b"",
        signature=attributes.get(_MESSAGE_INTEGRITY, b""),
    )


def success(transaction: bytes, source: Address, password: bytes) -> bytes:
    """Return the answer to a Binding request of `transaction` that came from `source`."""
    return _sealed(BINDING_SUCCESS, transaction, _xor_mapped(transaction, source), password)


def role_conflict(transaction: bytes, password: bytes) -> bytes:
    """Return the answer that makes a peer take the controlling role (RFC 8445 §7.3.1.1)."""
    reason = b"Role Conflict"
    value = struct.pack("!HBB", 0, ROLE_CONFLICT // 100, ROLE_CONFLICT % 100) + reason
    return _sealed(BINDING_ERROR, transaction, _attribute(_ERROR_CODE, value), password)


def _attribute(name: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _signed_part(data: bytes, integrity_at: int) -> bytes:
    """Return what comes before MESSAGE-INTEGRITY, its length field as if that attribute were the last."""
    length = integrity_at + 4 + _INTEGRITY_BYTES - _HEADER_BYTES
    return data[:2] + length.to_bytes(2, "big") + data[4:integrity_at]


def _fingerprint_holds(data: bytes, at: int, value: bytes) -> bool:
    """Tell whether FINGERPRINT is the last attribute and is the CRC of all before it (RFC 8489 §14.7)."""
    return at + _FINGERPRINT_BYTES == len(data) and value == _crc(data[:at])


def _crc(data: bytes) -> bytes:
    return (zlib.crc32(data) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _sealed(kind: int, transaction: bytes, attributes: bytes, password: bytes) -> bytes:
    """Return a whole message: `attributes`, then MESSAGE-INTEGRITY, then FINGERPRINT."""
    length = len(attributes) + 4 + _INTEGRITY_BYTES
    signed = _HEADER.pack(kind, length, _COOKIE, transaction) + attributes
    signature = _attribute(_MESSAGE_INTEGRITY, hmac.digest(password, signed, "sha1"))
    length += _FINGERPRINT_BYTES
    checked = _HEADER.pack(kind, length, _COOKIE, transaction) + attributes + signature
    return checked + _attribute(_FINGERPRINT, _crc(checked))


def _xor_mapped(transaction: bytes, source: Address) -> bytes:
    """Return XOR-MAPPED-ADDRESS (RFC 8489 §14.2)."""
    packed = ip_address(source[0].partition("%")[0]).packed
    mask = _COOKIE.to_bytes(4, "big") + transaction
    masked = bytes(a ^ b for a, b in zip(packed, mask, strict=False))
    family = 1 if len(packed) == 4 else 2
    return _attribute(
        _XOR_MAPPED_ADDRESS, struct.pack("!BBH", 0, family, source[1] ^ (_COOKIE >> 16)) + masked
    )
